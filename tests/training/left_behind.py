"""Reads the files of a finished run, without what differs between two equal runs."""

import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from sac_tf.replay.columns import NUMBERS
from sac_tf.replay.saved import saved_episodes
from sac_tf.replay.windows import Windows
from sac_tf.runs import task_spec

UPDATES = "state/updates/.ATTRIBUTES/VARIABLE_VALUE"
"""Name of the number of updates in a checkpoint."""


def read_rows(root, name="evaluations.csv"):
    """Returns the lines of a CSV file as lists, without the columns of times and speeds."""
    lines = [line.split(",") for line in (Path(root) / name).read_text().splitlines()]
    kept = [
        i
        for i, column in enumerate(lines[0])
        if column != "wall_time" and not column.endswith("_per_second")
    ]
    return [[line[i] for i in kept] for line in lines]


def last_metrics(root):
    """Returns {column: text} of the last row of metrics.csv."""
    rows = read_rows(root, "metrics.csv")
    return dict(zip(rows[0], rows[-1], strict=True))


def last_checkpoint(root):
    """Returns the folder of the newest checkpoint."""
    return max((Path(root) / "checkpoints").glob("step-*"))


def final_state(root):
    """Returns every number of the newest checkpoint, as bytes."""
    checkpoint = last_checkpoint(root)
    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    arrays = {name: reader.get_tensor(name).tobytes() for name in names}
    return arrays | {"rows": np.concatenate(saved_rows(checkpoint)).tobytes()}


def saved_rows(checkpoint):
    """Returns the rows of numbers of each episode in a checkpoint, [T + 1, W]: observation, action,
    reward, discount, and 1 in the last one, which has only an observation."""
    spec = task_spec.load(Path(checkpoint).parent.parent)
    episodes = saved_episodes(Path(checkpoint) / "replay", Windows(spec, 0.99, None))
    return [rows[NUMBERS] for rows in episodes]


def saved_steps(checkpoint):
    """Returns the rows of numbers of all steps in a checkpoint, episode by episode, without the
    final observations."""
    return np.concatenate([rows[:-1] for rows in saved_rows(checkpoint)])


def updates_done(root):
    """Returns the number of updates in the newest checkpoint."""
    return int(tf.train.load_checkpoint(str(last_checkpoint(root) / "state")).get_tensor(UPDATES))


def killed(root, copy):
    """Returns a copy of the folder of a run as if it had been killed before its last checkpoint."""
    shutil.copytree(root, copy)
    shutil.rmtree(last_checkpoint(copy))
    return copy
