"""`cygd schema`: the schema accepts and rejects what `cygd check` does."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from cygd import config
from cygd.cli.main import main
from cygd.config.section import Section
from cygd.config.sections import DataSection, ExperimentSection
from cygd.errors import ConfigError
from cygd.runner.assembly import read

FOLDER = Path(__file__).parents[2] / "experiments"
EXPERIMENTS = sorted(FOLDER.glob("*.yaml"))
SHIPPED = FOLDER / "experiment.schema.json"
MODELINE = "# yaml-language-server: $schema=experiment.schema.json"


@pytest.fixture(autouse=True)
def alone(monkeypatch, unset):
    monkeypatch.setenv("CYGD_DISABLE_PLUGIN_AUTOLOAD", "1")


def printed(capsys, *arguments):
    assert main(["schema", *map(str, arguments)]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SHIPPED.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def complaints(validator, content):
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(content)]


def test_shipped_schema_is_current(capsys):
    remedy = "run: cygd schema experiments/*.yaml > experiments/experiment.schema.json"
    assert printed(capsys, *EXPERIMENTS) == SHIPPED.read_text(), remedy


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_shipped_experiments_are_valid(validator, path):
    assert path.read_text().splitlines()[0] == MODELINE
    assert complaints(validator, config.read(path).root.plain()) == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_resolved_experiments_are_valid(validator, path):
    """Every default of every section is filled in there."""
    content = read(path).resolved()
    assert complaints(validator, config.read(content).root.plain()) == []


# -- right and wrong values of each kind ------------------------------------------------------------

GOOD = {
    "plugins": [str(FOLDER.parent / "plugins" / "swish.py")],
    "data": {"source": "csv", "path": "a.csv", "targets": ["y"]},
    "model": {"layers": [4, {"units": 1, "activation": "sigmoid"}]},
}

RIGHT = """
name: what if
seed: 9223372036854775807
threads: 4
threads: auto
data.inputs: [a, 3]
data.targets: [y]
data.split: null
data.split: {validation: 0.2, test: 0.1, seed: 3, stratify: true}
data.split: {folds: 5, fold: 2}
data.split: {test: 0.2, time: true}
data.split: {test: 0.2, time: day}
data.class_weight: balanced
data.class_weight: {a: 1, b: 2.5}
data: {source: parquet, path: a.parquet, targets: [y]}
data: {source: sklearn, name: iris}
data.validation: {path: b.csv}
data.test: {path: b.csv, header: false}
data.scale: standard
data.scale: {targets: minmax}
data.scale: null
data.sample_weight: w
data: {source: inline, x: [[0]], y: [1]}
data: {source: synthetic, kind: linear, inputs: 3}
data: {source: synthetic, kind: moons, samples: 10, noise: 0}
model.activation: null
model.activation: leaky_relu
model.activation: {name: leaky_relu, slope: 0.1}
model.activation: {formula: "h * sigmoid(beta * h)", beta: 1.0, trainable: [beta]}
model.activation: swish
model.activation: "swish:swish"
model.activation: {name: swish, beta: 2}
model.initializer: {name: normal, deviation: 0.5}
model.layers: [{units: 2, bias: [0, 1.5], dropout: 0.5, l1: 1, l2: 0}, 1]
model.layers: [{units: 2, bias: false, activation: null}, 1]
loss: {name: huber, delta: 2}
loss: {name: mse, reduction: sum}
loss: {formula: "log(cosh(y_hat - y))", reduction: mean}
optimizer: null
optimizer: {learning_rate: 0.1, nesterov: true, momentum: 0.9}
optimizer: {name: adam, beta1: 0.8}
optimizer: {state: [m], formula: {m: "beta * m + g", w: "w - learning_rate * m"}, beta: 0.9}
schedule: {name: cosine, warmup: 5}
schedule: {warmup: 3}
clip: {norm: 1}
clip: null
train: null
train: {epochs: 0, batch_size: full, shuffle: false, evaluate_every: 0}
train.batch_size: 1
metrics: null
metrics: [accuracy, {name: r2}]
stop: null
stop: {loss_below: -1}
stop: {monitor: loss, patience: null, mode: min, loss_below: 1}
checkpoint: {every: 10}
log: []
log: [console, {name: jsonl, file: rows.jsonl}]
"""

WRONG = """
sed: 1
name: ""
name: 3
seed: -1
seed: 9223372036854775808
seed: "3"
seed: true
seed: null
threads: 0
threads: atuo
plugins: x.py
plugins: [3]
data: 3
data: {path: a.csv, targets: [y]}
data: {source: csvv}
data: {source: csv, targets: [y]}
data: {source: csv, path: a.csv}
data.pth: a
data.targts: [y]
data.targets: y
data.targets: [true]
data.missing: ignore
data.scale: standart
data.scale: {input: standard}
data.split: 0.2
data.split: {test: 1}
data.split: {sed: 1}
data.split: {folds: 1}
data.split: {time: 0.5}
data.class_weight: balance
data.class_weight: {a: -1}
data: {source: parquet, path: a.parquet}
data.validation: 0.2
data.validation: {pth: b}
data.test: {}
data: {source: synthetic, kind: mons}
data: {source: synthetic, kind: moons, samples: 0}
data: {source: synthetic, kind: moons, samples: 1.5}
data: {source: synthetic, kind: moons, inputs: [a]}
model: {dtype: float64}
model.dtype: float16
model.activation: rleu
model.activation: 3
model.activation: {name: rleu}
model.activation: {name: leaky_relu, slop: 1}
model.activation: {name: leaky_relu, slope: x}
model.activation: {name: swish, bta: 2}
model.activation: {slope: 1}
model.activation: {formula: 3}
model.activation: {formula: "h * beta", beta: x}
model.activation: {name: tanh, formula: h}
model.initializer: {formula: h}
model.layers: 16
model.layers: [16, 0]
model.layers: [null]
model.layers: [true, 1]
model.layers: [tanh, 1]
model.layers: [{activation: tanh}, 1]
model.layers: [{size: 4}, 1]
model.layers: [{units: 4, dropout: 1}, 1]
model.layers: [{units: 4, l2: -1}, 1]
model.layers: [{units: 4, bias: no}, 1]
model.layers: [{units: 2, weights: []}, 1]
model.layers: [{units: 2, weights: [1, 2]}, 1]
model.layers: [{units: 4, activation: {slope: 1}}, 1]
loss: MSE
loss: {name: huber, delta: 0}
loss: {name: mse, reduction: max}
loss: {reduction: max}
optimizer: {name: sgd, lr: 1}
optimizer: {learning_rate: -1}
optimizer: {momentum: true}
optimizer: {name: adam, momentum: 0.9}
schedule: {name: cosine, warmup: -1}
clip: {norm: 0}
clip: 1.0
train: [5]
train: {epoch: 3}
train: {epochs: -1}
train: {epochs: null}
train: {batch_size: 0}
train: {batch_size: ful}
train: {shuffle: 1}
metrics: accuracy
metrics: [acuracy]
metrics: [null]
stop: {patience: 0}
stop: {mode: maximum}
stop: {restore_best: on}
checkpoint: {every: 0.5}
checkpoint: {evry: 1}
log: [consol]
log: [{path: a.db}]
log: [{name: console, line: 3}]
"""


def variants(text):
    """Yield an id and the good experiment with one value changed."""
    for line in text.strip().splitlines():
        path, _, value = line.partition(": ")
        content = copy.deepcopy(GOOD)
        *sections, key = path.split(".")
        place = content
        for section in sections:
            place = place.setdefault(section, {})
        root = config.read({}, [f"value={value}"]).root  # as cygd reads YAML: `no` and `on` are text
        place[key] = root.plain()["value"]
        yield pytest.param(content, id=line)


@pytest.mark.parametrize("content", list(variants(RIGHT)))
def test_valid_content(validator, content):
    read(content)
    assert complaints(validator, content) == []


@pytest.mark.parametrize("content", list(variants(WRONG)))
def test_invalid_content(validator, content):
    with pytest.raises(ConfigError):
        read(content)
    assert complaints(validator, content) != []


def test_data_and_model_are_required(validator):
    assert complaints(validator, {}) == [
        "[]: 'data' is a required property",
        "[]: 'model' is a required property",
    ]


def test_every_key_has_a_schema(validator):
    schema = validator.schema
    definitions = schema["definitions"]

    def check_section(section, definition):
        properties = (definitions["data_keys"] if section is DataSection else definition)["properties"]
        assert list(properties) == list(section.fields)
        assert "" not in properties
        for key, below in properties.items():
            accepted = below.keys() - {"description"}
            assert accepted, f"{section.__name__}.{key} accepts anything; it needs a json_schema"

    sections = [ExperimentSection]
    check_section(ExperimentSection, schema)
    for name, definition in definitions.items():
        [section] = [each for each in subclasses(Section) if each.__name__ == name] or [None]
        if section is not None:
            check_section(section, definition)
            sections.append(section)
    assert len(sections) >= 9


def subclasses(cls):
    for below in cls.__subclasses__():
        yield below
        yield from subclasses(below)


# -- plugins ----------------------------------------------------------------------------------------

PLUGIN = """\
from cygd import Activation, Metric, Schedule, hookimpl

