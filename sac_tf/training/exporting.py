"""Exports of a run's policy: the last one, and the best one so far."""

import functools
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from sac_tf import files
from sac_tf.agents.policy import Policy
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder
from sac_tf.runs.logs import evaluated_return, say
from sac_tf.serving.export_policy import export
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.types import EnvironmentSpec, Evaluation

_RECORD = "evaluation.json"
_POLICY = "policy"


def export_policy(
    policy: Policy,
    spec: EnvironmentSpec,
    factory: EnvironmentFactory,
    step: int,
    root_dir: Path,
) -> None:
    """Writes the final policy of a run into its folder, with its return at `step`."""
    description = PolicySpec(factory.as_json(), spec, step, evaluated_return(root_dir, step))
    export(policy, description, root_dir / folder.POLICY)


class BestPolicy:
    """Keeps the policy with the best evaluation of a run, over all restarts.

    An export takes seconds, and a run may improve a hundred times. So the weights are written at
    each improvement, which takes milliseconds, and exported once, by `close`: at the end of the
    run, and also when it is interrupted or fails.
    """

    def __init__(
        self,
        root_dir: Path,
        factory: EnvironmentFactory,
        spec: EnvironmentSpec,
        score: Callable[[Evaluation], tuple[float, ...]],
        make_policy: Callable[[EnvironmentSpec], Policy],
    ):
        """Reads the best evaluation so far, exactly as it was.

        Args:
          root_dir: of the run.
          factory, spec: of the task.
          score: of an evaluation; higher is better.
          make_policy: builds a policy, which takes the weights for the export.
        """
        self._root_dir = root_dir
        self._factory = factory
        self._spec = spec
        self._score = score
        self._make_policy = make_policy
        self._folder = root_dir / folder.CHECKPOINTS / folder.BEST
        record = self._folder / _RECORD
        self._best = json.loads(record.read_text()) if record.is_file() else None

    def offer(self, policy: Policy, step: int, evaluation: Evaluation) -> None:
        """Keeps `policy`, evaluated at `step`, if no other one has such a high score.

        Raises:
          OSError: the folder of the run cannot be written.
        """
        score = list(self._score(evaluation))
        is_finite = all(map(math.isfinite, score))
        if not is_finite or (self._best is not None and score <= self._best["score"]):
            return
        best = {"step": step, "score": score, "return_mean": evaluation.return_mean}

        def write(unfinished: Path) -> None:
            try:
                tf.train.Checkpoint(policy=policy).write(str(unfinished / _POLICY))
            except tf.errors.OpError as error:
                raise OSError(f"TensorFlow could not write the policy: {error.message}") from error
            (unfinished / _RECORD).write_text(json.dumps(best))

        files.replace_folder(self._folder, write)
        self._best = best

    def close(self) -> None:
        """Exports the best policy if its export is older; not after a second Ctrl-C."""
        is_impatient = isinstance(sys.exc_info()[1], KeyboardInterrupt)
        if self._best is None or is_impatient or self._is_in(folder.BEST_POLICY):
            return
        destination = self._root_dir / folder.BEST_POLICY
        try:
            if self._is_in(folder.POLICY):  # the last policy is the best one
                last = self._root_dir / folder.POLICY
                copy = functools.partial(shutil.copytree, last, dirs_exist_ok=True)
                files.replace_folder(destination, copy)
            else:
                self._export(destination)
        except OSError as error:  # the run has ended, and its result does not depend on this
            say(f"{destination} cannot be written ({error}).")

    def _export(self, destination: Path) -> None:
        assert self._best is not None
        policy = self._make_policy(self._spec)
        tf.train.Checkpoint(policy=policy).read(str(self._folder / _POLICY)).assert_consumed()
        description = PolicySpec(
            self._factory.as_json(), self._spec, self._best["step"], self._best["return_mean"]
        )
        export(policy, description, destination)

    def _is_in(self, name: str) -> bool:
        """Returns whether a folder of the run holds an export of the best policy."""
        assert self._best is not None
        try:
            spec, _ = PolicySpec.load(self._root_dir / name)
        except ConfigurationError:
            return False
        return (spec.step, spec.episode_return) == (self._best["step"], self._best["return_mean"])
