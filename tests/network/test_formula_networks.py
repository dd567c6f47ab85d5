"""Networks, runs and optimizers with formulas: gradients, bits, trainable parameters, files."""

import json

import numpy as np
import pytest

import cygd
from cygd import Activation, Loss, Network, Optimizer
from cygd.components import OptionError
from cygd.core import dispatch
from cygd.errors import ConfigError, FormulaError
from cygd.inspection.tracing import trace_steps
from cygd.runner.assembly import assemble

SWISH = {"formula": "h * sigmoid(beta * h)", "beta": 1.2, "trainable": ["beta"]}
PRELU = {"formula": "where(h > 0, h, slope * h)", "slope": 0.25, "trainable": ["slope"]}
TWO = {"formula": "a * tanh(h) + b * h", "a": 0.7, "b": 0.1, "trainable": ["a", "b"]}


def data(rows=300, inputs=4, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs))
    return x, np.stack([np.sin(x.sum(axis=1) + k) for k in range(outputs)], axis=1)


X, Y = data()

LAYERS = {
    "fixed": [(8, {"formula": "h * tanh(log1p(exp(h)))"}), (2, "identity")],
    "trained": [(8, SWISH), (6, PRELU), (2, TWO)],
    "trained, dropout": [{"units": 8, "activation": SWISH, "dropout": 0.3}, (2, TWO)],
    "mixed": [(8, "tanh"), (6, SWISH), (5, "relu"), (2, "identity")],
    "penalties": [{"units": 8, "activation": SWISH, "l2": 0.1, "l1": 0.01}, (2, PRELU)],
    "without bias": [{"units": 8, "activation": TWO, "bias": False}, (2, "identity")],
}
each_network = pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)


@each_network
@pytest.mark.parametrize("loss", ["sse", "mse", {"formula": "log(cosh(y_hat - y))"}])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients(layers, loss, weighted):
    net = Network(4, layers, loss=loss, seed=3)
    weight = np.random.default_rng(1).uniform(0, 2, len(X)) if weighted else None
    _, gradient = net.gradient(X, Y, sample_weight=weight)
    numerical = net.numerical_gradient(X, Y, sample_weight=weight)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-6 * np.abs(numerical).max())


def test_the_order_of_the_parameters():
    net = Network(2, [(3, SWISH), {"units": 1, "activation": TWO, "bias": False}])
    assert net.parameters.size == 2 * 3 + 3 + 1 + 3 + 2
    np.testing.assert_array_equal(net.parameters[[9, 13, 14]], [1.2, 0.7, 0.1])
    net.trainable_values[0][0] = 5.0
    assert net.parameters[9] == 5.0
    assert net.activations[0].parameters["beta"] == 5.0
    assert net.activations[0].evaluate([1.0]) == pytest.approx(1 / (1 + np.exp(-5.0)))


@each_network
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 37, 300, 2000])
def test_the_same_bits_on_any_number_of_threads(layers, dtype, rows):
    x, y = data(rows)
    found = []
    for threads in (1, 2, 3, 4, 8):
        net = Network(
            4, layers, dtype=dtype, seed=1, loss={"formula": "(y - y_hat)**2 / (1 + abs(y - y_hat))"}
        )
        momentum = Optimizer(
            "momentum", state=["m"], formula={"m": "0.9 * m + g", "w": "w - learning_rate * m"}
        ).configured({"learning_rate": 0.001})
        net.fit(x, y, momentum, epochs=3, batch_size=256, threads=threads)
        found.append((net.parameters.copy(), net.predict(x, threads=threads), net.loss(x, y)))
    for parameters, predictions, loss in found[1:]:
        np.testing.assert_array_equal(parameters, found[0][0])
        np.testing.assert_array_equal(predictions, found[0][1])
        assert loss == found[0][2]


@pytest.mark.skipif("v4" not in dispatch.levels(), reason="needs AVX-512")
def test_the_same_bits_at_v3_and_v4():
    before, found = dispatch.level(), []
    try:
        for level in ("v3", "v4"):
            dispatch.select(level)
            net = Network(4, LAYERS["trained"], dtype="float32", seed=1)
            net.fit(X, Y, "adam", epochs=3)
            found.append(net.parameters)
    finally:
        dispatch.select(before)
    np.testing.assert_array_equal(*found)


