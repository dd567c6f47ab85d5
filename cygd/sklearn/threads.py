"""The number of threads of an estimator, which never changes a result."""

from __future__ import annotations

import multiprocessing
import os

import joblib
from joblib.parallel import get_active_backend

from cygd.network.threads import MAX_THREADS, choose_threads


def count_threads(n_jobs: int | None) -> int:
    """Return the number of threads for `n_jobs`, with scikit-learn's meaning of None and negative numbers.

    Inside a worker of joblib it is at most the worker's share of the CPUs, so that `GridSearchCV(n_jobs=2)`
    does not multiply the threads: joblib tells it to its processes as OMP_NUM_THREADS, and a worker thread
    trains with one.
    """
    if n_jobs is not None and (isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__")):
        raise ValueError(f"n_jobs must be a whole number or None, got {n_jobs!r}")
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: give a number of threads, -1 for all of them, or None")
    threads = choose_threads(None, "auto") if n_jobs == -1 else int(joblib.effective_n_jobs(n_jobs))
    if threads > 1 and (get_active_backend()[0].nesting_level or 0) > 0:
        threads = min(threads, _share())
    return max(1, min(threads, MAX_THREADS))


def _share() -> int:
    """Return the number of threads that a worker of joblib may use."""
    if multiprocessing.current_process().name == "MainProcess":
        return 1  # a thread
    share = os.environ.get("OMP_NUM_THREADS", "")
    return int(share) if share.isascii() and share.isdecimal() and int(share) else 1
