"""Results of a benchmark: measured values, their medians, spreads and ratios, and the CSV file."""

import csv
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OURS = "ours"
BFLOAT16 = "ours_bfloat16"
"""Ours with `set_runtime.bfloat16_products`."""
_COLUMNS = ("peer", "what", "repeat", "value", "versions", "commit")

_RATIOS: dict[str, tuple[str, ...]] = {
    "update_vs_sbx": ("half_cheetah_update", "sbx"),
    "update_vs_sb3": ("half_cheetah_update", "sb3"),
    "update_vs_tf_agents": ("half_cheetah_update", "tf_agents"),
    "update_vs_gemm_limit": ("half_cheetah_update", "gemm"),
    "update_bfloat16_vs_float32": ("half_cheetah_update", OURS, BFLOAT16),
    "loop_vs_sbx": ("half_cheetah_loop", "sbx"),
    "loop_vs_sbx_grouped": ("half_cheetah_loop", "sbx_grouped"),
    "loop_vs_sb3": ("half_cheetah_loop", "sb3"),
    "redq_update_vs_sbx": ("redq_update", "sbx"),
    "redq_loop_vs_sbx": ("redq_loop", "sbx"),
    "humanoid_update_vs_sbx": ("humanoid_update", "sbx"),
    "humanoid_update_vs_sb3": ("humanoid_update", "sb3"),
    "humanoid_update_vs_tf_agents": ("humanoid_update", "tf_agents"),
    "humanoid_update_bfloat16_vs_float32": ("humanoid_update", OURS, BFLOAT16),
    "humanoid_loop_vs_sbx": ("humanoid_loop", "sbx"),
    "pixel_update_vs_sb3": ("pixels_64_update", "sb3"),
    "pixel_84_update_vs_sb3": ("pixels_84_update", "sb3"),
    "cql_update_vs_d3rlpy": ("cql_update", "d3rlpy"),
}
"""{name of a line: (quantity, denominator, numerator; by default ours in float32)}."""

_VALUES = {
    "bytes_per_transition": "half_cheetah_bytes_per_transition",
    "humanoid_bytes_per_transition": "humanoid_bytes_per_transition",
    "humanoid_million_gigabytes": "humanoid_million_gigabytes",
    "first_update_seconds": "half_cheetah_first_update_seconds",
    "peak_memory_mb": "half_cheetah_peak_memory_mb",
}
"""{name of a line: quantity of ours, of which it is the median}."""


class Sample(NamedTuple):
    """One measured value.

    Attributes:
      peer: whose value.
      what: quantity.
      repeat: round; rounds interleave the peers.
      value: measured.
      versions: of the packages of the peer.
    """

    peer: str
    what: str
    repeat: int
    value: float
    versions: str


class Summary(NamedTuple):
    """Median, least and greatest of several values."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.least:.4g} to {self.greatest:.4g})"


def summarize(values: list[float]) -> Summary:
    """Returns the `Summary` of at least one value."""
    return Summary(statistics.median(values), min(values), max(values))


def values(samples: list[Sample], what: str, peer: str) -> dict[int, float]:
    """Returns {repeat: value}."""
    return {
        sample.repeat: sample.value
        for sample in samples
        if (sample.what, sample.peer) == (what, peer)
    }


def ratio(samples: list[Sample], what: str, peer: str, own: str = OURS) -> Summary | None:
    """Returns own / peer, computed per round, because the values of a round were measured under the
    same load; None without a round of both."""
    ours = values(samples, what, own)
    theirs = values(samples, what, peer)
    rounds = sorted(ours.keys() & theirs.keys())
    if not rounds:
        return None
    return summarize([ours[number] / theirs[number] for number in rounds])


def slope(x: tuple[float, float], y: tuple[float, float]) -> tuple[float, float]:
    """Returns the slope, and the value at 0, of the line through two points."""
    rise = (y[1] - y[0]) / (x[1] - x[0])
    return rise, y[0] - rise * x[0]


def table(samples: list[Sample]) -> Iterator[str]:
    """Yields a line for each quantity of each peer: its median and spread."""
    for what, peer in dict.fromkeys((sample.what, sample.peer) for sample in samples):
        yield f"{what:36} {peer:12} {summarize(list(values(samples, what, peer).values()))}"


def comparison(samples: list[Sample], own: str, peer: str) -> Iterator[str]:
    """Yields a line for each quantity that both were measured for: the ratio own / peer."""
    for what in dict.fromkeys(sample.what for sample in samples):
        found = ratio(samples, what, peer, own)
        if found is not None:
            yield f"{what:36} {f'{own}/{peer}':12} {found}"


def lines(samples: list[Sample]) -> Iterator[str]:
    """Yields `name value` for each figure that can be computed from the samples."""
    for name, compared in _RATIOS.items():
        found = ratio(samples, *compared)
        if found is not None:
            yield f"{name} {found.median:.3f}"
    for name, what in _VALUES.items():
        of_ours = values(samples, what, OURS)
        if of_ours:
            yield f"{name} {statistics.median(of_ours.values()):.4g}"


def write(path: Path, samples: list[Sample], commit: str, comment: str) -> None:
    """Writes a CSV file; its first line is `# comment`: the command and the machine."""
    with path.open("w", newline="") as file:
        file.write(f"# {comment}\n")
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for sample in samples:
            value = f"{sample.value:.6g}"
            first = (sample.peer, sample.what, sample.repeat)
            writer.writerow([*first, value, sample.versions, commit])
