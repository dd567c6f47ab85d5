"""Commands that read a run folder never execute its code; the others say so, and --no-plugins forbids it."""

import contextlib
import json
import os
import sys
from pathlib import Path

import pytest

import cygd
from cygd.cli.main import main
from cygd.errors import CheckpointError, ConfigError

PLUGIN = """\
import numpy as np
from cygd import Activation, hookimpl

@hookimpl
def cygd_activations():
    yield Activation("bent", function=lambda h: h + np.sin(h), derivative=lambda h: 1 + np.cos(h))
"""
MARK = """
from pathlib import Path
Path({!r}).touch()
"""
EXPERIMENT = {
    "name": "line",
    "plugins": ["bent.py"],
    "data": {"source": "csv", "path": "data.csv", "targets": ["y"]},
    "model": {"layers": [{"units": 2, "activation": "bent"}, 1]},
    "train": {"epochs": 2},
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    Path("bent.py").write_text(PLUGIN)
    Path("data.csv").write_text("x,y\n1,2\n2,4\n3,6\n")
    return tmp_path


@pytest.fixture
def hostile(here):
    """Two runs, of which the first has code in its folder that leaves a mark."""
    for name in ("hostile", "other"):
        cygd.run(EXPERIMENT, out=here / "runs" / name)
    with (here / "runs/hostile/plugins/bent.py").open("a") as file:
        file.write(MARK.format(str(here / "mark")))
    return Path("runs/hostile")


def executed():
    mark = Path("mark")
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--json"],
        ["list", "runs/hostile"],
        ["compare", "runs/hostile", "runs/other"],
        ["compare", "runs/other", "runs/hostile"],
        ["data", "runs/hostile/config.yaml"],
        ["--no-plugins", "predict", "runs/hostile", "data.csv"],
        ["predict", "--no-plugins", "runs/hostile", "data.csv"],
        ["run", "--no-plugins", "--resume", "runs/hostile"],
        ["run", "--no-plugins", "runs/hostile/config.yaml"],
        ["check", "--no-plugins", "runs/hostile/config.yaml"],
        ["bowl", "--no-plugins", "runs/hostile", "-w", "w0[0,0]"],
        ["schema", "--no-plugins", "runs/hostile/config.yaml"],
        ["sweep", "--no-plugins", "runs/hostile/config.yaml", "seed=1,2"],
    ],
)
def test_code_of_a_run_folder_is_not_executed(hostile, arguments, capsys):
    code = main(arguments)
    assert not executed()
    err = capsys.readouterr().err
    assert "unexpected" not in err
    if code:
        assert "plugins/bent.py" in err


@pytest.mark.parametrize("links", [["plugins/bent.py"], ["result.json", "environment.json"], ["checkpoints"]])
def test_links_in_a_run_folder_execute_nothing(hostile, here, links):
    for name in links:
        path = hostile / name
        moved = here / f"moved-{Path(name).name}"
        if path.exists():
            path.rename(moved)
        path.symlink_to(moved)
    assert main(["list"]) == 0
    assert main(["compare", "runs/hostile", "runs/other"]) in (0, 2)
    assert not executed()


def test_commands_that_need_the_code_say_what_they_execute(hostile, capsys):
    assert main(["predict", "runs/hostile", "data.csv"]) == 0
    assert executed()
    expected = "executing runs/hostile/plugins/bent.py, a plugin of the run; --no-plugins forbids it\n"
    assert capsys.readouterr().err.startswith(expected)
    main(["run", "--resume", "runs/other", "train.epochs=3"])
    assert capsys.readouterr().err.startswith(expected.replace("hostile", "other"))


def test_load_without_plugins(hostile, here):
    with pytest.raises(CheckpointError, match=r"unknown activation 'bent'(.|\n)*was not executed") as caught:
        cygd.load(hostile, plugins=False)
    assert "if you trust its code, name it with -p" in str(caught.value)
    assert not executed()
    assert cygd.load(hostile).inputs == ("x",)
    assert executed()


def test_network_of_built_in_components_loads_without_plugins(hostile, monkeypatch):
    config = hostile / "config.yaml"
    config.write_text(config.read_text().replace("activation: bent", "activation: tanh"))
    assert cygd.load(hostile, plugins=False).predict([[1.0]]).shape == (1, 1)
    monkeypatch.setenv("CYGD_NO_PLUGINS", "1")
    assert cygd.load(hostile).predict([[1.0]]).shape == (1, 1)
    assert not executed()


