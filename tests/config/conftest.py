"""Fake components with names and options only, so that experiments are validated without the core."""

import math
from dataclasses import dataclass, field, replace

import pytest

from cygd.config import read, validate
from cygd.errors import ConfigError, CygdError, did_you_mean

REQUIRED = object()


class Refused(CygdError, ValueError):
    def __init__(self, message, option, hint=None):
        super().__init__(message, hint=hint)
        self.option = option


class Unknown(CygdError, ValueError):
    def __init__(self, message, known, hint):
        super().__init__(message, hint=hint)
        self.known = known


@dataclass(frozen=True)
class Fake:
    kind: str
    name: str
    options: dict = field(default_factory=dict)
    tier: str = "built-in"
    watcher: object = None

    def configured(self, options):
        owner = f"{self.kind.replace('_', ' ')} {self.name!r}"
        for option, value in options.items():
            default = self.options.get(option)
            if option not in self.options:
                hint = did_you_mean(option, list(self.options))
                raise Refused(f"{owner} has no option {option!r}", option, hint)
            if isinstance(default, float) and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise Refused(f"option {option!r} of {owner} must be a number, got {value!r}", option)
            if isinstance(default, float) and not math.isfinite(value):
                raise Refused(f"option {option!r} of {owner} must be finite, got {value}", option)
        merged = {**self.options, **options}
        for option, value in merged.items():
            if value is REQUIRED:
                raise Refused(f"{owner} needs the option {option!r}", option)
        return replace(self, options=merged)


ROWS = [
    *(Fake("activation", name) for name in ("identity", "relu", "tanh", "sigmoid", "softmax")),
    Fake("activation", "leaky_relu", {"slope": 0.01}),
    Fake("loss", "sse", {"reduction": "sum"}),
    Fake("loss", "mse", {"reduction": "mean"}),
    Fake("loss", "cross_entropy", {"reduction": "mean_rows"}),
    Fake("loss", "binary_cross_entropy", {"reduction": "mean"}),
    Fake("loss", "huber", {"delta": 1.0}),
    Fake("optimizer", "sgd", {"learning_rate": 0.1, "momentum": 0.0, "nesterov": False}),
    Fake("optimizer", "adam", {"learning_rate": 0.001, "beta1": 0.9}),
    Fake("schedule", "constant"),
    Fake("schedule", "cosine", {"minimum": 0.0, "warmup": 0.0}),
    Fake("schedule", "reduce_on_plateau", {"patience": 10.0}, watcher=len),
    Fake("initializer", "glorot_uniform"),
    Fake("initializer", "orthogonal", {"gain": 1.0}),
    *(Fake("metric", name) for name in ("accuracy", "rmse")),
    Fake("data_source", "inline", {"x": REQUIRED, "y": REQUIRED, "classes": False}),
    Fake("data_source", "csv", {"path": REQUIRED, "header": True, "delimiter": ","}),
    Fake("data_source", "npy", {"x": REQUIRED, "y": REQUIRED}),
    Fake("data_source", "synthetic", {"kind": REQUIRED, "samples": 500.0, "inputs": 1.0}),
    Fake("data_source", "archive", {"place": REQUIRED}, tier="numpy"),
    Fake("logger", "console"),
    Fake("logger", "csv"),
    Fake("logger", "sqlite", {"path": "runs.db"}),
]


class FakeComponents:
    def from_formula(self, kind, spec):
        if kind not in ("activation", "loss", "optimizer"):
            raise Refused(
                f"{kind} cannot be given as a formula", "formula", "write it as a function in a plugin"
            )
        options = {key: value for key, value in spec.items() if key not in ("name", "formula")}
        if "wrong" in spec["formula"]:
            raise CygdError("unknown name 'wrong'", hint="it knows h")
        if "beta" in options and isinstance(options["beta"], str):
            raise Refused("parameter 'beta' of the formula must be a number", "beta")
        return Fake(kind, spec.get("name", "formula"), options, tier="formula")

    def names(self, kind):
        return [row.name for row in ROWS if row.kind == kind]

    def get(self, kind, name):
        for row in ROWS:
            if (row.kind, row.name) == (kind, name):
                return row
        known = self.names(kind)
        near = did_you_mean(name, known) or did_you_mean(name.lower().replace("-", "_"), known)
        hint = near or f"known: {', '.join(known)}"
        raise Unknown(f"unknown {kind.replace('_', ' ')} {name!r}", known, hint)


SMALL = """\
data: {source: inline, x: [[0, 0], [0, 1]], y: [[0], [1]]}
model:
  layers: [16, 1]
"""


@pytest.fixture
def small():
    return SMALL


@pytest.fixture(scope="session")
def components():
    return FakeComponents()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write xor.yaml into the current folder and return its name."""
    monkeypatch.chdir(tmp_path)

    def write(content):
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "xor.yaml").write_bytes(raw)
        return "xor.yaml"

    return write


@pytest.fixture
def load(write, components):
    """Read and validate an experiment, given as text."""
    return lambda text, *overrides: validate(read(write(text), overrides), components)


@pytest.fixture
def errors(load):
    """Return the messages about an experiment, given as text."""

    def errors(text, *overrides):
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        return str(caught.value)

    return errors
