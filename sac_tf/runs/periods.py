"""Periods: events that are due every n environment steps."""


def is_due(period: int, before: int, now: int) -> bool:
    """Returns whether a multiple of `period` was reached or crossed between steps `before` and
    `now`."""
    return now // period > before // period
