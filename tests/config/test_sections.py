"""Messages, places and hints for invalid values."""

# ruff: noqa: E501 (a message reads best on one line)

import pytest

BIG = "9" * 350


def with_key(small, key, value):
    """Add a key to the small experiment, on its own line."""
    return f"{small}{key}: {value}\n"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "2024", "xor.yaml:4:7 name: expected text, got 2024\n  hint: put it in quotes"),
        ("name", "a/b", "name: invalid experiment name 'a/b'\n  hint: it names the run's folder: letters, digits"),
        ("name", "'..'", "name: invalid experiment name '..'"),
        ("name", "x" * 300, "... (302 characters)\n  hint: it names the run's folder"),
        ("name", "''", "name: expected text, got ''"),
        ("seed", "-1", "xor.yaml:4:7 seed: expected a whole number from 0 to 9223372036854775807, got -1"),
        ("seed", str(2**63), "seed: expected a whole number from 0 to 9223372036854775807, got 9223372036854775808"),
        ("seed", BIG, "seed: expected a whole number from 0 to 9223372036854775807, got 99999"),
        ("seed", "true", "seed: expected a whole number from 0 to 9223372036854775807, got true"),
        ("seed", "'3'", "got '3'\n  hint: write it without quotes"),
        ("seed", "1_000", "got '1_000'\n  hint: write 1000"),
        ("seed", "1e3", "got 1000.0\n  hint: write 1000"),
        ("seed", "1.5", "seed: expected a whole number from 0 to 9223372036854775807, got 1.5"),
        ("seed", ".inf", "seed: expected a whole number from 0 to 9223372036854775807, got .inf"),
        ("threads", "0", "threads: expected a whole number from 1 to 1024, or auto, got 0"),
        ("threads", "atuo", "threads: expected a whole number from 1 to 1024, or auto, got 'atuo'\n  hint: did you mean 'auto'?"),
        ("plugins", "x.py", "plugins: expected a list of module names and .py files, got 'x.py'\n  hint: write [x.py]"),
        ("clip", "{norm: 0}", "xor.yaml:4:14 clip.norm: expected a finite number greater than 0, got 0"),
        ("clip", "{value: .nan}", "clip.value: expected a finite number greater than 0, got .nan"),
        ("clip", "{value: true}", "clip.value: expected a finite number greater than 0, got true"),
        ("clip", "1.0", "clip: expected a mapping with the keys norm, value, got 1.0"),
        ("train", "{epochs: -1}", "xor.yaml:4:17 train.epochs: expected a whole number of at least 0, got -1"),
        ("train", "{epochs: null}", "train.epochs: expected a whole number of at least 0, got null"),
        ("train", "{batch_size: 0}", "train.batch_size: expected a whole number of at least 1, or full, got 0"),
        ("train", f"{{batch_size: {2**63}}}", "got 9223372036854775808\n  hint: at most 9223372036854775807"),
        ("train", f"{{epochs: {2**63}}}", "got 9223372036854775808\n  hint: at most 9223372036854775807"),
        ("train", "{batch_size: ful}", "got 'ful'\n  hint: did you mean 'full'?"),
        ("train", "{shuffle: no}", "train.shuffle: expected true or false, got 'no'\n  hint: write false"),
        ("train", "{shuffle: 1}", "train.shuffle: expected true or false, got 1"),
        ("train", "{evaluate_every: -1}", "train.evaluate_every: expected a whole number of at least 0, got -1"),
        ("train", "[5]", "train: expected a mapping with the keys epochs, batch_size, shuffle, evaluate_every, got a list"),
        ("stop", "{patience: 0}", "stop.patience: expected a whole number of at least 1, got 0"),
        ("stop", "{min_delta: -1}", "stop.min_delta: expected a finite number of at least 0, got -1"),
        ("stop", "{mode: maximum}", "stop.mode: expected auto, min or max, got 'maximum'"),
        ("stop", "{restore_best: on}", "stop.restore_best: expected true or false, got 'on'\n  hint: write true"),
        ("stop", "{loss_below: -.inf}", "stop.loss_below: expected a finite number, got -.inf"),
        ("stop", f"{{loss_below: {BIG}}}", "stop.loss_below: expected a finite number, got 99999"),
        ("checkpoint", "{every: 0.5}", "checkpoint.every: expected a whole number of at least 0, got 0.5"),
        ("checkpoint", "{seconds: 0}", "checkpoint.seconds: expected a finite number greater than 0, got 0"),
        ("checkpoint", "{keep: 0}",
         "checkpoint.keep: expected a whole number of at least 1, or all, got 0"),
        ("checkpoint", "5", "checkpoint: expected a mapping with the keys every, seconds, keep, got 5"),
        ("metrics", "accuracy", "metrics: expected a list of metrics, got 'accuracy'\n  hint: write [accuracy]"),
        ("metrics", "[acuracy]", "xor.yaml:4:11 metrics[0]: unknown metric 'acuracy'\n  hint: did you mean 'accuracy'?"),
        ("log", "[consol]", "log[0]: unknown logger 'consol'\n  hint: did you mean 'console'?"),
        ("log", "[null]", "log[0]: expected the name of a logger, or {name: ..., options}, got null"),
        ("log", "[{path: a.db}]", "log[0]: missing key 'name'\n  hint: name: ... chooses the logger"),
        ("log", "[{type: csv}]", "log[0]: missing key 'name'\n  hint: write 'name' instead of 'type'"),
        ("loss", "MSE", "xor.yaml:4:7 loss: unknown loss 'MSE'\n  hint: did you mean 'mse'?"),
        ("loss", "3", "loss: expected the name of a loss, or {name: ..., options}, got 3"),
        ("loss", "{name: 3}", "loss.name: expected the name of a loss, got 3"),
        ("loss", "{name: hubr, delta: 2}", "xor.yaml:4:14 loss.name: unknown loss 'hubr'"),
        ("loss", "{name: huber, delta: .nan}", "xor.yaml:4:28 loss.delta: option 'delta' of loss 'huber' must be finite"),
        ("optimizer", "{name: sgd, lr: 1}", "xor.yaml:4:24 optimizer.lr: optimizer 'sgd' has no option 'lr'\n"
         "  hint: did you mean 'learning_rate'?"),
        ("optimizer", "{learning_rate: .nan}", "optimizer.learning_rate: option 'learning_rate' of optimizer 'sgd' must"),
        ("optimizer", "{momentum: true}", "optimizer.momentum: option 'momentum' of optimizer 'sgd' must be a number"),
        ("schedule", "{name: cosine, minimum: x}", "schedule.minimum: option 'minimum' of schedule 'cosine' must be a"),
    ],
)  # fmt: skip
def test_invalid_top_level_value(errors, small, key, value, message):
    assert message in errors(with_key(small, key, value))


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("optimiser", "did you mean 'optimizer'?"),
        ("early_stopping", "did you mean 'stop'?"),
        ("lr_scheduler", "did you mean 'schedule'?"),
        ("Seed", "did you mean 'seed'?"),
        ("epochs", "'epochs' belongs in 'train'"),
        ("batch_size", "'batch_size' belongs in 'train'"),
        ("layers", "'layers' belongs in 'model'"),
        ("xyzzy", "known keys: name, seed, threads, plugins, data"),
    ],
)
def test_unknown_key_has_a_hint(errors, small, key, hint):
    message = errors(with_key(small, key, 3))
    assert message.startswith(f"xor.yaml:4:1 {key}: unknown key '{key}'\n  hint: {hint}")


