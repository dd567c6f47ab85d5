"""The logger tensorboard, read back by TensorBoard's EventAccumulator and its HPARAMS plugin."""

import math
import signal
from types import SimpleNamespace

import pytest
import yaml

import cygd
from cygd.network.epoch_rows import EpochRows
from cygd.tracking.loggers.tensorboard import TensorboardLogger
from tests.helpers.tracker_cases import (
    expected_rows,
    experiment,
    record,
    run_to_end,
    start,
    wait_for,
)

pytest.importorskip("tensorboardX")
pytest.importorskip("tensorboard", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def accumulate(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
    return events.Reload()


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def check_rows(folder, every=1):
    """Check that the events of a run are the rows of metrics.csv, each once, in float32."""
    events, csv = accumulate(folder / "tensorboard"), expected_rows(folder)
    last = max(csv)
    for tag in (
        "loss",
        "validation_loss",
        "accuracy",
        "validation_accuracy",
        "learning_rate",
        "running_loss",
    ):
        expected = [
            (epoch, pytest.approx(values[tag], rel=1e-6, nan_ok=True))
            for epoch, values in csv.items()
            if tag in values and (epoch % every == 0 or epoch == last)
        ]
        assert scalars(events, tag) == expected, tag
    return events


def test_scalars_are_the_rows_of_metrics_csv(here):
    result = cygd.run(experiment("tensorboard"), out=here / "out")
    events = check_rows(here / "out")
    for name, value in result.metrics.items():
        assert scalars(events, f"final/{name}") == [(20, pytest.approx(value, rel=1e-6))]


def test_times_of_events_follow_the_training(here):
    cygd.run(experiment("tensorboard"), out=here / "out")
    events, csv = accumulate(here / "out" / "tensorboard"), expected_rows(here / "out")
    times = [event.wall_time for event in events.Scalars("loss")]
    seconds = [values["seconds"] for values in csv.values()]
    assert [t - times[0] for t in times] == pytest.approx([s - seconds[0] for s in seconds], abs=1e-3)


def test_histograms_describe_the_weights(here):
    result = cygd.run(experiment("tensorboard"), out=here / "out")
    events = accumulate(here / "out" / "tensorboard")
    assert events.Tags()["histograms"] == ["weights/w0", "weights/b0", "weights/w1", "weights/b1"]
    histograms = events.Histograms("weights/w0")
    assert histograms[0].step == 0
    assert histograms[-1].step == 20
    w = result.model.network.weights[0]
    value = histograms[-1].histogram_value
    assert (value.num, value.min, value.max) == (w.size, w.min(), w.max())
    assert value.sum == pytest.approx(w.sum())
    assert value.sum_squares == pytest.approx((w * w).sum())
    assert sum(value.bucket) == w.size


def test_no_histograms(here):
    cygd.run(experiment({"name": "tensorboard", "histograms": 0}), out=here / "out")
    assert accumulate(here / "out" / "tensorboard").Tags()["histograms"] == []


def session_groups(logdir, hparams, metrics):
    """Return what the HPARAMS tab of a log folder shows: parameters and metrics of each run."""
    from tensorboard.backend.event_processing import data_provider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(logdir))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    columns = [
        api_pb2.ColParams(metric=api_pb2.MetricName(tag=tag), include_in_result=True) for tag in metrics
    ]
    columns += [api_pb2.ColParams(hparam=name, include_in_result=True) for name in hparams]
    described = get_experiment.Handler(
        RequestContext(), context, "", api_pb2.GetExperimentRequest(include_metrics=True)
    ).run()
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING],
        slice_size=100,
        col_params=columns,
        include_metrics=True,
    )
    groups = list_session_groups.Handler(RequestContext(), context, "", request).run().session_groups
    return described, groups


