"""Many training runs side by side, each a process of its own in its own folder, and all of them
resumable."""

import contextlib
import ctypes
import dataclasses
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from tqdm import tqdm

from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.runs.interrupts import Interrupts
from sac_tf.sweeps.settings import SEED, Setting

_LOG = "sweep.log"
_FINISHED = "sweep_finished.json"
_LOCK = ".sweep.lock"
_POLL_S = 0.5
_INCLUDE = re.compile(r"^\s*include\s+['\"](.+?)['\"]", re.MULTILINE)
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


class Run(NamedTuple):
    """One seed of one setting.

    Attributes:
      setting, seed: what it is.
      root_dir: its folder.
      gin_files, gin_bindings: all it is configured with.
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
        """Whether it came to its end with this very configuration."""
        record = self.root_dir / _FINISHED
        return record.is_file() and record.read_text() == self._record()

    def note_finished(self) -> None:
        files.write_at_once(self.root_dir / _FINISHED, self._record())

    def _record(self) -> str:
        """The bindings, and the text of the gin files and of what they include: a change of either
        is noticed."""
        texts: dict[str, str] = {}
        unread = list(self.gin_files)
        while unread:
            path = unread.pop()
            if path not in texts and Path(path).is_file():
                texts[path] = Path(path).read_text()
                unread += _INCLUDE.findall(texts[path])
        return json.dumps(
            {"gin_bindings": self.gin_bindings, "gin_files": texts}, indent=1, sort_keys=True
        )


def plan(
    root_dir: Path,
    settings: Sequence[Setting],
    seeds: int,
    gin_files: Sequence[str],
    gin_bindings: Sequence[str],
) -> list[Run]:
    """Returns a run for each setting and seed, seed 0 of every setting first, so that a table fills
    evenly.

    Args:
      root_dir: of all runs.
      settings: the rows of the table.
      seeds: how many; 0 is the first.
      gin_files, gin_bindings: what all settings share.
    """
    return [
        Run(
            setting,
            seed,
            root_dir / setting.folder / f"seed-{seed}",
            (*gin_files, *setting.gin_files),
            (*gin_bindings, *setting.gin_bindings, f"{SEED} = {seed}"),
        )
        for seed in range(seeds)
        for setting in settings
    ]


@contextlib.contextmanager
def claim(root_dir: Path) -> Iterator[TextIO]:
    """Holds the folder of a sweep for this process and the runs that it starts, which get the lock
    too.

    Raises:
      ConfigurationError: another sweep, or a run that outlived its sweep, is at work there.
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
    """Runs that are done side by side.

    Attributes:
      runs: all of them.
      parallel: how many at a time.
      lock: what `claim` gave.
      failed: {run: why}, filled by `run`.
    """

    runs: Sequence[Run]
    parallel: int
    lock: TextIO
    failed: dict[Run, str] = dataclasses.field(default_factory=dict)

    def run(self, interrupts: Interrupts) -> None:
        """Does what is not finished. A run that fails stops no other; a signal lets all of them
        save and end."""
        waiting = [run for run in self.runs if not run.is_finished()]
        active: dict[Run, subprocess.Popen] = {}
        finished, stopping = len(self.runs) - len(waiting), False
        with tqdm(
            total=len(self.runs), initial=finished, unit="run", desc="sweep", dynamic_ncols=True
        ) as bar:
            try:
                while active or (waiting and not stopping):
                    while waiting and len(active) < self.parallel and not stopping:
                        run = waiting.pop(0)
                        active[run] = self._start(run)
                    time.sleep(_POLL_S)
                    for run in [
                        run for run, process in active.items() if process.poll() is not None
                    ]:
                        self._note_end(run, active.pop(run).returncode, stopping, bar)
                    if interrupts.received is not None and not stopping:
                        stopping = True
                        bar.write(
                            f"Waiting for {len(active)} runs to save; a second signal ends them "
                            f"at once."
                        )
                        for process in active.values():
                            process.send_signal(signal.SIGTERM)
                    bar.set_postfix_str(
                        "; ".join(f"{run.name} at {_step(run):,}" for run in active)
                    )
            finally:
                for process in active.values():
                    process.kill()

    def _start(self, run: Run) -> subprocess.Popen:
        """Starts a run in a session of its own, so that a Ctrl-C at the terminal does not reach it
        twice."""
        run.root_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "binaries.train", f"--root_dir={run.root_dir}"]
        command += [f"--gin_file={file}" for file in run.gin_files]
        command += [f"--gin_bindings={binding}" for binding in run.gin_bindings]
        libc = ctypes.CDLL(None)
        with (run.root_dir / _LOG).open("a") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[self.lock.fileno()],
                env={**os.environ, "TQDM_DISABLE": "1"},
                preexec_fn=lambda: libc.prctl(
                    _SET_PARENT_DEATH_SIGNAL, signal.SIGTERM
                ),  # a killed sweep leaves none
            )

    def _note_end(self, run: Run, code: int, stopping: bool, bar: tqdm) -> None:
        if code == 0:
            run.note_finished()
            bar.update(1)
        elif not stopping:
            self.failed[run] = (
                f"killed by signal {-code}" if code < 0 else _last_line(run.root_dir / _LOG)
            )
            bar.write(f"{run.name} failed: {self.failed[run]}")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _step(run: Run) -> int:
    """Returns the environment step of the newest row of metrics.csv, 0 if there is none yet."""
    path = run.root_dir / "metrics.csv"
    newest = path.read_text().splitlines()[-1:] if path.exists() else []
    first = newest[0].partition(",")[0] if newest else ""
    return int(first) if first.isdigit() else 0
