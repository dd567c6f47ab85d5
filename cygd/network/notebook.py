"""A network in a notebook: its drawing, and a table of its layers."""

from __future__ import annotations

from collections.abc import Sequence

from cygd.display.html import Table, block
from cygd.display.layers import LayerFacts, draw_layers
from cygd.display.plot import Plot
from cygd.errors import format_count
from cygd.network.compiled import CompiledNetwork

MAX_DRAWN_LAYERS = 8
MAX_WEIGHTS = 64  # of two layers whose lines show the weights; more would hide each other


def describe_network(network: CompiledNetwork) -> str:
    """Return the HTML of a network."""
    title = (
        f"Network: {format_count(network.parameters.size, 'parameter')}, loss {network.loss_function.name}"
    )
    return block(f"{title}, {network.dtype}", layer_table(network), markup=plot_network(network).drawings)


def layer_table(network: CompiledNetwork) -> Table:
    """Return the layers with their shapes, activations and numbers of parameters."""
    layers = network.layers
    extras = [name for name in ("dropout", "l1", "l2") if any(getattr(layer, name) for layer in layers)]
    rows = []
    for k, (layer, w) in enumerate(zip(layers, network.weights, strict=True)):
        numbers = [k, w.shape[0], layer.units, layer.activation.name, "yes" if layer.has_bias else "no"]
        rows.append([*numbers, _n_parameters(network, k), *(getattr(layer, name) for name in extras)])
    head = ["layer", "inputs", "units", "activation", "bias", "parameters"]
    return Table([*head, *extras], rows)


def plot_network(network: CompiledNetwork, names: Sequence[str] = ()) -> Plot:
    """Return the drawing of a network; `names` are those of the inputs."""
    layers = [
        LayerFacts(
            layer.units,
            layer.activation.name,
            _n_parameters(network, k),
            w if w.size <= MAX_WEIGHTS else None,
        )
        for k, (layer, w) in enumerate(zip(network.layers, network.weights, strict=True))
    ]
    title = f"network of {format_count(len(layers), 'layer')}"
    if len(layers) > MAX_DRAWN_LAYERS:
        title += f", the first {MAX_DRAWN_LAYERS} drawn"
    return Plot(title, (draw_layers(network.n_inputs, layers[:MAX_DRAWN_LAYERS], names),))


def _n_parameters(network: CompiledNetwork, k: int) -> int:
    kinds = (network.weights[k], network.biases[k], network.trainable_values[k])
    return sum(values.size for values in kinds if values is not None)
