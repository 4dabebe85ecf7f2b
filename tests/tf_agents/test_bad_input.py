"""Invalid arguments of the agent raise one sentence each."""

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import array_spec, tensor_spec

from sac_tf.errors import ConfigurationError
from tests.tf_agents.making import OBSERVATION, make, message_of


def bounded(minimum, maximum, dtype=tf.float32):
    return tensor_spec.BoundedTensorSpec(
        [1], dtype, minimum=minimum, maximum=maximum, name="action"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action_spec": bounded(0, 3, tf.int64)}, "action_spec must be continuous.*int64"),
        ({"action_spec": bounded(-np.inf, np.inf)}, "action_spec must have finite bounds.*inf"),
        (
            {"action_spec": array_spec.BoundedArraySpec([1], np.float32)},
            "action_spec must have finite bounds",
        ),
        ({"action_spec": bounded(1.0, 1.0)}, "action_spec must have finite bounds, minimum below"),
        ({"action_spec": tensor_spec.TensorSpec([1], tf.float32)}, "action_spec must be bounded"),
        ({"action_spec": 3}, "action_spec must be a spec.*got 3"),
        ({"time_step_spec": OBSERVATION}, "time_step_spec must be a TimeStep"),
        ({"gamma": 1.2}, "gamma must be .*got 1.2"),
        ({"target_update_tau": 0.0}, "target_update_tau must be .*got 0.0"),
        ({"target_update_period": 0}, "target_update_period must be .*got 0"),
        ({"target_entropy": np.nan}, "target_entropy must be .*got nan"),
        # Two actions in [-2, 0.5]: 2 log 2.5 = 1.833.
        ({"target_entropy": 1.84}, "target_entropy=1.84 is above the largest entropy .*, 1.833;"),
        ({"initial_log_alpha": 1e3}, "initial_log_alpha must be .*got 1000.0"),
        ({"actor_network": "mlp"}, "actor_network must be .*got 'mlp'"),
        ({"critic_optimizer": 3e-4}, "critic_optimizer must be .*got 0.0003"),
        ({"gradient_clipping": -1.0}, "gradient_clipping must be .*got -1.0"),
    ],
)
def test_bad_input_raises_one_sentence(changes, message):
    with pytest.raises(ConfigurationError, match=message) as error:
        make(**changes)
    assert "\n" not in message_of(error)


def test_a_second_critic_needs_the_first(networks):
    with pytest.raises(
        ConfigurationError, match="critic_network_2='critic_network_2' needs critic_network"
    ):
        make(critic_network_2=networks()["critic_network_2"])


@pytest.mark.parametrize("other", ["actor_optimizer", "alpha_optimizer"])
def test_a_shared_optimizer_cannot_count_critic_steps(other):
    """Its steps are those of all networks: with a period of three the targets would never move."""
    shared = tf.keras.optimizers.legacy.Adam()
    with pytest.raises(ConfigurationError, match="target_update_period=3 needs a critic_optimizer"):
        make(**{"critic_optimizer": shared, other: shared, "target_update_period": 3})


def test_experience_of_another_length_raises(agent, experience):
    with pytest.raises(ValueError, match="sequence_length"):
        agent.train(tf.nest.map_structure(lambda leaf: leaf[:, :1], experience()))
