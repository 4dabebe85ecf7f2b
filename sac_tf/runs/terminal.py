"""Terminal output of a program: lines, the progress bar, durations."""

import io
import math
import sys
from typing import TextIO

from tqdm import tqdm


def say(text: str) -> None:
    """Prints a line, above the progress bar if there is one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def say_renderer(renderer: str | None) -> None:
    """Prints what draws the images of a task, if anything is known of it."""
    if renderer is not None:
        say(f"Images are drawn by {renderer}.")


def progress_bar(total: int | None, name: str, initial: int = 0, unit: str = "step") -> tqdm:
    """Returns a progress bar; where stderr is not a terminal, it prints a line every ten seconds.

    Args:
      total: steps at the end; None if unknown.
      name: shown before the bar.
      initial: steps done before.
      unit: what is counted.
    """
    is_terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        unit=unit,
        desc=name,
        dynamic_ncols=is_terminal,
        mininterval=0.5 if is_terminal else 10.0,
        file=sys.stderr if is_terminal else _Lines(sys.stderr),
    )


class _Lines(io.TextIOBase):
    """A stream without cursor movement: each state of a progress bar becomes a line."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        line = text.strip("\r\n")
        return self._stream.write(line + "\n") if line.strip() else 0

    def flush(self) -> None:
        self._stream.flush()


def duration(seconds: float) -> str:
    """Returns "1 minute", "40 minutes", "3.5 hours" or "2.1 days"."""
    if seconds <= 60:
        return "1 minute"
    if seconds < 2 * 3600:
        return f"{math.ceil(seconds / 60)} minutes"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
