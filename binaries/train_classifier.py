r"""Trains a success classifier from two data sets, as the reward of a task that has none.

python -m binaries.train_classifier --output=classifiers/reach \
    --gin_bindings="train.environment='my_robot:Reach-v0'" \
    --gin_bindings="train_classifier.positives='reach/successes-v0'" \
    --gin_bindings="train_classifier.negatives='reach/failures-v0'"
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from . import launch

if TYPE_CHECKING:
    from sac_tf.training.train import Training
    from sac_tf.training.train_classifier import ClassifierSettings

_OUTPUT = launch.DEFINE_path("output", None, "Folder of the classifier.", required=True)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Gin file, of your own or shipped")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.seed=1' for example"
)
_DATASETS = ("train_classifier.positives", "train_classifier.negatives")
"""Settings without a default."""


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    launch.divert_native_output(Path(os.devnull))
    training, settings = _read()
    from sac_tf.runs.interrupts import Interrupts
    from sac_tf.training import train_classifier

    with Interrupts() as interrupts:
        quality = train_classifier.run(
            _OUTPUT.value,
            training,
            settings,
            is_interrupted=lambda: interrupts.received is not None,
        )
    if quality is None:
        assert interrupts.received is not None
        print(f"Stopped by {interrupts.received.name}; nothing was written.")
        return 128 + interrupts.received
    print(f"Classifier in {_OUTPUT.value}: {quality}.")
    return 0


def _read() -> "tuple[Training, ClassifierSettings]":
    missing = launch.unset(_GIN_FILE.value, _GIN_BINDINGS.value, _DATASETS)
    if missing:
        raise launch.ConfigurationError(f"Give {missing[0]}, by --gin_file or --gin_bindings.")
    from sac_tf.training.train_classifier import ClassifierSettings

    training = launch.read_training(_GIN_FILE.value, _GIN_BINDINGS.value)
    return training, ClassifierSettings()


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
