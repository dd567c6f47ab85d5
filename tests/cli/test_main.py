"""The command line, called in this process."""

import json
from pathlib import Path

import numpy as np
import pytest

import cygd
from cygd.cli.commands import COMMANDS

XOR = """\
name: xor
data: {source: inline, x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}
model: {layers: [3, {units: 1, activation: sigmoid}]}
optimizer: {name: sgd, learning_rate: 0.5}
train: {epochs: 4, batch_size: 2}
log: [console]
"""

PLUGIN = """\
import numpy as np
from cygd import Activation, hookimpl

print("hello from the plugin")

def bent(h):
    return (np.sqrt(h * h + 1) - 1) / 2 + h

def bent_prime(h):
    return h / (2 * np.sqrt(h * h + 1)) + 1

@hookimpl
def cygd_activations():
    yield Activation("bent_identity", function=bent, derivative=bent_prime)
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, unset):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xor.yaml").write_text(XOR)
    (tmp_path / "bent.py").write_text(PLUGIN)
    return tmp_path


COUNT = "expected an integer of at least 1"

# -- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rnu", "xor.yaml"], "unknown command 'rnu'", "did you mean 'run'?"),
        (["fly"], "unknown command 'fly'", f"one of {', '.join(COMMANDS)}"),
        (["run"], "expected an experiment file", "cygd run FILE [KEY=VALUE ...]"),
        (["run", "seed=1"], "expected an experiment file", "cygd run FILE [KEY=VALUE ...]"),
        (["run", "a.yaml", "b.yaml"], "expected one experiment file, got 'a.yaml' and 'b.yaml'", None),
        (["run", "xor.yaml", "--fast", "seed=1"], "unknown argument '--fast'", "cygd run --help"),
        (["run", "xor.yaml", "--quite", "seed=1"], "unknown argument '--quite'", "did you mean '--quiet'?"),
        (["run", "xor.yaml", "--resume"], "argument --resume: expected one argument", "cygd run --help"),
        (["run", "xor.yaml", "--out"], "argument --out: expected one argument", "cygd run --help"),
        (["run", "xor.yaml", "--threads", "0"], f"argument --threads: {COUNT}, got '0'",
         "cygd run --help"),
        (["run", "xor.yaml", "--threads", "two"],
         f"argument --threads: {COUNT}, got 'two'", "cygd run --help"),
        (["check"], "expected an experiment file", "cygd check FILE ... [KEY=VALUE ...]"),
        (["trace"], "expected an experiment file", "cygd trace FILE [KEY=VALUE ...]"),
        (["trace", "xor.yaml", "--steps", "0"], f"argument --steps: {COUNT}, got '0'",
         "cygd trace --help"),
        (["plugins", "relu", "extra"], "expected one component, got 'relu' and 'extra'", None),
        (["--fast"], "unrecognized arguments: --fast", "cygd --help"),
        (["-p"], "argument -p/--plugin: expected one argument", "cygd --help"),
    ],
)  # fmt: skip
def test_usage_error_prints_one_error_and_a_hint(command, arguments, message, hint):
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert err.splitlines() == [f"error: {message}", *([f"hint: {hint}"] if hint else [])]


def test_no_command_prints_the_help_to_stderr(command):
    code, out, err = command()
    assert code == 2
    assert out == ""
    assert "cygd run FILE [KEY=VALUE ...] [--out DIR] [--threads N] [--quiet] [--dry-run]" in err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_lists_every_command(command, arguments):
    code, out, _ = command(*arguments)
    assert code == 0
    for name in COMMANDS:
        assert f"cygd {name}" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_common_options(command, name):
    code, out, _ = command(name, "--help")
    assert code == 0
    assert out.startswith(f"usage: cygd {name}")
    assert "--plugin" in out
    assert "--traceback" in out


def test_surface_is_an_alias_of_bowl(command):
    bowl, surface = (command(name, "xor.yaml", "-w", "w0[0,0]", "--csv") for name in ("bowl", "surface"))
    assert bowl[0] == 0
    assert bowl == surface
    assert command("surface")[2].startswith("error: expected one experiment or run\nhint: cygd bowl ")
    assert command("surface", "--help")[1].startswith("usage: cygd bowl ")


def test_version(command):
    assert command("--version") == (0, f"cygd {cygd.__version__}\n", "")


# -- run --------------------------------------------------------------------------------------------


def test_run_prints_only_the_folder_on_stdout(command, here):
    code, out, err = command("run", "xor.yaml")
    assert code == 0
    folder = Path(out.rstrip("\n"))
    assert out == f"{folder}\n"
    assert folder.parent == here / "runs" / "xor"
    assert (folder / "result.json").is_file()
    assert "completed after 4 epochs" in err


def test_quiet_run_prints_no_messages(command):
    code, out, err = command("run", "xor.yaml", "--quiet")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1


def test_options_and_arguments_in_any_order(command, here):
    code, out, _ = command(
        "-p", "bent.py", "run", "--quiet", "xor.yaml", "--out", "mine", "train.epochs=2",
        "--threads", "2", "model.activation=bent_identity", "--traceback", "seed=7",
    )  # fmt: skip
    assert (code, out) == (0, f"{here / 'mine'}\n")
    text = (here / "mine" / "config.yaml").read_text()
    assert "seed: 7" in text
    assert "plugins: [plugins/bent.py]" in text
    assert json.loads((here / "mine" / "environment.json").read_text())["threads"] == 2
    assert json.loads((here / "mine" / "result.json").read_text())["epochs"] == 2


def test_output_of_a_plugin_goes_to_stderr(command, here):
    code, out, err = command("run", "xor.yaml", "--out", "mine", "-p", "bent.py")
    assert (code, out) == (0, f"{here / 'mine'}\n")
    assert "hello from the plugin" in err


def test_dry_run_of_a_resolved_experiment_prints_it_unchanged(command, here):
    code, out, _ = command("run", "xor.yaml", "--dry-run", "train.epochs=3", "-p", "bent.py")
    assert code == 0
    assert not (here / "runs").exists()
    assert f"plugins: [{here / 'bent.py'}]" in out
    assert "epochs: 3" in out
    (here / "again").mkdir()
    (here / "again" / "e.yaml").write_text(out)
    assert command("run", "again/e.yaml", "--dry-run")[:2] == (0, out)


def test_all_errors_of_an_experiment_are_printed(command, here):
    (here / "bad.yaml").write_text(
        "data: {source: inline, x: [[0]], y: [0]}\n"
        "model: {layers: [{units: 1, activation: rleu}]}\n"
        "train: {epoch: 3}\n"
    )
    code, out, err = command("run", "bad.yaml", "seed=-1")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    plain = [line.split(":")[0] for line in lines if not line.startswith("  ")]
    assert sorted(plain) == ["error"] * 3 + ["hint"] * (len(plain) - 3)
    assert "error: bad.yaml:2:41 model.layers[0].activation: unknown activation 'rleu'" in lines
    assert any(line.startswith("hint: did you mean 'relu'?") for line in lines)
    assert any(line.startswith("error: command line seed: ") for line in lines)
    assert "Traceback" not in err
    assert not (here / "runs").exists()


def test_traceback_option(command):
    code, _, err = command("run", "none.yaml", "--traceback")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-2:] == [
        "error: none.yaml: no such file",
        "hint: did you mean 'xor.yaml'?",
    ]


def test_data_and_plugin_errors_exit_with_2(command, here):
    (here / "d.yaml").write_text("data: {source: npz, path: none.npz}\nmodel: {layers: [1]}\n")
    code, out, err = command("run", "d.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "error: none.npz: no such file"
    code, out, err = command("run", "xor.yaml", "-p", "none.py")
    assert (code, out) == (2, "")
    assert err.startswith("error: -p: plugin 'none.py': no such file")


def test_diverged_run_exits_with_1_and_a_hint(command, here):
    code, out, err = command(
        "run", "xor.yaml", "--quiet", "--out", "mine", "model.layers=[1]", "optimizer.learning_rate=1e300"
    )
    assert (code, out) == (1, f"{here / 'mine'}\n")
    error, hint = err.splitlines()
    assert error.startswith("error: the run diverged in epoch 1: ")
    assert "learning_rate" in hint
    assert "clip" in hint
    assert "scale" in hint
    assert json.loads((here / "mine" / "result.json").read_text())["status"] == "diverged"


FAILING = (
    PLUGIN.replace("return (np", "raise_after(50)\n    return (np")
    + """\

