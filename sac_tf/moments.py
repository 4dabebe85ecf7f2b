"""Mean and variance of rows that come in batches of any size, without a second look at them."""

from typing import Any, NamedTuple


class Moments(NamedTuple):
    """What is known of some rows, in NumPy or TensorFlow, float64.

    Attributes:
      count: how many.
      mean: of them, [...].
      squares: sum of the squared deviations from the mean, [...].
    """

    count: Any
    mean: Any
    squares: Any

    def join(self, other: "Moments") -> "Moments":
        """Returns the moments of the rows of both, exact and stable (Chan, Golub and LeVeque,
        1983)."""
        count = self.count + other.count
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        return Moments(
            count,
            mean,
            self.squares + other.squares + difference**2 * (self.count * other.count / count),
        )

    @property
    def variance(self) -> Any:
        """Mean squared deviation, [...]; there must be a row."""
        return self.squares / self.count
