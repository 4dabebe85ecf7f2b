"""Sweeps: training runs in parallel, each in its own process and folder, all of them resumable."""

import contextlib
import csv
import ctypes
import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from tqdm import tqdm

from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.runs.configuration import read_settings
from sac_tf.runs.gin_files import texts
from sac_tf.runs.interrupts import Interrupts
from sac_tf.runs.terminal import duration
from sac_tf.sweeps.settings import SEED, Setting

_LOG = "sweep.log"
_FINISHED = "sweep_finished.json"
_LOCK = ".sweep.lock"
_POLL_S = 0.5
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


class Run(NamedTuple):
    """One seed of one setting.

    Attributes:
      setting: a row of the table.
      seed: of the run.
      root_dir: folder of the run.
      gin_files, gin_bindings: the whole configuration of the run.
    """

    setting: Setting
    seed: int
    root_dir: Path
    gin_files: tuple[str, ...]
    gin_bindings: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.setting.folder}/{self.root_dir.name}"

    def is_finished(self) -> bool:
        """Whether the run has finished with exactly this configuration."""
        record = self.root_dir / _FINISHED
        return record.is_file() and record.read_text() == self._record()

    def note_finished(self) -> None:
        """Records that the run has finished with this configuration."""
        files.write_at_once(self.root_dir / _FINISHED, self._record())

    def _record(self) -> str:
        """Returns the bindings and the texts of the gin files and of all files that they include,
        so that any change is noticed."""
        record = {"gin_bindings": self.gin_bindings, "gin_files": texts(self.gin_files)}
        return json.dumps(record, indent=1, sort_keys=True)


def plan(
    root_dir: Path,
    settings: Sequence[Setting],
    seeds: int,
    gin_files: Sequence[str],
    gin_bindings: Sequence[str],
) -> list[Run]:
    """Returns a run for each setting and seed. Seed 0 of every setting comes first, so that all
    rows of the table fill evenly.

    Args:
      root_dir: folder of the sweep.
      settings: the rows of the table.
      seeds: number of seeds, starting with 0.
      gin_files, gin_bindings: configuration that all settings share.
    """
    return [
        Run(
            setting=setting,
            seed=seed,
            root_dir=root_dir / setting.folder / f"seed-{seed}",
            gin_files=(*gin_files, *setting.gin_files),
            gin_bindings=(*gin_bindings, *setting.gin_bindings, f"{SEED} = {seed}"),
        )
        for seed in range(seeds)
        for setting in settings
    ]


def train_command(program: str, run: Run) -> list[str]:
    """Returns the command that trains a run by a program that takes gin files and bindings."""
    command = [sys.executable, "-m", program, f"--root_dir={run.root_dir}"]
    command += [f"--gin_file={file}" for file in run.gin_files]
    command += [f"--gin_bindings={binding}" for binding in run.gin_bindings]
    return command


@contextlib.contextmanager
def claim(root_dir: Path) -> Iterator[TextIO]:
    """Locks the folder of a sweep for this process and the runs that it starts, which inherit the
    lock.

    Raises:
      ConfigurationError: another sweep, or a run that outlived its sweep, uses the folder.
    """
    with (root_dir / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"--root_dir={root_dir} is in use by another sweep; wait for it."
            ) from error
        yield lock


