"""The entries of the book of benchmarks: which algorithms train on which tasks, how long and with
how many seeds.

An algorithm is a name for gin files and bindings. The steps at which the book compares returns are
`BUDGETS`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sac_tf.sweeps.settings import SEED, Setting
from sac_tf.sweeps.sweep import Run

BUDGETS = (25_000, 50_000, 100_000, 300_000)
"""Environment steps at which returns are compared."""
EVALUATION_PERIOD = 5_000
SAC_TF = "sac_tf"
STABLE_BASELINES = "Stable-Baselines3"
SBX = "SBX"
LIBRARIES = (SAC_TF, STABLE_BASELINES, SBX)

TASKS = {
    "HalfCheetah-v5": "half_cheetah",
    "Hopper-v5": "hopper",
    "Walker2d-v5": "walker2d",
    "Ant-v5": "ant",
    "Humanoid-v5": "humanoid",
}
"""{task: the name of its gin file}."""
FEW_TASKS = ("HalfCheetah-v5", "Hopper-v5")
NOMINAL = "HalfCheetah-v5, gravity x 1"
"""The task on which the policies of SAC train that are transferred to another physics."""


def label(library: str, algorithm: str) -> str:
    """Returns an algorithm as tables and figures name it: with the library if it is another one."""
    return algorithm if library == SAC_TF else f"{algorithm}, {library}"


class Entry(NamedTuple):
    """Runs that differ by seed only.

    Attributes:
      algorithm, task: their names in the book.
      steps: environment steps of a run.
      gin_files, gin_bindings: the task and the algorithm; of other libraries empty.
      seeds: number of runs, with the seeds 0, 1, ...
      source: the entry from whose run with the same seed a run starts; None: from scratch.
      library: trains it.
    """

    algorithm: str
    task: str
    steps: int
    gin_files: tuple[str, ...] = ()
    gin_bindings: tuple[str, ...] = ()
    seeds: int = 3
    source: "Entry | None" = None
    library: str = SAC_TF

    @property
    def label(self) -> str:
        """The algorithm as tables and figures name it."""
        return label(self.library, self.algorithm)

    @property
    def folder(self) -> str:
        """Name of the folder of its runs."""
        return Setting(f"{self.label}, {self.task}", (), ()).folder

    def run(self, root_dir: Path, seed: int) -> Run:
        """Returns the run with a seed, in a folder below `root_dir`."""
        bindings = [f"train.total_steps = {self.steps}", f"{SEED} = {seed}"]
        if self.library == SAC_TF:
            bindings.append(f"train.evaluation_period = {EVALUATION_PERIOD}")
            bindings.append("set_runtime.inter_op = 1")
        if self.source is not None:
            folder = self.source.run(root_dir, seed).root_dir
            bindings.append(f"train.initialize_from = {str(folder)!r}")
        return Run(
            setting=Setting(self.folder, self.gin_files, self.gin_bindings),
            seed=seed,
            root_dir=root_dir / self.folder / f"seed-{seed}",
            gin_files=self.gin_files,
            gin_bindings=(*self.gin_bindings, *bindings),
        )


def _on(
    task: str, algorithm: str, steps: int, *items: str, seeds: int = 3, name: str | None = None
) -> Entry:
    """Returns an entry for a MuJoCo task; `items` are gin files and bindings, and `name` is that of
    the task in the book."""
    files = [one for one in items if one.endswith(".gin")]
    bindings = [one for one in items if not one.endswith(".gin")]
    files.insert(0, f"gin_configs/tasks/{TASKS[task]}.gin")
    return Entry(algorithm, name or task, steps, tuple(files), tuple(bindings), seeds)


def _fixed(alpha: float) -> tuple[str, ...]:
    return ("sac.alpha_step = None", f"Temperature.initial_alpha = {alpha}")


ALGORITHMS: dict[str, tuple[str, ...]] = {
    "SAC": (),
    "fast.gin": ("gin_configs/fast.gin",),
    "CrossQ": ("gin_configs/crossq.gin",),
    "TD3": ("gin_configs/td3.gin",),
    "DDPG": ("gin_configs/ddpg.gin",),
}
"""{algorithm: gin files and bindings}."""

PARTS: dict[str, tuple[str, ...]] = {
    "SAC, no entropy": _fixed(1e-8),
    "SAC, no entropy in the target": ("critic_step.value = @hard_value",),
    "SAC, fixed temperature 0.2": _fixed(0.2),
    "SAC, entropy target -A/2": ("Temperature.target_entropy_factor = 0.5",),
    "SAC, one critic": ("critic.ensemble_size = 1",),
    "SAC, deterministic actor": (
        *_fixed(1e-8),
        "import sac_tf.agents.td3.agent",
        "actor.heads = @loc_only",
        "policy.distribution = @single_action",
        "train.exploration = @noisy",
    ),
    "SAC, hard targets": ("critic_step.tau = 1.0", "critic_step.target_period = 1_000"),
}
"""SAC with one part changed. The deterministic actor explores with noise of standard deviation 0.1;
hard targets are copies of the critics, new after every 1,000th critic step (1801.01290)."""

GRIDS: dict[str, tuple[str, ...]] = {
    **{f"SAC, fixed temperature {alpha}": _fixed(alpha) for alpha in (0.05, 0.1, 0.5, 1.0)},
    "SAC, entropy target -2A": ("Temperature.target_entropy_factor = 2.0",),
}
"""The other points of two grids, whose middle points are SAC and `PARTS`."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "n-step returns": ("gin_configs/n_step.gin",),
    "prioritized replay": ("gin_configs/per.gin",),
    "SERL's SAC": ("gin_configs/serl.gin",),
}

