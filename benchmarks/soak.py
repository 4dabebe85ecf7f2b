"""Soak test of a distributed run: kills and restarts random programs for minutes, and checks that
the run resumes each time.

python -m benchmarks.soak --minutes=10 --kill_every=20 --root_dir=runs/soak

The last lines are `name value`. Exit code 1, with a sentence, if the run did not resume after a
kill, a checkpoint was lost, the final policy is not a trained one, or memory grew.
"""

import collections
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from binaries import launch
from sac_tf.errors import ConfigurationError, RunError

if TYPE_CHECKING:
    from benchmarks.processes import Programs

_PROGRAMS = ("server", "learner", "collector-0", "collector-1", "collector-2", "evaluator")
_TASK = "gin_configs/tasks/pendulum.gin"
_CHECKPOINT_STEPS = 1_000
_CAPACITY = 5_000
"""Steps that the replay keeps: full within the first minute, so that the server grows only if it
leaks."""
_BINDINGS = (
    "train.total_steps = 1_000_000",
    f"train.checkpoint_period = {_CHECKPOINT_STEPS}",
    "replay_server.checkpoint_period = 10",
    f"tables.capacity = {_CAPACITY}",
)
_PAUSE_SHARE = 0.25
"""The share of pauses (SIGSTOP, SIGCONT); the others are kills."""
_PAUSE_S = 10.0
_DOWN_S = (1.0, 5.0)
"""The least and the longest time until a killed program is restarted."""
_START_S = 300.0
"""Timeout for the run to start learning."""
_RESUME_S = 90.0
"""Timeout for the run to resume."""
_SOLVED = -200.0

_ROOT_DIR = launch.DEFINE_path("root_dir", None, "New folder of the run.", required=True)
_MINUTES = flags.DEFINE_float("minutes", 10.0, "Duration.", lower_bound=1.0)
_KILL_EVERY = flags.DEFINE_float("kill_every", 20.0, "Seconds between two kills.", lower_bound=1.0)
_SEED = flags.DEFINE_integer("seed", 0, "Of the choice of programs, kills and pauses.")


def main(arguments: list[str]) -> None:
    """Runs the test and prints its figures."""
    launch.refuse_arguments(arguments)
    root_dir = _ROOT_DIR.value
    if root_dir.exists():
        raise ConfigurationError(f"--root_dir={root_dir} exists; give a new one.")
    launch.divert_native_output(Path(os.devnull))
    from benchmarks.channel import BenchmarkError
    from benchmarks.processes import running

    try:
        with running(root_dir, _TASK, _BINDINGS) as run:
            soak = Soak(run, random.Random(_SEED.value))
            soak.run(60 * _MINUTES.value, _KILL_EVERY.value)
            soak.end()
    except BenchmarkError as error:
        raise RunError(f"The run did not survive: {' '.join(str(error).split())}") from error
    print("\n".join(f"{name} {value:.6g}" for name, value in soak.figures.items()))
    if soak.complaints:
        raise RunError("; ".join(soak.complaints))