@hookimpl
def cygd_activations():
    formula, bounds = "h / (width + abs(h))", {"width": "(0, 9]"}
    return Activation("bent", formula=formula, parameters={"width": 1.0}, bounds=bounds)

@hookimpl
def cygd_metrics():
    def counted(y, y_hat, *, above, strict: bool = True, of: int = 3, word="a", free=None):
        return 0.0

    def anything(y, y_hat, **options):
        return 0.0

    return Metric("counted", counted, summary="how many"), Metric("anything", anything)

@hookimpl
def cygd_schedules():
    return Schedule("endless", lambda epoch, epochs, end=float("inf"): 1.0)
"""


def test_plugin_options_are_included(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(PLUGIN)
    Path("e.yaml").write_text("plugins: [mine.py]\n")
    text = printed(capsys, "-p", "mine.py")
    assert text == printed(capsys, "e.yaml")
    assert "Infinity" not in text
    schema = json.loads(text)
    jsonschema.Draft7Validator.check_schema(schema)
    metrics = {row["if"]["properties"]["name"]["const"]: row["then"] for row in
               schema["definitions"]["metric_options"]["allOf"]}  # fmt: skip
    assert metrics["counted"]["description"] == "how many"
    assert metrics["counted"]["required"] == ["above"]
    assert metrics["counted"]["properties"] == {
        "name": {},
        "above": {},
        "strict": {"type": "boolean", "default": True},
        "of": {"type": "integer", "default": 3},
        "word": {"type": "string", "default": "a"},
        "free": {},
    }
    assert metrics["anything"]["additionalProperties"] is True
    rows = schema["definitions"]["activation_options"]["allOf"]
    [bent] = [row["then"] for row in rows if row["if"]["properties"]["name"]["const"] == "bent"]
    assert bent["properties"]["width"] == {
        "type": "number", "exclusiveMinimum": 0, "maximum": 9, "default": 1.0,
    }  # fmt: skip


def test_plugin_blocked_by_one_experiment_is_loaded_for_another(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(PLUGIN)
    Path("a.yaml").write_text("plugins: [mine.py]\n")
    Path("b.yaml").write_text("plugins: ['no:mine.py']\n")
    assert '"bent"' in printed(capsys, "a.yaml", "b.yaml")


def test_overrides_are_rejected(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "seed=1"]) == 2
    assert capsys.readouterr().err == (
        "error: expected experiment files, got 'seed=1'\nhint: cygd schema [FILE ...]\n"
    )
    assert main(["schema", "none.yaml"]) == 2
    assert "none.yaml: no such file" in capsys.readouterr().err


def test_modeline_is_a_yaml_comment():
    assert yaml.safe_load(MODELINE) is None
