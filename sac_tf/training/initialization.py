"""Initialization from another run (fine-tuning): copies weights, optimizers and the replay."""

import functools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import gin
import numpy as np
import tensorflow as tf

from sac_tf.agents.agent import TrainState
from sac_tf.agents.optimizers import Optimizer
from sac_tf.agents.targets import copy_values
from sac_tf.agents.trainable import Trainable, trainables
from sac_tf.errors import ConfigurationError, RunError, require_count
from sac_tf.networks.running_normalization import make_observer
from sac_tf.replay.columns import Columns
from sac_tf.replay.prior_data import Episodes
from sac_tf.replay.protocols import RewardScale
from sac_tf.replay.replay import Replay
from sac_tf.replay.rewards import REWARD_SCALE
from sac_tf.replay.saved import Summary, saved_episodes
from sac_tf.replay.windows import Windows
from sac_tf.runs import folder
from sac_tf.runs.checkpoints import CheckpointStore, Progress
from sac_tf.runs.configuration import refuse_older
from sac_tf.training.datasets import count_rewards, dataset_of, open_episodes

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = ".OPTIMIZER_SLOT/state/"


@gin.configurable
class Initialization:
    """Initializes a new run from the newest checkpoint of another one. A run that has a checkpoint
    resumes from that instead.

    Counters, random generators and `train.random_steps` are those of the new run: set
    `train.random_steps = 0` if a copied actor shall act from the first step.

    Attributes:
      warm_up_steps: see the argument.
    """

    def __init__(
        self,
        root_dir: str,
        parts: Sequence[str] | None = None,
        optimizers: bool = False,
        replay: bool = False,
        warm_up_steps: int = 0,
    ):
        """Checks the settings; reads no file.

        Args:
          root_dir: of the other run; its newest intact checkpoint is used.
          parts: weights to copy, with their targets: trainables of the train state, for SAC any of
            "actor", "critics" and "temperature". None: all.
          optimizers: whether to copy their moments and step counts too, but no learning rates.
          replay: whether to copy the steps, only the newest if the new replay is smaller; of an
            offline run, those of its data set.
          warm_up_steps: environment steps, after `train.random_steps`, in which the policy acts and
            nothing is learned: the first batches then have steps of the copied policy, and its
            return falls less (2412.07762).

        Raises:
          ConfigurationError: a number out of range, a value of another type, or nothing to copy.
        """
        self._root_dir = root_dir
        self._parts = parts
        self._optimizers = optimizers
        self._replay = replay
        self.warm_up_steps = require_count("Initialization.warm_up_steps", warm_up_steps, minimum=0)
        _check(root_dir, parts, optimizers=optimizers, replay=replay)

    def expected_steps(self, windows: Windows) -> int:
        """Returns how many steps `apply` will add at most."""
        if not self._replay:
            return 0
        data = self._dataset(windows)
        return self._saved.rows if data is None else data.rows

    def apply(self, state: TrainState, rewards: RewardScale, replay: Replay | None) -> str:
        """Copies into a new train state and a new replay; an offline run has none. Critics bring
        the running scale of the rewards with them: their Q values have its units. Running
        statistics that are not copied count the copied steps.

        Returns: a sentence that says what was copied.

        Raises:
          ConfigurationError: an unknown part, or the other run does not exist, has no checkpoint,
            or does not fit.
        """
        parts = self._chosen(state)
        if parts:
            self._copy_weights(state, parts)
        is_scale_copied = "critics" in parts and (self._checkpoint / REWARD_SCALE).exists()
        if is_scale_copied:
            rewards.restore(self._checkpoint)
        if replay is not None and self._replay:
            new = [part for name, part in trainables(state).items() if name not in parts]
            self._copy_steps(replay, new, None if is_scale_copied else rewards)
        copied = list(parts)
        if self._optimizers:
            copied.append("optimizers")
        if self._replay:
            copied.append("replay")
        step = Progress.load(self._checkpoint).step
        return f"Starting with {', '.join(copied)} of {self._root_dir} at step {step:,}."

    @functools.cached_property
    def _checkpoint(self) -> Path:
        refuse_older(Path(self._root_dir))
        try:
            checkpoint = CheckpointStore(Path(self._root_dir) / folder.CHECKPOINTS).latest()
        except RunError as error:
            raise ConfigurationError(
                f"train.initialize_from={self._root_dir} has no intact checkpoint."
            ) from error
        if checkpoint is None:
            raise self._refusal("holds no checkpoint of a run")
        return checkpoint

    @functools.cached_property
    def _saved(self) -> Summary:
        saved = Summary.load(self._checkpoint / folder.REPLAY)
        if not saved.rows:
            raise self._refusal(
                "has no steps in its checkpoint that can be listed: replay servers keep them, or "
                "Reverb's own sampler (BatchReader.sampler); leave Initialization.replay at False"
            )
        return saved

    def _copy_steps(
        self, replay: Replay, new: Sequence[Trainable], rewards: RewardScale | None
    ) -> None:
        """Adds all episodes, oldest first, as if they were collected now; the running statistics of
        new trainables, and of the rewards if they are given, count the steps."""
        networks = tf.Module()
        networks.parts = list(new)
        observe = make_observer(networks)
        for rows in self._episodes(replay.windows):
            replay.add_episode(rows)
            steps = replay.windows.steps_of(rows)
            observe(steps.observation)
            if rewards is not None:
                count_rewards(rewards, steps)
        if rewards is not None:
            rewards.end_episodes()

    def _episodes(self, windows: Windows) -> Iterator[Columns]:
        """Yields the rows of each episode."""
        data = self._dataset(windows)
        if data is not None:
            for episode in data:
                yield windows.rows_of(episode)
            return
        if self._saved.widths != windows.columns.widths:
            raise self._refusal(
                f"does not fit: a step of its replay has {self._saved.widths} numbers, and one "
                f"here {windows.columns.widths}"
            )
        for rows in saved_episodes(self._checkpoint / folder.REPLAY, windows):
            if windows.with_return_to_go:  # those of the other run have its own discount
                windows.columns.put_returns(rows, windows.discount)
            yield rows

    def _dataset(self, windows: Windows) -> Episodes | None:
        """Returns the data set of an offline run; None of another one."""
        name = dataset_of(Path(self._root_dir))
        return None if name is None else open_episodes(name, "this task", windows.spec)

    def _chosen(self, state: TrainState) -> dict[str, Trainable]:
        """Returns the trainables to copy, by name."""
        found = trainables(state)
        if self._parts is None:
            return found
        if not set(self._parts) <= set(found):
            raise ConfigurationError(
                f"Initialization.parts must be a sequence of {', '.join(found)}, got "
                f"{self._parts!r}."
            )
        return {name: found[name] for name in self._parts}

    def _copy_weights(self, state: TrainState, parts: dict[str, Trainable]) -> None:
        self._check_fit(state, parts)
        wanted = tf.Module()
        for name, part in parts.items():
            setattr(wanted, name, part if self._optimizers else _weights_of(part))
        optimizers = []
        if self._optimizers:
            found = [part.optimizer for part in parts.values()]
            optimizers = [optimizer for optimizer in found if optimizer is not None]
        rates = [optimizer.get_config() for optimizer in optimizers]
        path = str(self._checkpoint / folder.STATE)
        read = tf.train.Checkpoint(state=wanted).read(path)
        read.assert_existing_objects_matched().expect_partial()
        for optimizer, config in zip(optimizers, rates, strict=True):
            _set_rates(optimizer, config)
        if "actor" in parts and "critics" not in parts:
            _share_encoder(state)

    def _check_fit(self, state: TrainState, parts: dict[str, Trainable]) -> None:
        """Compares names and shapes of variables with those in a checkpoint of the new state."""
        owners = _owners(state, parts)
        with tempfile.TemporaryDirectory() as temporary:
            tf.train.Checkpoint(state=state).write(f"{temporary}/{folder.STATE}")
            here = self._shapes(Path(temporary), owners)
        there = self._shapes(self._checkpoint, owners)
        differing: dict[str, str] = {}  # only the first of each network: the others follow from it
        for name in sorted(here | there):
            if here.get(name) != there.get(name):
                shapes = f"{there.get(name, 'absent')} there and {here.get(name, 'absent')} here"
                differing.setdefault(name.partition("/")[0], f"{name} is {shapes}")
        if differing:
            raise self._refusal(
                f"does not fit: {'; '.join(differing.values())}; build the same networks, or leave "
                "these parts out of Initialization.parts"
            )

    def _shapes(self, checkpoint: Path, owners: tuple[str, ...]) -> dict[str, list[int]]:
        """Returns {name: shape} of the variables below `owners` that are copied; of an optimizer
        only its slots, which are named by the variables that they belong to."""
        found = {}
        reader = tf.train.load_checkpoint(str(checkpoint / folder.STATE))
        for key, shape in reader.get_variable_to_shape_map().items():
            name = key.removeprefix("state/").removesuffix(_VALUE)
            is_slot = _SLOT in name
            is_rate = "/optimizer/" in name and not is_slot
            if name.startswith(owners) and not is_rate and (self._optimizers or not is_slot):
                found[name] = shape
        return found

    def _refusal(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"train.initialize_from={self._root_dir} {reason}.")