def test_hparams_tab_has_parameters_and_metrics_of_a_sweep(here):
    grid = {"grid": {"optimizer.learning_rate": [0.1, 0.01], "model.layers.0.activation": ["tanh", "relu"]}}
    content = experiment("tensorboard", epochs=3, sweep=grid)
    (here / "a.yaml").write_text(yaml.safe_dump(content))
    run_to_end(here, "a.yaml", "--out", "all", "--workers", "2", code="-m cygd sweep")
    logdir = here / "all" / "tensorboard"
    assert sorted(path.name for path in logdir.iterdir()) == ["0000", "0001", "0002", "0003"]
    described, groups = session_groups(
        logdir,
        ["optimizer.learning_rate", "model.layers.0.activation"],
        ["final/test_accuracy", "loss"],
    )
    assert {"optimizer.learning_rate", "model.layers.0.activation", "seed"} <= {
        info.name for info in described.hparam_infos
    }
    assert {"final/test_accuracy", "loss"} <= {info.name.tag for info in described.metric_infos}
    shown = {
        (
            group.hparams["optimizer.learning_rate"].number_value,
            group.hparams["model.layers.0.activation"].string_value,
        )
        for group in groups
    }
    assert shown == {(0.1, "tanh"), (0.1, "relu"), (0.01, "tanh"), (0.01, "relu")}
    accuracies = {metric.name.tag: metric.value for metric in groups[0].metric_values}
    assert 0 <= accuracies["final/test_accuracy"] <= 1
    assert all(group.sessions[0].status == 1 for group in groups)  # STATUS_SUCCESS


def test_resumed_run_has_every_step_once(here):
    cygd.run(experiment("tensorboard", epochs=20, checkpoint={"every": 7}), out=here / "out")
    cygd.resume(here / "out", ["train.epochs=30"])
    check_rows(here / "out")
    assert len(list((here / "out" / "tensorboard").iterdir())) == 2


def test_killed_run_has_every_step_once(here):
    content = experiment(
        {"name": "tensorboard", "rows": 0, "histograms": 3}, epochs=3000, checkpoint={"every": 50}
    )
    content["data"]["samples"] = 4000  # for epochs of some milliseconds
    (here / "a.yaml").write_text(yaml.safe_dump(content))
    process = start(here, "a.yaml", "--out", "out")
    wait_for(lambda: (here / "out" / "trackers.json").exists())
    wait_for(lambda: record(here / "out", "tensorboard").get("last", 0) > 100)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process = start(here, "--resume", "out")
    process.communicate(timeout=120)
    steps = [step for step, _ in scalars(accumulate(here / "out" / "tensorboard"), "loss")]
    assert len(steps) == len(set(steps))
    assert max(steps) == max(expected_rows(here / "out"))
    csv = expected_rows(here / "out")
    for step, value in scalars(accumulate(here / "out" / "tensorboard"), "loss"):
        assert value == pytest.approx(csv[step]["loss"], rel=1e-6)


def test_values_that_are_not_finite(here):
    config = {"train": {"epochs": 3, "evaluate_every": 1}}
    run = SimpleNamespace(name="xor", directory=here, config=config, seed=0, resumed=None)
    logger = TensorboardLogger(histograms=0)
    logger.cygd_run_start(run)
    values = [math.nan, math.inf, -math.inf, 1e300]
    for epoch, value in enumerate(values):
        logger.cygd_epochs_end(run, EpochRows.of_epoch(epoch, {"loss": value, "seconds": 0.1}))
    logger.cygd_run_error(run, ValueError())
    read = [value for _, value in scalars(accumulate(here / "tensorboard"), "loss")]
    assert read == pytest.approx([math.nan, math.inf, -math.inf, math.inf], nan_ok=True)  # float32
    assert record(here, "tensorboard")["missing"] == 0


def test_one_log_folder_for_all_runs(here):
    for seed in (0, 1):
        log = {"name": "tensorboard", "directory": "events"}
        cygd.run(experiment(log, seed=seed), out=here / f"out{seed}")
    assert sorted(str(path.relative_to(here)) for path in here.glob("events/*/*")) == [
        "events/moons/out0",
        "events/moons/out1",
    ]


def test_long_run_is_thinned(here):
    long = experiment("tensorboard", epochs=100_000)
    long["train"]["batch_size"] = "full"
    long["train"]["evaluate_every"] = 3
    cygd.run(long, out=here / "out")
    events = accumulate(here / "out" / "tensorboard")
    steps = [step for step, _ in scalars(events, "loss")]
    assert steps == sorted({*range(0, 100_000, 102), 100_000})
    assert record(here / "out", "tensorboard")["missing"] == 0
