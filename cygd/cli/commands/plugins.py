"""`cygd plugins`: all components there are, or one of them in detail."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygd.cli.arguments import parse_mapping, split_overrides
from cygd.cli.output import DONE, UsageError, print_table, redirect_stdout

if TYPE_CHECKING:
    from cygd.components import Component
    from cygd.plugins.manager import Entry, Plugins

__all__ = ["USAGE", "declare", "run"]

USAGE = "[NAME] [KEY=VALUE ...] [--plot] [--check] [--kind KIND] [--range LOW HIGH] [--ascii] [--json]"
WRITTEN = "of the command line"  # the origin of a component that is given as formula=...


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare what the command understands."""
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="COMPONENT, OPTION=VALUE",
        help="a component, as an experiment names it, with options such as slope=0.3; formula=... for one "
        "that has no name yet",
    )
    parser.add_argument("--plot", action="store_true", help="draw an activation, a loss or a schedule")
    parser.add_argument("--check", action="store_true", help="run the suite of cygd.testing on it")
    parser.add_argument("--kind", metavar="KIND", help="the activation, the loss, ... of that name alone")
    parser.add_argument(
        "--range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="what the plot goes over"
    )
    parser.add_argument("--ascii", action="store_true", help="draw with plain characters")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """List every component with its speed tier and origin, or show one: its parameters, plot, suite."""
    from cygd.plugins.discovery import option_requests
    from cygd.plugins.manager import Plugins

    names, values = split_overrides(options.arguments)
    if len(names) > 1:
        raise UsageError(f"one name at a time; {names[1]!r} is no KEY=VALUE either")
    told = parse_mapping(values)
    _refuse_what_does_not_fit(options, names, told)
    with redirect_stdout():
        registry = Plugins.load(option_requests(options.plugin))
        found = list(_chosen(registry, names, told, options.kind)) if names or told else None
    if found is None:
        _list(registry, options)
        return DONE
    if options.json:
        print(json.dumps([_facts(entry) for entry in found], indent=2))
        return DONE
    if not options.plot and not options.check:
        _show(found)
    if options.plot:
        _plot(found, options)
    if options.plot and options.check:
        print()
    return _check(found) if options.check else DONE


def _check(entries: list[Entry]) -> int:
    """Run the suites of what has one."""
    from cygd.cli.commands.plugins_check import check
    from cygd.testing.report import SUITES

    suited = [entry for entry in entries if entry.component.kind in SUITES]
    if not suited:
        kinds = ", ".join(SUITES)
        raise UsageError(f"there is no suite for {entries[0].component}", f"there is one for: {kinds}")
    codes = []
    for number, entry in enumerate(suited):
        if number:
            print()
        codes.append(check(entry.component, _title(entry.component)))
    return max(codes)


def _plot(entries: list[Entry], options: argparse.Namespace) -> None:
    """Draw what can be drawn."""
    from cygd.cli.commands.plugins_plot import drawable, show
    from cygd.tracking.terminal_plot import ASCII, usable

    curves = [entry.component for entry in entries if drawable(entry.component)]
    if not curves:
        raise UsageError(f"{entries[0].component} has no plot", "activations, losses and schedules have one")
    style = ASCII if options.ascii else usable(sys.stdout.encoding)
    for number, component in enumerate(curves):
        if number:
            print()
        show(_title(component), component, style, options.range and tuple(options.range))


def _title(component: Component) -> str:
    """Return the name of a component with its parameters."""
    from cygd.components import REQUIRED

    formula = getattr(component, "formula", None)
    name = component.name
    if name == "formula" and formula is not None:
        name = ", ".join(_lines(formula))
    known = {k: v for k, v in component.parameters.items() if v is not REQUIRED}
    told = ", ".join(f"{option} = {_written(value)}" for option, value in known.items())
    return f"{component.kind.replace('_', ' ')} {name}" + (f", {told}" if told else "")


def _refuse_what_does_not_fit(
    options: argparse.Namespace, names: list[str], told: Mapping[str, object]
) -> None:
    """Raise a UsageError for options that mean nothing together."""
    if not names and told and "formula" not in told:
        raise UsageError(f"{next(iter(told))}=... of which component? a name is missing", "cygd plugins NAME")
    if "formula" in told and (not told["formula"] or not isinstance(told["formula"], str | Mapping)):
        hint = 'formula="h * sigmoid(h)", or formula.w=... for an update rule'
        raise UsageError(f"a formula is text, found {told['formula']!r}", hint)
    if names and "formula" in told:
        raise UsageError("a name and a formula are two components", "leave out one of them")
    if (options.plot or options.check) and not names and not told:
        flag = "--plot" if options.plot else "--check"
        raise UsageError(f"{flag} of which component? a name is missing", f"cygd plugins NAME {flag}")
    if options.json and (options.plot or options.check):
        raise UsageError(f"--json and {'--plot' if options.plot else '--check'} exclude each other")
    if not options.plot and (options.range or options.ascii):
        raise UsageError(f"{'--range' if options.range else '--ascii'} is for --plot")