PHYSICS = {
    f"HalfCheetah-v5, {quantity} x {factor:g}": (quantity, factor)
    for quantity in ("gravity", "friction")
    for factor in (0.5, 2.0)
}
"""{task: (what of its physics is scaled, by which factor)}."""


def _scaled(quantity: str, factor: float) -> str:
    scaled = f'["examples.scaled_physics:scaled", {{"{quantity}": {factor}}}]'
    return f"environment.wrappers = [{scaled}]"


def _main() -> Iterator[Entry]:
    for task in TASKS:
        steps = 300_000 if task == "HalfCheetah-v5" else 100_000
        yield _on(task, "SAC", steps)
        yield _on(task, "fast.gin", 100_000, *ALGORITHMS["fast.gin"])
    for algorithm in ("CrossQ", "TD3", "DDPG"):
        for task in FEW_TASKS:
            yield _on(task, algorithm, 100_000, *ALGORITHMS[algorithm])
    # The rate in the scripts of CrossQ's authors: the published SAC is probably theirs.
    yield _on("HalfCheetah-v5", "SAC, learning rate 1e-3", 100_000, "adam.learning_rate = 1e-3")


def _parts() -> Iterator[Entry]:
    for algorithm, items in PARTS.items():
        for task in FEW_TASKS:
            yield _on(task, algorithm, 50_000, *items)
    for algorithm, items in GRIDS.items():
        yield _on("HalfCheetah-v5", algorithm, 50_000, *items, seeds=2)


def _variants() -> Iterator[Entry]:
    for algorithm, items in VARIANTS.items():
        yield _on("HalfCheetah-v5", algorithm, 50_000, *items, seeds=1)
    for algorithm in ("REDQ", "DroQ"):
        file = f"gin_configs/{algorithm.lower()}.gin"
        yield _on("Hopper-v5", algorithm, 10_000, file, seeds=1)


def _transfer() -> Iterator[Entry]:
    """SAC on another physics: from scratch, fine-tuned, and without any update, which is a run of
    one step that starts from another one; and TD3 without any update."""
    start = "train.random_steps = 0"
    change = _scaled("gravity", 1.0)
    sac = _on("HalfCheetah-v5", "SAC", 100_000, change, name=NOMINAL)
    td3 = _on("HalfCheetah-v5", "TD3", 100_000, *ALGORITHMS["TD3"])
    tuned = _on("HalfCheetah-v5", "SAC, fine-tuned", 50_000, change, start, name=NOMINAL)
    yield sac
    yield tuned._replace(source=sac)
    for task, scale in PHYSICS.items():
        change = _scaled(*scale)
        yield _on("HalfCheetah-v5", "SAC", 50_000, change, name=task)
        tuned = _on("HalfCheetah-v5", "SAC, fine-tuned", 50_000, change, start, name=task)
        yield tuned._replace(source=sac)
        for source in (sac, td3):
            algorithm = source.algorithm
            items = (*ALGORITHMS[algorithm], change, start)
            shot = _on("HalfCheetah-v5", f"{algorithm}, zero-shot", 1, *items, name=task)
            yield shot._replace(source=source)


def _peers() -> Iterator[Entry]:
    for library, algorithm in ((STABLE_BASELINES, "SAC"), (SBX, "SAC"), (STABLE_BASELINES, "PPO")):
        for task in FEW_TASKS:
            yield Entry(algorithm, task, 100_000, library=library)


BOOK: Sequence[Entry] = [*_main(), *_parts(), *_variants(), *_transfer(), *_peers()]