@dataclasses.dataclass
class Sweep:
    """Runs in parallel processes.

    Attributes:
      runs: all runs of the sweep.
      parallel: number of runs at a time.
      lock: returned by `claim`; inherited by the runs.
      command: f(run) -> the command that trains it.
      on_finished: called with each run that has finished.
      pinned: whether each run keeps to one core, so that runs can be compared in time.
      failed: {run: reason}, filled by `run`.
    """

    runs: Sequence[Run]
    parallel: int
    lock: TextIO
    command: Callable[[Run], Sequence[str]]
    on_finished: Callable[[Run], None] = lambda _: None
    pinned: bool = False
    failed: dict[Run, str] = dataclasses.field(default_factory=dict)
    _active: dict[Run, subprocess.Popen] = dataclasses.field(default_factory=dict, init=False)
    _cores: dict[Run, int] = dataclasses.field(default_factory=dict, init=False)
    _is_stopping: bool = dataclasses.field(default=False, init=False)

    def run(self, interrupts: Interrupts) -> None:
        """Starts or resumes all unfinished runs and waits for them. A failed run does not stop the
        others; a signal makes all of them checkpoint and exit."""
        waiting = [run for run in self.runs if not run.is_finished()]
        finished = len(self.runs) - len(waiting)
        with tqdm(
            total=len(self.runs), initial=finished, unit="run", desc="sweep", dynamic_ncols=True
        ) as bar:
            try:
                while self._active or (waiting and not self._is_stopping):
                    if not self._is_stopping:
                        self._fill(waiting)
                    time.sleep(_POLL_S)
                    self._collect_ended(bar)
                    if interrupts.received is not None and not self._is_stopping:
                        self._stop(bar)
                    bar.set_postfix_str(self._progress(len(waiting)))
            finally:
                for process in self._active.values():
                    process.kill()

    def _progress(self, waiting: int) -> str:
        """Returns where the active runs are, and how long the sweep will take, if all of them have
        made updates: `waiting` runs are expected to take as long as these."""
        rates = {run: _rate(run) for run in self._active}
        parts = [f"{run.name} at {rate.step:,}" for run, rate in rates.items()]
        known = [rate for rate in rates.values() if rate.steps_per_second > 0]
        if known and len(known) == len(rates):
            left = [(rate.total - rate.step) / rate.steps_per_second for rate in known]
            whole = [rate.total / rate.steps_per_second for rate in known]
            later = waiting * sum(whole) / len(whole) / self.parallel
            parts.append(f"about {duration(max(left) + later)} left")
        return "; ".join(parts)

    def _fill(self, waiting: list[Run]) -> None:
        """Moves runs from `waiting` to `_active` until enough run in parallel."""
        while waiting and len(self._active) < self.parallel:
            run = waiting.pop(0)
            self._active[run] = self._start(run)

    def _start(self, run: Run) -> subprocess.Popen:
        """Starts a run in its own session: otherwise it would receive a Ctrl-C at the terminal in
        addition to the signal from the sweep."""
        run.root_dir.mkdir(parents=True, exist_ok=True)
        cores = os.sched_getaffinity(0)
        if self.pinned:
            used = list(self._cores.values())
            self._cores[run] = min(sorted(cores), key=used.count)
            cores = {self._cores[run]}
        libc = ctypes.CDLL(None)

        def prepare() -> None:
            """Makes Linux end the run if the sweep is killed."""
            libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
            os.sched_setaffinity(0, cores)

        with (run.root_dir / _LOG).open("a") as log:
            return subprocess.Popen(
                self.command(run),
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[self.lock.fileno()],
                env={**os.environ, "TQDM_DISABLE": "1"},
                preexec_fn=prepare,
            )

    def _collect_ended(self, bar: tqdm) -> None:
        """Removes the runs whose processes have ended from `_active`, and records the results."""
        ended = [run for run, process in self._active.items() if process.poll() is not None]
        for run in ended:
            process = self._active.pop(run)
            self._cores.pop(run, None)
            self._note_end(run, process.returncode, bar)

    def _note_end(self, run: Run, exit_code: int, bar: tqdm) -> None:
        if exit_code == 0:
            self.on_finished(run)
            run.note_finished()
            bar.update(1)
            return
        if self._is_stopping:
            return
        if exit_code < 0:
            reason = f"killed by signal {-exit_code}"
        else:
            reason = _last_line(run.root_dir / _LOG)
        self.failed[run] = reason
        bar.write(f"{run.name} failed: {reason}")

    def _stop(self, bar: tqdm) -> None:
        """Makes the active runs checkpoint and exit, and starts no others."""
        self._is_stopping = True
        bar.write(
            f"Waiting for {len(self._active)} runs to save; a second signal ends them immediately."
        )
        for process in self._active.values():
            process.send_signal(signal.SIGTERM)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


class _Rate(NamedTuple):
    """Where a run is.

    Attributes:
      step: of the last row of metrics.csv; 0 if there is none yet.
      total: environment steps in all, or updates of an offline run.
      steps_per_second: of the last row; 0 before the first update, when steps are fast.
    """

    step: int = 0
    total: int = 0
    steps_per_second: float = 0.0


def _rate(run: Run) -> _Rate:
    path = run.root_dir / folder.METRICS
    rows = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
    if not rows:
        return _Rate()
    last = rows[-1]
    try:
        settings = read_settings(run.root_dir / folder.CONFIGURATION)
        total = int(settings.get("train_offline.updates") or settings["train.total_steps"])
        is_learning = float(last["updates_per_second"]) > 0
        speed = float(last["steps_per_second"]) if is_learning else 0.0
        return _Rate(int(last["step"]), total, speed)
    except (OSError, KeyError, TypeError, ValueError):  # a row that is being written
        return _Rate()
