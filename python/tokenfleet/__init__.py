"""Fleets of AI agents on fleets of LLM servers, simulated.

A thin layer over the ``tokenfleet`` command that this wheel carries: each function runs it and
gives what it leaves, tables as pandas frames or Arrow tables.

>>> import tokenfleet
>>> result = tokenfleet.run(trials=2)
>>> result.summary["scenario"]
'quickstart'
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

__all__ = ["Error", "Result", "check", "command", "compare", "explain", "run", "size", "sweep"]


class Error(RuntimeError):
    """The command refused: ``str(error)`` is what it says, with lines and ways to mend it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        #: Its exit code: 2 for bad input, 3 for an internal fault.
        self.code = code


def command() -> str:
    """Where the command lies: ``$TOKENFLEET``, that of this wheel, or one on the path."""
    named = os.environ.get("TOKENFLEET")
    if named:
        return named
    scripts = Path(sysconfig.get_path("scripts"))
    for name in ("tokenfleet", "tokenfleet.exe"):
        if (scripts / name).exists():
            return str(scripts / name)
    found = shutil.which("tokenfleet")
    if found is None:
        raise FileNotFoundError("there is no `tokenfleet` command; set TOKENFLEET to its path")
    return found


def _call(words: Sequence[str]) -> str:
    done = subprocess.run([command(), *words], capture_output=True, text=True, encoding="utf-8")
    if done.returncode not in (0, 1):
        raise Error(done.stderr.strip(), done.returncode)
    return done.stdout


def _toml(value: Any) -> str:
    """A value of ``set`` as the command reads it: text as it is, all else as TOML."""
    return value if isinstance(value, str) else _inline(value)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(str(key))} = {_inline(each)}" for key, each in value.items())
        return "{ " + inner + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_inline(each) for each in value) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    return repr(value)


def _flags(flags: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, Mapping):
            words += [word for path, each in value.items() for word in (flag, f"{path}={_toml(each)}")]
        elif isinstance(value, (list, tuple)):
            words += [word for each in value for word in (flag, str(each))]
        else:
            words += [flag, str(value)]
    return words


class Result:
    """What a command left: a folder, with its tables as frames.

    ``result.trials``, ``result.tasks``, ``result.timeseries``, ``result.distributions``,
    ``result.comparison``, ``result.points``, ``result.candidates`` and ``result.explanation`` are
    pandas frames of the CSV files of those names, where the command leaves them.
    """

    def __init__(self, folder: Path, keep: Any = None) -> None:
        self.folder = folder
        self._keep = keep

    def json(self, name: str) -> Any:
        """A JSON file of the folder: ``summary``, ``manifest``, ``comparison``, ``size``, ..."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    @property
    def summary(self) -> Any:
        """All figures of all variants, with intervals."""
        return self.json("summary")

    @property
    def manifest(self) -> Any:
        """What makes the result again: scenario, seed, version, command, sources."""
        return self.json("manifest")

    @property
    def report(self) -> Path:
        """The page to read and to send."""
        return self.folder / "report.html"

    @property
    def tables(self) -> list[str]:
        """Names of the tables that are there."""
        return sorted(path.stem for path in self.folder.glob("*.csv"))

    def frame(self, name: str) -> Any:
        """A table as a pandas frame."""
        import pandas

        return pandas.read_csv(self._table(name))

    def arrow(self, name: str) -> Any:
        """A table as an Arrow table."""
        from pyarrow import csv

        return csv.read_csv(self._table(name))

    def to_parquet(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Writes every table as ``NAME.parquet`` into a folder."""
        from pyarrow import parquet

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for name in self.tables:
            written.append(target / f"{name}.parquet")
            parquet.write_table(self.arrow(name), written[-1])
        return written

    def metrics(self) -> Any:
        """The figures as a tidy frame: a row for each variant, part and figure."""
        import pandas

        rows = []
        for variant in self.summary["variants"]:
            parts = [("fleet", "", variant["metrics"])]
            for scope in ("agents", "tenants", "pools"):
                parts += [(scope, name, found) for name, found in variant.get(scope, {}).items()]
            for scope, part, metrics in parts:
                for metric, figure in metrics.items():
                    head = {"variant": variant["name"], "scope": scope, "part": part}
                    rows.append({**head, "metric": metric, **figure})
        return pandas.DataFrame(rows)

    def objectives(self) -> Any:
        """The objectives as a frame: a row for each variant and objective."""
        import pandas

        variants = self.summary["variants"]
        rows = [{"variant": v["name"], **one} for v in variants for one in v["objectives"]]
        return pandas.DataFrame(rows)

    def _table(self, name: str) -> Path:
        path = self.folder / f"{name}.csv"
        if not path.exists():
            raise KeyError(f"no table {name!r}; there are {', '.join(self.tables)}")
        return path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not (self.folder / f"{name}.csv").exists():
            raise AttributeError(name)
        return self.frame(name)

    def __repr__(self) -> str:
        return f"<tokenfleet result in {self.folder}: {', '.join(self.tables)}>"


