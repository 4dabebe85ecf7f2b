"""Streaming mean and variance of rows that come in batches of any size."""

from typing import Any, NamedTuple


class Moments(NamedTuple):
    """Count, mean and squared deviations of some rows, in NumPy or TensorFlow, float64.

    Attributes:
      count: number of rows.
      mean: mean of the rows, [...].
      squares: sum of the squared deviations from the mean, [...].
    """

    count: Any
    mean: Any
    squares: Any

    def join(self, other: "Moments") -> "Moments":
        """Returns the moments of the rows of both, exact and numerically stable (Chan, Golub and
        LeVeque, 1983)."""
        count = self.count + other.count
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        # Sums of two terms only: of three, TensorFlow's graph optimizer makes one operation, which
        # adds them in another order in each process.
        added = other.squares / other.count + difference**2 * (self.count / count)
        return Moments(count, mean, self.squares + other.count * added)

    @property
    def variance(self) -> Any:
        """Mean squared deviation, [...], of at least one row."""
        return self.squares / self.count
