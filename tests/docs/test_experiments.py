"""Every experiment reproducibly ends with the values in its head comment.

The head comment states the expected values:

    # ends with: test_accuracy >= 0.96, loss < 0.1
    # after 1 epoch: w0[0,0] = 1.2, loss = 1.6

where `=` requires the exact number and `~` requires equality in all written digits.
"""

import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from operator import ge, gt, le, lt
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd import core

FOLDER = Path(__file__).parents[2] / "experiments"
EXPERIMENTS = sorted(FOLDER.glob("*.yaml"))

BOUNDS = {"<": lt, "<=": le, ">": gt, ">=": ge}
FIGURE = re.compile(r"(\w+(?:\[\d+(?:,\d+)?\])?) (=|~|<=?|>=?) (-?\d+(?:\.\d+)?(?:e-?\d+)?)")
ENTRY = re.compile(r"(\w+)\[(\d+)(?:,(\d+))?\]")

every_experiment = pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)


# -- expected values in comments ---------------------------------------------------------------------


def comment(path):
    """Return the lines of the head comment without their #."""
    lines = path.read_text(encoding="utf-8").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line[1:].strip() for line in lines[:end]]


def figures(text):
    """Return the expected values of a line as (name, relation, number as written)."""
    matches = [FIGURE.fullmatch(part) for part in text.split(", ")]
    assert all(matches), f"not figures: {text!r}"
    return [match.groups() for match in matches]


def claims(path):
    """Return {None: expected values at the end, N: those after N epochs}."""
    found = {}
    for line in comment(path):
        match = re.match(r"(?:ends with|after (\d+) epochs?): (.+)", line)
        if match:
            found[match[1] and int(match[1])] = figures(match[2])
    return found


def value_of(result, name):
    """Return a metric, the number of epochs, or an entry of the weights."""
    if name == "epochs":
        return result.epochs
    entry = ENTRY.fullmatch(name)
    if not entry:
        return result.metrics[name]
    array, *index = entry.groups()
    return weights(result)[array][tuple(int(i) for i in index if i)].item()


def holds(value, relation, written):
    """Return whether a value is in the relation to the number as written."""
    if relation == "=":
        return value == float(written)
    if relation == "~":
        digit = Decimal(1).scaleb(Decimal(written).as_tuple().exponent)
        return abs(Decimal(value) - Decimal(written)) <= digit / 2
    return BOUNDS[relation](value, float(written))


def check(result, stated):
    failures = [
        f"expected {name} {relation} {number}, got {value_of(result, name)!r}"
        for name, relation, number in stated
        if not holds(value_of(result, name), relation, number)
    ]
    assert not failures


def weights(result):
    with np.load(result.directory / "weights.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize(
    ("value", "relation", "written", "expected"),
    [
        (1.2, "=", "1.2", True),
        (1.2000000000000002, "=", "1.2", False),
        (0.6449, "~", "0.645", True),
        (0.6444, "~", "0.645", False),
        (2.0, "~", "2", True),
        (1.4, "~", "2", False),
        (0.96, ">=", "0.96", True),
        (0.9599, ">=", "0.96", False),
        (1e-12, "<", "1e-12", False),
        (float("nan"), "<=", "1", False),
    ],
)
def test_relations_between_value_and_written_number(value, relation, written, expected):
    assert holds(value, relation, written) is expected


@pytest.mark.parametrize("text", ["", "accuracy is fine", "loss = ", "loss = 1 or so", "loss == 1"])
def test_malformed_expected_value_is_an_error(text):
    with pytest.raises(AssertionError, match="not figures"):
        figures(text)


# -- every experiment -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_once(tmp_path_factory):
    """Return a function that runs an experiment without overrides and caches its result."""
    results = {}

    def run(path):
        if path not in results:
            results[path] = cygd.run(path, out=tmp_path_factory.mktemp(path.stem) / "run")
        return results[path]

    return run


