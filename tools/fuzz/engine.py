"""The loop of the fuzzers: choose an input, mutate it, check it within limits of time and memory."""

from __future__ import annotations

import faulthandler
import hashlib
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType

from cygd.errors import CygdError
from tools.fuzz.mutations import mutate_bytes

TARGETS = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "__main__", "engine", "mutations")
)
CPU_SECONDS = 2.0  # of one input; of the processor, which other processes do not slow down
WALL_SECONDS = 60.0  # an input that waits for something that does not come
MEMORY = 1_000_000_000  # bytes more than before the first input
MAX_FAULTS = 10


class Fault(BaseException):
    """An input that takes too long."""


def fuzz(target: str, seconds: float, inputs: int, seed: int, failures: Path) -> int:
    """Check mutated inputs until a limit; write the failing ones and return 1 if there are any."""
    module = load_target(target)
    corpus = module.seeds()
    mutate: Callable[[bytes, random.Random], bytes] = getattr(module, "mutate", None) or (
        lambda data, draw: mutate_bytes(data, draw, corpus)
    )
    counts = {"accepted": 0, "refused": 0}
    faults: dict[str, Path] = {}
    slowest, end = 0.0, time.monotonic() + seconds
    number = 0
    failures = failures.absolute()
    with _work_folder() as folder:
        current = folder.parent / "input"
        print(f"{target}: seed {seed}; if the process dies, its input is {current}", flush=True)
        for data in corpus:  # the corpus itself must not fail
            check(module, data, folder)
        limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + MEMORY // 1024
        while number < inputs and time.monotonic() < end and len(faults) < MAX_FAULTS:
            draw = random.Random(f"{seed}/{number}")
            data = mutate(draw.choice(corpus), draw)
            number += 1
            current.write_bytes(data)
            start = time.process_time()
            try:
                accepted = check(module, data, folder)
                if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > limit:
                    raise MemoryError(f"more than {MEMORY} bytes")
                counts["accepted" if accepted else "refused"] += 1
            except (Exception, Fault) as error:
                place = _place(error)
                if place not in faults:
                    faults[place] = _write_failure(failures, target, data)
                    traceback.print_exception(error, limit=-4)
                    print(f"replay: python -m tools.fuzz {target} --replay {faults[place]}", flush=True)
                if isinstance(error, MemoryError):
                    break  # the peak stays
            slowest = max(slowest, time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{target}: {number} inputs, {counts['accepted']} accepted, {counts['refused']} refused, "
        f"{len(faults)} faults; slowest {slowest:.2f} s, memory at most {memory} MB"
    )
    return 1 if faults else 0


def quiet() -> None:
    """Print no warnings, and a traceback if the process crashes."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.getLogger("cygd").addHandler(logging.NullHandler())


def replay(target: str, file: Path) -> int:
    """Check one input and print what becomes of it."""
    module, data = load_target(target), file.read_bytes()
    with _work_folder() as folder:
        try:
            print("accepted" if check(module, data, folder) else "refused")
        except (Exception, Fault):
            traceback.print_exc()
            return 1
    return 0


def load_target(name: str) -> ModuleType:
    """Import the module of a target."""
    return import_module(f"tools.fuzz.{name}")


def check(module: ModuleType, data: bytes, folder: Path) -> bool:
    """Check one input within the limit of time; return whether it was accepted, or raise what is a fault."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with _time_limit():
        try:
            return bool(module.check(data, folder))
        except CygdError as error:
            if not error.message.strip():
                raise AssertionError(f"an error without a message: {type(error).__name__}") from error
            return False


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Fault(f"hangs: more than {CPU_SECONDS} s of CPU time, or {WALL_SECONDS} s of waiting")

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    faulthandler.dump_traceback_later(
        2 * WALL_SECONDS, exit=True, file=sys.__stderr__
    )  # where no signal is handled
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _work_folder() -> Iterator[Path]:
    """Create a folder for the files of an input, and go there."""
    before = Path.cwd()
    memory = Path("/dev/shm")
    top = Path(tempfile.mkdtemp(prefix="cygd-fuzz-", dir=memory if memory.is_dir() else None))
    try:
        (top / "files").mkdir()
        yield top / "files"
        shutil.rmtree(top, ignore_errors=True)  # kept if the process dies
    finally:
        os.chdir(before)


def _place(error: BaseException) -> str:
    """Return what tells faults apart: the type and the last place in cygd."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "/cygd/" in frame.filename] or frames
    last = inside[-1]
    return f"{type(error).__name__} {last.filename}:{last.name}" + (
        "" if inside is not frames else str(error)
    )


def _write_failure(failures: Path, target: str, data: bytes) -> Path:
    failures.mkdir(parents=True, exist_ok=True)
    file = failures / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    file.write_bytes(data)
    return file
