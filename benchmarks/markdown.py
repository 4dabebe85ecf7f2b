"""Tables of results in Markdown, and the places of pages that have them."""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from benchmarks.aggregates import Estimate

_MARK = re.compile(r"(<!-- book: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: str, make: Callable[[str], str]) -> str:
    """Returns a page with each table between `<!-- book: NAME -->` and `<!-- end -->` anew.

    Args:
      page: the text.
      make: NAME -> the table.
    """
    return _MARK.sub(lambda match: f"{match[1]}\n{make(match[2])}\n{match[3]}", page)


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Returns a table with a line for the header and one for each of `lines`."""
    rule = ["---"] * len(header)
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, rule, *lines))


def plus_minus(mean: float, std: float) -> str:
    """Returns mean and standard deviation as a cell."""
    return f"{mean:.0f} +- {std:.0f}"


def interval(estimate: Estimate, digits: int = 2) -> str:
    """Returns one number and its interval, where it has one, as a cell."""
    value, low, high = (f"{one[0]:.{digits}f}" for one in estimate)
    return value if np.isnan(estimate.low[0]) else f"{value} [{low}, {high}]"
