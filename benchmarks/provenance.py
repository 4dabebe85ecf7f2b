"""Provenance of a result: the commit and the machine."""

import os
import platform
import subprocess
from pathlib import Path

_BUSY = 0.5
_CODE = (".", ":!benchmarks/results", ":!*.md")


def commit() -> str:
    """Returns the short name of the commit, with a + if files other than results and pages have
    changed since."""
    try:
        name = subprocess.check_output(
            ["git", "rev-parse", "--short", "HEAD"], text=True, stderr=subprocess.DEVNULL
        )
        changed = subprocess.check_output(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", *_CODE], text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.strip() + ("+" if changed else "")


def machine() -> str:
    """Returns the processor and its cores, and the load of the machine if it is busy."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    load = os.getloadavg()[0]
    busy = f"; BUSY, load {load:.1f} at the start" if load > _BUSY else ""
    return f"{len(os.sched_getaffinity(0))} cores of {model}{busy}"
