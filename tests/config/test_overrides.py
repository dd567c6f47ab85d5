import pytest

from cygd.config import read
from cygd.config.overrides import is_component
from cygd.config.yaml.nodes import Mark, Node, parse_key

FULL = """\
model:
  activation: leaky_relu
  layers: [16, {units: 3, activation: tanh}]
optimizer: {name: sgd, learning_rate: 0.5, momentum: 0.9}
stop: {patience: 3}
data: {scale: standard}
"""


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("train.epochs=5", "train", {"epochs": 5}),
        ("train.epochs=1e-3", "train", {"epochs": 0.001}),
        ("stop=null", "stop", None),
        ("stop=", "stop", None),
        ("name=a=b", "name", "a=b"),
        ("clip={norm: 1}", "clip", {"norm": 1}),
        ("data.scale.targets=minmax", "data", {"scale": {"inputs": "standard", "targets": "minmax"}}),
        ("optimizer.momentum=0", "optimizer", {"name": "sgd", "learning_rate": 0.5, "momentum": 0}),
        ("schedule.warmup=5", "schedule", {"warmup": 5}),
    ],
)
def test_override_sets_value(write, override, path, value):
    document = read(write(FULL), [override])
    assert document.problems == ()
    assert document.root.plain()[path] == value


@pytest.mark.parametrize(
    "override", ["model.layers.0.units=32", "model.layers[0].units=32", "model.layers.-2.units=32"]
)
def test_path_into_number_of_units_expands_it(write, override):
    document = read(write(FULL), [override])
    assert document.root.plain()["model"]["layers"][0] == {"units": 32}
    assert document.where(("model", "layers", 0, "units")) == "command line"


def test_path_into_component_name_expands_it(write):
    document = read(
        write(FULL),
        ["model.activation.slope=0.2", "model.layers.1.activation.slope=1", "model.layers.0.l2=1"],
    )
    assert document.root.plain()["model"] == {
        "activation": {"name": "leaky_relu", "slope": 0.2},
        "layers": [{"units": 16, "l2": 1}, {"units": 3, "activation": {"name": "tanh", "slope": 1}}],
    }
    assert document.where(("model", "activation", "name")) == "xor.yaml:2:15"


def test_overrides_apply_in_order(write):
    document = read(write(FULL), ["stop=null", "stop.patience=7", "stop.patience=8"])
    assert document.root.plain()["stop"] == {"patience": 8}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "epochs",
            "command line: invalid override 'epochs'\n  hint: write KEY=VALUE, for example train.epochs=5",
        ),
        ("=5", "command line: invalid override '=5'"),
        ("a..b=5", "command line: invalid override 'a..b=5'"),
        ("train.epochs=[1", "command line train.epochs: not valid YAML: the text ends too early"),
        ("train={a: 1, a: 2}", "command line train: duplicate key 'a'"),
        (
            "train.epochs=!!python/name:os.system",
            "command line train.epochs: the tag '!!python/name:os.system' is not",
        ),
        ("train.epochs=" + "[" * 100_000, "command line train.epochs: nested more than 64 levels deep"),
        (
            "model.layers.2=3",
            "command line model.layers[2]: expected an index from 0 to 1 in 'model.layers', got 2",
        ),
        (
            "model.layers.first=3",
            "command line model.layers.first: expected an index from 0 to 1 in 'model.layers', got first",
        ),
        (
            "stop.patience.x=3",
            "command line stop.patience.x: expected a mapping or a list at 'stop.patience', got 3",
        ),
    ],
)
def test_invalid_override_names_the_command_line(write, override, message):
    document = read(write(FULL), [override])
    assert message in "\n".join(map(str, document.problems))


def test_new_component_name_keeps_shared_options(load, small):
    text = small + "optimizer: {name: sgd, learning_rate: 0.5, momentum: 0.9}\n"
    for override in ("optimizer=adam", "optimizer.name=adam"):
        optimizer = load(text, override).optimizer
        assert (optimizer.name, optimizer.component.name) == ("adam", "adam")
        assert optimizer.options == {"learning_rate": 0.5}


def test_unknown_option_set_by_override_is_an_error(errors, small):
    text = small + "optimizer: {name: sgd, momentum: 0.9}\n"
    message = errors(text, "optimizer=adam", "optimizer.momentum=0.5")
    assert message == "command line optimizer.momentum: optimizer 'adam' has no option 'momentum'"


def test_mapping_replaces_all_options(load, small):
    text = small + "optimizer: {name: sgd, learning_rate: 0.5}\n"
    assert load(text, "optimizer={name: sgd, momentum: 0.1}").optimizer.options == {"momentum": 0.1}


def test_misspelled_key_is_reported_by_validation(errors, small):
    assert (
        errors(small, "trian.epochs=5")
        == "command line trian: unknown key 'trian'\n  hint: did you mean 'train'?"
    )


def test_option_of_a_default_component(load, small):
    assert load(small, "optimizer.learning_rate=0.3").optimizer.component.options["learning_rate"] == 0.3


@pytest.mark.parametrize(
    "key",
    [
        "loss",
        "optimizer",
        "schedule",
        "metrics.0",
        "log.3",
        "model.activation",
        "model.initializer",
        "model.layers.1.activation",
        "model.layers.1.initializer",
    ],
)
def test_component_paths(key):
    assert is_component(parse_key(key))


@pytest.mark.parametrize("key", ["metrics", "data", "data.source", "model.layers.0", "train.epochs", "x"])
def test_other_paths_are_not_components(key):
    assert not is_component(parse_key(key))


def test_changed_copies_document_and_keeps_marks():
    document = read({"train": {"epochs": 5}, "optimizer": {"name": "sgd", "momentum": 0.5}})
    mark = Mark("a.yaml", 3, 7)
    changes = [(("train", "epochs"), Node(7, mark, mark)), (("optimizer",), Node("adam", mark))]
    changed = document.changed(changes)
    assert changed.root.plain() == {"train": {"epochs": 7}, "optimizer": {"name": "adam", "momentum": 0.5}}
    assert changed.where(("train", "epochs")) == "a.yaml:3:7"
    assert changed.kept == {("optimizer", "momentum")}
    assert document.root.plain()["train"] == {"epochs": 5}
    assert document.root.plain()["optimizer"]["name"] == "sgd"
    assert changes[0][1] == Node(7, mark, mark)


def test_invalid_change_is_a_problem_of_the_copy():
    document = read({"train": {"epochs": 5}})
    changed = document.changed([(("train", "epochs", "more"), Node(7, Mark("a.yaml", 3, 7)))])
    assert [problem.key for problem in changed.problems] == ["train.epochs.more"]
    assert document.problems == ()
