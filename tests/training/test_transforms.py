"""Transforms of batches in whole runs, set by gin."""

import gin
import pytest

from sac_tf.errors import ConfigurationError
from tests.training.left_behind import final_state
from tests.training.small_runs import small_training

pytestmark = pytest.mark.usefixtures("without_export")


@gin.configurable(module="tests")
def half_rewards(state, batch):
    del state
    return batch._replace(reward=0.5 * batch.reward)


def test_a_transform_of_rewards_equals_their_scale(tmp_path):
    """Bit for bit; and another scale gives other weights."""
    bindings = {
        "transform": "train.transforms = [@half_rewards]",
        "scale": "FixedRewardScale.scale = 0.5",
        "neither": "FixedRewardScale.scale = 1.0",
    }
    states = {}
    for name, binding in bindings.items():
        small_training(binding, total_steps=120).run(str(tmp_path / name))
        states[name] = final_state(tmp_path / name)
    assert states["transform"] == states["scale"] != states["neither"]
    assert "train.transforms = [@half_rewards]" in (tmp_path / "transform/config.gin").read_text()


@pytest.mark.parametrize("value", ["@half_rewards", "[3]"])
def test_transforms_that_are_no_list_of_functions_are_refused(value):
    with pytest.raises(ConfigurationError, match="train.transforms must be a list of functions"):
        small_training(f"train.transforms = {value}")