def test_training_and_prediction_agree_to_the_last_bit():
    for dtype in ("float32", "float64"):
        for text in (
            "h * sigmoid(h)",
            "h / (1 + abs(h))",
            "h * tanh(log1p(exp(h)))",
            "where(h > 0, h, exp(h) - 1)",
        ):
            net = Network(4, [(16, {"formula": text}), (2, "identity")], dtype=dtype)
            assert net.gradient(X, Y)[0] == net.loss(X, Y)


@pytest.mark.parametrize(
    ("activation", "name", "truth"),
    [(PRELU, "slope", 0.6), (SWISH | {"beta": 0.5}, "beta", 2.0)],
)
def test_a_parameter_is_learned(activation, name, truth):
    # data made by one unit with a known parameter; the weight is known, only the parameter is free
    x = np.random.default_rng(0).normal(size=(400, 1)) * 2
    true = Activation("true", formula=activation["formula"], parameters={name: truth})
    layer = {"units": 1, "activation": activation, "weights": [[1.0]], "bias": False}
    net = Network(1, [layer], loss="mse")
    for _ in range(40):
        net.fit(x, true.evaluate(x), "adam", learning_rate=0.05, epochs=20, batch_size=100)
    assert net.trainable_values[0][0] == pytest.approx(truth, abs=0.01)
    assert net.weights[0][0, 0] == pytest.approx(1.0, abs=0.01)


def test_trainable_parameters_are_not_penalized():
    layer = {"units": 3, "activation": TWO, "l1": 0.5, "l2": 0.5}
    plain, penalized = (Network(4, [{**layer, "l1": s, "l2": s}, (2, "identity")]) for s in (0.0, 0.5))
    difference = penalized.gradient(X, Y)[1] - plain.gradient(X, Y)[1]
    np.testing.assert_array_equal(difference[12:], 0)
    assert (difference[:12] != 0).all()


def test_reduction_of_a_formula_loss():
    for reduction, factor in (("sum", X.shape[0] * 2), ("mean", 1)):
        net = Network(4, [2], loss={"formula": "(y - y_hat)**2", "reduction": reduction})
        expected = np.mean((Y - net.predict(X)) ** 2) * factor
        assert net.loss(X, Y) == pytest.approx(expected, rel=1e-13)


# optimizers ---------------------------------------------------------------------------------------


def sign_momentum(**options):
    return Optimizer(
        "sign_momentum",
        state=["m"],
        formula={"m": "beta * m + (1 - beta) * g", "w": "w - learning_rate * sign(m)"},
        parameters={"beta": 0.9},
    ).configured(options)


def test_a_formula_optimizer_equals_the_same_function():
    def update(w, g, state, learning_rate, step, beta):
        state["m"][:] = beta * state["m"] + (1 - beta) * g
        w -= learning_rate * np.sign(state["m"])

    by_function = Optimizer("own", update, state=["m"], parameters={"beta": 0.9}).configured(
        {"learning_rate": 0.01}
    )
    one, other = Network(4, [8, 2], seed=5), Network(4, [8, 2], seed=5)
    one.fit(X, Y, sign_momentum(learning_rate=0.01), epochs=5)
    other.fit(X, Y, by_function, epochs=5)
    np.testing.assert_allclose(one.parameters, other.parameters, rtol=0, atol=1e-12)


def test_a_formula_optimizer_keeps_its_state():
    whole, parts = Network(4, [8, 2], seed=5), Network(4, [8, 2], seed=5)
    whole.fit(X, Y, sign_momentum(learning_rate=0.01), epochs=6)
    optimizer = sign_momentum(learning_rate=0.01)
    parts.fit(X, Y, optimizer, epochs=2)
    parts.fit(X, Y, optimizer, epochs=4)
    np.testing.assert_array_equal(whole.parameters, parts.parameters)


def test_state_that_decays_becomes_zero():
    net = Network(1, [1], dtype="float32")
    decay = Optimizer(
        "decay", state=["m"], formula={"m": "where(step < 2, 1e-37, 0.1 * m)", "w": "w + 0 * g"}
    )
    x = np.ones((4, 1))
    found = []
    for _ in range(2):
        net.fit(x, x, decay, epochs=1)
        found.append(net._last_optimizer[1].state["m"][0])
    assert found == [np.float32(1e-37), 0]  # 1e-38 is below the normal numbers of float32


def test_learning_rate_and_step_in_a_formula():
    net = Network(1, [{"units": 1, "weights": [[0.0]], "bias": False}])
    rule = Optimizer("count", formula={"w": "w + learning_rate * step + 0 * g"}).configured(
        {"learning_rate": 0.5}
    )
    net.fit(np.ones((4, 1)), np.ones((4, 1)), rule, epochs=2, batch_size=2)
    assert net.weights[0][0, 0] == 0.5 * (1 + 2 + 3 + 4)


