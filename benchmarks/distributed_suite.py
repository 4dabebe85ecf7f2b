"""The parts of `benchmarks.distributed`: the programs of each, their durations, and the figures
computed from their measurements."""

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
from sac_tf.distributed.settings import LearnerSettings

_PENDULUM = "gin_configs/tasks/pendulum.gin"
_CHEETAH = "gin_configs/tasks/half_cheetah.gin"
_SLOW = [
    'train.environment = "benchmarks.slow_environment:SlowPendulum-v0"',
    "train.random_steps = 500",
    "train.updates_per_step = 0.1",
]
_ONE = "one process"
_MANY = "two collectors"
_SOLVED = -200.0
_ROWS = 20_000
_PUBLICATIONS = 500
_NEVER = 1_000_000_000
"""A publication period with which the policy is published only at the start."""


class Suite:
    """Runs parts and collects their measurements.

    Attributes:
      samples: all values so far.
      figures: computed from them.
      curves: steps and returns of the runs of `learning`.
    """

    def __init__(self, root_dir: Path, quick: bool):
        """Takes a folder for the runs; `quick` makes them short."""
        self._root_dir = root_dir
        self._quick = quick
        self._versions = channel.versions(*OUR_PACKAGES)
        self.samples: list[Sample] = []
        self.figures: dict[str, float] = {}
        self.curves: dict[str, list[list[tuple[int, float]]]] = {}

    def add(self, peer: str, what: str, repeat: int, value: float) -> float:
        """Records a value, prints it and returns it."""
        self.samples.append(Sample(peer, what, repeat, value, self._versions))
        print(f"{what} {peer} [{repeat}] {value:.4g}", flush=True)
        return value

    def learning(self) -> None:
        """Pendulum-v1 with `binaries.train` and with two collectors: steps to the first evaluation
        of -200."""
        for seed in range(1 if self._quick else 3):
            task = [f"train.seed = {seed}", "train.evaluation_period = 500"]
            if self._quick:
                task.append("train.total_steps = 4_000")
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
        command = [sys.executable, "-m", "binaries.train", f"--root_dir={root_dir}"]
        command.append(f"--gin_file={_PENDULUM}")
        command += [f"--gin_bindings={binding}" for binding in task]
        log = root_dir / "output.txt"
        with log.open("w") as output:
            code = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
        if code != 0:
            raise BenchmarkError(f"binaries.train failed: {channel.last_lines(log)}")
        return root_dir

    def _train_on_many(self, seed: int, task: Sequence[str]) -> Path:
        with running(self._root_dir / f"many-{seed}", _PENDULUM, task) as run:
            for name in ("server", "learner", "collector-0", "collector-1", "evaluator"):
                run.start(name)

            def has_ended(name: str) -> bool:
                return run.processes[name].poll() is not None

            run.wait_until(lambda: has_ended("learner"), "the end of the run", 1800)
            time.sleep(3)  # for the last heartbeat of the learner
            status = run.status()
            rows = status["rows"]["inserted"] - status["minimum_rows"]
            updates = status["processes"]["learner"]["updates"]
            self.add(_MANY, "updates_per_step", seed, updates / rows)
            run.wait_until(lambda: has_ended("evaluator"), "the last evaluation", 60)
            return run.root_dir

    def collectors(self) -> None:
        """Environment steps per second of one collector and of eight during learning; a step takes
        20 ms."""
        ratios = []
        for repeat in range(1 if self._quick else 3):
            one = self._collect(1, repeat)
            eight = self._collect(8, repeat)
            ratios.append(eight / one)
        for number, name in ((1, "one_collector"), (8, "eight_collectors")):
            self._conclude(f"steps_per_second_{name}", f"{number} collectors", "steps_per_second")
        self.figures["collectors_ratio"] = statistics.median(ratios)

    def _collect(self, number: int, repeat: int) -> float:
        peer = f"{number} collectors"
        names = [f"collector-{i}" for i in range(number)]
        folder = self._root_dir / f"collectors-{number}-{repeat}"
        with running(folder, "gin_configs/sac.gin", _SLOW) as run:
            for name in ("server", "learner", *names):
                run.start(name)

            def have_trained_policy() -> bool:
                heartbeats = run.heartbeats()
                collectors = [heartbeats.get(f"collector {name}", {}) for name in names]
                return all((beat.get("policy_updates") or 0) > 0 for beat in collectors)

            run.wait_until(have_trained_policy, f"{number} collectors with a trained policy", 300)
            time.sleep(10)
            first = run.status()
            time.sleep(10 if self._quick else 40)
            last = run.status()
        seconds = last["time"] - first["time"]
        updates = [status["processes"]["learner"]["updates"] for status in (first, last)]
        rows = last["rows"]["inserted"] - first["rows"]["inserted"]
        self.add(peer, "updates_per_step", repeat, (updates[1] - updates[0]) / rows)
        return self.add(peer, "steps_per_second", repeat, rows / seconds)

    def publication(self) -> None:
        """Updates per second with the default publication period, with a short one and without
        publications; and the cost of one publication by itself.

        The variation of the machine can be larger than the difference. Publishing at each call of
        the update costs more than six times as much, which shows; and one publication can be timed
        by itself.
        """
        default = LearnerSettings.publication_period
        turns = {"published": default, "at each call": UPDATES_PER_CALL, "unpublished": _NEVER}
        bindings = ["replay_server.limits = @free_ratio"]
        with running(self._root_dir / "publication", _CHEETAH, bindings) as run:
            self._fill(run)
            for repeat in range(1 if self._quick else 5):
                for peer in sorted(turns, reverse=repeat % 2 == 1):
                    rate = self._learn(run, f"learner-{repeat}-{turns[peer]}", turns[peer])
                    self.add(peer, "updates_per_second", repeat, rate)
            run.start("server")
            run.wait_until(run.status, "the server", 120)
            seconds = publication_seconds(run.address)
        for peer in turns:
            what = "updates_per_second"
            self._conclude(f"{what}_{peer.replace(' ', '_')}", peer, what)
        for what, value in seconds.items():
            self.add("published", what, 0, value)
        rate = self.figures["updates_per_second_published"]
        self.figures["publication_share_by_turns"] = self._slower("published")
        at_each_call = self._slower("at each call")
        self.figures["publication_share_amplified"] = at_each_call * UPDATES_PER_CALL / default
        self.figures["publication_share_by_sum"] = sum(seconds.values()) * rate / default

    def _fill(self, run: Programs) -> None:
        """Fills the replay of the server, which keeps it when it is restarted."""

        def is_filled() -> bool:
            return run.status().get("rows", {}).get("inserted", 0) >= _ROWS

        run.start("server")
        run.start("collector")
        run.wait_until(is_filled, f"{_ROWS} rows", 300)
        run.stop("collector")
        run.stop("server")

    def _slower(self, peer: str) -> float:
        """Returns by what share a learner that publishes is slower than the one of the same round
        that does not."""
        what = "updates_per_second"
        publishing = values(self.samples, what, peer)
        silent = values(self.samples, what, "unpublished")
        return 1 - statistics.median(publishing[i] / silent[i] for i in publishing)

    def _learn(self, run: Programs, name: str, period: int) -> float:
        """Returns updates per second of a new learner, by its own clock and counter.

        The server is restarted too, because all processes of a run have the same settings.
        """
        binding = f"learner.publication_period = {period}"
        started = time.time()
        run.start("server", binding)
        run.start(name, binding, root_dir=run.root_dir / name)

        def learner() -> dict:
            return run.heartbeats(started).get("learner", {})

        def warm_learner() -> dict:
            beat = learner()
            return beat if beat.get("updates", 0) > 500 else {}

        first = run.wait_until(warm_learner, "500 updates", 300)
        time.sleep(6 if self._quick else 20)
        last = run.wait_until(learner, "a heartbeat of the learner", 30)
        run.stop(name)
        run.stop("server")
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
    """Returns the seconds of one publication to the server, of a policy of HalfCheetah's size.

    `learner_thread_seconds`: the learner's thread collects the variables. `publisher_cpu_seconds`:
    processor time for sending them, in all threads of this process, those of Reverb included.
    """
    import reverb

    from binaries import launch
    from sac_tf.distributed.messages import PublishedPolicy, publish, values_of

    training = launch.make_training([_CHEETAH], [])
    acting = training.make_policy(training.environment_factory.spec())
    client = reverb.Client(address)
    learner_seconds = 0.0
    publisher_seconds = 0.0
    for number in range(_PUBLICATIONS):
        began = time.perf_counter()
        policy = PublishedPolicy(
            values=values_of(acting),
            updates=number,
            step=0,
            elapsed=0.0,
            new_priority=1.0,
            is_last=False,
            published=time.time(),
        )
        learner_seconds += time.perf_counter() - began
        began = time.process_time()
        publish(client, policy)
        publisher_seconds += time.process_time() - began
    return {
        "learner_thread_seconds": learner_seconds / _PUBLICATIONS,
        "publisher_cpu_seconds": publisher_seconds / _PUBLICATIONS,
    }


def _curve(root_dir: Path) -> list[tuple[int, float]]:
    with (root_dir / "evaluations.csv").open(newline="") as file:
        return [(int(row["step"]), float(row["return_mean"])) for row in csv.DictReader(file)]