@every_experiment
def test_file_is_short_and_states_its_result(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert 10 <= len(lines) <= 30
    assert max(map(len, lines)) <= 110
    assert None in claims(path), "expected a line '# ends with: ...' in the head comment"


@every_experiment
def test_run_ends_with_the_expected_values(path, run_once):
    result = run_once(path)
    assert result.status in ("completed", "stopped")
    check(result, claims(path)[None])


@pytest.mark.parametrize(
    ("path", "epochs"),
    [
        pytest.param(path, epochs, id=f"{path.stem}-{epochs}")
        for path in EXPERIMENTS
        for epochs in claims(path)
        if epochs
    ],
)
def test_run_has_the_expected_values_after_some_epochs(path, epochs, tmp_path):
    result = cygd.run(path, overrides=[f"train.epochs={epochs}"], out=tmp_path / "run")
    assert result.epochs == epochs
    check(result, claims(path)[epochs])


@every_experiment
def test_config_of_the_run_folder_reproduces_the_weights(path, run_once, tmp_path):
    first = run_once(path)
    second = cygd.run(first.directory / "config.yaml", out=tmp_path / "again")
    assert (second.directory / "weights.npz").read_bytes() == (first.directory / "weights.npz").read_bytes()
    assert second.metrics == first.metrics


def test_every_example_plugin_is_used():
    used = {path.stem for path in (FOLDER.parent / "plugins").glob("[!_]*.py")}
    used = {name for name in used if not name.startswith("test_")}
    texts = [path.read_text(encoding="utf-8") for path in EXPERIMENTS]
    assert used
    assert {name for name in used if not any(f"../plugins/{name}.py" in text for text in texts)} == set()


# -- single steps -----------------------------------------------------------------------------------


def weights_by_epoch(path, epochs, tmp_path, *overrides):
    """Return the weights after 1, 2, ..., epochs."""
    return [
        weights(cygd.run(path, [f"train.epochs={n}", "stop=null", *overrides], out=tmp_path / str(n)))
        for n in range(1, epochs + 1)
    ]


def test_two_variables_has_exact_losses_and_weights(run_once):
    result = run_once(FOLDER / "two_variables.yaml")
    assert result.status == "stopped"
    assert result.history["loss"] == [2.0, 1.6]
    assert weights(result)["w0"].tolist() == [[1.2]]


def test_one_weight_converges_by_the_factor_0_6(tmp_path):
    steps = weights_by_epoch(FOLDER / "one_weight.yaml", 10, tmp_path)
    expected = [2 - 0.6**k for k in range(1, 11)]
    assert [step["w0"].item() for step in steps] == pytest.approx(expected, rel=1e-14)


def test_first_step_of_one_unit_is_within_four_ulp(tmp_path):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        y_hat = 1 / (1 + mpmath.exp(mpmath.mpf(1) / 2))
        delta = (mpmath.mpf(1) / 2 - y_hat) * y_hat * (1 - y_hat)
        exact = np.array([float(delta / 2), float(delta)])
        after = np.array([float(0.5 + delta / 2), float(-0.5 + delta)])
    assert float(y_hat) == 0.37754066879814546
    assert exact == pytest.approx([0.014389199, 0.028778397], abs=5e-10)

    x, w = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    h = core.net_input(x, w)
    found = core.output(x, w, activation="sigmoid")
    assert float(h) == -0.5
    assert abs(float(found) - float(y_hat)) <= 4 * np.spacing(float(y_hat))
    step = core.weight_step(x, core.error_term(0.5, found, h, activation="sigmoid", loss="sse"), 0.5)
    assert np.all(np.abs(np.ravel(step) - exact) <= 4 * np.spacing(exact))

    [trained] = weights_by_epoch(FOLDER / "one_unit.yaml", 1, tmp_path)
    assert np.all(np.abs(np.ravel(trained["w0"]) - after) <= 4 * np.spacing(np.abs(after)))


def sigmoid_step(w, b, x, y):
    """Return weights and biases after one step with eta = 1: Delta w_ij = sum of delta_j x_i."""
    y_hat = 1 / (1 + np.exp(-(x @ w + b)))
    delta = (y - y_hat) * y_hat * (1 - y_hat)
    return w + x.T @ delta, b + delta.sum(axis=0)


@pytest.mark.parametrize("rows", [slice(0, 4), slice(2, 3)], ids=["all records", "one record"])
def test_many_outputs_full_batch_matches_the_delta_rule(rows, tmp_path):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)[rows]
    y = np.array([[0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 1, 0]], float)[rows]
    w, b = np.array([[0.1, -0.2, 0.3], [0.2, 0.1, -0.3]]), np.zeros(3)
    data = (f"data.x={x.tolist()}", f"data.y={y.tolist()}")
    for found in weights_by_epoch(FOLDER / "many_outputs.yaml", 12, tmp_path, *data):
        expected_w, expected_b = sigmoid_step(w, b, x, y)
        w, b = found["w0"], found["b0"]
        assert w == pytest.approx(expected_w, rel=1e-14, abs=1e-15)
        assert b == pytest.approx(expected_b, rel=1e-14, abs=1e-15)


