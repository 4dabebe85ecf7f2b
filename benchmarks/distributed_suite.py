"""The parts of `benchmarks.distributed`: which programs run, for how long, and what their numbers
come to."""

import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import channel
from benchmarks.channel import BenchmarkError
from benchmarks.processes import Programs, running
from benchmarks.results import Sample, values
from benchmarks.sizes import OUR_PACKAGES, UPDATES_PER_CALL
from sac_tf.distributed.learner import Learning

_PENDULUM, _CHEETAH = "gin_configs/tasks/pendulum.gin", "gin_configs/tasks/half_cheetah.gin"
_SLOW = [
    'train.environment = "benchmarks.slow_environment:SlowPendulum-v0"',
    "train.random_steps = 500",
]
_RATIO = "learner.updates_per_step = 0.1"
_ONE, _MANY = "one process", "two collectors"
_SOLVED = -200.0
_ROWS = 20_000
_PUBLICATIONS = 500
_NEVER = 1_000_000_000
"""A period of publication that publishes once, at the start."""


class Suite:
    """Runs parts and keeps what they measured.

    Attributes:
      samples: all values so far.
      figures: what they come to.
      curves: steps and returns of the runs of `learning`.
    """

    def __init__(self, root_dir: Path, quick: bool):
        """Takes a folder for the runs, and whether to hurry."""
        self._root_dir, self._quick = root_dir, quick
        self._versions = channel.versions(*OUR_PACKAGES)
        self.samples: list[Sample] = []
        self.figures: dict[str, float] = {}
        self.curves: dict[str, list[list[tuple[int, float]]]] = {}

    def add(self, peer: str, what: str, repeat: int, value: float) -> float:
        """Keeps a value, prints it and returns it."""
        self.samples.append(Sample(peer, what, repeat, value, self._versions))
        print(f"{what} {peer} [{repeat}] {value:.4g}", flush=True)
        return value

    def learning(self) -> None:
        """Pendulum-v1 with `binaries.train` and with two collectors: steps to the first evaluation
        of -200."""
        for seed in range(1 if self._quick else 3):
            task = [f"train.seed = {seed}", "train.evaluation_period = 500"]
            task += ["train.total_steps = 4_000"] if self._quick else []
            for peer, train in ((_ONE, self._train), (_MANY, self._train_on_many)):
                curve = _curve(train(seed, task))
                self.curves.setdefault(peer, []).append(curve)
                for step, value in curve:
                    self.add(peer, f"return_at_{step}", seed, value)
                solved = [float(step) for step, value in curve if value >= _SOLVED]
                self.add(peer, "steps_to_minus_200", seed, min(solved, default=float("inf")))
                self.add(peer, "final_return", seed, curve[-1][1])
        for what in ("steps_to_minus_200", "final_return"):
            for peer, name in ((_ONE, "one_process"), (_MANY, "two_collectors")):
                self._conclude(f"{what}_{name}", peer, what, statistics.mean)
        steps = "steps_to_minus_200"
        self.figures["steps_ratio"] = (
            self.figures[f"{steps}_two_collectors"] / self.figures[f"{steps}_one_process"]
        )
        self._conclude("updates_per_step", _MANY, "updates_per_step", statistics.mean)

    def _train(self, seed: int, task: Sequence[str]) -> Path:
        root_dir = self._root_dir / f"one-{seed}"
        root_dir.mkdir(parents=True)
        command = [
            sys.executable,
            "-m",
            "binaries.train",
            f"--root_dir={root_dir}",
            f"--gin_file={_PENDULUM}",
        ]
        command += [f"--gin_bindings={binding}" for binding in task]
        with (root_dir / "output.txt").open("w") as output:
            if subprocess.run(command, stdout=output, stderr=output).returncode != 0:
                raise BenchmarkError(
                    f"binaries.train failed: {channel.last_lines(root_dir / 'output.txt')}"
                )
        return root_dir

    def _train_on_many(self, seed: int, task: Sequence[str]) -> Path:
        with running(self._root_dir / f"many-{seed}", _PENDULUM, task) as run:
            for name in ("server", "learner", "collector-0", "collector-1", "evaluator"):
                run.start(name)
            run.wait_until(
                lambda: run.processes["learner"].poll() is not None, "the end of the run", 1800
            )
            time.sleep(3)  # until the board has the learner's last word
            board = run.board()
            rows = board["rows"]["inserted"] - board["minimum_rows"]
            self.add(
                _MANY, "updates_per_step", seed, board["processes"]["learner"]["updates"] / rows
            )
            run.wait_until(
                lambda: run.processes["evaluator"].poll() is not None, "the last evaluation", 60
            )
            return run.root_dir

    def collectors(self) -> None:
        """Environment steps per second of one collector and of eight while the learner learns; 20
        ms a step."""
        ratios = []
        for repeat in range(1 if self._quick else 3):
            one, eight = self._collect(1, repeat), self._collect(8, repeat)
            ratios.append(eight / one)
        for number, name in ((1, "one_collector"), (8, "eight_collectors")):
            self._conclude(f"steps_per_second_{name}", f"{number} collectors", "steps_per_second")
        self.figures["collectors_ratio"] = statistics.median(ratios)

    def _collect(self, number: int, repeat: int) -> float:
        peer, names = f"{number} collectors", [f"collector-{i}" for i in range(number)]
        folder = self._root_dir / f"collectors-{number}-{repeat}"
        with running(folder, "gin_configs/sac.gin", [*_SLOW, _RATIO]) as run:
            for name in ("server", "learner", *names):
                run.start(name)

            def are_all_acting() -> bool:
                heard = run.heard()
                return all(
                    (heard.get(f"collector {name}", {}).get("policy_updates") or 0) > 0
                    for name in names
                )

            run.wait_until(are_all_acting, f"{number} collectors that act by a trained policy", 300)
            time.sleep(10)
            first = run.board()
            time.sleep(10 if self._quick else 40)
            last = run.board()
        seconds = last["time"] - first["time"]
        updates = [board["processes"]["learner"]["updates"] for board in (first, last)]
        rows = last["rows"]["inserted"] - first["rows"]["inserted"]
        self.add(peer, "updates_per_step", repeat, (updates[1] - updates[0]) / rows)
        return self.add(peer, "steps_per_second", repeat, rows / seconds)

    def publication(self) -> None:
        """Updates per second with the default period of publication, with a short one and without;
        and its parts.

        The machine's own ups and downs can be larger than what is measured. Publishing at each call
        of the update costs 12.5 times as much, which shows; and one publication can be timed by
        itself.
        """
        with running(
            self._root_dir / "publication", _CHEETAH, ["replay_server.limits = @free_ratio"]
        ) as run:
            run.start("server")
            run.start("collector")
            run.wait_until(
                lambda: run.board().get("rows", {}).get("inserted", 0) >= _ROWS, "rows enough", 120
            )
            run.stop("collector")
            turns = {
                "published": Learning.publication_period,
                "at each call": UPDATES_PER_CALL,
                "unpublished": _NEVER,
            }
            for repeat in range(1 if self._quick else 5):
                for peer in sorted(turns, reverse=repeat % 2 == 1):
                    rate = self._learn(run, f"learner-{repeat}-{turns[peer]}", turns[peer])
                    self.add(peer, "updates_per_second", repeat, rate)
            seconds = publication_seconds(run.address)
        for peer in turns:
            self._conclude(
                f"updates_per_second_{peer.replace(' ', '_')}", peer, "updates_per_second"
            )
        self.figures["publication_share_by_turns"] = self._slower("published")
        more_often = Learning.publication_period / UPDATES_PER_CALL
        self.figures["publication_share_amplified"] = self._slower("at each call") / more_often
        own, beside = (self.add("published", what, 0, value) for what, value in seconds.items())
        rate = self.figures["updates_per_second_published"]
        self.figures["publication_share_by_sum"] = (
            (own + beside) * rate / Learning.publication_period
        )

    def _slower(self, peer: str) -> float:
        """Returns by what share a learner that publishes is slower than the one of the same round
        that does not."""
        with_it, without = (
            values(self.samples, "updates_per_second", other) for other in (peer, "unpublished")
        )
        return 1 - statistics.median(with_it[repeat] / without[repeat] for repeat in with_it)

    def _learn(self, run: Programs, name: str, period: int) -> float:
        """Returns updates per second of a new learner, by its own clock and counter."""
        started = time.time()
        run.start(name, f"learn.publication_period = {period}", root_dir=run.root_dir / name)

        def learner() -> dict:
            return run.heard(started).get("learner", {})

        first = run.wait_until(
            lambda: learner().get("updates", 0) > 500 and learner(), "500 updates", 120
        )
        time.sleep(6 if self._quick else 20)
        last = run.wait_until(learner, "the learner", 30)
        run.stop(name)
        return (last["updates"] - first["updates"]) / (last["time"] - first["time"])

    def _conclude(
        self,
        name: str,
        peer: str,
        what: str,
        over: Callable[[Sequence[float]], float] = statistics.median,
    ) -> None:
        self.figures[name] = over(list(values(self.samples, what, peer).values()))


