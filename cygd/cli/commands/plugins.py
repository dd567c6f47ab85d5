"""`cygd plugins`: all components, or the details, plot and test suite of one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygd.cli.arguments import OVERRIDE, load_plugins, parse_mapping, reject_several
from cygd.cli.output import DONE, UsageError, print_json, print_text, redirect_stdout, separated
from cygd.cli.tables import print_table
from cygd.errors import did_you_mean

if TYPE_CHECKING:
    from cygd.components import Component
    from cygd.plugins.manager import Entry, Plugins

USAGE = "[NAME] [KEY=VALUE ...] [--plot] [--check] [--kind KIND] [--range LOW HIGH] [--ascii] [--json]"
COMMAND_LINE = "command line"  # the origin of a component given as formula=...


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="COMPONENT, OPTION=VALUE",
        help="a component by its name in an experiment, and its options such as slope=0.3; formula=... "
        "instead of a name for a new one",
    )
    parser.add_argument("--plot", action="store_true", help="plot an activation, a loss or a schedule")
    parser.add_argument("--check", action="store_true", help="run the suite of cygd.testing on it")
    parser.add_argument("--kind", metavar="KIND", help="only components of this kind, such as loss")
    parser.add_argument("--range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="the range of the plot")
    parser.add_argument("--ascii", action="store_true", help="plot with ASCII characters")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """List all components with their speed tier and origin, or show one: parameters, plot, test suite."""
    overrides = [text for text in options.arguments if OVERRIDE.match(text)]
    names = [text for text in options.arguments if text not in overrides]
    component_options = parse_mapping(overrides)
    _check_arguments(options, names, component_options)
    registry = load_plugins(options.plugin)
    _check_kind(registry, options.kind)
    if not names and not component_options:
        _print_list(registry, options.kind, as_json=options.json)
        return DONE
    with redirect_stdout():
        entries = list(_select(registry, names, component_options, options.kind))
    if options.json:
        print_json([_details(entry) for entry in entries])
        return DONE
    if options.plot:
        _plot(entries, options)
        if options.check:
            print_text()
    if options.check:
        return _check(entries)
    if not options.plot:
        for entry in separated(entries):
            _print_details(entry)
    return DONE


def _check_arguments(
    options: argparse.Namespace, names: list[str], component_options: Mapping[str, object]
) -> None:
    """Reject arguments that cannot be combined."""
    action = "--plot" if options.plot else "--check" if options.check else ""
    formula = component_options.get("formula", "")
    reject_several("component", names)
    if "formula" in component_options and (not formula or not isinstance(formula, str | Mapping)):
        hint = 'formula="h * sigmoid(h)", or formula.w=... for an update rule'
        raise UsageError(f"expected a formula as text, got {formula!r}", hint)
    if names and formula:
        raise UsageError("expected a component name or a formula, got both", "leave out one of them")
    if not names and component_options and not formula:
        key = next(iter(component_options))
        raise UsageError(f"expected a component name before {key}=...", f"cygd plugins NAME {key}=...")
    if action and not names and not formula:
        raise UsageError(f"{action} needs a component name", f"cygd plugins NAME {action}")
    if action and options.json:
        raise UsageError(f"--json cannot be combined with {action}")
    if not options.plot and (options.range or options.ascii):
        raise UsageError(f"{'--range' if options.range else '--ascii'} needs --plot")


def _check_kind(registry: Plugins, kind: str | None) -> None:
    """Reject a kind that no component has."""
    kinds = list(dict.fromkeys(entry.component.kind for entry in registry.entries))
    if kind is not None and kind not in kinds:
        raise UsageError(f"unknown kind {kind!r}", did_you_mean(kind, kinds) or f"one of {', '.join(kinds)}")


def _select(
    registry: Plugins, names: list[str], component_options: Mapping[str, Any], kind: str | None
) -> Iterator[Entry]:
    """Yield the components of a name, or of a formula, with their options."""
    from cygd.components import OptionError
    from cygd.components.from_formula import component_from_formula
    from cygd.plugins.manager import Entry

    if not names:
        kind = kind or _formula_kind(component_options["formula"])
        yield Entry(component_from_formula(kind, component_options), "-", COMMAND_LINE)
        return
    errors: list[OptionError] = []
    entries = _find(registry, names[0], kind)
    for entry in entries:
        try:
            if component_options:
                entry = replace(entry, component=entry.component.configured(component_options))
            yield entry
        except OptionError as error:
            errors.append(error)
    # the options choose among the kinds that share a name, so one that accepts them is enough
    if len(errors) == len(entries):
        raise errors[0]


def _find(registry: Plugins, name: str, kind: str | None) -> list[Entry]:
    from cygd.components import UnknownComponentError

    try:
        return registry.find(name) if kind is None else [registry.entry(kind, name)]
    except UnknownComponentError as error:
        if Path(f"{name}.py").is_file():
            error.hint = f"-p {name}.py loads the plugin {name}.py"
        elif kind is None and not did_you_mean(error.name, error.known):
            error.hint = "`cygd plugins` lists all of them"
        raise


def _formula_kind(formula: object) -> str:
    """Return the kind of a formula: an update rule has several parts, a loss contains y_hat."""
    if isinstance(formula, Mapping):
        return "optimizer"
    return "loss" if "y_hat" in str(formula) else "activation"


def _print_list(registry: Plugins, kind: str | None, *, as_json: bool) -> None:
    """Print a row for each component, and for each installed plugin that failed to load."""
    rows = [_table_row(entry) for entry in registry.entries if kind in (None, entry.component.kind)]
    rows += [
        {"name": "-", "kind": "-", "tier": "broken", "plugin": broken.plugin, "origin": broken.error.message}
        for broken in registry.broken
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)


def _table_row(entry: Entry) -> dict[str, str]:
    from cygd.runner.provenance import describe_tier

    return {
        "name": entry.component.name,
        "kind": entry.component.kind,
        "tier": describe_tier(entry.component),
        "plugin": entry.plugin,
        "origin": entry.origin,
    }


def _details(entry: Entry) -> dict[str, Any]:
    """Return the properties of a component, without those that are empty."""
    from cygd.components import REQUIRED

    component = entry.component
    properties = {
        **_table_row(entry),
        "summary": component.summary,
        "formula": getattr(component, "formula", None),
        "targets": getattr(component, "targets", None),
        "state": list(getattr(component, "state", ())),
        "kinks": list(getattr(component, "kinks", ())),
        "trainable": list(getattr(component, "trainable", ())),
    }
    parameters: dict[str, dict[str, Any]] = {}
    for name, value in component.options.items():
        if name != "trainable":
            parameters[name] = {} if value is REQUIRED else {"value": value}
            if name in component.domains:
                parameters[name]["bounds"] = component.domains[name]
    present = {key: value for key, value in properties.items() if value not in (None, "", [])}
    return {**present, "parameters": parameters}


def _print_details(entry: Entry) -> None:
    from cygd.runner.provenance import relative_path

    details = _details(entry)
    name, kind, tier, parameters = (details.pop(key) for key in ("name", "kind", "tier", "parameters"))
    if entry.origin == COMMAND_LINE:
        del details["plugin"], details["origin"]
    else:
        details["origin"] = relative_path(details["origin"])
    print_text(f"{name}: {kind.replace('_', ' ')}, {tier}".removesuffix(", -"))
    lines = {key: _format_lines(value) for key, value in details.items()}
    lines["parameters"] = [_format_parameter(name, **facts) for name, facts in parameters.items()]
    for key, values in lines.items():
        for number, line in enumerate(values):
            print_text(f"  {'' if number else key:<10}  {line}")


def _format_lines(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name} = {text}" for name, text in value.items()]
    if isinstance(value, list):
        return [", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)]
    return [str(value)]


def _format_parameter(name: str, **facts: Any) -> str:
    """Return a line such as `slope = 0.01, in [0, inf)`."""
    text = f"{name} = {_format_yaml(facts['value'])}" if "value" in facts else f"{name} (required)"
    bounds = facts.get("bounds")
    return text if bounds is None else f"{text}, {'one of' if '|' in bounds else 'in'} {bounds}"


def _format_yaml(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, str) else str(value)


def _title(component: Component) -> str:
    """Return the name of a component with its parameters."""
    from cygd.components import REQUIRED

    formula = getattr(component, "formula", None)
    by_formula = component.name == "formula" and formula is not None
    name = ", ".join(_format_lines(formula)) if by_formula else component.name
    values = {key: value for key, value in component.parameters.items() if value is not REQUIRED}
    parameters = [f"{key} = {_format_yaml(value)}" for key, value in values.items()]
    return ", ".join([f"{component.kind.replace('_', ' ')} {name}", *parameters])


def _plot(entries: list[Entry], options: argparse.Namespace) -> None:
    from cygd.cli.commands.plugins_plot import PLOTTED, print_plot
    from cygd.tracking.terminal_plot import ASCII, best_style

    components = [entry.component for entry in entries if isinstance(entry.component, PLOTTED)]
    if not components:
        raise UsageError(f"{entries[0].component} has no plot", "activations, losses and schedules have one")
    style = ASCII if options.ascii else best_style(getattr(sys.stdout, "encoding", None))
    for component in separated(components):
        print_plot(_title(component), component, style, options.range and tuple(options.range))


def _check(entries: list[Entry]) -> int:
    """Run the test suites of the components that have one."""
    from cygd.cli.commands.plugins_check import check
    from cygd.testing.report import SUITES

    components = [entry.component for entry in entries if entry.component.kind in SUITES]
    if not components:
        hint = f"suites exist for {', '.join(SUITES)}"
        raise UsageError(f"{entries[0].component} has no test suite", hint)
    return max(check(component, _title(component)) for component in separated(components))
