"""Worker: the SacAgent of TF-Agents.

python -m benchmarks.tf_agents_peer <size>

Built as TF-Agents' SAC tutorial builds it (ActorDistributionNetwork, CriticNetwork, Keras' Adam,
and `common.function(agent.train)`), with TensorFlow's default threads, and trained on one batch in
memory, without sampling.

Tasks:
  update: updates per second.
"""

import os
import sys
import time

from benchmarks import channel
from benchmarks.sizes import BATCH, SIZES, UNITS, Size


class TfAgents:
    """An agent and the batch that it is trained on."""

    def __init__(self, size: Size):
        """Builds both."""
        import tensorflow as tf
        from tf_agents.utils import common

        agent = _make_agent(size)
        agent.initialize()
        self._train = common.function(agent.train)
        self._batch = tf.nest.map_structure(_fill, agent.collect_data_spec)

    def update(self, updates: int) -> float:
        """Returns updates per second."""
        start = time.perf_counter()
        for _ in range(updates):
            loss = self._train(self._batch).loss
        loss.numpy()
        return updates / (time.perf_counter() - start)


def _make_agent(size: Size):
    import tensorflow as tf
    from tf_agents.agents.ddpg.critic_network import CriticNetwork
    from tf_agents.agents.sac import sac_agent, tanh_normal_projection_network
    from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
    from tf_agents.specs import tensor_spec
    from tf_agents.trajectories import time_step

    observation = tf.TensorSpec([size.observation], tf.float32)
    action = tensor_spec.BoundedTensorSpec([size.action], tf.float32, -1, 1)
    projection = tanh_normal_projection_network.TanhNormalProjectionNetwork
    return sac_agent.SacAgent(
        time_step.time_step_spec(observation),
        action,
        actor_network=ActorDistributionNetwork(
            observation,
            action,
            fc_layer_params=(UNITS, UNITS),
            continuous_projection_net=projection,
        ),
        critic_network=CriticNetwork(
            (observation, action),
            joint_fc_layer_params=(UNITS, UNITS),
            kernel_initializer="glorot_uniform",
            last_kernel_initializer="glorot_uniform",
        ),
        actor_optimizer=tf.keras.optimizers.Adam(3e-4),
        critic_optimizer=tf.keras.optimizers.Adam(3e-4),
        alpha_optimizer=tf.keras.optimizers.Adam(3e-4),
        target_update_tau=0.005,
        gamma=0.99,
        td_errors_loss_fn=tf.math.squared_difference,
    )


def _fill(spec):
    """Returns a leaf of a batch of two adjacent steps of 256 episodes: uniform numbers, or the step
    type MID."""
    import tensorflow as tf

    shape = [BATCH, 2, *spec.shape]
    if spec.dtype == tf.float32:
        return tf.random.uniform(shape, -1, 1)
    return tf.ones(shape, spec.dtype)


def main() -> None:
    """Serves one size."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    responses = channel.claim_stdout()
    peer = TfAgents(SIZES[sys.argv[1]])
    versions = channel.versions("tf-agents", "tensorflow", "keras")
    channel.serve(responses, versions, {"update": peer.update})


if __name__ == "__main__":
    main()
