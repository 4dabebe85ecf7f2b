"""What a run left in its folder, as far as the same run leaves it again."""

from pathlib import Path

import tensorflow as tf


def read_rows(root, name="evaluations.csv"):
    """The file without the column that no run repeats."""
    lines = [line.split(",") for line in (Path(root) / name).read_text().splitlines()]
    dropped = {
        i
        for i, column in enumerate(lines[0])
        if column == "wall_time" or column.endswith("_per_second")
    }
    return [[value for i, value in enumerate(line) if i not in dropped] for line in lines]


def final_state(root):
    """Every number of the last checkpoint, as bytes."""
    checkpoint = sorted((Path(root) / "checkpoints").glob("step-*"))[-1]
    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    arrays = {name: reader.get_tensor(name).tobytes() for name in names}
    return arrays | {"rows": (checkpoint / "replay" / "resident_rows.npy").read_bytes()}
