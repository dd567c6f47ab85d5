"""Run a command and print its wall time, CPU time and peak memory as JSON.

Usage: python -I -S launch.py CPUS COMMAND..., with the CPUs to which the command is pinned, such as 0,1

This is a process of its own, without NumPy: the peak memory of a child process is at least the memory of the
process that started it.
"""

import json
import os
import subprocess
import sys
import time


def main(cpus: str, *command: str) -> None:
    """Run the command, its output on stderr."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(map(int, cpus.split(","))))
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    result = {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * unit,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
