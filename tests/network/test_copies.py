"""Networks: copies and pickles."""

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest

from cygd import Activation, Loss, Network, Optimizer
from cygd.components import resolve
from cygd.components.activations import ACTIVATIONS
from cygd.components.losses import LOSSES
from cygd.components.pickling import ComponentPickleError
from cygd.components.registry import KINDS
from tests.helpers.network_cases import LAYERS_WITH_EVERYTHING, swish, swish_derivative
from tests.helpers.pointer_cases import by_ctypes_scalar

X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.random.default_rng(1).random((20, 2))


def unpickled(protocol):
    return lambda thing: pickle.loads(pickle.dumps(thing, protocol))


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {protocol}": unpickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
}


def network(dtype="float64", **options):
    return Network(3, LAYERS_WITH_EVERYTHING, dtype=dtype, seed=3, **options)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_trains_on_with_the_same_bits_and_leaves_the_original_alone(make, dtype):
    net = network(dtype)
    net.fit(X, Y, epochs=2)
    net.biases[0][:] = 0.5
    before = net.parameters.copy()
    made = make(net)
    assert (made.epochs, made.updates, made.seed, made.dtype) == (2, 2, 3, net.dtype)
    np.testing.assert_array_equal(made.parameters, before)
    made.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(net.parameters, before)
    net.fit(X, Y, epochs=2)
    np.testing.assert_array_equal(made.parameters, net.parameters)
    assert np.shares_memory(made.weights[0], made.parameters)
    assert not np.shares_memory(made.parameters, net.parameters)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", ["adam", "nadam", "rmsprop", "sgd"])
def test_a_copy_keeps_the_state_of_the_optimizer(make, name):
    net, optimizer = network(), resolve("optimizer", name)
    net.fit(X, Y, optimizer, epochs=2)
    made, same = make((net, optimizer)) if make not in (copy.copy,) else (make(net), optimizer)
    for one, given in ((net, optimizer), (made, same)):
        one.fit(X, Y, given, epochs=2)
    np.testing.assert_array_equal(made.parameters, net.parameters)


def add_momentum(w, g, state, learning_rate, step):
    state["m"] = 0.9 * state["m"] + g
    w -= learning_rate * state["m"]


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_keeps_the_state_of_a_python_optimizer(make):
    net, optimizer = network(), Optimizer("mine", add_momentum, ["m"], learning_rate=0.01)
    net.fit(X, Y, optimizer, epochs=2)
    made, same = make((net, optimizer)) if make is not copy.copy else (make(net), optimizer)
    net.fit(X, Y, optimizer, epochs=2)
    made.fit(X, Y, same, epochs=2)
    np.testing.assert_array_equal(made.parameters, net.parameters)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_built_in_can_be_pickled(kind):
    for component in kind.built_ins:
        again = unpickled(5)(component)
        assert (repr(again), again.summary, again.tier) == (
            repr(component),
            component.summary,
            component.tier,
        )
        assert copy.deepcopy(component) is component


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_a_network_of_every_activation_can_be_pickled(activation):
    net = Network(3, [(4, activation), 2])
    np.testing.assert_array_equal(unpickled(4)(net).predict(X), net.predict(X))


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_network_of_every_loss_can_be_pickled(loss):
    net = Network(3, [(2, "sigmoid")], loss=loss.configured({"reduction": "sum"}))
    y = np.where(Y > 0.5, 1.0, -1.0 if loss.targets == "signs" else 0.0)
    assert unpickled(4)(net).loss(X, y) == net.loss(X, y)


def test_formulas_can_be_pickled():
    layers = [(4, {"formula": "h * sigmoid(b * h)", "b": 1.5, "trainable": ["b"]}), 2]
    net = Network(
        3, layers, loss=Loss("mine", formula="(y - y_hat)**4", reduction="mean_rows", targets="unit")
    )
    net.fit(X, Y, epochs=2)
    again = unpickled(5)(net)
    np.testing.assert_array_equal(again.gradient(X, Y)[1], net.gradient(X, Y)[1])
    assert (again.loss_function.reduction, again.loss_function.targets) == ("mean_rows", "unit")


def test_importable_functions_are_pickled_by_reference():
    layers = [(4, Activation("mine", swish, swish_derivative)), (2, Activation("numerical", swish))]
    net = Network(3, layers)
    again = unpickled(5)(net)
    np.testing.assert_array_equal(again.gradient(X, Y)[1], net.gradient(X, Y)[1])
    assert again.layers[0].activation.function is swish


def test_a_function_that_cannot_be_imported_is_an_error_that_names_the_component():
    net = Network(3, [(2, Activation("mine", lambda h: h, np.ones_like))])
    with pytest.raises(ComponentPickleError, match=r"activation 'mine' cannot be pickled: .*lambda"):
        pickle.dumps(net)
    np.testing.assert_array_equal(copy.deepcopy(net).predict(X), net.predict(X))


def test_functions_of_a_plugin_that_is_not_loaded_are_an_error_that_names_the_component(tmp_path):
    module = tmp_path / "some_plugin.py"
    module.write_text("def f(h): return h\ndef df(h): return h * 0 + 1\n")
    code = """
        import pickle, sys
        sys.path.insert(0, {folder!r})
        import some_plugin, cygd
        mine = cygd.Activation("mine", some_plugin.f, some_plugin.df)
        sys.stdout.buffer.write(pickle.dumps(cygd.Network(3, [(2, mine)])))
    """
    code = "\n".join(line.strip() for line in code.format(folder=str(tmp_path)).splitlines())
    command = [sys.executable, "-c", code]
    content = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout
    with pytest.raises(
        ComponentPickleError, match="activation 'mine' cannot be unpickled: No module named 'some_plugin'"
    ):
        pickle.loads(content)


def test_a_function_pointer_without_a_name_cannot_be_pickled_but_copied():
    f, df = by_ctypes_scalar("float64")
    net = Network(3, [(2, Activation("pointed", pointer=f, derivative_pointer=df))])
    with pytest.raises(
        ComponentPickleError, match="'pointed' cannot be pickled: pointer has no name by which"
    ):
        pickle.dumps(net)
    for made in (copy.copy(net), copy.deepcopy(net)):
        np.testing.assert_array_equal(made.predict(X), net.predict(X))


def test_a_network_that_joblib_maps_into_memory_can_be_trained(tmp_path):
    net = network()
    joblib.dump(net, tmp_path / "net.joblib")
    again = joblib.load(tmp_path / "net.joblib", mmap_mode="r")
    for one in (net, again):
        one.fit(X, Y)
    np.testing.assert_array_equal(again.parameters, net.parameters)


class Named(Network):
    __slots__ = ("slot",)

    def __init__(self, name, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.name, self.slot = name, [name]


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_subclass_keeps_its_attributes(make):
    made = make(Named("mine", 3, [2], seed=4))
    assert (type(made), made.name, made.slot) == (Named, "mine", ["mine"])
    np.testing.assert_array_equal(made.parameters, Network(3, [2], seed=4).parameters)


def test_a_callback_can_copy_the_network_that_is_trained():
    net, copies = network(), []
    net.fit(X, Y, epochs=3, callback=lambda epoch, values: copies.append(copy.copy(net)) and None)
    for epoch, made in enumerate(copies):
        expected = network()
        expected.fit(X, Y, epochs=epoch)
        np.testing.assert_array_equal(made.parameters, expected.parameters)
        assert made.epochs == epoch
    copies[1].fit(X, Y, epochs=2)
    np.testing.assert_array_equal(copies[1].parameters, net.parameters)
