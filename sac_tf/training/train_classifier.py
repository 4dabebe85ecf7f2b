"""Training a success classifier from a data set of successes and one of failures, with a threshold
for a false-positive rate on held-out episodes."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np
import tensorflow as tf

from sac_tf import files
from sac_tf.agents import passes
from sac_tf.agents.optimizers import Optimizer, classifier_adam, minimize, with_slots
from sac_tf.environments.success_reward import DESCRIPTION, MODEL, PROBABILITY
from sac_tf.errors import ConfigurationError, RunError, require_count, require_number
from sac_tf.networks.classifier import Classifier, make_classifier
from sac_tf.networks.running_normalization import make_observer
from sac_tf.pinned.frozen_graph import freeze
from sac_tf.replay.augmentation import shift_images
from sac_tf.replay.examples import joined, reached_observations
from sac_tf.runs.configuration import Configuration
from sac_tf.runs.terminal import progress_bar
from sac_tf.seeds import independent_seeds
from sac_tf.serving.signatures import encode
from sac_tf.training.datasets import absolute_name, open_episodes
from sac_tf.training.train import Training
from sac_tf.types import EnvironmentSpec, Nest

_READ = {"environment", "environments", "seed", "runtime"}
"""Settings of `train` that count."""


@gin.configurable("train_classifier")
@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """Settings of `binaries.train_classifier`.

    Attributes:
      positives: data set of successes: id of a Minari data set in the local store, its folder, or
        the folder of a run whose steps are used.
      negatives: data set of failures, near misses among them.
      final_steps: how many steps at the end of each episode of `positives` reach success; None:
        all.
      updates: gradient steps.
      batch_size: examples of a gradient step; half of them are successes.
      held_out: share of the episodes of each data set that are not learned from.
      false_positive_rate: largest share of the held-out failures above the threshold.
      least_threshold: the threshold is at least this probability.
      shift_pixels: largest random shift of an image in each direction.
      network: builds the classifier.
      optimizer: builds its optimizer.
    """

    positives: str = gin.REQUIRED
    negatives: str = gin.REQUIRED
    final_steps: int | None = 1
    updates: int = 1_000
    batch_size: int = 256
    held_out: float = 0.2
    false_positive_rate: float = 0.001
    least_threshold: float = 0.5
    shift_pixels: int = 4
    network: Callable[[EnvironmentSpec, int], Classifier] = make_classifier
    optimizer: Callable[[], Optimizer] = classifier_adam

    def __post_init__(self) -> None:
        for name in ("positives", "negatives"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise ConfigurationError(
                    f"train_classifier.{name} must be the id of a Minari data set or a folder, got "
                    f"{value!r}."
                )
            object.__setattr__(self, name, absolute_name(value))
        if self.final_steps is not None:
            require_count("train_classifier.final_steps", self.final_steps)
        for name, least in (("updates", 1), ("batch_size", 2), ("shift_pixels", 0)):
            require_count(f"train_classifier.{name}", getattr(self, name), minimum=least)
        share = (lambda x: 0 < x < 1, "a number above 0 and below 1")
        require_number("train_classifier.held_out", self.held_out, *share)
        below_one = (lambda x: 0 <= x < 1, "a number from 0 to below 1")
        for name in ("false_positive_rate", "least_threshold"):
            require_number(f"train_classifier.{name}", getattr(self, name), *below_one)


class Quality(NamedTuple):
    """How a classifier does on held-out examples.

    Attributes:
      threshold: a larger probability counts as success.
      positives, negatives: numbers of examples.
      true_positives, false_positives: how many of them are above the threshold.
    """

    threshold: float
    positives: int
    negatives: int
    true_positives: int
    false_positives: int

    @classmethod
    def of(
        cls, positives: np.ndarray, negatives: np.ndarray, rate: float, least: float
    ) -> "Quality":
        """Returns the quality with the smallest threshold that is allowed.

        Args:
          positives, negatives: probabilities of held-out examples.
          rate: largest share of the negatives above the threshold.
          least: smallest threshold.
        """
        allowed = int(rate * len(negatives))
        threshold = max(least, float(np.sort(negatives)[::-1][allowed]))
        above = [int(np.count_nonzero(one > threshold)) for one in (positives, negatives)]
        return cls(threshold, len(positives), len(negatives), *above)

    @property
    def precision(self) -> float:
        found = self.true_positives + self.false_positives
        return self.true_positives / found if found else 0.0

    @property
    def recall(self) -> float:
        return self.true_positives / self.positives

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.3f}, recall {self.recall:.3f} on held-out episodes "
            f"({self.true_positives} of {self.positives} successes and {self.false_positives} of "
            f"{self.negatives} failures above the threshold {self.threshold:.3f})"
        )


def configuration_of(training: Training, settings: ClassifierSettings) -> Configuration:
    """Returns all settings; raises ConfigurationError if one has no effect."""
    ignored = {field.name for field in dataclasses.fields(Training)} - _READ
    return Configuration.of([training.named(), settings], {"train": ignored})


def run(
    output: Path,
    training: Training,
    settings: ClassifierSettings,
    is_interrupted: Callable[[], bool],
) -> Quality | None:
    """Trains a classifier and writes its folder, which appears when it is complete; returns None if
    it was interrupted.

    Args:
      output: the folder.
      training: task and seed.
      settings: of the classifier.
      is_interrupted: read before each gradient step.

    Raises:
      ConfigurationError: a setting or a data set that cannot work, or the folder exists.
      RunError: no held-out success is found.
    """
    if output.exists():
        raise ConfigurationError(f"--output={output} exists already; give another one.")
    files.make_folder(output.parent, f"--output={output}")
    configuration = configuration_of(training, settings)
    training.runtime()
    # The reward sees what the task returns, before frames are stacked.
    task = dataclasses.replace(training.environment_factory, training_wrappers=(), frame_stack=1)
    spec = task.spec()
    learned, held_out = _read(settings, task.title, spec, training.seed)
    seeds = independent_seeds(training.seed, 2)
    classifier = settings.network(spec, seeds[0])
    if not _fit(classifier, learned, settings, seeds[1], is_interrupted):
        return None
    quality = _measure(classifier, held_out, settings)
    files.replace_folder(
        output, lambda folder: _write(folder, classifier, spec, quality, configuration)
    )
    return quality


def _read(
    settings: ClassifierSettings, title: str, spec: EnvironmentSpec, seed: int
) -> tuple[list[Nest], list[Nest]]:
    """Returns what is learned from and what is held out: successes and failures, each a nest of
    NumPy [N, ...]."""
    generator = np.random.default_rng(seed)
    learned = []
    held_out = []
    for name, final_steps in (
        (settings.positives, settings.final_steps),
        (settings.negatives, None),
    ):
        episodes = reached_observations(open_episodes(name, title, spec), spec, final_steps)
        if len(episodes) < 2:
            raise ConfigurationError(
                f"The data set {name} has one episode; it takes two to hold one out."
            )
        order = generator.permutation(len(episodes))
        number = min(max(1, round(settings.held_out * len(episodes))), len(episodes) - 1)
        held_out.append(joined([episodes[i] for i in order[:number]]))
        learned.append(joined([episodes[i] for i in order[number:]]))
    return learned, held_out


def _fit(
    classifier: Classifier,
    learned: Sequence[Nest],
    settings: ClassifierSettings,
    seed: int,
    is_interrupted: Callable[[], bool],
) -> bool:
    """Trains a classifier; returns whether it came to the end."""
    observe = make_observer(classifier)
    for examples in learned:
        observe(examples)
    generator = tf.random.Generator.from_seed(seed)
    optimizer = with_slots(settings.optimizer(), classifier.trainable_variables)
    positives = settings.batch_size // 2
    sizes = (positives, settings.batch_size - positives)
    labels = tf.concat([tf.ones(sizes[0]), tf.zeros(sizes[1])], 0)
    data = [tf.nest.map_structure(tf.constant, examples) for examples in learned]

    @tf.function(autograph=False)
    def update() -> tf.Tensor:
        batch = _draw(data, sizes, generator)
        batch = shift_images(generator, settings.shift_pixels, batch)

        def row_losses() -> tuple[tf.Tensor, tf.Tensor]:
            logits = classifier(batch, training=True)
            return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits), logits

        metrics, _ = minimize(row_losses, optimizer, classifier.trainable_variables)
        return metrics["loss"]

    with progress_bar(settings.updates, "train", unit="update") as bar:
        for _ in range(settings.updates):
            if is_interrupted():
                return False
            bar.set_postfix_str(f"loss {float(update()):.4f}", refresh=False)
            bar.update(1)
    return True


def _measure(
    classifier: Classifier, held_out: Sequence[Nest], settings: ClassifierSettings
) -> Quality:
    successes, failures = (_probabilities(classifier, examples) for examples in held_out)
    quality = Quality.of(
        successes, failures, rate=settings.false_positive_rate, least=settings.least_threshold
    )
    if not quality.true_positives:
        raise RunError(
            f"The classifier cannot tell successes from failures ({quality}); nothing was written. "
            "Give more data, or other train_classifier.updates or train_classifier.final_steps."
        )
    return quality


def _draw(data: Sequence[Nest], sizes: Sequence[int], generator: tf.random.Generator) -> Nest:
    """Returns a batch with `sizes` examples of each kind, drawn with replacement."""
    drawn = []
    for examples, size in zip(data, sizes, strict=True):
        number = tf.nest.flatten(examples)[0].shape[0]
        rows = generator.uniform([size], maxval=number, dtype=tf.int32)
        drawn.append(tf.nest.map_structure(lambda leaf, rows=rows: tf.gather(leaf, rows), examples))
    return passes.joined(*drawn)


def _probabilities(classifier: Classifier, examples: Nest) -> np.ndarray:
    """Returns the probabilities of success [N] of examples, computed in pieces."""
    data = tf.data.Dataset.from_tensor_slices(examples).batch(256)
    return np.concatenate([tf.sigmoid(classifier(batch)) for batch in data])


def _write(
    folder: Path,
    classifier: Classifier,
    spec: EnvironmentSpec,
    quality: Quality,
    configuration: Configuration,
) -> None:
    """Writes what `SuccessReward` reads, and the configuration."""

    def classify(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        return {PROBABILITY: tf.sigmoid(classifier(encode(leaves, spec)))}

    inputs = [
        tf.TensorSpec([None, *leaf.shape], leaf.dtype, leaf.name)
        for leaf in spec.observation_leaves
    ]
    signatures = {"serving_default": freeze(classify, inputs)}
    tf.saved_model.save(tf.Module(), str(folder / MODEL), signatures=signatures)
    measured = {**quality._asdict(), "precision": quality.precision, "recall": quality.recall}
    description = {**measured, "task": spec.as_json()}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
    configuration.save(folder)
