"""Periods: what is due every so often."""


def is_due(period: int, before: int, now: int) -> bool:
    """Returns whether going from `before` to `now` reached or crossed a multiple of `period`."""
    return now // period > before // period
