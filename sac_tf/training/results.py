"""Results of an evaluation, episode by episode: as text, JSON and CSV."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from sac_tf import files
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.types import Episode

_CONFIDENCE = 0.95


def lines(episodes: Sequence[Episode], info: EpisodeInfo, seed: int) -> list[str]:
    """Returns a line for each episode, and then the means.

    Args:
      episodes: in the order of their seeds.
      info: what is read from them.
      seed: of the first episode; the others count up.
    """
    text = []
    for row in _rows(episodes, info, seed):
        parts = [f"return {row['return']:.1f}", f"{row['length']:,} steps"]
        if row.get("success") is not None:
            parts.append(f"success {row['success']:g} (once {row['success_once']:g})")
        parts += [f"{name} {row[name]:g}" for name in info.columns if row[name] is not None]
        text.append(f"episode {row['episode']}: {', '.join(parts)}")
    evaluation = info.summarize(episodes)
    text.append(f"Evaluation return {evaluation}")
    low, high = interval([episode.total_reward for episode in episodes])
    length = np.mean([episode.length for episode in episodes])
    bounds = "" if math.isnan(low) else f"95% interval of the mean [{low:.1f}, {high:.1f}], "
    text.append(f"{bounds}mean length {length:.1f}".capitalize())
    text += [f"Mean {name} {value:g}" for name, value in evaluation.info.items()]
    return text


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Returns the bounds of the 95% interval of a mean, by Student's t; NaN for a single value."""
    if len(values) < 2:
        return math.nan, math.nan
    mean = float(np.mean(values))
    error = float(stats.sem(values))
    margin = error * float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1))
    return mean - margin, mean + margin


def write(
    path: Path, title: str, episodes: Sequence[Episode], info: EpisodeInfo, seed: int
) -> None:
    """Writes the episodes: .csv has a row for each, .json also the means and `title`.

    Raises:
      OSError: `path` cannot be written.
    """
    rows = _rows(episodes, info, seed)
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return
    evaluation = info.summarize(episodes)
    low, high = interval([episode.total_reward for episode in episodes])
    content = {
        "policy": title,
        "return_mean": evaluation.return_mean,
        "return_std": evaluation.return_std,
        "return_interval": None if math.isnan(low) else [low, high],
        "length_mean": float(np.mean([episode.length for episode in episodes])),
        "success_rate": evaluation.success_rate,
        "success_once": evaluation.success_once,
        **evaluation.info,
        "episodes": rows,
    }
    files.write_at_once(path, json.dumps(content, indent=1) + "\n")


def _rows(
    episodes: Sequence[Episode], info: EpisodeInfo, seed: int
) -> list[dict[str, float | None]]:
    return [
        {
            "episode": number + 1,
            "seed": seed + number,
            "return": episode.total_reward,
            "length": episode.length,
            "success": info.success(episode),
            "success_once": info.success_once(episode),
            **{
                column: episode.info.get(key)
                for key, column in zip(info.keys, info.columns, strict=True)
            },
        }
        for number, episode in enumerate(episodes)
    ]
