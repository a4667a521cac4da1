"""On a cluster of two nodes that loses a worker and then a node, an experiment ends in the bytes of one
machine. Token authentication is on."""

import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import tokenfleet

os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(16))
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "coding-agents.toml"


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    cluster.second = cluster.add_node(**small)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def shards_under_way():
    """Shards that are being simulated, with the workers behind them."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"shard", b"run"]:
                stat = (folder / "stat").read_text()
                found[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            pass
    return found


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def is_of_node(pid, node):
    """Whether a process descends from a node's raylet."""
    raylets = {process.process.pid for process in node.all_processes["raylet"]}
    while pid > 1:
        if pid in raylets:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_a_worker_and_a_node_are_lost(cluster, tmp_path):
    from tokenfleet.ray import simulate

    words = ["run", str(SCENARIO), "--trials", "8", "--seed", "3"]
    tokenfleet.run(SCENARIO, trials=8, seed=3, out=tmp_path / "one")
    lost = []

    def lose():
        _, worker = next(iter(wait_for(shards_under_way).items()))
        os.kill(worker, signal.SIGKILL)
        lost.append("worker")
        # The shard's own process goes with its worker.
        wait_for(lambda: worker not in shards_under_way().values())
        wait_for(lambda: any(is_of_node(pid, cluster.second) for pid in shards_under_way()))
        cluster.remove_node(cluster.second, allow_graceful=False)
        lost.append("node")

    killer = threading.Thread(target=lose)
    killer.start()
    code = simulate(words, out=tmp_path / "many", address=cluster.address, shards=6)
    killer.join()
    assert (code, lost) == (0, ["worker", "node"])
    assert files(tmp_path / "many") == files(tmp_path / "one")


def test_what_is_wrong_is_told_as_by_the_command(cluster, tmp_path):
    from tokenfleet.ray import simulate

    with pytest.raises(tokenfleet.Error, match="did you mean `trials`"):
        words = ["run", str(SCENARIO), "--set", "run.trails=3"]
        simulate(words, out=tmp_path / "none", address=cluster.address)
    assert not (tmp_path / "none").exists()


def test_shards_that_are_kept_are_not_simulated_again(cluster, tmp_path, capfd):
    from tokenfleet.ray import main

    scenario = SCENARIO.with_name("quickstart.toml")
    words = ["sweep", str(scenario), "--over", "pools.main.replicas=2,3", "--trials", "2"]
    words += ["--address", cluster.address, "--shards", "2", "--keep", str(tmp_path / "kept")]
    assert main([*words, "--out", str(tmp_path / "first")]) == 0
    assert "2 to simulate" in capfd.readouterr().err
    (tmp_path / "kept" / "shard-1").unlink()
    assert main([*words, "--out", str(tmp_path / "again")]) == 0
    assert "1 to simulate" in capfd.readouterr().err
    assert files(tmp_path / "first") == files(tmp_path / "again")
