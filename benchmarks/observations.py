"""Observations of a soak test, in a thread: memory of the programs, and the learner's newest
checkpoint."""

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
"""Allowed ratio of the memory of a kind of program in the last minute to that in the first."""
_UPDATES = "state/updates/.ATTRIBUTES/VARIABLE_VALUE"


class Observations:
    """Observations of the programs of a run.

    Attributes:
      complaints: one for each kind of program that grew; after `end`.
    """

    def __init__(self, run: Programs):
        """Starts to observe, every five seconds."""
        self._run = run
        self._store = CheckpointStore(run.root_dir / "checkpoints")
        self._memory: list[tuple[float, str, float]] = []
        self._newest = 0
        self._went_back = 0
        self.complaints: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="observations", daemon=True)
        self._thread.start()

    def end(self) -> dict[str, float]:
        """Stops observing; returns the peak memory of each kind of program in its first and last
        minute, in megabytes, and by how many updates the newest checkpoint went back at most."""
        self._ended.set()
        self._thread.join()
        figures = {"checkpoint_went_back_updates": float(self._went_back)}
        began = self._memory[0][0]
        ended = self._memory[-1][0]
        for kind in dict.fromkeys(kind for _, kind, _ in self._memory):
            held = [(at, megabytes) for at, other, megabytes in self._memory if other == kind]
            first = max(megabytes for at, megabytes in held if at <= began + _MINUTE_S)
            last = max(megabytes for at, megabytes in held if at >= ended - _MINUTE_S)
            figures[f"{kind}_first_minute_mb"] = first
            figures[f"{kind}_last_minute_mb"] = last
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
                kind = name.partition("-")[0]
                self._memory.append((time.monotonic(), kind, megabytes))
            updates = self._updates_saved()
            if updates is not None:
                self._went_back = max(self._went_back, self._newest - updates)
                self._newest = max(self._newest, updates)

    def _updates_saved(self) -> int | None:
        """Returns the updates of the learner's newest checkpoint; None if there is no checkpoint,
        or it is being replaced."""
        try:
            checkpoint = self._store.latest()
            if checkpoint is None:
                return None
            return int(tf.train.load_variable(str(checkpoint / "state"), _UPDATES))
        except (OSError, ValueError, RunError, tf.errors.OpError):
            return None