def test_top_level_key_in_a_section(errors, small):
    message = errors(small + "  loss: mse\n")
    assert message == (
        "xor.yaml:4:3 model.loss: unknown key 'loss'\n  hint: 'loss' belongs at the top level, without indentation"
    )


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("16", "xor.yaml:3:11 model.layers: expected a list of layers, got 16\n  hint: write [16]"),
        ("[16, 0]", "xor.yaml:3:16 model.layers[1].units: expected a whole number from 1 to 10000000, got 0"),
        ("[1e3, 1]", "model.layers[0].units: expected a whole number from 1 to 10000000, got 1000.0\n  hint: write 1000"),
        ("[true, 1]", "model.layers[0]: expected a number of units, or a mapping with the keys units, activation"),
        ("[null, 1]", "model.layers[0]: expected a number of units, or a mapping with the keys units, activation"),
        ("[tanh, 1]", "expected a number of units, or a mapping with the keys units"),
        ("[{units: 4, activation: rleu}, 1]", "xor.yaml:3:35 model.layers[0].activation: unknown activation 'rleu'\n"
         "  hint: did you mean 'relu'?"),
        ("[{units: 4, activation: {name: rleu}}, 1]", "xor.yaml:3:42 model.layers[0].activation.name: unknown"),
        ("[{units: 4, activation: {name: leaky_relu, slop: 1}}, 1]", "xor.yaml:3:54 model.layers[0].activation.slop: "
         "activation 'leaky_relu' has no option 'slop'\n  hint: did you mean 'slope'?"),
        ("[{units: 4, activation: [tanh]}, 1]", "expected the name of an activation, or {name: ..., options}, got a list"),
        ("[{size: 4}, 1]", "model.layers[0].size: unknown key 'size'\n  hint: did you mean 'units'?"),
        ("[{units: 4, dropout: 1}, 1]", "model.layers[0].dropout: expected a finite number of at least 0 and less than 1"),
        ("[{units: 4, dropout: -.1}, 1]", "of at least 0 and less than 1, got -0.1"),
        ("[{units: 4, l2: -1}, 1]", "model.layers[0].l2: expected a finite number of at least 0, got -1"),
        ("[{units: 4, l1: .inf}, 1]", "model.layers[0].l1: expected a finite number of at least 0, got .inf"),
        ("[{units: 4, bias: no}, 1]", "model.layers[0].bias: expected true, false or a list of numbers, got 'no'"),
        ("[{units: 2, bias: [1, x]}, 1]", "model.layers[0].bias[1]: expected a finite number, got 'x'"),
        ("[{units: 2, weights: 3}, 1]", "model.layers[0].weights: expected a list of rows, [[...], ...], got 3"),
        ("[{units: 2, weights: []}, 1]", "expected a list of rows, [[...], ...], got an empty list"),
        ("[{units: 2, weights: [[]]}, 1]", "model.layers[0].weights: expected rows of numbers, got empty rows"),
        ("[{units: 2, weights: [1, 2]}, 1]", "model.layers[0].weights[0]: expected a list of numbers, got 1"),
        ("[{units: 2, weights: [[1, 2], [3]]}, 1]", "model.layers[0].weights[1]: expected 2 numbers as in the first row, got 1"),
        ("[{units: 2, weights: [[1, .nan], [true, 2]]}, 1]", "weights[1][0]: expected a finite number, got true"),
    ],
)  # fmt: skip
def test_invalid_layers(errors, small, layers, message):
    assert message in errors(small.replace("[16, 1]", layers))


