import math

import pytest

from cygd.components import OptionError, Schedule, resolve
from cygd.components.schedules import SCHEDULES, ReduceOnPlateau
from cygd.errors import PluginError


def factors(spec, epochs):
    run = resolve("schedule", spec).start()
    return [run.factor(epoch, epochs) for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ({"name": "step", "every": 2, "factor": 0.5}, [1, 1, 0.5, 0.5, 0.25]),
        ({"name": "exponential", "rate": 0.5}, [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]),
        ({"name": "inverse_time", "rate": 0.5}, [1, 2 / 3, 1 / 2, 2 / 5, 1 / 3]),
    ],
)
def test_factors_by_hand(spec, expected):
    assert factors(spec, 5) == pytest.approx(expected, rel=1e-15)


def test_cosine_by_hand():
    root = math.sqrt(2) / 2
    expected = [1, (1 + root) / 2, 1 / 2, (1 - root) / 2]
    assert factors("cosine", 4) == pytest.approx(expected, rel=1e-14)
    raised = [0.2 + 0.8 * value for value in expected]
    assert factors({"name": "cosine", "minimum": 0.2}, 4) == pytest.approx(raised, rel=1e-14)


def test_cosine_stays_at_its_minimum_after_the_end():
    run = resolve("schedule", {"name": "cosine", "minimum": 0.1}).start()
    assert run.factor(15, 10) == pytest.approx(0.1)


def test_one_cycle_by_hand():
    # PyTorch's OneCycleLR(max_lr=1, total_steps=10): peak at step 0.3 * 10 - 1 = 2, end at step 9
    found = factors("one_cycle", 10)
    assert found[0] == pytest.approx(0.04, rel=1e-14)
    assert found[1] == pytest.approx((0.04 + 1) / 2, rel=1e-14)  # halfway up, cos(pi / 2) = 0
    assert found[2] == 1
    assert found[9] == pytest.approx(0.04 / 1e4, rel=1e-10)
    low = 0.04 / 1e4
    assert found[5] == pytest.approx(low + (1 - low) / 2 * (1 + math.cos(math.pi * 3 / 7)), rel=1e-14)
    assert found == found[:3] + sorted(found[3:], reverse=True)


def test_one_cycle_peaks_between_epochs():
    # total_steps=5: peak at 0.5, so epoch 1 is an eighth of the way down: (1 - 0.5) / (4 - 0.5) = 1/7
    found = factors("one_cycle", 5)
    low = 0.04 / 1e4
    assert found[1] == pytest.approx(low + (1 - low) / 2 * (1 + math.cos(math.pi / 7)), rel=1e-14)


def test_one_cycle_of_one_epoch_is_the_peak():
    assert factors("one_cycle", 1) == [1]