class Soak:
    """A soak test of one run.

    Attributes:
      figures: results.
      complaints: faults that were found.
    """

    def __init__(self, programs: "Programs", chance: random.Random):
        """Starts all programs."""
        from benchmarks.observations import Observations

        self._programs = programs
        self._chance = chance
        self.figures: dict[str, float] = collections.defaultdict(float)
        self.complaints: list[str] = []
        for name in _PROGRAMS:
            programs.start(name)
        self._observations = Observations(programs)

    def run(self, seconds: float, kill_every: float) -> None:
        """Waits until the run learns, then disturbs it for `seconds`."""
        self._wait_for_progress(0.0, _PROGRAMS, _START_S)
        began = time.monotonic()
        due = began
        while time.monotonic() - began < seconds:
            due = max(due + kill_every, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            self._disturb(self._chance.choice(_PROGRAMS))

    def _disturb(self, name: str) -> None:
        """Pauses a program, or kills and restarts it, and waits until the run has resumed."""
        is_pause = self._chance.random() < _PAUSE_SHARE
        heartbeats = self._programs.heartbeats()
        updates_before = heartbeats.get("learner", {}).get("updates", 0)
        if is_pause:
            self._pause(name)
        else:
            self._kill(name)
        restarted = time.time()
        kind = name.partition("-")[0]
        updates_after = self._wait_for_progress(restarted, [name], _RESUME_S)
        seconds = time.time() - restarted
        self.figures[f"{'pauses' if is_pause else 'kills'}_{kind}"] += 1
        if name == "learner" and not is_pause:
            self.figures["updates_lost"] += max(0, updates_before - updates_after)
        self.figures["longest_recovery_s"] = max(self.figures["longest_recovery_s"], seconds)
        how = "paused" if is_pause else "killed"
        print(
            f"{time.strftime('%X')} {name} {how}: the run resumed after {seconds:.0f} s",
            flush=True,
        )

    def _pause(self, name: str) -> None:
        process = self._programs.processes[name]
        process.send_signal(signal.SIGSTOP)
        time.sleep(_PAUSE_S)
        process.send_signal(signal.SIGCONT)

    def _kill(self, name: str) -> None:
        process = self._programs.processes.pop(name)
        process.kill()
        process.wait()
        time.sleep(self._chance.uniform(*_DOWN_S))
        self._programs.start(name)

    def _wait_for_progress(self, since: float, names: Sequence[str], seconds: float) -> int:
        """Waits until `names` have sent heartbeats after the time `since`, then until the counts of
        rows and updates grow, at most `seconds` each; returns the updates before they grow."""
        senders = {re.sub("^collector", "collector collector", name) for name in names}
        senders = senders - {"server"} | {"learner"}

        def progress() -> tuple[int, int] | None:
            status = self._programs.status()
            recent = {
                name: beat
                for name, beat in status.get("processes", {}).items()
                if beat["time"] > since
            }
            if not senders <= recent.keys():
                return None
            return status["rows"]["inserted"], recent["learner"]["updates"]

        what = f"{', '.join(names)} to resume"
        rows, updates = self._programs.wait_until(progress, what, seconds)

        def is_more() -> bool:
            now = progress()
            return now is not None and now[0] > rows and now[1] > updates

        more = f"more rows than {rows} and more updates than {updates}"
        self._programs.wait_until(is_more, more, seconds)
        return updates

    def end(self) -> None:
        """Interrupts all programs as Ctrl-C does, and checks the checkpoints, the final policy and
        the memory."""
        status = self._programs.wait_until(self._programs.status, "the status", _RESUME_S)
        self.figures["rows_lost"] = status["rows_gone"]
        self.figures["rows_kept"] = status["rows"]["kept"]
        self.figures["updates"] = status["processes"]["learner"]["updates"]
        self.figures |= self._observations.end()
        self._programs.stop(*_PROGRAMS)
        self._check_checkpoints()
        self.figures["final_return"] = self._evaluate()
        if not self.figures["final_return"] >= _SOLVED:
            self.complaints.append(
                f"the final return is {self.figures['final_return']}, less than {_SOLVED}"
            )
        self.complaints += self._observations.complaints

    def _check_checkpoints(self) -> None:
        from sac_tf.runs.checkpoints import is_intact

        root_dir = self._programs.root_dir
        found = [
            *root_dir.glob("checkpoints/step-*"),
            *root_dir.glob("*/checkpoints/step-*"),
        ]
        self.figures["checkpoints"] = len(found)
        damaged = [checkpoint for checkpoint in found if not is_intact(checkpoint)]
        self.complaints += [f"{checkpoint} is damaged" for checkpoint in damaged]
        back = self.figures["checkpoint_went_back_updates"]
        if len(found) < 4 or back > _CHECKPOINT_STEPS:
            self.complaints.append(
                f"there are {len(found)} checkpoints, and the newest went back by {back:.0f} "
                "updates"
            )

    def _evaluate(self) -> float:
        root_dir = self._programs.root_dir
        command = [sys.executable, "-m", "binaries.evaluate", f"--root_dir={root_dir}"]
        output = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        found = re.search(r"Evaluation return (\S+)", output)
        return float(found[1]) if found else float("nan")


if __name__ == "__main__":
    launch.run(main)
