"""Examples at the end of `cygd COMMAND --help`: command lines and their purposes."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("cygd run experiments/penguins.yaml", "train, and write a run folder below runs/"),
        ("cygd run xor.yaml train.epochs=20 optimizer=adam", "override values of the file"),
        ("cygd run xor.yaml --dry-run", "print the experiment with all defaults"),
        ("folder=$(cygd run xor.yaml --quiet)", "store the path of the run folder"),
        ("cygd run runs/xor/20260101-120000-ab12/config.yaml", "repeat a run bit for bit"),
        ("cygd run --resume runs/xor/20260101-120000-ab12", "resume an interrupted run"),
    ),
    "check": (
        ("cygd check xor.yaml", "print all errors of an experiment"),
        ("cygd check experiments", "check all experiments of a folder"),
        ("cygd check xor.yaml train.epochs=-3", "check with an override"),
    ),
    "sweep": (
        ("cygd sweep xor.yaml optimizer.learning_rate=0.1,0.3,1", "run three learning rates"),
        ("cygd sweep mine.yaml --workers 4", "run the `sweep` section of the file"),
        ("cygd sweep mine.yaml --dry-run", "print the configurations without running them"),
        ("cygd sweep mine.yaml --resume", "run what is missing in the newest sweep"),
    ),
    "trace": (
        ("cygd trace experiments/one_unit.yaml", "print every number of the first three updates"),
        ("cygd trace xor.yaml --steps 1 --csv", "print one row per weight, for a spreadsheet"),
    ),
    "bowl": (
        ('cygd bowl experiments/one_weight.yaml -w "w0[0,0]"', "plot a curve and the path along it"),
        ('cygd bowl xor.yaml -w "w0[0,0]" -w "w0[1,0]" -o xor.png', "plot contours over two weights"),
        ('cygd bowl runs/xor/20260101-120000-ab12 -w "b1[0]" --csv', "print the numbers for a run"),
    ),
    "data": (
        ("cygd data experiments/penguins.yaml", "show columns, values and the rows of each split"),
        ("cygd data mine.yaml data.split.stratify=true", "show them with an override"),
    ),
    "predict": (
        ("cygd predict penguins new.csv", "print predictions of the newest penguins run"),
        ("cygd predict runs/xor/20260101-120000-ab12 new.csv -o out.csv", "write them to a file"),
        ("cygd predict penguins large.parquet --batch 65536 -o out.parquet", "in the memory of a batch"),
    ),
    "export": (
        ("cygd export penguins -o penguins.onnx --check", "write the newest penguins run for onnxruntime"),
        ("cygd export penguins -o penguins.c --check", "write C, compile it and compare its predictions"),
        ("cygd export penguins -o penguins.npz", "write the weights of the newest penguins run"),
        ("cygd export penguins -o penguins.json --check", "write everything as text, and check it"),
    ),
    "list": (
        ("cygd list", "list all runs below runs/"),
        ("cygd list --sort -test_accuracy --where status=completed", "list the best completed runs first"),
        ("cygd list penguins --where optimizer.name=adam", "list the penguins runs with adam"),
        ("cygd list penguins --json", "list the runs of one experiment as JSON"),
    ),
    "compare": (
        ("cygd compare penguins xor", "compare the newest runs of two experiments"),
        ("cygd compare runs/xor/20260101-120000-ab12 runs/xor/20260101-120100-cd34", "compare two runs"),
        ("cygd compare runs/xor/*", "compare all runs of an experiment in one table"),
    ),
    "report": (
        ("cygd report penguins --open", "write a page about the newest penguins run, and open it"),
        ("cygd report penguins --live", "keep the page up to date until the run ends"),
        ('cygd report xor -w "w0[0,0]" -w "b1[0]"', "with the error over two weights"),
        ("cygd report runs/xor/* -o xor.html", "compare all runs of an experiment"),
        ("cygd report runs", "list all runs and sweeps of a folder"),
    ),
    "plugins": (
        ("cygd plugins", "list all components"),
        ("cygd plugins --kind optimizer", "list the optimizers"),
        ("cygd plugins leaky_relu slope=0.3 --plot", "plot an activation and its derivative"),
        ('cygd plugins formula="h * sigmoid(beta * h)" beta=2 --plot', "plot a formula"),
        ("cygd plugins swish -p plugins/swish.py --check", "test a plugin"),
    ),
    "new": (
        ("cygd new experiment first", "write first.yaml, an experiment on synthetic data"),
        ("cygd new experiment mine --data mine.csv", "write an experiment for your data"),
        ("cygd new experiment mine --data mine.csv --target price", "choose the column to predict"),
        ("cygd new plugin my_loss --kind loss", "write a plugin and its test"),
    ),
    "schema": (
        ("cygd schema -o experiment.schema.json", "write the schema for an editor"),
        ("cygd schema experiments/*.yaml", "include the plugins of these experiments"),
    ),
    "completion": (
        ("source <(cygd completion bash)", "in ~/.bashrc"),
        ("source <(cygd completion zsh)", "in ~/.zshrc, after compinit"),
        ("cygd completion fish > ~/.config/fish/completions/cygd.fish", "run once"),
    ),
    "info": (
        ("cygd info", "show versions, CPU level and threads"),
        ("cygd info --json", "print them as JSON"),
    ),
}


def epilog(command: str) -> str:
    """Return the aligned examples of a command."""
    rows = EXAMPLES.get(command, ())
    width = max((len(example) for example, _ in rows), default=0)
    lines = [f"  {example:<{width}}   {purpose}" for example, purpose in rows]
    return "\n".join(["examples:", *lines]) if lines else ""
