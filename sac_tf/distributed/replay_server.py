"""The replay server of a distributed run: tables with the limits of the run, checkpoints, and the
board."""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import reverb

from sac_tf import files
from sac_tf.distributed.connection import describe_task
from sac_tf.distributed.messages import exchange_tables
from sac_tf.distributed.settings import ReplayServerSettings, configuration_of
from sac_tf.distributed.status import Board, counts, one_line
from sac_tf.environments.gymnasium_environment import spec_of
from sac_tf.pinned.reverb_checkpoint import carry_over
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.tables import UNLIMITED, ReplayServer, make_tables
from sac_tf.runs import folder as names
from sac_tf.runs.checkpoints import CheckpointStore
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.logs import say
from sac_tf.runs.session import session
from sac_tf.training.train import Training
from sac_tf.types import EnvironmentSpec

_ROWS_FILE = "rows.json"
_TICK_S = 1.0
_SUMMARY_S = 10.0
_LINE_S = 30.0


def run(root_dir: str, port: int, training: Training) -> signal.Signals | None:
    """Serves the task of `training` until a signal comes, and returns it.

    Args:
      root_dir: of the run; the server keeps its own folder there.
      port: to listen on.
      training: settings of the run.

    Raises:
      ConfigurationError: a setting that cannot work, a port in use, or a checkpoint that does not
        fit the configuration.
    """
    configuration = configuration_of(training)
    with session(_no_runtime) as opened:
        served = opened.open(
            _Served(Path(root_dir) / names.REPLAY_SERVER, port, training, configuration)
        )
        while not opened.is_interrupted():
            served.tick()
            time.sleep(_TICK_S)
        served.save()
        return opened.interrupts.received


def make_run_tables(width: int, training: Training) -> list[reverb.Table]:
    """Returns the tables for rows of `width` columns, the replay table first, limited as the
    learner's update ratio requires; raises ConfigurationError for a number out of range."""
    settings = ReplayServerSettings()
    samples_per_insert = float(training.updates_per_step * training.batch_size)
    first = -(-training.random_steps // settings.servers)

    def limiter(min_size_to_sample: int) -> reverb.rate_limiters.RateLimiter:
        return settings.limits(samples_per_insert, max(min_size_to_sample, first))

    return [make_tables(width, rate_limiter=limiter)[0], *exchange_tables()]


def _no_runtime() -> None:
    """The server computes nothing, so TensorFlow's threads do not matter."""


class _Served:
    """The running server."""

    def __init__(self, folder: Path, port: int, training: Training, configuration: Configuration):
        settings = ReplayServerSettings()
        spec = spec_of(training.environment)
        tables = make_run_tables(RowPacker(spec).width, training)
        self._period = settings.checkpoint_period
        self._folder = folder
        self._store = CheckpointStore(folder / names.CHECKPOINTS)
        checkpoint = self._store.latest()
        adapted = None
        changes: list[str] = []
        shutil.rmtree(folder / ".adapted", ignore_errors=True)
        if checkpoint is not None:
            adapted = Path(shutil.copytree(checkpoint / "reverb", folder / ".adapted"))
            changes = carry_over(adapted, tables)
        self._server = ReplayServer(tables, folder / ".staging", adapted, port)
        shutil.rmtree(folder / ".adapted", ignore_errors=True)
        facts = _facts(settings, training, spec, tables[0])
        facts["settings"] = configuration.settings
        facts["rows_gone"] = self._report_rows(checkpoint, changes)
        self._board = Board(self._server.client, facts, folder / names.TENSORBOARD)
        now = time.monotonic()
        self._saved_at = now
        self._said_at = now
        self._summarized_at = now
        self.tick()
        say(f"Serving {training.environment} on port {port}.")

    def _report_rows(self, checkpoint: Path | None, changes: list[str]) -> int:
        """Prints which rows were restored and which were lost; returns how many were lost by all
        restarts so far."""
        rows = counts(self._server.client).inserted
        path = self._folder / _ROWS_FILE
        before = {"inserted": rows, "gone": 0}
        if path.exists():
            before = json.loads(path.read_text())
        gone = max(0, before["inserted"] - rows)
        for change in changes:
            say(change)
        if checkpoint is not None:
            say(
                f"Resuming with the {rows:,} rows inserted until {checkpoint}; {gone:,} rows "
                f"inserted "
                "later are lost."
            )
        elif gone:
            say(f"There was no checkpoint yet: all {gone:,} rows are lost.")
        return before["gone"] + gone

    def tick(self) -> None:
        """Refreshes the board, and does what is due."""
        rows = self._board.refresh()
        now = time.monotonic()
        noted = {"inserted": rows.inserted, "gone": self._board.content["rows_gone"]}
        files.write_at_once(self._folder / _ROWS_FILE, json.dumps(noted))
        if now - self._saved_at > self._period:
            self.save()
        if now - self._summarized_at > _SUMMARY_S:
            self._summarized_at = now
            self._board.summarize()
        if now - self._said_at > _LINE_S:
            self._said_at = now
            say(one_line(self._board.content))

    def save(self) -> None:
        """Writes a checkpoint; requests wait meanwhile. A full disk is reported, and the next
        period tries again."""
        self._saved_at = time.monotonic()
        rows = counts(self._server.client).inserted
        try:
            self._store.save(rows, lambda folder: self._server.checkpoint(folder / "reverb"))
        except OSError as error:
            say(
                f"Cannot write a checkpoint in {self._folder} ({error}); the last one is unchanged."
            )
        else:
            self._board.content["checkpoint"] = {"rows": rows, "time": time.time()}

    def close(self) -> None:
        self._board.close()
        self._server.stop()


def _facts(
    settings: ReplayServerSettings,
    training: Training,
    spec: EnvironmentSpec,
    replay: reverb.Table,
) -> dict[str, Any]:
    limits = replay.info.rate_limiter_info
    holds_ratio = limits.max_diff < UNLIMITED
    return {
        "task": describe_task(training.environment, spec),
        "samples_per_insert": limits.samples_per_insert if holds_ratio else None,
        "minimum_rows": limits.min_size_to_sample,
        "capacity": replay.info.max_size,
        "total_steps": training.total_steps,
        "servers": settings.servers,
        "started": time.time(),
    }
