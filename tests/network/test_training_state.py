"""A training resumed from a state ends with the bits of an uninterrupted one."""

from dataclasses import replace

import numpy as np
import pytest

from cygd import Network
from cygd.components import Optimizer, Schedule, resolve
from cygd.components.optimizers import OPTIMIZERS
from cygd.components.schedules import SCHEDULES
from cygd.errors import CheckpointError
from cygd.network.early_stopping import EarlyStopping
from cygd.network.evaluation import Rows
from cygd.network.history import UNMEASURED
from tests.helpers.training_cases import train

EPOCHS = 9


def data(dtype):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(37, 3)).astype(dtype)
    return x, np.sin(x[:, :2]).astype(dtype)


def network(dtype="float64"):
    layers = [{"units": 5, "activation": "tanh", "dropout": 0.2, "l2": 1e-3}, (2, "identity")]
    return Network(3, layers, loss="mse", dtype=dtype, seed=3)


def copied(state, rows):
    """Return a copy of a state with its rows, as a checkpoint holds it."""
    return replace(state.copy(), rows=[dict(row) for row in rows[: state.epoch]])


def trained(net, *, epochs=EPOCHS, start=None, keep=None, optimizer="adam", schedule=None, **options):
    """Train; return the history, the rows by epoch, and the state at the epoch `keep`."""
    x, y = data(net.dtype)
    rows, found, getters = list(start.rows) if start else [], [], []
    if schedule is not None:
        options["schedule"] = resolve("schedule", schedule)

    def on_epoch(epoch, values):
        rows.append(values)
        if epoch == keep:
            found.append(copied(getters[0](), rows))

    history = train(
        net,
        x,
        y,
        optimizer=resolve("optimizer", optimizer),
        epochs=epochs,
        validation=Rows(x[:9], y[:9]),
        on_epoch=on_epoch,
        start=start,
        on_start=getters.append,
        **{"batch_size": 8, **options},
    )
    return history, rows, found[0] if found else None


