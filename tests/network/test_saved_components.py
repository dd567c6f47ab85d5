"""Networks: the components of a saved one are those that a loaded one has, or loading refuses."""

import json
import logging

import numpy as np
import pytest

from cygd import Activation, CheckpointError, Initializer, Loss, Network, Optimizer
from cygd.components import UnknownComponentError, resolve
from cygd.plugins.discovery import option_requests
from cygd.plugins.manager import Plugins

X = np.random.default_rng(0).normal(size=(20, 2))
Y = np.random.default_rng(1).random((20, 2))


def add(w, g, state, learning_rate, step):
    w += learning_rate * g


MINE = {
    "activation": Activation("relu", np.sin, np.cos),
    "loss": Loss("mse", lambda y, y_hat: 5 * (y - y_hat) ** 2, lambda y, y_hat: 10 * (y_hat - y)),
    "initializer": Initializer("zeros", lambda rng, n_inputs, n_outputs: np.ones((n_inputs, n_outputs))),
    "optimizer": Optimizer("sgd", add),
}
KERNELS = {
    "activation": Activation("relu", kernel="tanh"),
    "loss": Loss("mse", kernel="sse"),
    "optimizer": Optimizer("sgd", kernel="adam"),
}


def network(kind, component):
    layer = {"units": 2}
    if kind in ("activation", "initializer"):
        layer[kind] = component
    net = Network(2, [layer], loss=component if kind == "loss" else "sse", seed=2)
    net.fit(X, Y, component if kind == "optimizer" else "sgd", learning_rate=0.01, epochs=1)
    return net


@pytest.mark.parametrize(
    ("kind", "component"), [*MINE.items(), *KERNELS.items()], ids=lambda value: str(value)
)
def test_a_component_that_has_the_name_of_a_built_in_is_not_loaded_as_the_built_in(tmp_path, kind, component):
    net = network(kind, component)
    net.save(tmp_path / "net.npz", optimizer=True)
    for components in (None, [], Plugins.load(environment={})):
        with pytest.raises(UnknownComponentError) as raised:
            Network.load(tmp_path / "net.npz", components)
        assert raised.value.message.startswith(
            f"unknown {kind} {component.name!r}: {tmp_path / 'net.npz'} needs one of your own"
        )
        assert raised.value.hint == f"pass the {kind}: Network.load(path, components=[...])"
    again = Network.load(tmp_path / "net.npz", [component])
    for one in (net, again):
        one.fit(X, Y, one.optimizer, epochs=2)
    assert again.loss(X, Y) == net.loss(X, Y)
    np.testing.assert_array_equal(again.parameters, net.parameters)


@pytest.mark.parametrize("kind", MINE)
def test_a_built_in_is_loaded_as_the_built_in_whatever_is_passed(tmp_path, kind):
    net = network(kind, MINE[kind].name)
    net.save(tmp_path / "net.npz", optimizer=True)
    again = Network.load(tmp_path / "net.npz", list(MINE.values()))
    for one in (net, again):
        one.fit(X, Y, one.optimizer, epochs=2)
    assert again.loss(X, Y) == net.loss(X, Y)
    np.testing.assert_array_equal(again.parameters, net.parameters)


PLUGIN = """
import numpy as np
from cygd import Activation, hookimpl

@hookimpl
def cygd_activations():
    yield Activation("relu", function=np.sin, derivative=np.cos)
    yield Activation("bent", function=np.tanh, derivative=lambda h, y_hat: 1 - y_hat**2)
    yield Activation("written", formula="h * sigmoid(h)")
"""


@pytest.mark.parametrize("name", ["relu", "bent"])
def test_the_plugin_of_a_component_is_named_and_found_again(tmp_path, name):
    file = tmp_path / "curves.py"
    file.write_text(PLUGIN)
    plugins = Plugins.load(option_requests([str(file)]), environment={})
    net = Network(2, [(2, f"curves:{name}"), 2], components=plugins)
    net.save(tmp_path / "net.npz")
    with pytest.raises(UnknownComponentError) as raised:
        Network.load(tmp_path / "net.npz")
    assert raised.value.message == (
        f"unknown activation {name!r}: {tmp_path / 'net.npz'} needs that of plugin 'curves' ({file}), "
        "not a built-in"
    )
    assert raised.value.hint == (
        f"pass the activation: Network.load(path, components=[...]); on the command line: -p {file}"
    )
    again = Network.load(tmp_path / "net.npz", plugins)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    again.save(tmp_path / "again.npz")
    assert Network.load(tmp_path / "again.npz", plugins).layers[0].activation.plugin == "curves"