@pytest.mark.parametrize(
    "formula",
    [
        "{formula: max(h, 0)}",
        "{formula: where(h > 0, h, 0)}",
        "{formula: where(h > 0, where(h > 1, 1, h), 0), beta: 1}",
        "{beta: 1, formula: clip(h, 0, beta)}",
        "{formula: [h, 0]}",
        "{formula: (h, beta: 1)}",
        "{formula: h, 0)}",
    ],
)
def test_formula_split_by_yaml_is_reported(errors, small, formula):
    message = errors(small + f"  activation: {formula}\n")
    at = 25 + formula.index("formula") - 1
    assert f"xor.yaml:4:{at} model.activation.formula: YAML split the formula, got " in message
    assert 'hint: put it in quotes: {formula: "..."}' in message


@pytest.mark.parametrize(
    "formula",
    ['{formula: "(h"}', '{formula: "h)"}', '{formula: "max(h", beta: 1}', '{formula: "b * h", b: null}'],
)
def test_unbalanced_formula_is_left_to_the_formula_parser(load, small, formula):
    spec = load(small + f"  activation: {formula}\n").model.activation
    assert spec.component.tier == "formula"


@pytest.mark.parametrize("value", ["3", "true", "null", "1.5"])
def test_formula_must_be_text(errors, small, value):
    message = errors(small + f"  activation: {{formula: {value}}}\n")
    assert f"xor.yaml:4:25 model.activation.formula: expected a formula as text, got {value}\n" in message
    assert 'hint: put it in quotes: {formula: "..."}' in message


