"""The benchmark of whole jobs: plans, scripts, the check of equal results, time and memory of a process."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

import cygd
from cygd.runner.assembly import assemble


@pytest.fixture(scope="module")
def experiment(benchmarks):
    return benchmarks.CHECKOUT / "experiments" / "penguins.yaml"


@pytest.fixture(scope="module")
def run(experiment, tmp_path_factory):
    """A run folder of penguins.yaml."""
    out = tmp_path_factory.mktemp("run") / "penguins"
    cygd.run(experiment, ["train.epochs=6", "stop.patience=2"], out=out, threads=1)
    return out


@pytest.fixture
def plan(benchmarks, run, tmp_path):
    benchmarks.plans.write_plan(tmp_path / "plan", run, 1)
    return tmp_path / "plan"


def test_script_reads_the_data_of_cygd(benchmarks, experiment, plan):
    data = benchmarks.jobs.common.Plan(str(plan)).read()
    expected = assemble(experiment).data
    assert sorted(data) == ["test", "train", "validation"]
    for name, (x, y) in data.items():
        part = getattr(expected, name)
        np.testing.assert_allclose(x, part.x[part.rows], rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(y, part.y[part.rows].argmax(axis=1))


def test_plan_has_the_weights_orders_and_rates_of_the_run(benchmarks, experiment, plan):
    found = benchmarks.jobs.common.Plan(str(plan))
    network = assemble(experiment).network
    np.testing.assert_array_equal(found.weights[1], network.weights[1])
    assert found.rates == [0.1] * 6
    assert (found.patience, found.batch_size, found.loss) == (2, 32, "cross_entropy")
    assert [sorted(order) for order in found.orders] == [list(range(len(found.rows["train"])))] * 6
    assert not np.array_equal(found.orders[0], found.orders[1])


@pytest.mark.parametrize(
    ("script", "packages"),
    [("sklearn_job", ["sklearn"]), ("torch_job", ["torch"]), ("jax_job", ["jax", "optax"])],
)
def test_script_reaches_the_metrics_of_cygd(script, packages, benchmarks, run, plan, tmp_path):
    if not all(map(benchmarks.workers.present, packages)):
        pytest.skip(f"needs {' and '.join(packages)}")
    experiments = benchmarks.experiments
    bench, peer = experiments.Bench(tmp_path, 10), experiments.Peer(script, script, tuple(packages))
    out, usage = bench.theirs(peer, plan, 1)
    experiments.check(experiments.Job("penguins", "penguins", 1), script, run, out, exact=True)
    assert len(list(out.glob("model.*"))) == 1
    assert usage["cpu_seconds"] > 0


def result(folder, losses, accuracy=1.0, test_accuracy=0.9):
    """Write a metrics table and the result of a run."""
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["epoch", "loss", "accuracy"], *([k, v, accuracy] for k, v in enumerate(losses))])
    metrics = {"loss": losses[-1], "accuracy": accuracy, "test_accuracy": test_accuracy}
    (folder / "result.json").write_text(json.dumps({"epochs": len(losses) - 1, "metrics": metrics}))
    return folder


@pytest.mark.parametrize(
    ("exact", "losses", "options", "message"),
    [
        (True, [1.0, 0.502], {}, None),
        (True, [1.0, 0.51], {}, r"label, peer, (saved|epoch 1): loss 0.51, cygd 0.5"),
        (True, [1.02, 0.5], {}, r"label, peer, epoch 0: loss 1.02, cygd 1"),
        (True, [1.0, float("nan")], {}, "loss nan, cygd 0.5"),
        (True, [1.0, 0.6, 0.5], {}, "label, peer: 2 epochs, cygd 1"),
        (True, [1.0, 0.5], {"accuracy": 0.99}, "accuracy 0.99, cygd 1"),
        (True, [1.0, 0.5], {"test_accuracy": 0.8}, "saved: test_accuracy 0.8, cygd 0.9"),
        (False, [1.5, 0.7], {"accuracy": 0.8, "test_accuracy": 0.885}, None),
        (False, [1.0, 0.5], {"test_accuracy": 0.87}, "label, peer: test_accuracy 0.87, cygd 0.9"),
        (False, [1.0, 0.5], {"test_accuracy": float("nan")}, "test_accuracy nan, cygd 0.9"),
        (False, [1.0, 0.6, 0.5], {}, "label, peer: 2 epochs, cygd 1"),
    ],
)
def test_results_must_be_equal(exact, losses, options, message, benchmarks, tmp_path):
    experiments = benchmarks.experiments
    ours, theirs = result(tmp_path / "ours", [1.0, 0.5]), result(tmp_path / "theirs", losses, **options)
    job = experiments.Job("job", "label", 1)
    if message is None:
        experiments.check(job, "peer", ours, theirs, exact)
        return
    with pytest.raises(experiments.JobError, match=message):
        experiments.check(job, "peer", ours, theirs, exact)


def test_section_of_a_job_with_an_absent_peer(benchmarks, monkeypatch):
    pytest.importorskip("sklearn")
    experiments = benchmarks.experiments
    peers = [experiments.PEERS[0], experiments.Peer("Fast", "fast_job", ("no_such_package",))]
    monkeypatch.setattr(experiments, "PEERS", peers)
    jobs = [experiments.Job("penguins", "penguins", 1e9), experiments.Job("penguins", "too wide", 1, 99)]
    section = experiments.run(quick=True, jobs=jobs)
    [table] = section.tables
    assert [row[:3] for row in table.rows] == [["penguins", "1", "cygd"], ["penguins", "1", "scikit-learn"]]
    assert all(len(row) == len(table.head) for row in table.rows)
    assert table.rows[0][-1] == "1e+09 times the fastest peer: missed"
    assert "Skipped: Fast: not installed." in section.text


def test_script_that_fails_is_an_error(benchmarks, tmp_path):
    bench = benchmarks.experiments.Bench(tmp_path, 10)
    experiments = benchmarks.experiments
    with pytest.raises(experiments.JobError, match=r"sklearn_job ended with exit code 1: .*plan.json"):
        bench.theirs(experiments.PEERS[0], tmp_path / "absent", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs wait4")
def test_launch_measures_the_process_alone(benchmarks):
    ballast = np.ones(30_000_000)  # of this process, 240 MB: must not count
    cpu = str(benchmarks.workers.cores()[0])
    program = "x = bytearray(100_000_000)\nimport time; time.sleep(0.1); print('noise')"
    command = [sys.executable, "-I", "-S", str(benchmarks.CHECKOUT / "benchmarks" / "launch.py"), cpu]
    done = subprocess.run(
        [*command, sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["code"] == 0
    assert found["seconds"] > 0.1
    assert 100e6 < found["peak_bytes"] < 200e6
    assert ballast.nbytes == 240_000_000
    done = subprocess.run([*command, sys.executable, "-c", "exit(3)"], capture_output=True, text=True)
    assert json.loads(done.stdout)["code"] == 3
