"""What the package promises: the command's figures, as frames, and errors that say what it said."""

from pathlib import Path

import pytest

import tokenfleet

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "scenarios" / "quickstart.toml"


def test_frames_agree_with_the_summary(tmp_path):
    result = tokenfleet.run(QUICKSTART, trials=3, seed=7, set={"pools.main.replicas": 3}, variant=["base"])
    assert result.manifest["seed"] == 7
    assert list(result.trials["trial"]) == [0, 1, 2]
    told = result.summary["variants"][0]["metrics"]
    metrics = result.metrics().query("scope == 'fleet'").set_index("metric")
    assert metrics.loc["usd_per_task", "mean"] == told["usd_per_task"]["mean"]
    assert metrics.loc["task_latency_s", "p95"] == told["task_latency_s"]["p95"]
    # The mean latency of the sampled tasks is near that of all.
    done = result.tasks.query("outcome == 'success'")
    assert done["latency_s"].mean() == pytest.approx(told["task_latency_s"]["mean"], rel=0.1)
    assert set(result.objectives()["name"]) == {"ttft_p95", "tpot_p95", "usd_per_task"}
    assert result.report.read_text().startswith("<!doctype html>")

    written = result.to_parquet(tmp_path)
    import pandas

    assert {path.stem for path in written} == set(result.tables)
    again = pandas.read_parquet(tmp_path / "trials.parquet")
    assert list(again["usd_per_task"]) == list(result.trials["usd_per_task"])
    assert result.arrow("trials").num_rows == 3


def test_the_same_seed_gives_the_same_frames():
    one, other = (tokenfleet.run(QUICKSTART, trials=2, variant=["base"]) for _ in range(2))
    assert one.trials.equals(other.trials)


def test_settings_are_passed_as_they_are_meant():
    settings = {
        "pools.main.precision": {"weights": "fp8", "kv": "fp8"},
        "pools.main.prefix_cache": False,
        "agents.assistant.arrivals.poisson": "0.1 /s",
    }
    result = tokenfleet.run(QUICKSTART, trials=1, set=settings, variant=["base"])
    assert result.summary["variants"][0]["metrics"]["prefix_hit_rate"]["mean"] in (0, None)


def test_experiments_leave_their_tables():
    swept = tokenfleet.sweep(QUICKSTART, over={"pools.main.replicas": [2, 3]}, trials=2)
    assert len(swept.points) == 2
    compared = tokenfleet.compare(QUICKSTART, trials=2)
    assert set(compared.comparison["variant"]) == {"h200", "b200"}
    explained = tokenfleet.explain(QUICKSTART, to="h200", trials=2)
    assert "hardware" in set(explained.explanation["factor"])


def test_bad_input_says_what_is_wrong():
    with pytest.raises(tokenfleet.Error, match="did you mean `h100-sxm`") as found:
        tokenfleet.run(QUICKSTART, set={"pools.main.accelerator": "h100-sxn"})
    assert found.value.code == 2
    assert "fine" in tokenfleet.check(QUICKSTART)


def test_the_notebook_runs():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "python" / "three-jobs.ipynb", as_version=4)
    done = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}})
    done.execute()
