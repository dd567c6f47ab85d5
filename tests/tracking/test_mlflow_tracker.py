"""The logger mlflow, read back by MLflow's client, from a store and from a server."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import cygd
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.loggers import background
from cygd.tracking.loggers.mlflow import MlflowLogger
from tests.helpers.tracker_cases import (
    expected_rows,
    experiment,
    record,
    run_to_end,
    start,
    wait_for,
)

pytest.importorskip("mlflow", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and its libraries


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(background, "_failed", set())
    return tmp_path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return the URI of a store, whose tables take seconds to create."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri)


def history(uri, folder, metric):
    number = record(folder, "mlflow")["run"]
    return sorted((each.step, each.value) for each in client(uri).get_metric_history(number, metric))


def check_rows(uri, folder):
    """Check that the metrics of a run are the rows of metrics.csv, each once."""
    csv = expected_rows(folder)
    for metric in ("loss", "validation_loss", "accuracy", "learning_rate", "running_loss"):
        expected = [(epoch, values[metric]) for epoch, values in csv.items() if metric in values]
        assert history(uri, folder, metric) == expected, metric


def test_run_has_parameters_metrics_files_and_status(here, store):
    result = cygd.run(experiment({"name": "mlflow", "uri": store}), out=here / "out")
    check_rows(store, here / "out")
    run = client(store).get_run(record(here / "out", "mlflow")["run"])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "moons/out"
    assert run.data.params["model.layers.0.units"] == "4"
    assert run.data.params["optimizer.learning_rate"] == "0.1"
    assert run.data.tags["cygd.directory"] == str(here / "out")
    assert {name: run.data.metrics[f"final/{name}"] for name in result.metrics} == result.metrics
    assert client(store).get_experiment(run.info.experiment_id).name == "moons"
    for name in ("config.yaml", "result.json", "metrics.csv"):
        path = client(store).download_artifacts(run.info.run_id, f"run/{name}", str(here))
        assert open(path).read() == (here / "out" / name).read_text()  # noqa: PTH123, SIM115


def test_model_predicts_what_cygd_predict_predicts(here, store):
    import mlflow
    import pandas as pd

    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "a": rng.normal(size=60),
            "color": rng.choice(["red", "blué", "green"], 60),
            "b": rng.normal(size=60),
        }
    )
    data["kind"] = np.where(data.a + data.b > 0, "yes", "no")
    data.to_csv("data.csv", index=False)
    content = experiment({"name": "mlflow", "uri": store}, epochs=5)
    content["data"] = {"source": "csv", "path": "data.csv", "targets": ["kind"], "scale": "standard"}
    (here / "a.yaml").write_text(yaml.safe_dump(content))
    cygd.run(here / "a.yaml", out=here / "out")
    (here / "data.csv").rename("elsewhere.csv")  # the model needs neither data nor run folder
    run_to_end(here, "out", "elsewhere.csv", "-o", "predicted.csv", code="-m cygd predict")
    (here / "out").rename("moved")
    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model(f"runs:/{record(here / 'moved', 'mlflow')['run']}/model")
    predicted = model.predict(data)
    expected = pd.read_csv("predicted.csv")
    assert list(predicted.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(predicted, expected, check_dtype=False, check_exact=True)
    data.loc[3, "a"] = np.nan
    assert model.predict(data).iloc[3].isna().all()


def test_resumed_run_goes_on_in_the_same_run(here, store):
    log = {"name": "mlflow", "uri": store}
    cygd.run(experiment(log, epochs=10, checkpoint={"every": 4}), out=here / "out")
    number = record(here / "out", "mlflow")["run"]
    cygd.resume(here / "out", ["train.epochs=16"])
    assert record(here / "out", "mlflow")["run"] == number
    check_rows(store, here / "out")
    assert client(store).get_run(number).info.status == "FINISHED"


def test_killed_run_has_every_step_once(here, store):
    content = experiment(
        {"name": "mlflow", "uri": store, "rows": 0, "model": False, "wait": 100},
        epochs=3000,
        checkpoint={"every": 50},
    )
    content["data"]["samples"] = 4000
    (here / "a.yaml").write_text(yaml.safe_dump(content))
    process = start(here, "a.yaml", "--out", "out")
    wait_for(lambda: (here / "out" / "trackers.json").exists())
    wait_for(lambda: record(here / "out", "mlflow").get("last", 0) > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run_to_end(here, "--resume", "out")
    csv = expected_rows(here / "out")
    logged = history(store, here / "out", "loss")
    assert logged == [(epoch, csv[epoch]["loss"]) for epoch, _ in logged]
    assert len(logged) == len(dict(logged))
    assert max(dict(logged)) == 3000
    assert client(store).get_run(record(here / "out", "mlflow")["run"]).info.status == "FINISHED"


def test_sweep_is_a_parent_run_with_nested_runs(here, store):
    content = experiment(
        {"name": "mlflow", "uri": store, "experiment": "sweep"},
        epochs=2,
        sweep={"grid": {"seed": [0, 1, 2, 3]}},
    )
    (here / "a.yaml").write_text(yaml.safe_dump(content))
    run_to_end(here, "a.yaml", "--out", "all", "--workers", "2", code="-m cygd sweep")
    found = client(store).get_experiment_by_name("sweep")
    runs = client(store).search_runs([found.experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert parent.info.run_name == "moons/all"
    assert sorted(run.info.run_name for run in children) == ["0000", "0001", "0002", "0003"]
    assert len(runs) == 5
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_processes_create_a_store_together(here):
    uri = f"sqlite:///{here}/new/mlflow.db"
    (here / "a.yaml").write_text(yaml.safe_dump(experiment({"name": "mlflow", "uri": uri, "wait": 120})))
    processes = [start(here, "a.yaml", f"seed={k}", "--out", f"out{k}") for k in range(3)]
    for process in processes:
        printed = process.communicate(timeout=180)[0]
        assert process.returncode == 0, printed
    for k in range(3):
        check_rows(uri, here / f"out{k}")


def test_names_and_values_that_mlflow_does_not_accept(here, store):
    config = {"train": {"epochs": 3, "evaluate_every": 1}, "data": {"größe [m²]": 3, "x" * 400: 1}}
    run = SimpleNamespace(name="xor", directory=here, config=config, seed=0, resumed=None)
    logger = MlflowLogger(store, model=False)
    logger.cygd_run_start(run)
    for epoch, value in enumerate([math.nan, math.inf, -math.inf, 1e300]):
        values = {"f1@0.5": value, "f1#0.5": 2.0, "准确率": 3.0, "a/b c": 4.0, "loss": 5.0, "seconds": 0.1}
        logger.cygd_epochs_end(run, EpochRows.of_epoch(epoch, values))
    logger.cygd_run_error(run, ValueError())
    assert record(here, "mlflow")["missing"] == 0
    data = client(store).get_run(record(here, "mlflow")["run"]).data
    assert set(data.metrics) == {"f1_0.5", "f1_0.5_2", "___", "a/b c", "loss", "seconds"}
    read = [value for _, value in sorted(history(store, here, "f1_0.5"))]
    assert math.isnan(read[0])
    assert read[1] > 1e300
    assert read[2] < -1e300
    assert read[3] == 1e300
    assert data.params["data.gr__e _m__"] == "3"


# -- a server ---------------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def server(folder, port):
    """Start an MLflow server, and yield its process; it is killed with its workers afterwards."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True
        )

    def answers():
        with suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).status == 200

    try:
        wait_for(answers, 90)
        yield process
    finally:
        kill_group(process)