def test_a_formula_of_a_plugin_needs_no_plugin(tmp_path):
    (tmp_path / "curves.py").write_text(PLUGIN)
    plugins = Plugins.load(option_requests([str(tmp_path / "curves.py")]), environment={})
    net = Network(2, [(2, "written"), 2], components=plugins)
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(Network.load(tmp_path / "net.npz").predict(X), net.predict(X))


@pytest.mark.parametrize("targets", ["any", "unit", "nonnegative"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "mean_rows"])
def test_a_formula_loss_keeps_reduction_and_targets(tmp_path, reduction, targets):
    loss = Loss(
        "mine", formula="s * (y - y_hat)**2", parameters={"s": 2}, reduction=reduction, targets=targets
    )
    net = Network(2, [2], loss=loss, seed=2)
    net.save(tmp_path / "net.npz")
    again = Network.load(tmp_path / "net.npz")
    assert again.loss(X, Y) == net.loss(X, Y)
    assert (again.loss_function.reduction, again.loss_function.targets) == (reduction, targets)
    if targets != "any":
        with pytest.raises(ValueError, match="expected targets"):
            again.fit(X, Y - 9)


def test_a_loss_by_hand_survives(tmp_path):
    loss = Loss("mine", formula="(y - y_hat)**2", reduction="mean_rows")
    net = Network(1, [{"units": 3, "weights": [[0.0, 0.0, 0.0]]}], loss=loss)
    net.save(tmp_path / "net.npz")
    y = [[1.0, 2.0, 0.0], [2.0, 1.0, 0.0]]
    assert Network.load(tmp_path / "net.npz").loss([[1.0], [1.0]], y) == 5.0


# files of format 1 --------------------------------------------------------------------------------


def old_file(path, net, **changes):
    """Save a network as format 1 did: names without their source, and no optimizer."""
    net.save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    description = json.loads(str(arrays.pop("network"))) | {"format": 1} | changes
    for layer in description["layers"]:
        for kind in ("activation", "initializer"):
            layer[kind] = layer[kind].get("component", layer[kind])
    np.savez(path, network=np.array(json.dumps(description)), **arrays)


def test_old_files_load(tmp_path):
    net = Network(
        2, [(3, {"formula": "h * sigmoid(b * h)", "b": 1.5, "trainable": ["b"]}), (2, "relu")], seed=3
    )
    old_file(tmp_path / "net.npz", net)
    np.testing.assert_array_equal(Network.load(tmp_path / "net.npz").predict(X), net.predict(X))


def test_components_of_old_files_are_looked_up_by_name(tmp_path):
    net = network("activation", Activation("mine", np.sin, np.cos))
    old_file(tmp_path / "net.npz", net)
    with pytest.raises(UnknownComponentError, match="unknown activation 'mine'"):
        Network.load(tmp_path / "net.npz")
    again = Network.load(tmp_path / "net.npz", [Activation("mine", np.sin, np.cos)])
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_a_formula_loss_in_an_old_file_is_doubted(tmp_path, caplog):
    net = Network(2, [2], loss=Loss("mine", formula="(y - y_hat)**2", reduction="mean_rows"))
    loss = {"name": "mine", "formula": "(y - y_hat)**2", "reduction": "mean"}
    old_file(tmp_path / "net.npz", net, loss=loss)
    with caplog.at_level(logging.WARNING, "cygd"):
        Network.load(tmp_path / "net.npz")
    [message] = caplog.messages
    assert "older version of cygd, which did not keep `targets` and `reduction: mean_rows`" in message


def test_a_component_whose_options_have_changed_is_an_error(tmp_path):
    scaled = Activation("mine", lambda h, s: s * h, lambda h, s: s + 0 * h, {"s": 2})
    Network(2, [(2, scaled)]).save(tmp_path / "net.npz")
    with pytest.raises(CheckpointError, match="activation 'mine' has no option 's'"):
        Network.load(tmp_path / "net.npz", [Activation("mine", np.sin, np.cos)])


def test_what_is_passed_must_be_components(tmp_path):
    Network(2, [2]).save(tmp_path / "net.npz")
    with pytest.raises(TypeError, match="components: expected components, got str"):
        Network.load(tmp_path / "net.npz", ["relu"])
    assert resolve("activation", "relu").plugin == ""
