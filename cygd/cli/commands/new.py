"""`cygd new`: write a commented experiment, or a plugin with its test, into the current folder."""

from __future__ import annotations

import argparse
import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygd.cli.arguments import load_plugins, parse_mapping, reject_several, split_overrides
from cygd.cli.new_files import check_not_existing, fill_template, write_new_files
from cygd.cli.output import (
    DONE,
    UsageError,
    echo,
    echo_message,
    print_paths,
    redirect_stdout,
    without_repetition,
)
from cygd.errors import CygdError, did_you_mean

if TYPE_CHECKING:
    from cygd.data.sniff import TableGuess

PLUGIN_KINDS = ("activation", "loss", "optimizer")
USAGES = {
    "experiment": "experiment NAME [--data FILE] [--target COLUMN]",
    "plugin": f"plugin NAME [--kind {'|'.join(PLUGIN_KINDS)}]",
}
OPTIONS = {"data": "experiment", "target": "experiment", "kind": "plugin"}
USAGE = "\n  cygd new ".join(USAGES.values())


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="experiment|plugin NAME",
        help="what to write, its name, and options of the data such as data.skip_rows=2",
    )
    parser.add_argument("--data", metavar="FILE", help="the data: .csv, .csv.gz, .parquet, .npz, .svm, ...")
    parser.add_argument(
        "--target", metavar="COLUMN", help="the column to predict (default: chosen by its name and type)"
    )
    parser.add_argument(
        "--kind", metavar="KIND", help=f"kind of the plugin: {', '.join(PLUGIN_KINDS)} (default activation)"
    )


def run(options: argparse.Namespace) -> int:
    """Write a commented experiment that runs, or a working plugin with its test, into the current folder."""
    kinds = " or ".join(map(repr, USAGES))
    hint = "cygd new experiment NAME, or cygd new plugin NAME"
    if not options.arguments:
        raise UsageError(f"expected {kinds}", hint)
    kind, *names = options.arguments
    if kind not in USAGES:
        raise UsageError(f"expected {kinds}, got {kind!r}", did_you_mean(kind, list(USAGES)) or hint)
    usage = f"cygd new {USAGES[kind]}"
    overrides: list[str] = []
    if kind == "experiment":
        names, overrides = split_overrides(names)
    if not names:
        raise UsageError(f"expected a name for the {kind}", usage)
    reject_several("name", names, usage)
    for option, owner in OPTIONS.items():
        if owner != kind and getattr(options, option) is not None:
            raise UsageError(f"--{option} is an option of `cygd new {owner}`", usage)
    if kind == "plugin":
        return _write_plugin(names[0], options)
    return _write_experiment(names[0], options, _data_options(overrides, options))


