"""The replay server as a process: tables with the limits of the run, checkpoints, and the board."""

import dataclasses
import inspect
import json
import math
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gin
import reverb

from sac_tf import files
from sac_tf.agents.update import make_update
from sac_tf.distributed.connection import describe_task
from sac_tf.distributed.messages import exchange_tables
from sac_tf.distributed.rate_limits import carry_over, held_ratio
from sac_tf.distributed.status import Board, counts, one_line
from sac_tf.environments.gymnasium_environment import spec_of
from sac_tf.errors import require_count, require_number
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.runs.checkpoints import CheckpointStore
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.logs import say
from sac_tf.training.learner import Learner
from sac_tf.training.train import Training
from sac_tf.types import EnvironmentSpec

FOLDER = "replay_server"
"""Below the folder of the run: what the server keeps."""
_ROWS_FILE = "rows.json"
_UNLIMITED = 1e300
_TICK_S, _SUMMARY_S, _LINE_S = 1.0, 10.0, 30.0


@gin.configurable("replay_server")
@dataclasses.dataclass(frozen=True)
class Serving:
    """A replay server of a run.

    Attributes:
      checkpoint_period: seconds between two checkpoints of the tables; a server that dies comes
        back with the last.
      servers: how many replay servers share the run; each gets an even part of the rows.
      limits: f(samples_per_insert, minimum_rows): `held_ratio` or `free_ratio`.
      tables: f(width, rate_limiter=).
      server: f(tables, staging, restore_from, port).
    """

    checkpoint_period: float = 300.0
    servers: int = 1
    limits: Callable[..., reverb.rate_limiters.RateLimiter] = held_ratio
    tables: Callable[..., list[reverb.Table]] = make_tables
    server: Callable[..., ReplayServer] = ReplayServer

    def __post_init__(self) -> None:
        accept = (lambda period: 0 < period < math.inf, "a number of seconds above 0")
        require_number("replay_server.checkpoint_period", self.checkpoint_period, *accept)
        require_count("replay_server.servers", self.servers)

    def run(self, root_dir: str, port: int, training: Training) -> signal.Signals:
        """Serves the task of `training` until a signal comes, and returns it.

        Raises:
          ConfigurationError: the port is taken, or the checkpoint does not fit the configuration.
        """
        with Interrupts() as interrupts:
            served = _Served(self, Path(root_dir) / FOLDER, port, training)
            try:
                while interrupts.received is None:
                    served.tick()
                    time.sleep(_TICK_S)
                served.save()
            finally:
                served.close()
        return interrupts.received

    def make_tables(self, width: int, training: Training) -> list[reverb.Table]:
        """Returns the tables for rows of `width` columns, the replay table first, its limits as the
        learner needs.

        Raises:
          ConfigurationError: a number out of range.
        """
        updates = _setting("learner", Learner, "updates_per_step")
        require_number(
            "learner.updates_per_step",
            updates,
            lambda ratio: 0 < ratio < math.inf,
            "a number above 0",
        )
        batch_size = require_count(
            "make_update.batch_size", _setting("make_update", make_update, "batch_size")
        )
        first = -(-training.random_steps // self.servers)

        def limiter(min_size_to_sample: int) -> reverb.rate_limiters.RateLimiter:
            return self.limits(float(updates * batch_size), max(min_size_to_sample, first))

        return [self.tables(width, rate_limiter=limiter)[0], *exchange_tables()]


def _setting(name: str, configurable: Callable[..., Any], parameter: str) -> Any:
    """Returns what gin binds to `name.parameter`, or else its default."""
    return gin.get_bindings(name).get(
        parameter, inspect.signature(configurable).parameters[parameter].default
    )


class _Served:
    """The running server."""

    def __init__(self, settings: Serving, folder: Path, port: int, training: Training):
        spec = spec_of(training.environment)
        tables = settings.make_tables(RowPacker(spec).width, training)
        self._period, self._folder = settings.checkpoint_period, folder
        self._store = CheckpointStore(folder / "checkpoints")
        checkpoint, adapted, changes = self._store.latest(), folder / ".adapted", list[str]()
        shutil.rmtree(adapted, ignore_errors=True)
        if checkpoint is not None:
            shutil.copytree(checkpoint / "reverb", adapted)
            changes = carry_over(adapted, tables)
        self._server = settings.server(
            tables, folder / ".staging", None if checkpoint is None else adapted, port
        )
        shutil.rmtree(adapted, ignore_errors=True)
        facts = _facts(settings, training, spec, tables[0]) | {
            "rows_gone": self._greet(checkpoint, changes)
        }
        self._board = Board(self._server.client, facts, folder / "tensorboard")
        self._saved_at = self._said_at = self._summarized_at = time.monotonic()
        self.tick()
        say(f"Serving {training.environment} on port {port}.")

    def _greet(self, checkpoint: Path | None, changes: list[str]) -> int:
        """Says what was brought back and what was not; returns how many rows are gone by all
        restarts so far."""
        rows, path = counts(self._server.client).inserted, self._folder / _ROWS_FILE
        before = json.loads(path.read_text()) if path.exists() else {"inserted": rows, "gone": 0}
        gone = max(0, before["inserted"] - rows)
        for change in changes:
            say(change)
        if checkpoint is not None:
            say(
                f"Going on with the {rows:,} rows inserted until {checkpoint}; {gone:,} rows "
                f"inserted later are gone."
            )
        elif gone:
            say(f"There was no checkpoint yet: all {gone:,} rows are gone.")
        return before["gone"] + gone

    def tick(self) -> None:
        """Refreshes the board and whatever else it is time for."""
        rows, now = self._board.refresh(), time.monotonic()
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
        """Writes a checkpoint; requests wait meanwhile. A full disk is said, and tried again after
        the next period."""
        self._saved_at = time.monotonic()
        rows = counts(self._server.client).inserted
        try:
            self._store.save(rows, lambda folder: self._server.checkpoint(folder / "reverb"))
        except OSError as error:
            say(
                f"Cannot write a checkpoint in {self._folder} ({error}); the last one is as it was."
            )
        else:
            self._board.content["checkpoint"] = {"rows": rows, "time": time.time()}

    def close(self) -> None:
        self._board.close()
        self._server.stop()


def _facts(
    settings: Serving, training: Training, spec: EnvironmentSpec, replay: reverb.Table
) -> dict[str, Any]:
    limits = replay.info.rate_limiter_info
    return {
        "task": describe_task(training.environment, spec),
        "samples_per_insert": limits.samples_per_insert if limits.max_diff < _UNLIMITED else None,
        "minimum_rows": limits.min_size_to_sample,
        "capacity": replay.info.max_size,
        "total_steps": training.total_steps,
        "servers": settings.servers,
        "started": time.time(),
    }