def _check(root_dir: object, parts: object, *, optimizers: bool, replay: bool) -> None:
    """Raises ConfigurationError if an argument of `Initialization` has another type, or if nothing
    would be copied."""
    if not isinstance(root_dir, str):
        raise ConfigurationError(
            f"train.initialize_from must be the folder of a run, got {root_dir!r}."
        )
    if not isinstance(parts, list | tuple | None):
        raise ConfigurationError(
            f"Initialization.parts must be a sequence of names or None, got {parts!r}."
        )
    if parts is not None and not parts and (optimizers or not replay):
        raise ConfigurationError(
            "Initialization.parts is empty; then set replay = True and optimizers = False."
        )


def _weights_of(part: Trainable) -> tf.Module:
    """Returns a trainable without its optimizer, but with its target: a new one would pull the
    model back."""
    weights = tf.Module()
    weights.model = part.model
    weights.target = part.target
    return weights


def _share_encoder(state: TrainState) -> None:
    """Gives critics that are not copied the encoder of the copied policy: with an encoder of their
    own they would soon replace it."""
    shared = getattr(state, "shared", None)
    if shared is not None:
        shared.adopt()
        critics = trainables(state)["critics"]
        if critics.target is not None:
            copy_values(critics.target, critics.model)


def _owners(state: TrainState, parts: dict[str, Trainable]) -> tuple[str, ...]:
    """Returns the beginnings of the names that the variables of some parts have in a checkpoint. A
    model that is also a child of the state, as the policy is, has the name of that child."""
    models = [part.model for part in parts.values()]
    children = [
        name for name, child in vars(state).items() if any(child is model for model in models)
    ]
    return tuple(f"{name}/" for name in [*parts, *children])


def _set_rates(optimizer: Optimizer, config: dict[str, object]) -> None:
    """Resets the settings of an optimizer to `config`: Keras keeps numbers such as the learning
    rate as variables, so reading a checkpoint changes them."""
    for name, value in config.items():
        if isinstance(value, float | np.floating):
            setattr(optimizer, name, value)
