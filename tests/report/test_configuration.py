"""What of a configuration differs from the defaults."""

import json
import logging
from pathlib import Path

import pytest

import cygd
from cygd.errors import ConfigError
from cygd.plugins.manager import Plugins
from cygd.report.configuration import differing_leaves, format_value, leaves, minimal_configuration
from cygd.report.run_record import read_run
from cygd.runner.assembly import read

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SMALL = {
    "name": "small",
    "data": {"source": "inline", "x": [[0.0], [1.0]], "y": [[0.0], [1.0]]},
    "model": {"layers": [{"units": 2}, {"units": 1, "activation": "identity"}]},
}


def differing(experiment, folder, **options):
    cygd.run(experiment, out=folder, quiet=True, **options)
    return dict(differing_leaves(read_run(folder)))


def test_keys_with_default_values_are_left_out(tmp_path):
    train = {"epochs": 2, "shuffle": True, "evaluate_every": 1}
    optimizer = {"name": "sgd", "momentum": 0.0, "learning_rate": 0.25}
    stop = {"monitor": "loss", "patience": 3, "min_delta": 0.0, "mode": "auto"}
    found = differing(SMALL | {"train": train, "optimizer": optimizer, "stop": stop}, tmp_path / "r")
    assert found == {
        "name": "small",
        "data.source": "inline",
        "data.x": [[0.0], [1.0]],
        "data.y": [[0.0], [1.0]],
        "model.layers.0.units": 2,
        "model.layers.1.units": 1,
        "optimizer.learning_rate": 0.25,
        "train.epochs": 2,
        "stop.patience": 3,
    }


def test_what_all_layers_share_is_named_once(tmp_path):
    layers = [{"units": 3, "activation": "relu"}, {"units": 2, "activation": "relu"}, 1]
    experiment = SMALL | {"model": {"activation": "relu", "layers": layers}, "train": {"epochs": 1}}
    found = differing(experiment, tmp_path / "r")
    assert found["model.activation"] == "relu"
    assert not [key for key in found if key.startswith("model.layers") and key.endswith("activation")]


def test_section_that_counts_by_its_name_is_shown(tmp_path):
    experiment = SMALL | {"stop": {"monitor": "loss", "patience": 20}, "train": {"epochs": 1}}
    found = differing(experiment, tmp_path / "r")
    assert found["stop"]["patience"] == 20


def test_inline_rows_are_shown_whole(tmp_path):
    rows = [[float(i)] for i in range(30)]
    experiment = SMALL | {"data": {"source": "inline", "x": rows, "y": rows}, "train": {"epochs": 1}}
    assert differing(experiment, tmp_path / "r")["data.x"] == rows


@pytest.mark.parametrize("file", ["breast_cancer", "digits", "sine", "two_variables", "learned_formula"])
def test_smallest_configuration_means_the_same_and_needs_every_key(file):
    loaded = read(EXPERIMENTS / f"{file}.yaml", ["train.epochs=1"])
    whole = {key: value for key, value in loaded.resolved().items() if key != "plugins"}
    smallest = minimal_configuration(whole, loaded.plugins)
    assert len(list(leaves(smallest))) < len(list(leaves(whole))) / 2
    again = minimal_configuration(smallest, loaded.plugins)
    assert again == smallest


def test_warnings_about_what_is_only_tried_are_not_logged(caplog):
    loaded = read(EXPERIMENTS / "breast_cancer.yaml")
    with caplog.at_level(logging.WARNING, "cygd"):
        caplog.clear()
        whole = {key: value for key, value in loaded.resolved().items() if key != "plugins"}
        minimal_configuration(whole, loaded.plugins)
    assert [entry.getMessage() for entry in caplog.records if "expects outputs" in entry.getMessage()] == []


def test_invalid_configuration_is_refused():
    with pytest.raises(ConfigError, match="epochs"):
        minimal_configuration(SMALL | {"train": {"epochs": -1}}, Plugins.load([]))


def test_missing_plugin_leaves_all_keys(tmp_path):
    plugin = tmp_path / "p.py"
    plugin.write_text(
        "from cygd import Activation, hookimpl\n\n\n@hookimpl\ndef cygd_activations():\n"
        '    return [Activation("mine", formula="h / 2")]\n'
    )
    model = {"layers": [{"units": 1, "activation": "mine"}]}
    cygd.run(SMALL | {"model": model, "train": {"epochs": 1}}, plugins=[str(plugin)], out=tmp_path / "r")
    for copy in (tmp_path / "r" / "plugins").iterdir():
        copy.unlink()
    record = read_run(tmp_path / "r")
    assert dict(differing_leaves(record))["train.epochs"] == 1
    assert len(differing_leaves(record)) == len(
        [key for key, _ in leaves(record.config) if not key.startswith("plugins")]
    )


def test_long_values_are_shortened():
    text = format_value(list(range(1000)))
    assert len(text) == 300
    assert text.endswith("...")
    assert format_value({"a": "年龄"}) == json.dumps({"a": "年龄"}, ensure_ascii=False)