def _chosen(
    registry: Plugins, names: list[str], told: Mapping[str, Any], kind: str | None
) -> Iterator[Entry]:
    """Yield the components that are meant, with their options."""
    from dataclasses import replace

    from cygd.components import OptionError
    from cygd.components.from_formula import component_from_formula
    from cygd.errors import did_you_mean
    from cygd.plugins.manager import Entry

    kinds = list(dict.fromkeys(entry.component.kind for entry in registry.entries))
    if kind is not None and kind not in kinds:
        raise UsageError(f"unknown kind {kind!r}", did_you_mean(kind, kinds) or f"one of {', '.join(kinds)}")
    if not names:
        yield Entry(component_from_formula(kind or _kind_of(told["formula"]), told), "-", WRITTEN)
        return
    refused: list[OptionError] = []
    entries = _found(registry, names[0], kind)
    for entry in entries:
        try:
            yield replace(entry, component=entry.component.configured(told)) if told else entry
        except OptionError as error:
            refused.append(error)
    if len(refused) == len(entries):  # the options say which of several kinds is meant
        raise refused[0]


def _found(registry: Plugins, name: str, kind: str | None) -> list[Entry]:
    """Return the components of a name."""
    from cygd.components import UnknownComponentError
    from cygd.errors import did_you_mean

    try:
        return registry.find(name) if kind is None else [registry.entry(kind, name)]
    except UnknownComponentError as error:
        if Path(f"{name}.py").is_file():
            error.hint = f"-p {name}.py loads the plugin {name}.py"
        elif kind is None and not did_you_mean(error.name, error.known):
            error.hint = "`cygd plugins` lists all of them"
        raise


def _kind_of(formula: object) -> str:
    """Return what a formula looks like: an update rule is several, a loss has y_hat in it."""
    if isinstance(formula, Mapping):
        return "optimizer"
    return "loss" if "y_hat" in str(formula) else "activation"


def _list(registry: Plugins, options: argparse.Namespace) -> None:
    """Print a row for each component, and for each installed plugin that could not be loaded."""
    from cygd.runner.provenance import describe_tier

    rows = [
        {
            "name": entry.component.name,
            "kind": entry.component.kind,
            "tier": describe_tier(entry.component),
            "plugin": entry.plugin,
            "origin": entry.origin,
        }
        for entry in registry.entries
        if options.kind in (None, entry.component.kind)
    ]
    rows += [
        {"name": "-", "kind": "-", "tier": "broken", "plugin": broken.plugin, "origin": broken.error.message}
        for broken in registry.broken
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print_table(rows)


def _show(entries: list[Entry]) -> None:
    from cygd.runner.provenance import relative_path

    for number, entry in enumerate(entries):
        if number:
            print()
        facts = _facts(entry)
        if entry.origin == WRITTEN:
            del facts["plugin"], facts["origin"]
        else:
            facts["origin"] = relative_path(facts["origin"])
        print(f"{facts.pop('name')}: {facts.pop('kind').replace('_', ' ')}, {facts.pop('tier')}")
        parameters = facts.pop("parameters")
        for name, value in facts.items():
            lines = _lines(value)
            print("\n".join(f"  {name if not at else '':<10}  {line}" for at, line in enumerate(lines)))
        for at, line in enumerate(_declarations(entry.component, parameters)):
            print(f"  {'parameters' if not at else '':<10}  {line}")


def _facts(entry: Entry) -> dict[str, Any]:
    """Return all that there is to say about a component; what it does not have is left out."""
    from cygd.components import REQUIRED
    from cygd.runner.provenance import describe_tier

    component = entry.component
    facts = {
        "name": component.name,
        "kind": component.kind,
        "tier": describe_tier(component),
        "plugin": entry.plugin,
        "origin": entry.origin,
        "summary": component.summary,
        "formula": getattr(component, "formula", None),
        "targets": getattr(component, "targets", None),
        "state": list(getattr(component, "state", ())),
        "kinks": list(getattr(component, "kinks", ())),
        "trainable": list(getattr(component, "trainable", ())),
    }
    domains = component.domains
    parameters = {
        name: {
            **({} if value is REQUIRED else {"value": value}),
            **({"bounds": domains[name]} if name in domains else {}),
        }
        for name, value in component.options.items()
        if name != "trainable"
    }
    return {**{k: v for k, v in facts.items() if v not in (None, "", [])}, "parameters": parameters}


def _lines(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name} = {text}" for name, text in value.items()]
    if isinstance(value, list):
        return [", ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)]
    return [str(value)]


def _declarations(component: Component, parameters: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield `slope = 0.01, in [0, inf)` for each parameter."""
    for name, row in parameters.items():
        text = f"{name} = {_written(row['value'])}" if "value" in row else f"{name} (must be given)"
        if "bounds" in row:
            text += f", {'one of' if '|' in row['bounds'] else 'in'} {row['bounds']}"
        yield text


def _written(value: object) -> str:
    """Return a value as YAML has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, str) else str(value)
