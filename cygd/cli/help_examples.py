"""What `cygd COMMAND --help` shows at its end: commands as they are typed, and what each is for."""

from __future__ import annotations

__all__ = ["EXAMPLES", "epilog"]

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("cygd run experiments/penguins.yaml", "train, and leave a run folder below runs/"),
        ("cygd run xor.yaml train.epochs=20 optimizer=adam", "with other values than the file's"),
        ("cygd run xor.yaml --dry-run", "print the experiment with every default"),
        ("folder=$(cygd run xor.yaml --quiet)", "keep the path of the run folder"),
        ("cygd run runs/xor/20260101-120000-ab12/config.yaml", "run it again, to the same bits"),
    ),
    "check": (
        ("cygd check xor.yaml", "say everything that is wrong with it"),
        ("cygd check experiments", "all experiments of a folder"),
        ("cygd check xor.yaml train.epochs=-3", "with other values than the file's"),
    ),
    "sweep": (
        ("cygd sweep xor.yaml optimizer.learning_rate=0.1,0.3,1", "three runs, and which is the best"),
        ("cygd sweep mine.yaml --workers 4", "what the experiment's `sweep` describes"),
        ("cygd sweep mine.yaml --dry-run", "print the configurations, and run nothing"),
        ("cygd sweep mine.yaml --resume", "make what is missing of the newest sweep"),
    ),
    "trace": (
        ("cygd trace experiments/one_unit.yaml", "every number of the first three updates"),
        ("cygd trace xor.yaml --steps 1 --csv", "a row for each weight, for a spreadsheet"),
    ),
    "bowl": (
        ('cygd bowl experiments/one_weight.yaml -w "w0[0,0]"', "a curve, and the way down it"),
        ('cygd bowl xor.yaml -w "w0[0,0]" -w "w0[1,0]" -o xor.png', "a map over two weights"),
        ('cygd bowl runs/xor/20260101-120000-ab12 -w "b1[0]" --csv', "the numbers of a run"),
    ),
    "data": (
        ("cygd data experiments/penguins.yaml", "its columns, their values, and the rows of each part"),
        ("cygd data mine.yaml data.split.stratify=true", "with other values than the file's"),
    ),
    "predict": (
        ("cygd predict penguins new.csv", "with the newest run of penguins, to the terminal"),
        ("cygd predict runs/xor/20260101-120000-ab12 new.csv -o out.csv", "with this one, to a file"),
    ),
    "list": (
        ("cygd list", "all runs below runs/"),
        ("cygd list penguins --json", "those of one experiment, for a program"),
    ),
    "compare": (
        ("cygd compare penguins xor", "the newest runs of two experiments"),
        ("cygd compare runs/xor/20260101-120000-ab12 runs/xor/20260101-120100-cd34", "two runs"),
    ),
    "plugins": (
        ("cygd plugins", "all components there are"),
        ("cygd plugins --kind optimizer", "the optimizers alone"),
        ("cygd plugins leaky_relu slope=0.3 --plot", "one of them, drawn"),
        ('cygd plugins formula="h * sigmoid(beta * h)" beta=2 --plot', "a formula that has no name yet"),
        ("cygd plugins swish -p plugins/swish.py --check", "try a plugin out"),
    ),
    "new": (
        ("cygd new experiment first", "an experiment to play with: first.yaml"),
        ("cygd new experiment mine --data mine.csv", "one for a file of yours"),
        ("cygd new experiment mine --data mine.csv --target price", "with the column to predict"),
        ("cygd new plugin my_loss --kind loss", "a plugin, and its test"),
    ),
    "schema": (
        ("cygd schema > experiment.schema.json", "for an editor"),
        ("cygd schema experiments/*.yaml", "with the plugins that these experiments load"),
    ),
    "completion": (
        ("source <(cygd completion bash)", "in ~/.bashrc"),
        ("source <(cygd completion zsh)", "in ~/.zshrc, behind compinit"),
        ("cygd completion fish > ~/.config/fish/completions/cygd.fish", "once"),
    ),
    "info": (
        ("cygd info", "versions, CPU level, threads"),
        ("cygd info --json", "the same, for a program"),
    ),
}


def epilog(command: str) -> str:
    """Return the examples of a command, aligned."""
    rows = EXAMPLES.get(command, ())
    width = max((len(example) for example, _ in rows), default=0)
    lines = [f"  {example:<{width}}   {purpose}" for example, purpose in rows]
    return "\n".join(["examples:", *lines]) if lines else ""
