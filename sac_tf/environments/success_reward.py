"""The reward of a success classifier: 1, and the end of the episode, where it detects success."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf
import tree

from sac_tf import files
from sac_tf.environments.conversion import ObservationReader
from sac_tf.environments.spaces import observation_leaves
from sac_tf.errors import ConfigurationError, require_number
from sac_tf.types import EnvironmentSpec

DESCRIPTION = "classifier.json"
"""In the folder of a classifier: its threshold, its task, and how well it does."""
MODEL = "model"
"""In the folder of a classifier: a SavedModel, arrays of the task's observation [B, ...] by name ->
`PROBABILITY` [B]."""
PROBABILITY = "probability"


class SuccessReward(gymnasium.Wrapper):
    """Replaces the rewards of a task: 1 where the classifier sees success, which terminates the
    episode, else 0. `info` gets `classifier_success`, 0 or 1, and `classifier_probability`.

    Name it in `environment.training_wrappers`: evaluations then have the rewards of the task.
    """

    def __init__(self, environment: gymnasium.Env, classifier: str, threshold: float | None = None):
        """Reads the classifier.

        Args:
          environment: of the task, with observations as the classifier was trained on.
          classifier: folder that `binaries.train_classifier` wrote.
          threshold: a larger probability is a success; None: the threshold of the classifier.

        Raises:
          ConfigurationError: there is no classifier, or it is of another task.
        """
        super().__init__(environment)
        folder = files.absolute(classifier)
        described = _description(folder)
        self._threshold = described["threshold"]
        if threshold is not None:
            self._threshold = require_number(
                "SuccessReward.threshold",
                threshold,
                lambda x: 0 <= x < 1,
                "a number from 0 to below 1",
            )
        title = f"The task of the classifier in {folder}"
        leaves = observation_leaves(title, environment.observation_space)
        wanted = EnvironmentSpec.from_json(described["task"]).observation_leaves
        if leaves != wanted:
            raise ConfigurationError(
                f"The classifier in {folder} is of another task: it takes observations "
                f"({', '.join(map(str, wanted))}) instead of ({', '.join(map(str, leaves))})."
            )
        self._names = [leaf.name for leaf in leaves]
        self._reader = ObservationReader(title, leaves, encode=False)
        self._model = tf.saved_model.load(str(folder / MODEL))
        self._classify = self._model.signatures["serving_default"]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        observation, _, terminated, truncated, info = self.env.step(action)
        probability = self._probability(observation)
        is_success = probability > self._threshold
        info = {
            **info,
            "classifier_success": float(is_success),
            "classifier_probability": probability,
        }
        return observation, float(is_success), terminated or is_success, truncated, info

    def _probability(self, observation: Any) -> float:
        arrays = tree.flatten(self._reader.read(observation))
        batch = {
            name: tf.constant(array[np.newaxis])
            for name, array in zip(self._names, arrays, strict=True)
        }
        return float(self._classify(**batch)[PROBABILITY][0])


def _description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{folder} is not the folder of a classifier ({path} cannot be read); "
            "binaries.train_classifier writes one."
        ) from error
