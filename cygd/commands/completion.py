"""`cygd completion SHELL`: what a shell needs to complete command lines, from the parsers themselves.

What an argument takes is read off its name in the usage: FILE and DATA are files, DIR and RUN are folders,
KEY=VALUE is a key of an experiment, words in small letters are themselves. So a new command completes without
a line here.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cygd.commands.talk import DONE, UsageError
from cygd.errors import did_you_mean

__all__ = ["USAGE", "run"]

SHELLS = ("bash", "zsh", "fish")
USAGE = "|".join(SHELLS)
EXPERIMENTS = ("yaml", "yml")


class Takes(NamedTuple):
    """What may stand in a place: words, keys with a value, files (with these endings), folders."""

    words: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    files: bool = False
    endings: tuple[str, ...] = ()
    folders: bool = False


class Option(NamedTuple):
    """An option: its spellings, its help, and what each of its values may be."""

    names: tuple[str, ...]
    help: str
    values: tuple[Takes, ...]
    repeats: bool


class Command(NamedTuple):
    """A command: what stands behind it, and its options; the one without a name is `cygd` itself."""

    name: str
    help: str
    takes: Takes
    options: tuple[Option, ...]


def run(options: argparse.Namespace, parsers: Mapping[str, argparse.ArgumentParser]) -> int:
    """Print the completion of a shell.

    Parameters
    ----------
    options : Namespace
        The shell.
    parsers : mapping
        The parser of each command; "" is the one of `cygd` itself.
    """
    if options.shell not in WRITERS:
        hint = did_you_mean(options.shell or "", SHELLS) or f"cygd completion {USAGE}"
        found = f"there is no completion for {options.shell!r}" if options.shell else "for which shell?"
        raise UsageError(found, hint)
    commands = [_command(name, parser) for name, parser in parsers.items()]
    sys.stdout.write("\n".join(WRITERS[options.shell](commands)) + "\n")
    return DONE


# -- what the parsers say -----------------------------------------------------------------------------


def _command(name: str, parser: argparse.ArgumentParser) -> Command:
    takes, options = Takes(), []
    for action in parser._actions:
        if action.option_strings:
            options.append(_option(action))
        elif action.help != argparse.SUPPRESS:
            takes = _takes(action)
    return Command(name, (parser.description or "").split("\n")[0], takes, tuple(options))


def _option(action: argparse.Action) -> Option:
    count = 0 if action.nargs == 0 else action.nargs if isinstance(action.nargs, int) else 1
    repeats = isinstance(action, argparse._AppendAction)
    return Option(tuple(action.option_strings), action.help or "", (_takes(action),) * count, repeats)


def _takes(action: argparse.Action) -> Takes:
    """Return what an argument takes, by its choices or its name in the usage."""
    if action.choices is not None:
        return Takes(words=tuple(map(str, action.choices)))
    metavar = " ".join([action.metavar] if isinstance(action.metavar, str) else action.metavar or ())
    words = re.findall(r"[a-z]+(?=[|\s]|$)", metavar)
    names = set(re.findall(r"[A-Z]+(?==)|[A-Z]+", metavar))
    if "KIND" in names:
        words += KINDS
    if "COMPONENT" in names:
        words += _components()
    return Takes(
        words=tuple(words),
        keys=tuple(_keys()) if "KEY" in names else (),
        files=bool(names & {"FILE", "PATH", "DATA"}),
        endings=EXPERIMENTS if {"FILE", "KEY"} <= names else ("py",) if "PATH" in names else (),
        folders=bool(names & {"DIR", "RUN", "FOLDER"}),
    )


KINDS = ["activation", "loss", "optimizer", "schedule", "initializer", "metric", "data_source", "logger"]


def _components() -> Iterator[str]:
    """Yield the names of the built-in components."""
    from cygd import builtins

    tables = (getattr(builtins, name)() for name in dir(builtins) if name.startswith("cygd_"))
    return iter(dict.fromkeys(row.name for table in tables for row in table))


def _keys() -> Iterator[str]:
    """Yield the dotted paths that an experiment may override."""
    from cygd.config.section import Section
    from cygd.config.sections import ExperimentSection

    def walk(section: type[Section], at: str) -> Iterator[str]:
        for key in section.key_names():
            yield at + key
            below = _section(section.fields()[key].annotation)
            if below is not None:
                yield from walk(below, f"{at}{key}.")

    def _section(annotation: Any) -> type[Section] | None:
        found = [annotation, *getattr(annotation, "__args__", ())]
        return next((one for one in found if isinstance(one, type) and issubclass(one, Section)), None)

    return walk(ExperimentSection, "")


# -- bash -------------------------------------------------------------------------------------------


def _bash(commands: Sequence[Command]) -> Iterator[str]:
    yield BASH_HEAD
    yield "    case $command,$previous in"
    for command in commands:
        for option in command.options:
            for takes in option.values[:1]:
                patterns = "|".join(f"{command.name},{name}" for name in option.names)
                yield f"        {patterns}) {_bash_reply(takes)}; return ;;"
    yield "    esac"
    yield "    case $command in"
    for command in commands:
        options = " ".join(name for option in command.options for name in option.names)
        yield f"        {command.name or chr(34) * 2})"
        yield f"            if [[ $current == -* ]]; then _cygd_words {options}"
        yield f"            else {_bash_reply(_with_commands(command, commands))}; fi ;;"
    yield "    esac"
    yield "}"
    yield "complete -F _cygd cygd"


def _bash_reply(takes: Takes) -> str:
    """Return the commands that reply with what an argument takes."""
    calls = []
    if takes.words or takes.keys:
        calls.append(" ".join(["_cygd_words", *takes.words, *(f"{key}=" for key in takes.keys)]))
    if takes.files:
        calls.append(" ".join(["_cygd_files", *takes.endings]))
    if takes.folders:
        calls.append("_cygd_folders")
    return "; ".join(calls or [":"])


BASH_HEAD = """\
# Completion of cygd for bash: source <(cygd completion bash)

