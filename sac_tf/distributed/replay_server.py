"""The replay server of a distributed run: its tables, their rate limiter, checkpoints, and the
status of the run."""

import contextlib
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import reverb
from reverb.errors import DeadlineExceededError

from sac_tf import files
from sac_tf.distributed.connection import RunDescription, describe_task
from sac_tf.distributed.messages import message_tables
from sac_tf.distributed.settings import ReplayServerSettings, configuration_of
from sac_tf.distributed.status import RunStatus, counts, one_line
from sac_tf.errors import RunError
from sac_tf.pinned.reverb_checkpoint import adapt_checkpoint
from sac_tf.replay.memory import ITEM_BYTES, require_memory
from sac_tf.replay.tables import UNLIMITED, ReplayServer, check_port, make_tables
from sac_tf.replay.windows import Windows
from sac_tf.runs import folder as names
from sac_tf.runs import task_spec
from sac_tf.runs.checkpoints import CannotSave, CheckpointStore, saved_on_error, writing
from sac_tf.runs.lock import locked
from sac_tf.runs.logs import say
from sac_tf.runs.session import session
from sac_tf.training.train import Training

_ROWS_FILE = "rows.json"
_STATUS_PERIOD_S = 1.0
_SUMMARY_PERIOD_S = 10.0
_LOG_PERIOD_S = 30.0


def run(root_dir: str, port: int, training: Training) -> signal.Signals | None:
    """Serves the task of `training` until a signal comes, and returns it.

    Args:
      root_dir: of the run; the server has its own folder there.
      port: to listen on.
      training: settings of the run.

    Raises:
      ConfigurationError: a setting that cannot work, a port that cannot be opened, or a checkpoint
        that does not fit the configuration.
      RunError: something broke; the tables are saved.
    """
    configuration = configuration_of(training)
    factory = training.environment_factory
    spec = task_spec.load_or_make(Path(root_dir), factory)
    description = RunDescription(describe_task(factory.title, spec), configuration.settings)
    tables = make_run_tables(training.make_windows(spec), training)
    folder = Path(root_dir) / names.REPLAY_SERVER
    with locked(folder), session(_no_runtime) as opened:
        server = opened.open(_Server(folder, port, training.total_steps, description, tables))
        say(f"Serving {factory.title} on port {port}.")
        with saved_on_error(lambda _: server.write_checkpoint()):
            while not opened.is_interrupted():
                server.tick()
                time.sleep(_STATUS_PERIOD_S)
        server.save()
        return opened.interrupts.received