def kill_group(process):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_server_gets_everything(here):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    with server(here, port):
        cygd.run(experiment({"name": "mlflow", "uri": uri}), out=here / "out")
        check_rows(uri, here / "out")
        number = record(here / "out", "mlflow")["run"]
        names = {each.path for each in client(uri).list_artifacts(number, "model")}
        assert {"model/MLmodel", "model/data", "model/requirements.txt"} <= names


def test_server_killed_in_the_middle_changes_no_bit(here):
    port = free_port()
    log = {"name": "mlflow", "uri": f"http://127.0.0.1:{port}", "rows": 0, "wait": 2, "model": False}
    content = experiment(log, epochs=6000)
    content["data"]["samples"] = 4000
    (here / "a.yaml").write_text(yaml.safe_dump(content))
    with server(here, port) as process:
        run = start(here, "a.yaml", "--out", "out")
        wait_for(lambda: (here / "out" / "trackers.json").exists())
        wait_for(lambda: record(here / "out", "mlflow").get("last", 0) > 0)
        kill_group(process)
        printed = run.communicate(timeout=120)[0]
    assert run.returncode == 0
    assert "of 6001 rows and the end of the run are missing" in printed
    assert 0 < record(here / "out", "mlflow")["missing"] < 6001
    (here / "b.yaml").write_text(yaml.safe_dump(content | {"log": []}))
    run_to_end(here, "b.yaml", "--out", "plain")
    for name in ("weights.npz", "hashes.csv"):
        assert (here / "out" / name).read_bytes() == (here / "plain" / name).read_bytes()


def test_server_that_is_not_there_delays_a_run_by_bounded_time(here):
    log = {"name": "mlflow", "uri": f"http://127.0.0.1:{free_port()}", "wait": 1}
    began = time.monotonic()
    result = cygd.run(experiment(log), out=here / "out")
    assert time.monotonic() - began < 20
    assert result.status == "completed"
    assert record(here / "out", "mlflow")["missing"] == 21