_cygd_words() {
    local word
    for word in "$@"; do
        [[ $word == "$current"* ]] && COMPREPLY+=("$word")
    done
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}

_cygd_files() {
    local path ending
    compopt -o filenames 2>/dev/null
    while IFS= read -r path; do
        [[ $# -eq 0 || -d $path ]] && COMPREPLY+=("$path")
        for ending in "$@"; do
            [[ $path == *."$ending" && ! -d $path ]] && COMPREPLY+=("$path")
        done
    done < <(compgen -f -- "$current")
}

_cygd_folders() {
    local path
    compopt -o filenames 2>/dev/null
    while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen -d -- "$current")
}

_cygd() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= i
    COMPREPLY=()
    [[ $current == "=" || $previous == "=" ]] && return
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -p | --plugin) ((i++)) ;;
            -*) ;;
            *)
                command=${COMP_WORDS[i]}
                break
                ;;
        esac
    done\
"""


# -- zsh --------------------------------------------------------------------------------------------


def _zsh(commands: Sequence[Command]) -> Iterator[str]:
    yield ZSH_HEAD
    yield "_cygd() {"
    yield "    local state curcontext=$curcontext"
    yield "    local -a commands=("
    for command in commands:
        if command.name:
            yield f"        {shlex.quote(f'{command.name}:{command.help}')}"
    yield "    )"
    top = next(command for command in commands if not command.name)
    yield "    _arguments -C -S \\"
    yield from _zsh_options(top, 8)
    yield "        '1: :->command' '*:: :->rest' && return"
    yield "    case $state in"
    yield "        command) _describe -t commands command commands ;;"
    yield "        rest)"
    yield "            case $words[1] in"
    for command in commands:
        if command.name:
            yield f"                {command.name})"
            yield "                    _arguments \\"
            yield from _zsh_options(command, 24)
            yield f"                        {shlex.quote('*: :' + _zsh_action(command.takes))}"
            yield "                    ;;"
    yield "            esac"
    yield "            ;;"
    yield "    esac"
    yield "}"
    yield ""
    yield 'if [[ ${funcstack[1]} == _cygd ]]; then _cygd "$@"; else compdef _cygd cygd; fi'


def _zsh_options(command: Command, indent: int) -> Iterator[str]:
    for option in command.options:
        others = "" if option.repeats else f"({' '.join(option.names)})"
        text = re.sub(r"([\[\]:])", r"\\\1", option.help)
        values = "".join(f":{' '}:{_zsh_action(takes)}" for takes in option.values)
        star = "*" if option.repeats else ""
        for name in option.names:
            yield f"{' ' * indent}{shlex.quote(f'{others}{star}{name}[{text}]{values}')} \\"


def _zsh_action(takes: Takes) -> str:
    """Return what completes an argument, as _arguments takes it."""
    kinds = []
    if takes.words:
        kinds.append(("words", f"({' '.join(takes.words)})"))
    if takes.keys:
        kinds.append(("keys", f"compadd -S '' - {' '.join(f'{key}=' for key in takes.keys)}"))
    if takes.files:
        pattern = f' -g "*.({"|".join(takes.endings)})"' if takes.endings else ""
        kinds.append(("files", f"_files{pattern}"))
    if takes.folders:
        kinds.append(("folders", "_files -/"))
    if not kinds:
        return " "
    if len(kinds) == 1 and not takes.keys:
        return kinds[0][1]
    # a space in front: _arguments calls it as it stands
    return " _alternative " + " ".join(shlex.quote(f"{name}:{name}:{action}") for name, action in kinds)


ZSH_HEAD = """\
#compdef cygd
# Completion of cygd for zsh: source <(cygd completion zsh), behind compinit
"""


# -- fish -------------------------------------------------------------------------------------------


def _fish(commands: Sequence[Command]) -> Iterator[str]:
    yield "# Completion of cygd for fish: cygd completion fish > ~/.config/fish/completions/cygd.fish"
    names = " ".join(command.name for command in commands if command.name)
    yield f"set -l commands {names}"
    yield "complete -c cygd -f"
    for command in commands:
        if command.name:
            yield (
                f'complete -c cygd -n "not __fish_seen_subcommand_from $commands" -a {command.name} '
                f"-d {_fish_text(command.help)}"
            )
        seen = (
            f'"__fish_seen_subcommand_from {command.name}"'
            if command.name
            else ('"not __fish_seen_subcommand_from $commands"')
        )
        start = f"complete -c cygd -n {seen}"
        for option in command.options:
            names = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names)
            values = f" -x{_fish_arguments(option.values[0])}" if option.values else ""
            yield f"{start} {names}{values} -d {_fish_text(option.help)}"
        arguments = _fish_arguments(command.takes)
        if arguments:
            yield f"{start}{arguments}"


def _fish_arguments(takes: Takes) -> str:
    """Return the arguments of `complete` for what an argument takes."""
    parts = [*takes.words, *(f"{key}=" for key in takes.keys)]
    if takes.files and takes.endings:
        parts.append(f"(__fish_complete_suffix {' '.join(f'.{ending}' for ending in takes.endings)})")
    elif takes.files:
        parts.append("(__fish_complete_path)")
    if takes.folders:
        parts.append("(__fish_complete_directories)")
    return f" -a {_fish_text(' '.join(parts))}" if parts else ""


def _fish_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _with_commands(command: Command, commands: Sequence[Command]) -> Takes:
    """Return what stands behind a command; behind `cygd` itself the commands."""
    return command.takes if command.name else Takes(words=tuple(one.name for one in commands if one.name))


WRITERS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