def _data_options(overrides: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the data source that overrides set instead of the guesses."""
    if not overrides:
        return {}
    if options.data is None:
        raise UsageError(f"{overrides[0]} needs --data", f"cygd new {USAGES['experiment']} {overrides[0]}")
    chosen = parse_mapping(overrides)
    data = chosen.get("data")
    if chosen.keys() != {"data"} or not isinstance(data, dict) or "path" in data:
        hint = "--data names the file; edit other values in the experiment"
        raise UsageError(f"expected overrides such as data.skip_rows=2, got {' '.join(overrides)}", hint)
    return data


def _write_experiment(name: str, options: argparse.Namespace, data: dict[str, Any]) -> int:
    """Write NAME.yaml."""
    from cygd.config.validators import safe_name

    stem = name.removesuffix(".yaml").removesuffix(".yml")
    if safe_name(stem) != stem or not re.fullmatch(r"[\w.+@-]+", stem):
        hint = "use letters, digits, '_', '-' and '.', such as my-first"
        raise UsageError(f"invalid experiment name {name!r}", hint)
    if options.data is None and options.target is not None:
        raise UsageError("--target needs --data", "cygd new experiment NAME --data FILE --target COLUMN")
    file = Path(f"{stem}.yaml")
    check_not_existing([file])
    text, summary, notes = _new_experiment(stem, options, data)
    write_new_files({file: text})
    print_paths(file)
    echo(summary)
    for note in notes:
        echo_message(f"note: {note}")
    echo(f"edit {file}, then try it:")
    echo(f"  cygd check {file}")
    echo(f"  cygd run {file}")
    echo(f"  cygd run {file} train.epochs=20 model.layers.0.units=32")
    return DONE


def _new_experiment(
    stem: str, options: argparse.Namespace, data: dict[str, Any]
) -> tuple[str, str, list[str]]:
    """Return the text of an experiment, a one-line summary, and notes on how the data are read."""
    from cygd.data.sniff import sniff_table

    if options.data is None:
        text = fill_template("synthetic_experiment.yaml.txt", name=stem)
        return text, "classification of two half moons; --data FILE reads your own data", []
    notes: list[str] = []
    with redirect_stdout(), without_repetition():
        try:
            guess = sniff_table(options.data, load_plugins(options.plugin), notes, data)
            text, summary = _experiment_that_runs(stem, guess, options)
        except CygdError as error:
            for note in notes:
                echo_message(f"note: {note}")
            if error.hint and re.search(r"\bdata\.\w+: ", error.hint):
                error.hint += "; cygd new takes such options too, as data.KEY=VALUE"
            raise
    return text, summary, notes


def _experiment_that_runs(stem: str, guess: TableGuess, options: argparse.Namespace) -> tuple[str, str]:
    """Return the text of an experiment that can be run, and a one-line summary."""
    from cygd.cli.commands.experiment_template import experiment_from_table

    text, summary = experiment_from_table(stem, guess, options.target)
    try:
        _validate(text, options.plugin)
    except CygdError:
        text, summary = experiment_from_table(stem, guess, options.target, without_rare_labels=True)
        _validate(text, options.plugin)
    return text, summary


def _validate(text: str, plugins: list[str]) -> None:
    """Validate an experiment, and the data it reads, before it is written."""
    from cygd.config.yaml.nodes import Mark
    from cygd.config.yaml.reader import read_yaml
    from cygd.runner.assembly import assemble

    root = read_yaml(text, Mark("experiment"), [])
    assert root is not None
    assemble(root.plain(), (), plugins)


def _write_plugin(name: str, options: argparse.Namespace) -> int:
    """Write NAME.py and test_NAME.py."""
    kind = options.kind or PLUGIN_KINDS[0]
    if kind not in PLUGIN_KINDS:
        hint = did_you_mean(kind, PLUGIN_KINDS) or f"one of {', '.join(PLUGIN_KINDS)}"
        raise UsageError(f"unknown plugin kind {kind!r}", hint)
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        problem = ": it is a Python keyword" if keyword.iskeyword(name) else ""
        hint = "use letters, digits and underscores, such as my_activation"
        raise UsageError(f"invalid plugin name {name!r}{problem}", hint)
    plugin, test = Path(f"{name}.py"), Path(f"test_{name}.py")
    check_not_existing([plugin, test])
    _check_unused(name, options.plugin)
    names = {"name": name, "constant": name.upper()}
    plugin_text = fill_template(f"{kind}.py.txt", **names)
    write_new_files({plugin: plugin_text, test: fill_template(f"test_{kind}.py.txt", **names)})
    print_paths(plugin, test)
    override = f"model.activation={name}" if kind == "activation" else f"{kind}={name}"
    echo(f"edit {plugin}, then try it:")
    echo(f"  cygd plugins {name} -p {plugin}{'' if kind == 'optimizer' else ' --plot'}")
    echo(f"  cygd plugins {name} -p {plugin} --check")
    if find_spec("pytest") is None:
        echo("  pip install pytest")
    echo(f"  pytest {test}")
    echo(f"  cygd run EXPERIMENT.yaml -p {plugin} {override}")
    return DONE


def _check_unused(name: str, plugins: list[str]) -> None:
    """Reject the name of a component, and of a module that the new file would hide."""
    for entry in load_plugins(plugins).entries:
        if entry.component.name == name:
            message = f"{entry.component} already exists in the plugin {entry.plugin!r}"
            raise UsageError(message, "choose another name")
    if find_spec(name) is not None:
        raise UsageError(f"{name}.py would hide the Python module {name!r}", "choose another name")
