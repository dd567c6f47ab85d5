"""Which tasks of a sweep a worker takes together, to train their runs side by side."""

import pytest

from cygd.sweep.plan import make_plan
from cygd.sweep.pool import TaskQueue
from cygd.sweep.tasks import Task, kind_of
from tests.helpers.sweeps import TWO_AT_A_TIME as XOR


def tasks_of(experiment, overrides):
    return make_plan(experiment(text=XOR), overrides).tasks()


def take_all(queue, n_workers):
    """Return the sizes of groups if the workers take tasks at first together, then in turns."""
    sizes = [len(queue.take(free, 0)) for free in range(n_workers, 0, -1) if len(queue)]
    while len(queue):
        sizes.append(len(queue.take(1, n_workers - 1)))
    return sizes


@pytest.mark.parametrize(
    ("count", "n_workers", "sizes"),
    [
        (20, 2, [10, 10]),
        (20, 3, [7, 7, 6]),
        (20, 1, [20]),
        (3, 8, [1, 1, 1]),
        (150, 2, [64, 64, 16, 6]),
        (200, 1, [64, 64, 64, 8]),
    ],
)
def test_groups_leave_no_worker_without_tasks(count, n_workers, sizes, experiment):
    queue = TaskQueue()
    for task in tasks_of(experiment, [f"seed={','.join(map(str, range(count)))}"]):
        queue.add([task])
    assert take_all(queue, n_workers) == sizes


def test_a_returned_task_comes_next(experiment):
    queue = TaskQueue()
    queue.add(tasks_of(experiment, ["seed=0,1,2,3,4,5"]))
    tasks = queue.take(1, 0)
    queue.put_back(tasks[1:], most=2)
    assert [[task.number for task in queue.take(1, 0)] for _ in range(3)] == [[1, 2], [3, 4], [5]]
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("overrides", "kinds"),
    [
        (["seed=0,1", "optimizer.learning_rate=0.1,1"], 1),
        (["optimizer={name: sgd, learning_rate: 0.1},{name: sgd, learning_rate: 1}"], 1),
        (["optimizer.momentum=0,0.5,0.9"], 2),
        (["model.layers.0.dropout=0,0.1,0.2"], 2),
        (["model.layers.0.l1=0,0.1", "model.layers.1.l2=0,1", "train.epochs=3,4"], 1),
        (["model.layers.0.units=3,4"], 2),
        (["optimizer=sgd,adam", "train.batch_size=2,4"], 4),
        (["optimizer.nesterov=true,false"], 2),
        (["loss=mse,mae"], 2),
        (["stop=null,{patience: 3}", "train.evaluate_every=1,2"], 1),
    ],
)
def test_kinds(overrides, kinds, experiment):
    assert len({kind_of(task) for task in tasks_of(experiment, overrides)}) == kinds


def test_a_run_to_resume_has_no_kind():
    assert kind_of(Task(0, 0, (), {}, "0000", resumes=True)) is None
    assert kind_of(Task(0, 0, (), {}, "0000", alone=True)) is None