def make_run_tables(windows: Windows, training: Training) -> list[reverb.Table]:
    """Returns the replay table, limited to the UTD ratio of the run, and the message tables.

    Args:
      windows: of the task.
      training: settings of the run.

    Raises:
      ConfigurationError: a number out of range, or steps that do not fit into memory.
    """
    settings = ReplayServerSettings()
    rows_per_step = training.updates_per_step * training.batch_size
    samples_per_insert = float(rows_per_step * training.replay_fraction)
    random_rows = -(-training.random_steps // settings.servers)

    def limiter(min_size_to_sample: int) -> reverb.rate_limiters.RateLimiter:
        return settings.limits(samples_per_insert, max(min_size_to_sample, random_rows))

    replay = make_tables(windows, rate_limiter=limiter)[0]
    expected_steps = -(-training.total_steps // settings.servers)
    step_bytes = windows.columns.row_bytes + ITEM_BYTES
    require_memory(replay.info.max_size, expected_steps, step_bytes)
    return [replay, *message_tables()]


def _no_runtime() -> None:
    """Sets nothing: the server computes nothing, so TensorFlow's threads do not matter."""


class _Server:
    """The Reverb server with its checkpoints and status."""

    def __init__(
        self,
        folder: Path,
        port: int,
        total_steps: int,
        run: RunDescription,
        tables: list[reverb.Table],
    ):
        check_port(port)  # before a checkpoint is read and copied
        settings = ReplayServerSettings()
        self._period = settings.checkpoint_period
        self._folder = folder
        self._store = CheckpointStore(folder / names.CHECKPOINTS)
        checkpoint = self._store.latest()
        self._server = _start(folder, port, checkpoint, tables)
        facts = {
            **_table_facts(tables[0]),
            "task": run.task,
            "settings": run.settings,
            "servers": settings.servers,
            "total_steps": total_steps,
            "rows_gone": self._report_rows(checkpoint),
            "started": time.time(),
        }
        self._status = RunStatus(self._server.client, facts, folder / names.TENSORBOARD)
        self._problem: str | None = None
        now = time.monotonic()
        self._saved_at = now
        self._logged_at = now
        self._summarized_at = now
        self.tick()

    def _report_rows(self, checkpoint: Path | None) -> int:
        """Prints how many rows were restored and lost; returns how many were lost in all restarts
        so far."""
        rows = counts(self._server.client).inserted
        path = self._folder / _ROWS_FILE
        before = {"inserted": rows, "gone": 0}
        if path.exists():
            before = json.loads(path.read_text())
        gone = max(0, before["inserted"] - rows)
        if checkpoint is not None:
            say(
                f"Resuming with the {rows:,} rows inserted until {checkpoint}; {gone:,} rows "
                "inserted later are lost."
            )
        elif gone:
            say(f"There was no checkpoint yet: all {gone:,} rows are lost.")
        return before["gone"] + gone

    def tick(self) -> None:
        """Publishes the status; writes a checkpoint, a summary or a line if one is due. What a busy
        machine or a full disk prevents is reported, and the next call retries."""
        try:
            rows = self._status.refresh()
        except DeadlineExceededError as error:
            self._report(f"The server is too busy to publish its status ({error}); it retries.")
            return
        now = time.monotonic()
        is_summary_due = now - self._summarized_at > _SUMMARY_PERIOD_S
        if is_summary_due:
            self._summarized_at = now
        self._report(self._write(rows.inserted, is_summary_due))
        if now - self._saved_at > self._period and self._store.is_affordable():
            self.save()
        if now - self._logged_at > _LOG_PERIOD_S:
            self._logged_at = now
            say(one_line(self._status.content))

    def _write(self, rows: int, is_summary_due: bool) -> str | None:
        """Writes the number of rows, and a summary if one is due; returns why it failed."""
        noted = {"inserted": rows, "gone": self._status.content["rows_gone"]}
        try:
            with writing(self._folder):
                files.write_at_once(self._folder / _ROWS_FILE, json.dumps(noted))
                if is_summary_due:
                    self._status.summarize()
        except RunError as error:
            return f"{error} The server continues, and retries."
        return None

    def _report(self, problem: str | None) -> None:
        """Prints a problem when it begins."""
        if problem is not None and problem != self._problem:
            say(problem)
        self._problem = problem

    def save(self) -> None:
        """As `write_checkpoint`, but a failure is reported, and the next period retries."""
        self._saved_at = time.monotonic()
        try:
            self.write_checkpoint()
        except CannotSave as error:
            say(str(error))
        except DeadlineExceededError as error:
            say(f"The server is too busy to write a checkpoint ({error}).")

    def write_checkpoint(self) -> Path:
        """Writes a checkpoint and returns its folder; requests wait meanwhile.

        Raises:
          CannotSave: the disk is full, for example.
          DeadlineExceededError: the server does not answer.
        """
        rows = counts(self._server.client).inserted
        # A restored server must not publish the settings of the checkpoint, even for a moment.
        self._status.withdraw()
        try:
            written = self._store.save(
                rows, lambda folder: self._server.checkpoint(folder / "reverb")
            )
            self._status.content["checkpoint"] = {"rows": rows, "time": time.time()}
        finally:
            with contextlib.suppress(DeadlineExceededError):  # the next tick publishes it
                self._status.publish()
        return written

    def close(self) -> None:
        self._status.close()
        self._server.stop()


def _start(
    folder: Path, port: int, checkpoint: Path | None, tables: list[reverb.Table]
) -> ReplayServer:
    """Starts the Reverb server, with the rows of a checkpoint and the limits of `tables`."""
    adapted = folder / ".adapted"
    shutil.rmtree(adapted, ignore_errors=True)
    restore_from = None
    if checkpoint is not None:
        restore_from = Path(shutil.copytree(checkpoint / "reverb", adapted))
        for change in adapt_checkpoint(adapted, tables):
            say(change)
    server = ReplayServer(tables, folder / ".staging", restore_from, port)
    shutil.rmtree(adapted, ignore_errors=True)
    return server


def _table_facts(replay: reverb.Table) -> dict[str, Any]:
    limiter = replay.info.rate_limiter_info
    holds_ratio = limiter.max_diff < UNLIMITED
    return {
        "samples_per_insert": limiter.samples_per_insert if holds_ratio else None,
        "minimum_rows": limiter.min_size_to_sample,
        "capacity": replay.info.max_size,
    }