def test_many_outputs_batches_of_one_match_the_delta_rule(tmp_path):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    y = np.array([[0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 1, 0]], float)
    w, b = np.array([[0.1, -0.2, 0.3], [0.2, 0.1, -0.3]]), np.zeros(3)
    for found in weights_by_epoch(FOLDER / "many_outputs.yaml", 5, tmp_path, "train.batch_size=1"):
        for row in range(4):
            w, b = sigmoid_step(w, b, x[row : row + 1], y[row : row + 1])
        assert found["w0"] == pytest.approx(w, rel=1e-14, abs=1e-14)
        assert found["b0"] == pytest.approx(b, rel=1e-14, abs=1e-14)


# -- overrides that the comments suggest --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "overrides", "stated"),
    [
        ("two_variables", ["stop.loss_below=0.1"], "w0[0,0] ~ 2.000000, epochs = 5"),
        ("one_weight", ["optimizer.learning_rate=0.5"], "w0[0,0] = 1, epochs = 1000"),
        ("xor", ["model.layers=[{units: 1, activation: sigmoid}]"], "loss >= 0.5, loss < 0.7"),
        ("weighted_line", ["data.sample_weight=null"], "w0[0,0] ~ 5.900000, b0[0] ~ -1.600000"),
    ],
)
def test_suggested_override_gives_the_stated_values(name, overrides, stated, tmp_path):
    path = FOLDER / f"{name}.yaml"
    assert any(override in " ".join(comment(path)) for override in overrides)
    check(cygd.run(path, overrides=overrides, out=tmp_path / "run"), figures(stated))


def test_one_weight_diverges_at_learning_rate_1(tmp_path):
    result = cygd.run(FOLDER / "one_weight.yaml", ["optimizer.learning_rate=1"], out=tmp_path / "run")
    assert result.status == "diverged"
    assert np.isfinite(weights(result)["w0"]).all()


def test_spirals_write_a_database(run_once):
    result = run_once(FOLDER / "spirals_swish.yaml")
    with closing(sqlite3.connect(result.directory / "metrics.sqlite")) as database:
        rows = database.execute("SELECT epoch, value FROM metrics WHERE metric = 'accuracy'").fetchall()
    assert dict(rows) == dict(zip(result.history["epoch"], result.history["accuracy"], strict=True))
    assert [epoch for epoch, _ in rows] == list(range(0, 201, 10))


# -- properties of all experiments, tested on one -----------------------------------------------------


def test_threads_do_not_change_the_weights(tmp_path):
    files = []
    for threads in (1, 2):
        out = tmp_path / str(threads)
        # batches large enough for a second thread
        cygd.run(FOLDER / "digits.yaml", ["train.epochs=4", "train.batch_size=256"], out=out, threads=threads)
        files.append((out / "weights.npz").read_bytes())
    assert files[0] == files[1]


BENT_IDENTITY = """\
import numpy as np
from cygd import Activation, hookimpl

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)
"""


@pytest.mark.parametrize("named_by", ["caller", "experiment"])
def test_activation_of_a_plugin_trains_and_is_copied_to_the_run_folder(named_by, tmp_path):
    plugin = tmp_path / "bent.py"
    plugin.write_text(BENT_IDENTITY, encoding="utf-8")
    text = (FOLDER / "xor.yaml").read_text(encoding="utf-8")
    text = text.replace("activation: tanh", "activation: bent_identity")
    if named_by == "experiment":
        text += "plugins: [bent.py]\n"
    experiment = tmp_path / "bent_xor.yaml"
    experiment.write_text(text, encoding="utf-8")
    plugins = [str(plugin)] if named_by == "caller" else []
    result = cygd.run(experiment, plugins=plugins, out=tmp_path / "run")
    assert result.metrics["accuracy"] == 1
    assert (result.directory / "plugins" / "bent.py").read_text(encoding="utf-8") == BENT_IDENTITY
    again = cygd.run(result.directory / "config.yaml", out=tmp_path / "again")
    assert again.metrics == result.metrics
