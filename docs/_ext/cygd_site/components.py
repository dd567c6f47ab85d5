"""A page for every built-in component: formula, plot, options, source."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cygd.components import REQUIRED, Component
from cygd.plugins.builtins import KINDS
from cygd_site.keys import load_tool
from cygd_site.pages import Pages, code, table, toctree
from cygd_site.plots import PLOTS

# kind -> how an experiment names one
USES = {
    "activation": "model: {{activation: {spec}, layers: [4, 1]}}",
    "loss": "loss: {spec}",
    "optimizer": "optimizer: {spec}",
    "schedule": "schedule: {spec}",
    "initializer": "model: {{initializer: {spec}, layers: [4, 1]}}",
    "metric": "metrics: [{spec}]",
    "data_source": "data: {{source: {name}}}",
    "logger": "log: [console, {spec}]",
}
KERNELS = "cygd/core/kernels"
METRICS = "cygd/core/metrics.pyx"
# metrics whose function in METRICS has another name
METRIC_FUNCTIONS = {
    **dict.fromkeys(("rmse", "mae", "r2"), "mean_error"),
    **dict.fromkeys(("precision", "recall", "f1"), "mean_ratio"),
}
# a definition at the left edge: its head, which may take more lines, and its indented body
DEFINITION = re.compile(r"^cdef [^\n]*?(\w+)\((?:[^\n]|\n )*?:\n(?:[ ]+[^\n]*\n|\n(?= ))+", re.MULTILINE)


def write(pages: Pages, root: Path) -> None:
    """Write a page for each component, one for each kind, and one for all."""
    sections = load_tool(root, "defaults").SECTIONS
    kernels = kernel_sources(root)
    for kind in KINDS:
        title, remark = sections[kind.name]
        folder = f"reference/components/{kind.name}"
        rows = []
        for component in kind.built_ins:
            rows.append((f"[`{component.name}`](/{folder}/{component.name}.md)", escape(component.summary)))
            plot = PLOTS.get(kind.name)
            picture = plot(component) if plot else None
            if picture:
                pages.write(f"{folder}/{component.name}.svg", picture.svg)
            caption = picture.caption if picture else ""
            pages.write(f"{folder}/{component.name}.md", page(kind.name, component, caption, kernels))
        remark = re.sub(r"\]\((\w+\.md)", r"](/\1", remark)
        names = [component.name for component in kind.built_ins]
        text = f"# {title}\n\n{remark}\n\n{table(('name', ''), rows)}\n"
        pages.write(f"{folder}/index.md", text + toctree([f"{name} <{name}>" for name in names], hidden=True))
    pages.write(
        "reference/components/index.md",
        "# Components\n\nWhat an experiment names. [](/defaults.md) has all of them in one table; "
        "[a plugin](/plugins.md) adds others.\n\n" + toctree([f"{kind.name}/index" for kind in KINDS], 2),
    )


def page(kind: str, component: Component, caption: str, kernels: dict[str, str]) -> str:
    """Return the page of one component."""
    name = component.name
    example = options_example(component)
    spec = f"{{name: {name}, {example}}}" if example else name
    parts = [f"# {name}\n", f"{escape(component.summary)}\n"]
    if caption:
        parts.append(f"```{{image}} {name}.svg\n:alt: {caption}\n:class: plot\n```\n\n{caption}\n")
    parts.append("## In an experiment\n\n" + code(USES[kind].format(name=name, spec=spec), "yaml"))
    parts.append("## Options\n")
    rows = option_rows(component)
    parts.append(table(("option", "default", "range"), rows) if rows else "It has no options.\n")
    if kinks := getattr(component, "kinks", ()):
        points = ", ".join(f"{kink:g}" for kink in kinks)
        parts.append(f"There is no derivative at {points}; its value there is a convention.\n")
    parts.append("## Source\n\n" + source(kind, component, kernels))
    return "\n".join(parts)


def option_rows(component: Component) -> list[tuple[str, str, str]]:
    """Return the rows of the table of options; the learning rate of an optimizer comes first."""
    rows = []
    if hasattr(component, "learning_rate") and "learning_rate" not in component.options:
        rows.append(("`learning_rate`", f"`{component.learning_rate:g}`", ""))
    for name, value in component.options.items():
        default = "*required*" if value is REQUIRED else f"`{format_value(value)}`"
        domain = component.domains.get(name, "")
        rows.append((f"`{name}`", default, f"`{domain}`" if domain else ""))
    return rows


def options_example(component: Component) -> str:
    """Return the options with a default as a part of a YAML mapping, two at most."""
    known = [(n, v) for n, v in component.options.items() if v is not REQUIRED and v is not None]
    return ", ".join(f"{name}: {format_value(value)}" for name, value in known[:2] if format_value(value))


def format_value(value: Any) -> str:
    """Return a default as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value)


def escape(text: str) -> str:
    """Return a summary as Markdown."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", text)


# -- source -----------------------------------------------------------------------------------------


def kernel_sources(root: Path) -> dict[str, str]:
    """Return the text of the kernel functions by name, from the Cython sources."""
    found: dict[str, str] = {}
    for path in [*sorted((root / KERNELS).glob("*.pxi")), root / METRICS]:
        text = path.read_text(encoding="utf-8")
        for match in DEFINITION.finditer(text):
            found.setdefault(match[1], f"# {path.relative_to(root)}\n{match[0]}")
    return found


def source(kind: str, component: Component, kernels: dict[str, str]) -> str:
    """Return the code that computes a component."""
    kernel = getattr(component, "kernel", None)
    if kernel and kind == "metric":
        function_name = METRIC_FUNCTIONS.get(kernel, kernel)
        text = kernels[function_name].partition("\n")[2]
        return f"`{function_name}` in `{METRICS}`:\n\n" + code(text, "cython")
    if kernel:
        suffixes = ("", "_derivative", "_f", "_df", "_element", "_scalars", "_backward")
        texts = [kernels[kernel + suffix] for suffix in suffixes if kernel + suffix in kernels]
        shared = f"The kernel `{kernel}` of the compiled core, built for both dtypes and every CPU level"
        if not texts:  # adamw is the kernel of adam with other scalars
            return f"{shared}, below `{KERNELS}`.\n"
        return f"{shared}:\n\n" + code("\n".join(text.partition("\n")[2] for text in texts), "cython")
    function = implementation(component)
    if function is None:
        return f"`{type(component).__module__}`.\n"
    where = f"`{function.__module__}.{function.__qualname__}`:\n\n"
    return where + code(inspect.getsource(function), "python")


def implementation(component: Component) -> Callable[..., Any] | None:
    """Return the Python function or class of a component."""
    for attribute in ("function", "watcher", "load", "factory", "update"):
        value = getattr(component, attribute, None)
        value = getattr(value, "__wrapped__", value)
        if inspect.isfunction(value) or inspect.isclass(value):
            return value
    return None