# files --------------------------------------------------------------------------------------------


def test_a_saved_network_needs_no_plugin(tmp_path):
    named = Activation("own_swish", formula=SWISH["formula"], parameters={"beta": 1.2}, trainable=["beta"])
    own_loss = Loss("own_loss", formula="abs(y - y_hat)**p", parameters={"p": 1.5})
    net = Network(4, [(8, named), (2, TWO)], loss=own_loss, dtype="float32")
    net.fit(X, Y, epochs=2, learning_rate=0.001)
    net.save(tmp_path / "net.npz")
    again = Network.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(again.parameters, net.parameters)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert again.loss(X, Y) == net.loss(X, Y)
    assert again.layers[0].activation.name == "own_swish"


EXPERIMENT = """\
name: own
data: {source: synthetic, kind: moons, samples: 120, noise: 0.1, split: {validation: 0.25}}
model:
  layers:
    - {units: 8, activation: {formula: "h * sigmoid(beta * h)", beta: 1.0, trainable: [beta]}}
    - {units: 1, activation: sigmoid}
loss: {formula: "-y * log(y_hat) - (1 - y) * log(1 - y_hat)", reduction: mean}
optimizer:
  {formula: {m: "beta * m + g", w: "w - learning_rate * m"}, state: [m], beta: 0.9, learning_rate: 0.05}
train: {epochs: 20}
"""


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(EXPERIMENT)
    return path


def test_an_experiment_of_formulas(experiment, tmp_path):
    result = cygd.run(experiment, out=tmp_path / "a")
    assert result.history["loss"][-1] < 0.5 * result.history["loss"][0]
    arrays = np.load(tmp_path / "a" / "weights.npz")
    assert sorted(arrays) == ["a0", "b0", "b1", "w0", "w1"]
    assert arrays["a0"].shape == (1,)
    assert arrays["a0"][0] != 1.0
    model = cygd.load(tmp_path / "a")
    np.testing.assert_array_equal(model.network.parameters, result.model.network.parameters)
    again = cygd.run(tmp_path / "a" / "config.yaml", out=tmp_path / "b")
    np.testing.assert_array_equal(again.model.network.parameters, result.model.network.parameters)
    assert json.loads((tmp_path / "b" / "result.json").read_text())["status"] == "completed"


def test_overrides_reach_into_a_formula(experiment):
    at = "model.layers.0.activation"
    net = assemble(experiment, [f"{at}.beta=2.5"]).network
    assert net.trainable_values[0][0] == 2.5
    net = assemble(experiment, [f'{at}={{formula: "h / (1 + abs(h))"}}']).network
    assert net.trainable_values[0] is None
    net = assemble(experiment, [f"{at}=tanh"]).network
    assert net.layers[0].activation.name == "tanh"


@pytest.mark.parametrize(
    ("line", "place", "message", "hint"),
    [
        (
            'activation: {formula: "h * sigmod(h)"}',
            "5:",
            "unknown function 'sigmod'",
            "did you mean 'sigmoid'?",
        ),
        ('activation: {formula: "h * beta"}', "5:", "unknown name 'beta'", "beta: 1.0"),
        ('activation: {formula: "h", beta: 1}', "5:", "'beta' is not used in the formula", "remove it"),
        ('activation: {formula: "h*b", b: x}', "5:", "'b' of the formula: expected a number", None),
        ('activation: {formula: "h*b", b: 1, trainable: [c]}', "5:", "unknown parameter 'c'", None),
        ('activation: {formula: "h*b", b: 1, trainable: 3}', "5:", "expected a list of names", None),
        ('activation: {formula: "sin(h) / h"}', "5:", "f(0) is nan", "where"),
        ('activation: {formula: "sqrt(abs(h))"}', "5:", "f'(0) is", "where"),
        ('activation: {formula: "log(h)"}', "5:", "f(0) is -inf", "where"),
        ('activation: {formula: "h * exp", exp: 1}', "5:", "has the name of a function", "another name"),
        ("activation: {formula: 3}", "5:", "expected a formula as text, got 3", "quotes"),
        ('activation: {formula: "b*h", b: null}', "5:", "of the formula: expected a number", "write b: 1.0"),
        ('activation: {formula: "(h"}', "5:", "'(' was never closed", None),
        ('activation: {formula: "(h", b: null}', "5:", "of the formula: expected a number", None),
        ('activation: {formula: "h)"}', "5:", "unmatched ')'", None),
        ('activation: {formula: "sigmoid(h"}', "5:", "'(' was never closed", None),
    ],
)
def test_formula_errors_have_a_location(experiment, line, place, message, hint):
    text = EXPERIMENT.split("activation: ", 1)
    experiment.write_text(f"{text[0]}{line}}}\n" + text[1].split("\n", 1)[1])
    with pytest.raises(ConfigError) as caught:
        assemble(experiment)
    shown = str(caught.value)
    assert f"own.yaml:{place}" in shown
    assert "model.layers[0].activation" in shown
    assert message in shown
    assert hint is None or hint in shown
    assert "Traceback" not in shown