def _simulate(job: str, scenario: Any, out: Any, flags: Mapping[str, Any]) -> Result:
    keep = None
    if out is None:
        keep = tempfile.TemporaryDirectory(prefix="tokenfleet-")
        out = Path(keep.name) / "result"
    flags = dict(flags)
    engine, address, shards = (flags.pop(name, None) for name in ("engine", "address", "shards"))
    if engine not in (None, "local", "ray"):
        raise ValueError(f"engine {engine!r} is neither 'local' nor 'ray'")
    words = [job, *([] if scenario is None else [os.fspath(scenario)])]
    if engine == "ray":
        from . import ray

        words += _flags(flags)
        ray.simulate(words, out=out, address=address, shards=shards, quiet=True, show=None)
        return Result(Path(out), keep)
    words.append("--quiet")
    _call([*words, "--out", os.fspath(out), *_flags(flags)])
    return Result(Path(out), keep)


def run(
    scenario: str | os.PathLike[str] | None = None,
    *,
    trials: int | None = None,
    seed: int | None = None,
    set: Mapping[str, Any] | None = None,
    variant: Iterable[str] = (),
    out: str | os.PathLike[str] | None = None,
    **flags: Any,
) -> Result:
    """Simulates a scenario and its variants; without a file the small default one.

    ``set`` replaces values by path, ``{"pools.main.replicas": 8}``. Without ``out`` the folder lives
    as long as the result. Further ``flags`` are those of ``tokenfleet run``; ``engine="ray"`` with
    ``address`` and ``shards`` simulates on a Ray cluster (:mod:`tokenfleet.ray`).
    """
    flags = {"trials": trials, "seed": seed, "set": set, "variant": list(variant), **flags}
    return _simulate("run", scenario, out, flags)


def compare(scenario: Any = None, *, out: Any = None, **flags: Any) -> Result:
    """Variants against one of them, trial by trial; flags as ``tokenfleet compare`` has them."""
    return _simulate("compare", scenario, out, flags)


def sweep(scenario: Any = None, *, over: Mapping[str, Any], out: Any = None, **flags: Any) -> Result:
    """Many points: ``over={"pools.main.replicas": "4..8"}``; a list of values will do too."""
    text = {
        path: ",".join(map(_toml, values)) if isinstance(values, (list, tuple, range)) else values
        for path, values in over.items()
    }
    return _simulate("sweep", scenario, out, {"over": text, **flags})


def size(scenario: Any = None, *, out: Any = None, **flags: Any) -> Result:
    """The load that a fleet carries and the cheapest that meets all; flags as ``tokenfleet size``."""
    return _simulate("size", scenario, out, flags)


def explain(scenario: Any = None, *, to: str, out: Any = None, **flags: Any) -> Result:
    """Which factor brings how much of the difference between two variants."""
    return _simulate("explain", scenario, out, {"to": to, **flags})


def check(*scenarios: str | os.PathLike[str], set: Mapping[str, Any] | None = None) -> str:
    """What ``tokenfleet check`` says of sound scenarios; raises :class:`Error` with all faults."""
    return _call(["check", *map(os.fspath, scenarios), *_flags({"set": set})])
