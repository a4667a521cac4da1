"""Experiments on a Ray cluster: ``python -m tokenfleet.ray COMMAND SCENARIO --address ...``

The experiment is cut into shards, each of which is a task: the same ``tokenfleet`` command in a
process of its own. Plan, command and what was found travel through the object store; nodes share no
disk and need nothing but Ray. A shard whose worker or node is lost is simulated again elsewhere; it is
a pure function of the plan, so the result has the bytes of one machine.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Sequence

from tokenfleet import Error, command

__all__ = ["main", "simulate"]

#: Shards for each processor of the cluster: where trials differ in length, or a node is lost, the
#: others have something to do.
PER_CPU = 4


def _task() -> Any:
    """A shard as Ray calls it. It is sent to workers as it stands: they have no tokenfleet."""

    def shard(binary: bytes, system: str, plan: bytes, index: int, threads: int) -> Any:
        import ctypes
        import hashlib
        import os
        import platform
        import signal
        import subprocess
        import sys
        import tempfile
        from pathlib import Path

        if f"{platform.system()} {platform.machine()}" != system:
            return f"this node is {platform.system()} {platform.machine()}, the command is for {system}"
        folder = Path(tempfile.gettempdir()) / f"tokenfleet-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        known = folder.stat()
        if known.st_uid != os.getuid() or known.st_mode & 0o077:
            return f"{folder} belongs to somebody else"
        program = folder / hashlib.sha256(binary).hexdigest()
        if not program.exists():
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(binary)
            os.chmod(file.name, 0o700)
            os.replace(file.name, program)

        def ends_with_worker() -> None:
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(1, signal.SIGKILL)

        with tempfile.TemporaryDirectory(prefix="shard-", dir=folder) as place:
            (Path(place) / "plan.json").write_bytes(plan)
            words = ["shard", "run", "--plan", "plan.json", "--index", str(index)]
            words += ["--threads", str(threads), "--out", "shard"]
            done = subprocess.run(
                [str(program), *words],
                cwd=place,
                capture_output=True,
                preexec_fn=ends_with_worker,
            )
            if done.returncode != 0:
                return done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            return (Path(place) / "shard").read_bytes()

    return shard


def _tokenfleet(words: Sequence[str], **how: Any) -> subprocess.CompletedProcess:
    done = subprocess.run([command(), *words], **how)
    if done.returncode not in (0, 1):
        raise Error((done.stderr or b"").decode(errors="replace").strip(), done.returncode)
    return done


def simulate(
    words: Sequence[str],
    *,
    out: Any,
    address: str | None = None,
    shards: int | None = None,
    threads: int = 1,
    retries: int = 10,
    keep: Any = None,
    quiet: bool = False,
    show: str | None = "table",
) -> int:
    """Simulates what ``words`` say, as behind ``tokenfleet``, into the folder ``out``; the exit code.

    ``address`` is that of a cluster, as ``ray.init`` takes it; without it the cluster that is here, or
    one on this machine alone. A shard is tried again ``retries`` times where its worker or node is
    lost. Shards that are found are kept in the folder ``keep``, if named, and not simulated again.
    The answer is shown in the form of that name: ``table``, ``json``, ``csv``; or not at all.
    """
    import ray

    def tell(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    begun_here = not ray.is_initialized()
    if begun_here:
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    temporary = tempfile.TemporaryDirectory(prefix="tokenfleet-ray-")
    folder = Path(keep) if keep else Path(temporary.name)
    open_tasks: dict[Any, int] = {}
    try:
        cpus = int(ray.cluster_resources().get("CPU", 1))
        count = shards or max(1, PER_CPU * cpus // threads)
        folder.mkdir(parents=True, exist_ok=True)
        plan = Path(temporary.name) / "new-plan.json"
        planned = ["shard", "plan", "--shards", str(count), "--out", str(plan), *words]
        _tokenfleet(planned, stderr=subprocess.PIPE)
        kept = folder / "plan.json"
        if kept.exists() and kept.read_bytes() != plan.read_bytes():
            raise Error(f"{folder} holds shards of another plan; remove it, or choose another", 2)
        kept.write_bytes(plan.read_bytes())
        files = [folder / f"shard-{index}" for index in range(count)]
        missing = [index for index, file in enumerate(files) if not file.exists()]

        system = f"{platform.system()} {platform.machine()}"
        binary = ray.put(Path(command()).read_bytes())
        carried = ray.put(plan.read_bytes())
        task = ray.remote(num_cpus=threads, max_retries=retries)(_task())
        begin = time.monotonic()
        tell(f"{count} shards, {len(missing)} to simulate, on {cpus} processors")
        for index in missing:
            open_tasks[task.remote(binary, system, carried, index, threads)] = index
        while open_tasks:
            (done, *_), _ = ray.wait(list(open_tasks), num_returns=1)
            found, index = ray.get(done), open_tasks.pop(done)
            if isinstance(found, str):
                raise Error(f"shard {index}: {found}", 2)
            part = files[index].with_name(f"{files[index].name}.tmp")
            part.write_bytes(found)
            part.replace(files[index])
            ready, seconds = count - len(open_tasks), time.monotonic() - begin
            tell(f"shard {index} is found: {ready} of {count} after {seconds:.0f} s")
        whole = ["shard", "merge", "--plan", str(kept), "--out", str(out)]
        whole += ["--format", show or "csv"] + (["--quiet"] if quiet else [])
        shown = None if show else subprocess.DEVNULL
        return _tokenfleet([*whole, *map(str, files)], stdout=shown).returncode
    finally:
        for reference in open_tasks:
            ray.cancel(reference, force=True)
        if begun_here:
            ray.shutdown()
        temporary.cleanup()


def main(arguments: Sequence[str] | None = None) -> int:
    """What ``python -m tokenfleet.ray`` does: the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenfleet.ray",
        description="Simulates an experiment on a Ray cluster: the bytes of one machine, sooner.",
        epilog="Other flags are the command's own: tokenfleet COMMAND --help.",
        allow_abbrev=False,
    )
    parser.add_argument("command", help="run, compare, sweep, size, explain or sensitivity")
    parser.add_argument("scenario")
    parser.add_argument("--out", required=True, metavar="DIR", help="write the result into this folder")
    parser.add_argument("--address", help="of the cluster: auto, HOST:PORT or ray://HOST:10001; without it this machine")
    parser.add_argument("--shards", type=int, metavar="N", help=f"parts; {PER_CPU} for each processor without it")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="processors of a shard")
    parser.add_argument("--retries", type=int, default=10, metavar="N", help="times that a lost shard is tried again")
    parser.add_argument("--keep", metavar="DIR", help="keep shards here, and go on with those that are there")
    parser.add_argument("--format", default="table", choices=["table", "json", "csv"], help="how to print the answer")
    parser.add_argument("--quiet", "-q", action="store_true", help="print no progress")
    told, flags = parser.parse_known_args(arguments)
    try:
        return simulate(
            [told.command, told.scenario, *flags],
            out=told.out,
            address=told.address,
            shards=told.shards,
            threads=told.threads,
            retries=told.retries,
            keep=told.keep,
            quiet=told.quiet,
            show=told.format,
        )
    except Error as error:
        message = str(error)
        print(message if message.startswith("error") else f"error: {message}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("stopped; with --keep it could go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