def publication_seconds(address: str) -> dict[str, float]:
    """Returns the seconds that one publication to the server takes, of an actor of HalfCheetah's
    size.

    `learner_thread_seconds` pass while the learner collects the variables; `publisher_cpu_seconds`
    of processor are for sending them, in all threads of this process, Reverb's too.
    """
    import gin
    import reverb

    from binaries import launch
    from sac_tf.distributed.messages import Policy, actor_values, publish
    from sac_tf.environments.gymnasium_environment import spec_of

    task = launch.make_training([_CHEETAH], []).environment
    actor = gin.get_configurable("TrainState")(spec_of(task), 0).actor
    client = reverb.Client(address)
    own = beside = 0.0
    for number in range(_PUBLICATIONS):
        began = time.perf_counter()
        policy = Policy(actor_values(actor), number, 0, 0, 1, 0, time.time())
        own += time.perf_counter() - began
        began = time.process_time()
        publish(client, policy)
        beside += time.process_time() - began
    return {
        "learner_thread_seconds": own / _PUBLICATIONS,
        "publisher_cpu_seconds": beside / _PUBLICATIONS,
    }


def _curve(root_dir: Path) -> list[tuple[int, float]]:
    with (root_dir / "evaluations.csv").open(newline="") as file:
        return [(int(row["step"]), float(row["return_mean"])) for row in csv.DictReader(file)]