def test_plugin_of_the_user_is_still_loaded(hostile, here, capsys):
    Path("mine.yaml").write_text(json.dumps({**EXPERIMENT, "plugins": ["elsewhere.py"]}))
    assert main(["check", "--no-plugins", "mine.yaml", "-p", "bent.py"]) == 0
    assert main(["check", "--no-plugins", "mine.yaml"]) == 2
    assert "the plugin 'elsewhere.py' was not executed" in capsys.readouterr().err


def test_resume_without_plugins_says_which_it_needs(hostile, monkeypatch):
    monkeypatch.setenv("CYGD_NO_PLUGINS", "1")
    with pytest.raises(
        ConfigError, match=r"needs its plugins \(plugins/bent\.py\), which --no-plugins forbids"
    ):
        cygd.resume(hostile)


@pytest.mark.parametrize(
    "path", ["../../evil.py", "/{here}/evil.py", "plugins/../../../evil.py", "plugins/link.py"]
)
def test_plugin_outside_the_run_folder_is_refused(hostile, here, path):
    (here / "evil.py").write_text(PLUGIN + MARK.format(str(here / "mark")))
    (hostile / "plugins" / "link.py").symlink_to(here / "evil.py")
    config = hostile / "config.yaml"
    config.write_text(config.read_text().replace("plugins/bent.py", path.format(here=str(here)[1:])))
    for use in (cygd.load, cygd.resume):
        with pytest.raises(
            CheckpointError, match=r"expected a plugin file in the run folder, got .*evil\.py"
        ):
            use(hostile)
    assert not executed()


def test_modules_of_a_run_are_named(hostile, here, capsys, monkeypatch):
    monkeypatch.syspath_prepend(here)
    (here / "hostile_module.py").write_text(PLUGIN)
    config = hostile / "config.yaml"
    config.write_text(config.read_text().replace("plugins/bent.py", "hostile_module"))
    assert main(["predict", "--no-plugins", "runs/hostile", "data.csv"]) == 2
    assert "hostile_module" not in sys.modules
    capsys.readouterr()
    assert main(["predict", "runs/hostile", "data.csv"]) == 0
    assert "executing the module hostile_module, a plugin of the run" in capsys.readouterr().err
    with contextlib.suppress(KeyError):
        del sys.modules["hostile_module"]


def test_sweep_folder_executes_its_plugins_only_when_resumed(here, capsys):
    Path("line.yaml").write_text(json.dumps(EXPERIMENT))
    assert main(["sweep", "line.yaml", "seed=1,2", "--out", "swept", "--quiet", "--workers", "1"]) == 0
    with Path("bent.py").open("a") as file:
        file.write(MARK.format(str(here / "mark")))
    capsys.readouterr()
    for arguments in (["list", "."], ["sweep", "--no-plugins", "--resume", "swept"]):
        main(arguments)
        assert not executed()
    assert "needs its plugins (bent.py), which --no-plugins forbids" in capsys.readouterr().err
    main(["sweep", "--resume", "swept"])
    assert executed()
    assert capsys.readouterr().err.startswith(
        "executing bent.py, a plugin of the sweep; --no-plugins forbids it"
    )


@pytest.mark.parametrize("name", ["log.txt", "metrics.csv", "hashes.csv", "result.json", "metrics.jsonl"])
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
def test_resuming_writes_through_no_link(here, name, kind):
    cygd.run({**EXPERIMENT, "log": ["jsonl"]}, out=here / "run")
    target, path = here / "precious", here / "run" / name
    if kind != "dangling":
        target.write_text("mine")
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    with pytest.raises(
        CheckpointError, match=rf"expected a regular file, got a (link|device or pipe): .*{name}"
    ):
        cygd.resume(here / "run", ["train.epochs=3"])
    assert kind == "dangling" or target.read_text() == "mine"
    assert target.exists() == (kind != "dangling")


@pytest.mark.parametrize("file", ["../out.jsonl", "/tmp/out.jsonl", "a/b.jsonl", "..", ""])
def test_file_of_a_logger_stays_in_the_run_folder(here, file):
    with pytest.raises(ConfigError, match="file: expected a file name in the run folder"):
        cygd.run({**EXPERIMENT, "log": [{"name": "jsonl", "file": file}]}, out=here / "run")
    assert not (here / "run").exists()