def many(count):
    names = [f"p{k}" for k in range(count)]
    return {"formula": f"h * ({' + '.join(names)})", **dict.fromkeys(names, 0.5), "trainable": names}


def test_at_most_seven_parameters_are_trainable(experiment):
    net = Network(2, [(3, many(7)), 1])
    assert net.trainable_values[0].size == 7
    net.fit([[1.0, 2.0]], [[1.0]], epochs=1)
    words = "expected at most 7 trainable parameters, got 8"
    spec = many(8)
    text, names = spec.pop("formula"), spec.pop("trainable")
    with pytest.raises(OptionError, match=f"^activation 'a': {words}\nhint: name fewer"):
        Activation("a", formula=text, parameters=spec, trainable=names)
    with pytest.raises(OptionError, match=words) as caught:
        Activation("a", formula=text, parameters=spec, trainable=names[:7]).configured({"trainable": names})
    assert caught.value.option == "trainable"
    twice = Activation("a", formula=text, parameters=spec, trainable=names[:7] * 2)
    assert Network(2, [(3, twice)]).trainable_values[0].size == 7
    with pytest.raises(ConfigError, match=rf"model.layers\[0\].activation.trainable: .*{words}"):
        assemble(experiment, [f"model.layers[0].activation={json.dumps(many(8))}"])


def test_a_trace_shows_trained_parameters(experiment):
    assembly = assemble(experiment, ["train.batch_size=10", "optimizer={name: sgd, learning_rate: 0.1}"])
    first, second = list(trace_steps(assembly, 2))
    layer = first.layers[0]
    assert layer.a.value[0] == 1.0
    np.testing.assert_allclose(layer.a.gradient, layer.a.numerical, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(layer.a.delta, -0.1 * layer.a.gradient, rtol=1e-12)
    np.testing.assert_array_equal(second.layers[0].a.value, layer.a.after)


# invalid arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Activation("a", lambda h: h, formula="h"), TypeError, "formula= or functions, not both"),
        (lambda: Activation("a", lambda h: h, trainable=["b"]), TypeError, "only a formula has trainable"),
        (lambda: Activation("a", formula="h*b", parameters={"b": 1}, trainable="b"), TypeError, "list of"),
        (lambda: Activation("a", formula=3), FormulaError, "text"),
        (lambda: Loss("l", formula="y * 2"), FormulaError, "does not depend on y_hat"),
        (lambda: Loss("l", lambda y, y_hat: y, formula="y - y_hat"), TypeError, "not both"),
        (lambda: Optimizer("o", formula="w - g"), TypeError, "formula: expected a mapping such as"),
        (lambda: Optimizer("o", formula={"m": "g"}, state=["m"]), FormulaError, "no formula for 'w'"),
        (lambda: Optimizer("o", formula={"w": "w - g", "v": "g"}), FormulaError, "neither w nor in"),
        (lambda: Optimizer("o", lambda *a: None, formula={"w": "w - g"}), TypeError, "not both"),
    ],
)  # fmt: skip
def test_invalid_formula_components_are_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_configured_formulas_are_recompiled():
    swish = Activation("swish", formula=SWISH["formula"], parameters={"beta": 1.0})
    assert swish.configured({"beta": 2.0}).evaluate([1.0]) == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert swish.configured({"trainable": ["beta"]}).trainable == ("beta",)
    with pytest.raises(ValueError, match="unknown parameter 'bata'"):
        swish.configured({"trainable": ["bata"]})
    with pytest.raises(FormulaError, match="expected low <= high"):
        Activation("c", formula="clip(h, a, 1)", parameters={"a": 0.0}).configured({"a": 2.0})
