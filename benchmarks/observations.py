"""What a soak looks at all the while, in a thread: memory, and the learner's newest checkpoint."""

import threading
import time

import tensorflow as tf

from benchmarks import channel
from benchmarks.processes import Programs
from sac_tf.errors import RunError
from sac_tf.runs.checkpoints import CheckpointStore

_PERIOD_S = 5.0
_MINUTE_S = 60.0
_GROWTH = 1.2
"""How much more than in the first minute a kind of program may hold in the last one."""
_UPDATES = "state/updates/.ATTRIBUTES/VARIABLE_VALUE"


class Observations:
    """Of the programs of a run.

    Attributes:
      complaints: what grew, after `end`.
    """

    def __init__(self, run: Programs):
        """Starts to look, every five seconds."""
        self._run, self._store = run, CheckpointStore(run.root_dir / "checkpoints")
        self._memory: list[tuple[float, str, float]] = []
        self._newest = self._went_back = 0
        self.complaints: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="observations", daemon=True)
        self._thread.start()

    def end(self) -> dict[str, float]:
        """Stops looking; returns figures: megabytes of each kind in its first and last minute, the
        most at one time."""
        self._ended.set()
        self._thread.join()
        figures = {"checkpoint_went_back_updates": float(self._went_back)}
        began, ended = self._memory[0][0], self._memory[-1][0]
        for kind in dict.fromkeys(kind for _, kind, _ in self._memory):
            held = [(at, megabytes) for at, other, megabytes in self._memory if other == kind]
            first = max(megabytes for at, megabytes in held if at <= began + _MINUTE_S)
            last = max(megabytes for at, megabytes in held if at >= ended - _MINUTE_S)
            figures |= {f"{kind}_first_minute_mb": first, f"{kind}_last_minute_mb": last}
            if last > _GROWTH * first:
                self.complaints.append(f"the {kind} grew from {first:.0f} to {last:.0f} MB")
        return figures

    def _watch(self) -> None:
        while not self._ended.wait(_PERIOD_S):
            for name, process in list(self._run.processes.items()):
                try:
                    megabytes = channel.resident_memory(process.pid)
                except (OSError, channel.BenchmarkError):  # killed this moment
                    continue
                self._memory.append((time.monotonic(), name.partition("-")[0], megabytes))
            updates = self._updates_saved()
            if updates is not None:
                self._went_back = max(self._went_back, self._newest - updates)
                self._newest = max(self._newest, updates)

    def _updates_saved(self) -> int | None:
        """Returns the updates behind the learner's newest checkpoint; None if there is none, or it
        is just replaced."""
        try:
            checkpoint = self._store.latest()
            return (
                None
                if checkpoint is None
                else int(tf.train.load_variable(str(checkpoint / "state"), _UPDATES))
            )
        except (OSError, ValueError, RunError, tf.errors.OpError):
            return None