def timeless(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_same(one, other):
    (net, (history, rows, _)), (again, (history_again, rows_again, _)) = one, other
    assert net.parameters.tobytes() == again.parameters.tobytes()
    assert timeless(rows) == timeless(rows_again)
    assert {name: history[name] for name in history if name != "seconds"} == {
        name: history_again[name] for name in history_again if name != "seconds"
    }
    assert (history.status, history.epochs, history.best_epoch) == (
        *(history_again.status, history_again.epochs, history_again.best_epoch),
    )
    assert (net.epochs, net.updates) == (again.epochs, again.updates)


def check(keep, dtype="float64", epochs=EPOCHS, **options):
    """Stop at an epoch, resume in another network, and compare with an uninterrupted training."""
    whole = network(dtype)
    full = trained(whole, epochs=epochs, keep=keep, **options)
    assert full[2] is not None
    again = network(dtype)
    again.parameters[...] = 7.0  # overwritten by the state
    assert_same((whole, full), (again, trained(again, epochs=epochs, start=full[2], **options)))


@pytest.mark.parametrize("batch_size", [1, 8, "full"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [optimizer.name for optimizer in OPTIMIZERS])
def test_resume_every_optimizer(optimizer, dtype, batch_size):
    check(4, dtype, optimizer={"name": optimizer, "learning_rate": 0.01}, batch_size=batch_size)


@pytest.mark.parametrize("schedule", [schedule.name for schedule in SCHEDULES])
def test_resume_every_schedule(schedule):
    check(5, schedule={"name": schedule, "warmup": 2})


@pytest.mark.parametrize("keep", range(EPOCHS + 1))
def test_resume_a_metric_schedule(keep):
    schedule = {"name": "reduce_on_plateau", "patience": 0, "threshold": 0.1, "cooldown": 1}
    for every in (1, 2):
        check(keep, schedule=schedule, evaluate_every=every)


@pytest.mark.parametrize("keep", range(11))
def test_resume_early_stopping(keep):
    stop = EarlyStopping(monitor="validation_loss", patience=3, restore_best=True)
    optimizer = {"name": "sgd", "learning_rate": 0.8}
    check(keep, epochs=40, stop=stop, optimizer=optimizer, metrics=[resolve("metric", "mae")])


@pytest.mark.parametrize("every", [0, 1, 4])
def test_resume_with_more_epochs(every):
    # the last row was measured outside of the rhythm, and early stopping has seen it
    stop = EarlyStopping(monitor="loss", patience=4) if every else None
    short = network()
    state = trained(short, epochs=6, keep=6, evaluate_every=every, stop=stop)[2]
    again, whole = network(), network()
    options = {"epochs": 11, "evaluate_every": every, "stop": stop}
    assert_same((whole, trained(whole, **options)), (again, trained(again, start=state, **options)))


def bouncing(w, g, state, learning_rate, step):
    state["m"] = 0.9 * state["m"] + g  # replaced, not changed
    state.setdefault("seen", np.zeros(1))
    state["seen"] += 1
    w -= learning_rate * state["m"] / state["seen"]


def test_resume_a_python_optimizer():
    check(4, optimizer=Optimizer("bouncing", bouncing, state=["m"]))


def test_resume_a_formula_optimizer():
    formula = {"m": "0.9 * m + g", "w": "w - learning_rate * m"}
    check(4, optimizer=Optimizer("written", formula=formula, state=["m"]))


def test_the_state_within_an_epoch_is_that_of_the_last_complete_one():
    getters, seen = [], []

    def failing(epoch, epochs):
        if epoch == 3:
            seen.append(getters[0]())
            raise ValueError("no more")
        return 1.0

    net = network()
    x, y = data(net.dtype)
    with pytest.raises(ValueError, match="no more"):
        train(
            net,
            x,
            y,
            optimizer=resolve("optimizer", "adam"),
            schedule=Schedule("failing", failing),
            on_epoch=lambda epoch, values: None,
            on_start=getters.append,
        )
    assert seen[0].epoch == getters[0]().epoch == 3
    assert set(seen[0].last) == set(UNMEASURED)


def test_no_state_after_the_best_weights_are_restored():
    getters = []
    net = network()
    x, y = data(net.dtype)
    train(
        net,
        x,
        y,
        optimizer=resolve("optimizer", "sgd"),
        epochs=3,
        stop=EarlyStopping(),
        on_start=getters.append,
    )
    assert getters[0]() is None


@pytest.mark.parametrize("wrong", [None, np.zeros(3)])
@pytest.mark.parametrize("name", ["parameters", "m"])
def test_a_state_of_another_training_is_an_error(name, wrong):
    net = network()
    state = trained(net, epochs=2, keep=1)[2]
    if name == "parameters":
        state = replace(state, parameters=np.zeros(3))
    elif wrong is None:
        state = replace(state, optimizer={key: state.optimizer[key] for key in state.optimizer if key != "m"})
    else:
        state = replace(state, optimizer={**state.optimizer, "m": wrong})
    before = net.parameters.copy()
    with pytest.raises(CheckpointError, match=f"does not fit the experiment: {name}$"):
        trained(net, start=state)
    assert np.array_equal(net.parameters, before)


def test_an_interrupt_after_the_engine_loses_no_epoch(monkeypatch):
    getters, (x, y) = [], data(np.float64)
    whole, net = network(), network()
    full = trained(whole)
    call_engine = Network._call_engine

    def interrupted(self, function, *arguments, **options):
        result = call_engine(self, function, *arguments, **options)
        if getattr(function, "__name__", "") == "run" and self.epochs == 4:
            raise KeyboardInterrupt  # where Python looks for signals first
        return result

    monkeypatch.setattr(Network, "_call_engine", interrupted)
    rows, kept = [], []
    with pytest.raises(KeyboardInterrupt):
        train(
            net,
            x,
            y,
            optimizer=resolve("optimizer", "adam"),
            epochs=EPOCHS,
            batch_size=8,
            validation=Rows(x[:9], y[:9]),
            on_epoch=lambda epoch, values: rows.append(values),
            on_start=getters.append,
        )
    monkeypatch.undo()
    for _ in range(2):
        kept.append(copied(getters[0](), rows))
    assert len(rows) == kept[0].epoch == kept[1].epoch == 5
    again = network()
    assert_same((whole, full), (again, trained(again, start=kept[1])))
