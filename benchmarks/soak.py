"""Kills a random program of a run on many processes every so often, starts it again, and sees
whether the run survives.

python -m benchmarks.soak --minutes=10 --kill_every=20 --root_dir=runs/soak

The last lines are `name value`. Exit code 1, with a sentence, if the run did not go on after a
kill, a checkpoint was lost, the policy at the end is not a learned one, or memory grew.
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

from absl import flags

from binaries import launch
from sac_tf.errors import ConfigurationError, RunError

_PROGRAMS = ("server", "learner", "collector-0", "collector-1", "collector-2", "evaluator")
_TASK = "gin_configs/tasks/pendulum.gin"
_CHECKPOINT_STEPS = 1_000
_BINDINGS = (
    "train.total_steps = 1_000_000",
    f"train.checkpoint_period = {_CHECKPOINT_STEPS}",
    "replay_server.checkpoint_period = 10",
)
_PAUSES, _PAUSE_S = 0.25, 10.0
"""The share of pauses (SIGSTOP, SIGCONT) among the kills, and how long one is."""
_AWAY_S = (1.0, 5.0)
"""How long a killed program is away: between these."""
_GOES_ON_S = 90.0
_LEARNED = -200.0

_ROOT_DIR = flags.DEFINE_string("root_dir", None, "New folder of the run.", required=True)
_MINUTES = flags.DEFINE_float("minutes", 10.0, "How long it goes on.", lower_bound=1.0)
_KILL_EVERY = flags.DEFINE_float(
    "kill_every", 20.0, "Seconds from one kill to the next.", lower_bound=1.0
)
_SEED = flags.DEFINE_integer("seed", 0, "Of who is killed, how and when.")


def main(arguments: list[str]) -> None:
    """Runs it and prints what came out."""
    launch.refuse_arguments(arguments)
    root_dir = Path(_ROOT_DIR.value)
    if root_dir.exists():
        raise ConfigurationError(f"--root_dir={root_dir} exists; give a new one.")
    launch.divert_native_output(Path(os.devnull))
    from benchmarks.channel import BenchmarkError
    from benchmarks.processes import running

    try:
        with running(root_dir, _TASK, _BINDINGS) as run:
            soak = Soak(run, random.Random(_SEED.value))
            soak.go(60 * _MINUTES.value, _KILL_EVERY.value)
            soak.end()
    except BenchmarkError as error:
        raise RunError(f"The run did not survive: {' '.join(str(error).split())}") from error
    print("\n".join(f"{name} {value:.6g}" for name, value in soak.figures.items()))
    if soak.complaints:
        raise RunError("; ".join(soak.complaints))


class Soak:
    """A run, and what is done to it.

    Attributes:
      figures: what came out.
      complaints: what should not have.
    """

    def __init__(self, run, chance: random.Random):
        """Starts all programs of `run`, a `Programs`."""
        from benchmarks.observations import Observations

        self._run, self._chance = run, chance
        self.figures: dict[str, float] = collections.defaultdict(float)
        self.complaints: list[str] = []
        for name in _PROGRAMS:
            run.start(name)
        self._observations = Observations(run)

    def go(self, seconds: float, kill_every: float) -> None:
        """Waits until it learns, then hurts it for so long."""
        self._wait_until_it_goes_on(0.0, _PROGRAMS)
        began = due = time.monotonic()
        while time.monotonic() - began < seconds:
            due = max(due + kill_every, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            self._hurt(self._chance.choice(_PROGRAMS))

    def _hurt(self, name: str) -> None:
        is_pause = self._chance.random() < _PAUSES
        process = self._run.processes[name]
        if is_pause:
            process.send_signal(signal.SIGSTOP)
            time.sleep(_PAUSE_S)
            process.send_signal(signal.SIGCONT)
        else:
            updates = self._run.heard().get("learner", {}).get("updates", 0)
            del self._run.processes[name]
            process.kill()
            process.wait()
            time.sleep(self._chance.uniform(*_AWAY_S))
            self._run.start(name)
        back, kind = time.time(), name.partition("-")[0]
        went_on = self._wait_until_it_goes_on(back, [name])
        self.figures[f"{'pauses' if is_pause else 'kills'}_{kind}"] += 1
        if name == "learner" and not is_pause:
            self.figures["updates_gone"] += max(0, updates - went_on)
        seconds = time.time() - back
        self.figures["longest_way_back_s"] = max(self.figures["longest_way_back_s"], seconds)
        how = "paused" if is_pause else "killed"
        print(f"{time.strftime('%X')} {name} {how}: all go on after {seconds:.0f} s", flush=True)

    def _wait_until_it_goes_on(self, since: float, names: Sequence[str]) -> int:
        """Waits until `names` were heard since then, and rows and updates grow; returns the updates
        it began with."""
        who = {re.sub("^collector", "collector collector", name) for name in names} - {"server"} | {
            "learner"
        }

        def progress() -> tuple[int, int] | None:
            board = self._run.board()
            heard = {
                name: beat
                for name, beat in board.get("processes", {}).items()
                if beat["time"] > since
            }
            return (
                (board["rows"]["inserted"], heard["learner"]["updates"])
                if who <= heard.keys()
                else None
            )

        what = f"{', '.join(names)} to go on"
        rows, updates = self._run.wait_until(progress, what, _GOES_ON_S)

        def is_more() -> bool:
            now = progress()
            return now is not None and now[0] > rows and now[1] > updates

        self._run.wait_until(
            is_more, f"more rows than {rows} and more updates than {updates}", _GOES_ON_S
        )
        return updates

    def end(self) -> None:
        """Stops everything as Ctrl-C does, and looks at what is left."""
        board = self._run.wait_until(self._run.board, "the board", _GOES_ON_S)
        self.figures |= {"rows_gone": board["rows_gone"], "rows_kept": board["rows"]["kept"]}
        self.figures["updates"] = board["processes"]["learner"]["updates"]
        self.figures |= self._observations.end()
        self._run.stop(*_PROGRAMS)
        from sac_tf.runs.checkpoints import is_whole

        found = [
            *self._run.root_dir.glob("checkpoints/step-*"),
            *self._run.root_dir.glob("*/checkpoints/step-*"),
        ]
        self.figures["checkpoints"] = len(found)
        self.complaints += [
            f"{checkpoint} is not whole" for checkpoint in found if not is_whole(checkpoint)
        ]
        back = self.figures["checkpoint_went_back_updates"]
        if len(found) < 4 or back > _CHECKPOINT_STEPS:
            self.complaints += [
                f"there are {len(found)} checkpoints, and the newest went back by {back:.0f} "
                f"updates"
            ]
        self.figures["final_return"] = self._evaluate()
        if not self.figures["final_return"] >= _LEARNED:
            self.complaints += [
                f"the final return is {self.figures['final_return']}, less than {_LEARNED}"
            ]
        self.complaints += self._observations.complaints

    def _evaluate(self) -> float:
        command = [sys.executable, "-m", "binaries.evaluate", f"--root_dir={self._run.root_dir}"]
        output = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        found = re.search(r"Evaluation return (\S+)", output)
        return float(found[1]) if found else float("nan")


if __name__ == "__main__":
    launch.run(main)
