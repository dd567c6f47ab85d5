"""The gallery: each experiment with its file, a picture of what it learned and its results.

Every experiment is run when the site is built; all of them take a few seconds.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import cygd
from cygd.inspection import LossSurface
from cygd.tracking import Result
from cygd_site.pages import Pages, code, table, toctree
from cygd_site.plots import FIRST, GRAY, SECOND, Picture, figure, legend, style, svg


def write(pages: Pages, root: Path) -> None:
    """Run every experiment and write its page, and the first page of the gallery."""
    cards, names = [], []
    for path in sorted((root / "experiments").glob("*.yaml")):
        # what a run says, its log.txt has as well
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            result = cygd.run(path, overrides=["log=[]"], out=Path(folder, "run"))
            shown = [curves(result)]
            if learned := learned_picture(path, result):
                shown.insert(0, learned)
        name, title, comment = describe(path)
        names.append(name)
        for number, picture in enumerate(shown):
            pages.write(f"gallery/{name}-{number}.svg", picture.svg)
        pages.write(f"gallery/{name}.md", page(path, title, comment, result, shown))
        cards.append(
            f":::{{grid-item-card}} {title}\n:link: {name}\n:link-type: doc\n\n"
            f"```{{image}} {name}-0.svg\n:alt: {shown[0].caption}\n```\n{name}.yaml\n:::\n"
        )
    grid = "::::{grid} 1 2 2 3\n:gutter: 3\n\n" + "\n".join(cards) + "::::\n\n"
    pages.write(
        "gallery/index.md",
        "# Gallery\n\nThe experiments of the folder `experiments`, each run when this site was built.\n\n"
        + grid
        + toctree(names, hidden=True),
    )


def describe(path: Path) -> tuple[str, str, str]:
    """Return the name of an experiment, its first sentence as a title, and the comment at its head."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# yaml-language-server"):
            lines.append(line.removeprefix("#").removeprefix(" "))
    comment = "\n".join(lines)
    title = re.split(r"[:.](?:\s|$)", comment.replace("\n", " "), maxsplit=1)[0]
    return path.stem, title, comment


def page(path: Path, title: str, comment: str, result: Result, shown: list[Picture]) -> str:
    """Return the page of one experiment."""
    metrics = [(f"`{name}`", f"{value:.6g}") for name, value in result.metrics.items()]
    pictures = [
        f"```{{image}} {path.stem}-{number}.svg\n:alt: {picture.caption}\n:class: plot\n```\n\n"
        f"{picture.caption}.\n"
        for number, picture in enumerate(shown)
    ]
    epochs = f"{result.epochs} epoch" + ("s" if result.epochs != 1 else "")
    return "\n".join(
        [
            f"# {title}\n",
            code(comment, "text"),
            *pictures,
            f"## Result\n\nThe status is `{result.status}` after {epochs}.\n",
            table(("metric", "value"), metrics),
            "## Experiment\n",
            code(f"$ cygd run experiments/{path.name}", "console"),
            code(path.read_text(encoding="utf-8"), "yaml"),
        ]
    )


# -- pictures ---------------------------------------------------------------------------------------


def curves(result: Result) -> Picture:
    """Plot the losses over the epochs."""
    drawing, axes = figure()
    names = [name for name in ("loss", "validation_loss") if name in result.history]
    for name, color in zip(names, (FIRST, SECOND), strict=False):
        values = np.asarray(result.history[name], dtype=float)
        known = np.isfinite(values)
        epochs = np.arange(1, len(values) + 1)
        marker = "." if known.sum() < 30 else ""
        axes.plot(epochs[known], values[known], color=color, label=name, marker=marker)
    losses = np.concatenate([np.asarray(result.history[name], dtype=float) for name in names])
    if np.nanmin(losses) > 0 and np.nanmax(losses) > 20 * np.nanmin(losses):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    style(axes)
    legend(axes)
    return Picture(svg(drawing), f"{' and '.join(names)} over the epochs")