@pytest.mark.parametrize(
    ("epochs", "options", "expected"),  # of PyTorch's OneCycleLR(max_lr=1, total_steps=epochs)
    [
        (2, {}, [0.8117452841264837, 4e-06]),
        (3, {}, [0.9944155181940377, 0.46263510266697507, 4e-06]),
        (3, {"warm_fraction": 0.0}, [0.750001, 0.2500030000000001, 4e-06]),
        (4, {"warm_fraction": 0.0}, [0.8535539762150598, 0.500002, 0.14645002378494013, 4e-06]),
        (5, {"warm_fraction": 0.1}, [0.9698464312206884, 0.750001, 0.4131783, 0.1169817, 4e-06]),
        (3, {"warm_fraction": 1.0}, [0.04, 0.52, 1.0]),
        (4, {"warm_fraction": 0.5, "start_divisor": 1.0, "end_divisor": 1.0}, [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_one_cycle_of_a_few_epochs_is_pytorchs(epochs, options, expected):
    assert factors({"name": "one_cycle", **options}, epochs) == pytest.approx(expected, rel=1e-5)


def test_one_cycle_with_the_peak_on_the_first_epoch_begins_there():
    found = factors({"name": "one_cycle", "warm_fraction": 0.25}, 4)  # PyTorch divides by zero
    assert found == pytest.approx([1, 0.750001, 0.250003, 4e-6], rel=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_warmup_rises_to_the_first_factor(schedule):
    plain = factors(schedule, 6)
    warm = factors(schedule.configured({"warmup": 3}), 9)
    assert warm[:3] == pytest.approx([plain[0] * k / 4 for k in (1, 2, 3)], rel=1e-15)
    assert warm[3:] == plain


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_warmup_longer_than_the_run(schedule):
    first = factors(schedule, 1)[0]
    found = factors(schedule.configured({"warmup": 4}), 3)
    assert found == pytest.approx([first * k / 5 for k in (1, 2, 3)])


@pytest.mark.parametrize("value", [-1, 2.5, True])
def test_invalid_warmup(value):
    with pytest.raises(OptionError, match="option 'warmup' of schedule 'constant': expected"):
        resolve("schedule", {"name": "constant", "warmup": value})


def plateau(losses, **options):
    see = ReduceOnPlateau(**options)
    return [see(loss) for loss in losses]


@pytest.mark.parametrize(
    ("options", "losses", "expected"),
    [
        # patience counts measurements without improvement, the next one reduces
        ({"factor": 0.5, "patience": 0}, [1, 1, 1], [1, 0.5, 0.25]),
        ({"factor": 0.5, "patience": 2}, [1, 1, 1, 1, 1], [1, 1, 1, 0.5, 0.5]),
        # an improvement begins the count anew
        ({"factor": 0.5, "patience": 1}, [1, 1, 0.5, 0.5, 0.5], [1, 1, 1, 1, 0.5]),
        # the best so far is what counts, not the one before
        ({"factor": 0.5, "patience": 1}, [1, 3, 2], [1, 1, 0.5]),
        # better is below best * (1 - threshold): 0.9 is not, 0.89 is
        ({"factor": 0.5, "patience": 0, "threshold": 0.1}, [1, 0.9, 0.89], [1, 0.5, 0.5]),
        # in two measurements of cooldown none is counted as bad
        ({"factor": 0.5, "patience": 0, "cooldown": 2}, [1, 1, 1, 1, 1], [1, 0.5, 0.5, 0.5, 0.25]),
        ({"factor": 0.1, "patience": 0, "minimum": 0.05}, [1, 1, 1, 1], [1, 0.1, 0.05, 0.05]),
        # a missing measurement does not count as bad, NaN does
        ({"factor": 0.5, "patience": 0}, [None, 1, None, None, 1], [1, 1, 1, 1, 0.5]),
        ({"factor": 0.5, "patience": 0}, [1, math.nan], [1, 0.5]),
    ],
)
def test_reduce_on_plateau_by_hand(options, losses, expected):
    assert plateau(losses, **options) == pytest.approx(expected)


def test_reduce_on_plateau_has_pytorch_defaults():
    found = resolve("schedule", "reduce_on_plateau")
    assert found.options == {
        "warmup": 0,
        "factor": 0.1,
        "patience": 10,
        "threshold": 1e-4,
        "cooldown": 0,
        "minimum": 0.0,
    }
    run = found.start()
    # ten measurements without improvement are borne, the eleventh reduces
    assert [run.factor(epoch, 20, 1.0) for epoch in range(14)] == [1.0] * 12 + [0.1] * 2


def test_each_run_has_a_new_watcher():
    schedule = resolve("schedule", {"name": "reduce_on_plateau", "patience": 0})
    first = schedule.start()
    assert first.watches
    assert [first.factor(epoch, 9, 1.0) for epoch in range(4)] == pytest.approx([1, 1, 0.1, 0.01])
    assert schedule.start().factor(0, 9) == 1.0


def test_watcher_starts_after_the_warmup():
    schedule = resolve("schedule", {"name": "reduce_on_plateau", "patience": 0, "warmup": 2})
    run = schedule.start()
    found = [run.factor(epoch, 9, 1.0) for epoch in range(5)]
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1, 0.1])


def test_only_a_watcher_needs_the_monitored_loss():
    assert [s.name for s in SCHEDULES if s.start().watches] == ["reduce_on_plateau"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "schedule 's': factor of epoch 2: expected a number, got None"),
        (math.nan, "factor of epoch 2: expected a finite number, got nan"),
        (-0.5, r"factor of epoch 2: expected a number of at least 0, got -0\.5"),
    ],
)
def test_invalid_factor(result, text):
    with pytest.raises(PluginError, match=text):
        Schedule("s", lambda epoch, epochs: result).start().factor(2, 5)


def test_invalid_schedule():
    with pytest.raises(TypeError, match="schedule 's': expected either function= or watcher="):
        Schedule("s")
    with pytest.raises(TypeError, match=r"schedule 's': function: expected a function of \(epoch, epochs\)"):
        Schedule("s", lambda epoch: 1.0)
    with pytest.raises(TypeError, match=r"schedule 's': function: expected a function of \(epoch, epochs\)"):
        Schedule("s", 0.5)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"name": "step", "every": 0}, r"'every' of schedule 'step': expected a value in \[1, inf\), got 0"),
        ({"name": "step", "every": 1.5}, r"'every' of schedule 'step': expected an integer, got 1\.5"),
        (
            {"name": "exponential", "rate": -1},
            r"'rate' of schedule 'exponential': expected a value in \[0, inf\)",
        ),
        ({"name": "reduce_on_plateau", "factor": 1}, r"expected a value in \[0, 1\), got 1"),
        ({"name": "one_cycle", "warm_fraction": 1.1}, r"expected a value in \[0, 1\], got 1\.1"),
    ],
)
def test_options_out_of_range(spec, text):
    with pytest.raises(OptionError, match=text):
        resolve("schedule", spec)


def test_only_a_constant_schedule_is_steady():
    named = {row.name: row.start().steady for row in SCHEDULES}
    assert [name for name, steady in named.items() if steady] == ["constant"]
    [constant] = [row for row in SCHEDULES if row.name == "constant"]
    assert not constant.configured({"warmup": 2}).start().steady
    assert not Schedule("ours", lambda epoch, epochs: 1.0).start().steady


SCHEDULERS = {  # our factors, and PyTorch's scheduler of an optimizer with the rate 1
    "step": ({"every": 3, "factor": 0.5}, lambda lr, o, n: lr.StepLR(o, 3, 0.5)),
    "exponential": ({"rate": 0.95}, lambda lr, o, n: lr.ExponentialLR(o, 0.95)),
    "inverse_time": ({"rate": 0.1}, lambda lr, o, n: lr.LambdaLR(o, lambda epoch: 1 / (1 + 0.1 * epoch))),
    "cosine": ({"minimum": 0.2}, lambda lr, o, n: lr.CosineAnnealingLR(o, n, eta_min=0.2)),
    "one_cycle": ({}, lambda lr, o, n: lr.OneCycleLR(o, max_lr=1.0, total_steps=n)),
}


@pytest.mark.parametrize("epochs", [2, 3, 7, 100, 3000])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_factors_are_pytorchs(name, epochs):
    torch = pytest.importorskip("torch")
    options, build = SCHEDULERS[name]
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    scheduler = build(torch.optim.lr_scheduler, optimizer, epochs)
    expected = []
    for epoch in range(epochs):
        expected.append(optimizer.param_groups[0]["lr"])
        if epoch < epochs - 1:
            optimizer.step()
            scheduler.step()
    assert factors({"name": name, **options}, epochs) == pytest.approx(expected, rel=1e-9)