calls = 0

def raise_after(n):
    global calls
    calls += 1
    if calls > n:
        raise ValueError("no more")
"""
)


def test_failed_run_names_its_log(command, here):
    (here / "bent.py").write_text(FAILING)
    arguments = [
        "run",
        "xor.yaml",
        "--quiet",
        "-p",
        "bent.py",
        "model.activation=bent_identity",
        "train.epochs=900",
    ]
    code, out, err = command(*arguments, "--out", "mine")
    assert (code, out) == (1, f"{here / 'mine'}\n")
    assert err.splitlines()[-2].startswith("error: the run failed: ")
    assert "bent_identity" in err
    assert "ValueError: no more" in err
    assert err.splitlines()[-1] == f"hint: the traceback is in {here / 'mine' / 'log.txt'}"
    assert "Traceback" not in err
    assert "Traceback" in (here / "mine" / "log.txt").read_text()
    code, _, err = command(*arguments, "--out", "yours", "--traceback")
    assert code == 1
    assert "Traceback" in err


def test_unexpected_error_is_one_line_and_a_hint(command, monkeypatch):
    monkeypatch.setattr(
        "cygd.runner.assembly.assemble", lambda *a: (_ for _ in ()).throw(LookupError("inside"))
    )
    code, out, err = command("check", "xor.yaml")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "error: unexpected LookupError: inside",
        "hint: --traceback shows where it was raised",
    ]
    code, _, err = command("check", "xor.yaml", "--traceback")
    assert code == 1
    assert "Traceback" in err


def test_interrupt_before_the_run_exits_with_130(command, monkeypatch):
    monkeypatch.setattr("cygd.runner.runner.run", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    assert command("run", "xor.yaml") == (130, "", "interrupted\n")


def test_warning_is_printed_like_an_error(command, here):
    np.savez(here / "a.npz", x=np.eye(3), y=np.arange(3.0))
    (here / "e.yaml").write_text(
        "data: {source: npz, path: a.npz}\nmodel: {layers: [1]}\ntrain: {epochs: 1}\n"
    )
    command("run", "e.yaml", "--out", "mine", "--quiet")
    np.savez(here / "a.npz", x=np.eye(3), y=np.ones(3))
    code, _, err = command("run", "mine/config.yaml", "--quiet")
    assert code == 0
    assert err.startswith(f"warning: data file {here / 'a.npz'} has changed since the run in {here / 'mine'}")


# -- check ------------------------------------------------------------------------------------------


def test_check_prints_ok_and_writes_nothing(command, here):
    assert command("check", "xor.yaml", "xor.yaml", "seed=3") == (0, "xor.yaml: ok\nxor.yaml: ok\n", "")
    assert sorted(path.name for path in here.iterdir()) == ["bent.py", "xor.yaml"]


def test_check_continues_after_an_invalid_file(command, here):
    (here / "bad.yaml").write_text("data: {}\n")
    code, out, err = command("check", "bad.yaml", "xor.yaml", "none.yaml")
    assert code == 2
    assert out == "xor.yaml: ok\n"
    assert "bad.yaml" in err
    assert "none.yaml" in err


def test_check_of_a_folder(command, here):
    (here / "some").mkdir()
    for name in ("b.yaml", "a.yml", "notes.txt"):
        (here / "some" / name).write_text(XOR)
    (here / "some" / "c.yaml").write_text("data: {}\n")
    code, out, err = command("check", "xor.yaml", "some")
    assert (code, out) == (2, "xor.yaml: ok\nsome/a.yml: ok\nsome/b.yaml: ok\n")
    assert err.startswith("error: some/c.yaml:1:")
    assert err.endswith("\n1 of 4 experiments are invalid\n")
    (here / "none").mkdir()
    assert command("check", "none") == (
        2,
        "",
        "error: expected .yaml files in the folder 'none', got none\n",
    )


def test_check_continues_after_an_unexpected_error(command, monkeypatch):
    from cygd.runner import assembly

    original, calls = assembly.assemble, []

    def assemble(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise LookupError("inside")
        return original(*arguments)

    monkeypatch.setattr(assembly, "assemble", assemble)
    code, out, err = command("check", "xor.yaml", "xor.yaml")
    assert (code, out) == (1, "xor.yaml: ok\n")
    assert err.startswith("error: unexpected LookupError: inside\n")


def test_check_reads_the_data(command):
    code, _, err = command("check", "xor.yaml", "model.layers.1.units=2")
    assert code == 2
    assert "model.layers[1].units: expected 1 unit in the last layer for 1 numeric target" in err


# -- trace, plugins, info ---------------------------------------------------------------------------


def test_trace_prints_the_requested_steps(command, here):
    code, out, err = command("trace", "xor.yaml", "--steps", "2")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("step ")][-1].startswith("step 2: epoch 1, ")
    assert not (here / "runs").exists()


def test_trace_as_csv(command):
    code, out, _ = command("trace", "xor.yaml", "--csv", "--steps", "1")
    assert code == 0
    assert out.startswith("step,epoch,learning_rate,sample,layer,unit,weight,x,h,")
    assert len(out.splitlines()) == 1 + 2 * (3 * 3 + 4)


def test_plugins_lists_every_component(command):
    code, out, _ = command("plugins", "-p", "bent.py")
    assert code == 0
    head, *lines = out.splitlines()
    assert head.split() == ["NAME", "KIND", "TIER", "PLUGIN", "ORIGIN"]
    assert any(line.split() == ["tanh", "activation", "built-in", "cygd", "built-in"] for line in lines)
    assert any(line.split()[:4] == ["bent_identity", "activation", "numpy", "bent"] for line in lines)
    assert len({line.index("activation") for line in lines if " activation " in line}) == 1


def test_plugins_marks_a_surrogate_derivative(command, here):
    text = (
        PLUGIN + '    yield Activation("spike", function=np.sign, derivative=np.ones_like, surrogate=True)\n'
    )
    (here / "bent.py").write_text(text)
    _, out, _ = command("plugins", "-p", "bent.py")
    assert out.splitlines()[-1].split("  ")[0] == "spike"
    assert "numpy, surrogate derivative" in out.splitlines()[-1]


def test_plugins_as_json(command, here):
    code, out, _ = command("plugins", "--json", "-p", "bent.py")
    assert code == 0
    assert json.loads(out)[-1] == {
        "name": "bent_identity",
        "kind": "activation",
        "tier": "numpy",
        "plugin": "bent",
        "origin": str(here / "bent.py"),
    }


def test_info_prints_versions_and_cpu_level(command):
    code, out, _ = command("info")
    assert code == 0
    assert f"cygd       {cygd.__version__} (python " in out
    assert f"CPU level  {cygd.core.info()['level']} " in out


def test_info_as_json(command, monkeypatch):
    monkeypatch.setenv("CYGD_THREADS", "3")
    code, out, _ = command("info", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["versions"]["cygd"] == cygd.__version__
    assert facts["threads"] == 3
    assert facts["cpu"]["level"] in facts["cpu"]["levels"]
    assert set(facts["optional"]) == {"OpenMP", "rich", "pyarrow", "scikit-learn"}