def learned_picture(path: Path, result: Result) -> Picture | None:
    """Return the picture that fits an experiment: its error surface, its regions, its curve, or none."""
    network = result.model.network
    if network.parameters.size <= 2:
        return surface(path, network.parameters.size)
    if network.n_inputs == 2:
        return regions(path, result)
    if network.n_inputs == 1:
        return fitted_curve(path, result)
    return None


def surface(path: Path, n_weights: int) -> Picture:
    """Plot the error over the weights, and the path of the descent."""
    names = weight_names(path, n_weights)
    data: LossSurface = cygd.loss_surface(path, names)
    drawing, axes = figure(4)
    if n_weights == 1:
        axes.plot(data.axes[0], data.surface, color=GRAY, label="E")
        axes.plot(data.path[:, 0], data.errors, color=FIRST, marker=".", label="updates")
        axes.set_ylabel("E")
        legend(axes)
    else:
        axes.contour(*data.axes, data.surface.T, levels=24, colors=GRAY, linewidths=0.6, alpha=0.7)
        axes.plot(*data.path.T, color=FIRST, marker=".", markersize=3, linewidth=1)
        axes.plot(*data.path[0], "o", color=SECOND)
        axes.set_ylabel(names[1])
    axes.set_xlabel(names[0])
    style(axes)
    return Picture(svg(drawing), f"The error over {' and '.join(names)}, and the path of the descent")


def weight_names(path: Path, n_weights: int) -> list[str]:
    """Return the names of the weights of a network of one unit."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    first = content["model"]["layers"][0]
    biased = not (isinstance(first, dict) and first.get("bias") is False)
    weights = [f"w0[{row},0]" for row in range(n_weights - biased)]
    return [*weights, *(["b0[0]"] if biased else [])]


def samples(path: Path) -> tuple[Any, Any]:
    """Return the inputs and targets of the training rows of an experiment."""
    from cygd.inspection.experiment import assemble_experiment

    assembly = assemble_experiment(path, (), ())
    x, y, _ = assembly.data.train.take()
    return np.asarray(x), np.asarray(y)


def regions(path: Path, result: Result) -> Picture:
    """Plot the first output over the plane of the inputs, with the training rows."""
    x, y = samples(path)
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.15 * (high - low)
    axes_of = [np.linspace(a, b, 121) for a, b in zip(low - margin, high + margin, strict=True)]
    plane = np.stack(np.meshgrid(*axes_of), axis=-1)
    output = result.model.network.predict(plane.reshape(-1, 2))[:, 0].reshape(121, 121)
    drawing, axes = figure(4.4)
    axes.contourf(*axes_of, output, levels=np.linspace(0, 1, 9), cmap="coolwarm", alpha=0.75, extend="both")
    axes.contour(*axes_of, output, levels=[0.5], colors=GRAY)
    for value, color, marker in ((0, "white", "o"), (1, "black", "^")):
        chosen = y[:, 0].round() == value
        axes.scatter(*x[chosen].T, s=14, color=color, marker=marker, edgecolors=GRAY, linewidths=0.4)
    axes.set_xlabel("x0")
    axes.set_ylabel("x1")
    style(axes)
    axes.grid(visible=False)
    return Picture(
        svg(drawing), "The first output over the plane of the inputs, with the training rows; the line is 1/2"
    )


def fitted_curve(path: Path, result: Result) -> Picture:
    """Plot the output over the input, with the training rows."""
    x, y = samples(path)
    line = np.linspace(x.min(), x.max(), 401)[:, None]
    drawing, axes = figure(4)
    axes.scatter(x[:, 0], y[:, 0], s=10, color=SECOND, alpha=0.6, label="training rows")
    axes.plot(line, result.model.network.predict(line), color=FIRST, label="network")
    axes.set_xlabel("x")
    style(axes)
    legend(axes)
    return Picture(svg(drawing), "The output of the network over its input, with the training rows")