def test_name_excludes_formula(load, errors, small):
    text = small + '  activation: {name: tanh, formula: "h"}\n'
    message = errors(text)
    assert "xor.yaml:4:37 model.activation.formula: expected a name or a formula, got both\n" in message
    assert "hint: remove one of them" in message
    named = small + '  activation: {formula: "h * beta", beta: 1}\n'
    assert load(named, "model.activation.name=relu").model.activation.name == "relu"


@pytest.mark.parametrize(
    ("line", "key", "message", "hint"),
    [
        ('activation: {formla: "h"}', "model.activation.formla", "unknown key 'formla'", "did you mean 'formula'?"),
        ('layers: [{units: 1, activation: {Formula: "h"}}]', "model.layers[0].activation.Formula",
         "unknown key 'Formula'", "did you mean 'formula'?"),
        ("activation: {slope: 1}", "model.activation.slope", "activation 'tanh' has no option 'slope'",
         "without 'name' it is 'tanh'"),
        ("activation: {name: relu, slope: 1}", "model.activation.slope",
         "activation 'relu' has no option 'slope'", None),
        ("initializer: {formla: h}", "model.initializer.formla",
         "initializer 'glorot_uniform' has no option 'formla'", "without 'name' it is 'glorot_uniform'"),
    ],
)  # fmt: skip
def test_unknown_option_of_unnamed_component(errors, small, line, key, message, hint):
    text = small.replace("  layers: [16, 1]\n", "") if "layers" in line else small
    said = errors(text + f"  {line}\n")
    assert f"{key}: {message}" in said
    assert hint is None or f"hint: {hint}" in said
    assert hint is not None or "without 'name'" not in said


