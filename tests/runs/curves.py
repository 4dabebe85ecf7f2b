"""The curves of a run as TensorBoard shows them, and as its CSV files have them."""

import csv

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def shown_curves(root_dir):
    """Returns {tag: [(step, value)]}, and the name that TensorBoard gives the run."""
    (run,) = (root_dir / "tensorboard").iterdir()
    events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    curves = {
        tag: [(one.step, float(tf.make_ndarray(one.tensor_proto))) for one in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if tag != "settings"
    }
    return curves, run.name


def written_curve(path, column):
    """Returns [(step, value)] of the rows of a CSV file that have a value."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[column]]
    return [(int(row["step"]), float(row[column])) for row in rows]
