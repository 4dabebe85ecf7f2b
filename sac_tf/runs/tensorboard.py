"""TensorBoard: event files of a run, which a resumed run continues without overlap."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import tensorflow as tf

from sac_tf.runs import folder

_GROUPS = {
    "_loss": "losses",
    "_per_second": "speed",
    "_norm": "gradients",
    "episode_": "episodes",
    "info_": "episodes",
    "replay_": "replay",
}
"""{beginning or ending of a metric's name: its group in TensorBoard}."""
_OTHERS = "learning"


class EventLog:
    """The event files that one part of a run writes.

    They are in `tensorboard/NAME`, where NAME is that of the run's folder: TensorBoard shows it as
    the name of the run.
    """

    def __init__(self, root_dir: Path, part: str, step: float):
        """Opens a new file, and removes events after `step` from the earlier ones.

        TensorBoard would draw them as a second curve that runs back: unlike those of TensorFlow 1,
        event files of TensorFlow 2 have no mark that makes it discard events.

        Args:
          root_dir: of the run.
          part: of the run, in the names of its files; no other process writes the same part.
          step: of the checkpoint; infinity keeps all events.
        """
        location = _location(root_dir)
        ending = f".{part}.v2"
        for path in sorted(location.glob(f"*{ending}")):
            _drop_after(path, step)
        self._writer = tf.summary.create_file_writer(str(location), filename_suffix=ending)

    def scalars(self, step: int, values: Mapping[str, float], group: str | None = None) -> None:
        """Writes numbers; the group of each follows from its name, unless `group` is given."""
        named = {f"{group or _group(name)}/{name}": value for name, value in values.items()}
        write_scalars(self._writer, step, named)

    def settings(self, settings: Mapping[str, str]) -> None:
        """Writes the settings of the run as a table."""
        rows = [f"| {name} | `{value}` |" for name, value in sorted(settings.items())]
        table = "\n".join(["| setting | value |", "|---|---|", *rows])
        with self._writer.as_default(step=0):
            tf.summary.text("settings", table)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def write_scalars(writer: tf.summary.SummaryWriter, step: int, values: Mapping[str, float]) -> None:
    """Writes {tag: value} and flushes."""
    with writer.as_default(step=step):
        for tag, value in values.items():
            tf.summary.scalar(tag, value)
    writer.flush()


def _location(root_dir: Path) -> Path:
    """Returns the folder of event files: the one that is there already, or one with the name of
    the run."""
    tensorboard = root_dir / folder.TENSORBOARD
    there = sorted(path for path in tensorboard.glob("*") if path.is_dir())
    return there[0] if there else tensorboard / root_dir.resolve().name


def _group(name: str) -> str:
    for part, group in _GROUPS.items():
        if name.startswith(part) or name.endswith(part):
            return group
    return _OTHERS


def _drop_after(path: Path, step: float) -> None:
    """Removes the events after `step` from a file, and a record that was cut off."""
    kept = [record for record in _records(path) if _step(record) <= step]
    unfinished = path.with_name(f".{path.name}.unfinished")
    with tf.io.TFRecordWriter(str(unfinished)) as writer:
        for record in kept:
            writer.write(record)
    unfinished.replace(path)


def _records(path: Path) -> Iterator[bytes]:
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:  # the process was killed while it wrote the last record
        return


def _step(record: bytes) -> int:
    return tf.compat.v1.Event.FromString(record).step