def test_formula_is_read(load, small):
    spec = load(small + '  activation: {formula: "h * sigmoid(beta * h)", beta: 1.5}\n').model.activation
    assert (spec.name, spec.options) == ("formula", {"formula": "h * sigmoid(beta * h)", "beta": 1.5})
    assert spec.component.tier == "formula"


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ('activation: {formula: "wrong * h"}', "model.activation.formula", "unknown name 'wrong'"),
        ('activation: {formula: "beta * h", beta: x}', "model.activation.beta", "must be a number"),
        ('initializer: {formula: "h"}', "model.initializer.formula", "cannot be given as a formula"),
    ],
)
def test_error_of_a_formula_is_reported_at_its_key(errors, small, line, key, message):
    text = errors(small + f"  {line}\n")
    assert f"{key}: " in text
    assert message in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("3", "data: expected a mapping with the keys source, inputs, targets"),
        ("{source: null}", "data.source: missing key 'source'"),
        ("{source: 3}", "data.source: expected the name of a data source, got 3"),
        ("{source: csvv, path: a}", "xor.yaml:1:16 data.source: unknown data source 'csvv'\n  hint: did you mean 'csv'?"),
        ("{source: csv, targets: [a]}", "data.path: data source 'csv' needs the option 'path'"),
        ("{source: csv, pth: a, path: a, targets: [a]}", "xor.yaml:1:21 data.pth: data source 'csv' has no option 'pth'"),
        ("{source: csv, path: a, targts: [a]}", "data source 'csv' has no option 'targts'\n  hint: did you mean 'targets'?"),
        ("{source: csv, path: a, targets: a}", "data.targets: expected a list of columns, got 'a'\n  hint: write [a]"),
        ("{source: csv, path: a, targets: [true]}", "data.targets[0]: expected the name of a column, got true\n"
         "  hint: put it in quotes"),
        ("{source: csv, path: a, targets: [a], missing: ignore}", "data.missing: expected error, drop or mean, got 'ignore'"),
        ("{source: csv, path: a, targets: [a], scale: standart}", "data.scale.inputs: expected none, standard or minmax, "
         "got 'standart'\n  hint: did you mean 'standard'?"),
        ("{source: csv, path: a, targets: [a], scale: 3}", "data.scale: expected none, standard or minmax, or a mapping with"),
        ("{source: csv, path: a, targets: [a], split: 0.2}", "data.split: expected a mapping with the keys validation, test, "),
        ("{source: csv, path: a, targets: [a], split: {test: 1}}", "data.split.test: expected a finite number of at least 0 "
         "and less than 1, got 1"),
        ("{source: csv, path: a, targets: [a], split: {sed: 1}}", "data.split.sed: unknown key 'sed'\n"
         "  hint: did you mean 'seed'?"),
        ("{source: csv, path: a, targets: [a], val: {path: b}}", "hint: did you mean 'validation'?"),
        ("{source: csv, path: a, targets: [a], validation: 0.2}", "data.validation: expected a mapping of the keys that "
         "differ from the training data's, got 0.2\n  hint: for a share of the rows write split: {validation: 0.2}"),
        ("{source: csv, path: a, targets: [a], test: {pth: b}}", "xor.yaml:1:51 data.test.pth: data source 'csv' has no"),
    ],
)  # fmt: skip
def test_invalid_data_section(errors, small, data, message):
    assert message in errors(f"data: {data}\n" + small.partition("\n")[2])


def test_all_errors_are_reported_in_file_order(errors):
    message = errors(
        """\
sed: 1
data: {source: csv, path: a.csv, targets: [y], targets: [z], split: {validation: 0.6, test: 0.5}}
model:
  dtype: float16
  layers:
    - {units: 4, activation: rleu, l1: -1}
    - {units: 1, dropout: 0.5}
optimizer: {name: sgd, lr: 1, momentum: x}
train: {epochs: -1}
stop: {monitor: val_loss}
""",
        "checkpoint.every=x",
    )
    assert [line.split(": ")[0] for line in message.splitlines() if "hint:" not in line] == [
        "xor.yaml:1:1 sed",
        "xor.yaml:2:48 data.targets",
        "xor.yaml:2:69 data.split",
        "xor.yaml:4:10 model.dtype",
        "xor.yaml:6:30 model.layers[0].activation",
        "xor.yaml:6:40 model.layers[0].l1",
        "xor.yaml:7:27 model.layers[1].dropout",
        "xor.yaml:8:24 optimizer.lr",
        "xor.yaml:8:41 optimizer.momentum",
        "xor.yaml:9:17 train.epochs",
        "xor.yaml:10:17 stop.monitor",
        "command line checkpoint.every",
    ]


def test_thousands_of_errors_are_reported(errors, small):
    message = errors(small + "metrics: [" + ", ".join(["3"] * 3000) + "]\n")
    assert message.count("expected the name of a metric") == 3000


def test_non_mappings_are_reported_at_their_place(errors):
    message = errors("data: [1]\nmodel: {layers: {a: 1}, dtype: [1]}\nlog: {a: 1}\nstop: [1]\ntrain: true\n")
    assert message.count("expected") == 6
