"""Threads of this process, Python's and all others."""

from pathlib import Path


def count_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))
