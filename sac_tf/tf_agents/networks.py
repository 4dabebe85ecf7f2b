"""Network adapters: the core's networks for TF-Agents, and TF-Agents' networks for the core.

In this package the core's "observation" is a whole TimeStep, because TF-Agents' policies and
networks take one; the steps of the core pass it through. Actions are within the bounds of the
action spec, and log pi is the density in these units.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import tensorflow as tf
import tensorflow_probability as tfp
from tf_agents.networks import network
from tf_agents.policies import tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common

from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.distributions import squashed_gaussian
from sac_tf.tf_agents.specs import network_inputs, to_unit, vector_spec
from sac_tf.types import Nest

tfb = tfp.bijectors


class Critic(Protocol):
    """Critics for the core's `SacState`, with a TimeStep as the observation."""

    def __call__(self, inputs: Sequence, training: bool = False) -> tf.Tensor:
        """Takes (TimeStep of B rows, actions as a nest of [B, ...]); returns Q values [N, B]."""

    @property
    def variables(self) -> list[tf.Variable]: ...

    @property
    def trainable_variables(self) -> list[tf.Variable]: ...

    @property
    def losses(self) -> list[tf.Tensor]:
        """The regularization losses of the layers, scalars."""


class BoundedSquashedGaussian(tfp.distributions.TransformedDistribution):
    """The squashed Gaussian of the core, scaled to the bounds and the shape of an action spec."""

    def __init__(
        self,
        loc: tf.Tensor,
        log_std: tf.Tensor,
        spec: tensor_spec.BoundedTensorSpec,
        name: str = "bounded_gaussian",
    ):
        """Takes `loc` and `log_std` [B, A] before squashing, and a spec of A numbers in any
        shape."""
        parameters = {"loc": loc, "log_std": log_std, "spec": spec, "name": name}
        size = spec.shape.num_elements()
        shape = spec.shape.as_list()
        mean, magnitude = (
            tf.reshape(tf.broadcast_to(x, shape), [size])
            for x in common.spec_means_and_magnitudes(spec)
        )
        chain = [tfb.Shift(mean), tfb.Scale(magnitude)]
        if len(shape) != 1:
            chain.insert(0, tfb.Reshape(event_shape_out=shape, event_shape_in=[size]))
        super().__init__(
            squashed_gaussian(loc, log_std), tfb.Chain(chain), parameters=parameters, name=name
        )

    @classmethod
    def _parameter_properties(
        cls,
        dtype: tf.DType,  # noqa: ARG003
        num_classes: int | None = None,  # noqa: ARG003
    ) -> dict:
        vector = tfp.util.ParameterProperties(event_ndims=1)
        return {"loc": vector, "log_std": vector}

    def _mode(self) -> tf.Tensor:
        """Returns the action at the mean of the Gaussian, which a greedy policy takes."""
        return self.bijector.forward(self.distribution.mean_action())


class ActorNetwork(network.Network):
    """The core's actor (in gin: `actor`) as a TF-Agents network: observation -> (nest of
    distributions, state)."""

    def __init__(
        self, input_tensor_spec: Nest, action_spec: Nest, seed: int, name: str = "ActorNetwork"
    ):
        """Takes the specs of one observation and of one action, without a batch dimension."""
        super().__init__(input_tensor_spec=input_tensor_spec, state_spec=(), name=name)
        self._action_spec = action_spec
        self._model = make_actor(vector_spec(input_tensor_spec, action_spec), seed)

    def call(
        self,
        observation: Nest,
        step_type: Nest = (),
        network_state: Nest = (),
        training: bool = False,
    ) -> tuple:
        """Takes observations [B, ...]; the step type has no effect."""
        del step_type
        loc, log_std = self._model([network_inputs(observation)], training=training)
        leaves = tf.nest.flatten(self._action_spec)
        sizes = [leaf.shape.num_elements() for leaf in leaves]
        locs = tf.split(loc, sizes, axis=-1)
        log_stds = tf.split(log_std, sizes, axis=-1)
        distributions = [
            BoundedSquashedGaussian(*parts) for parts in zip(locs, log_stds, leaves, strict=True)
        ]
        return tf.nest.pack_sequence_as(self._action_spec, distributions), network_state


class CoreCritic(tf.Module):
    """`Critic` with the core's networks (in gin: `critic`)."""

    def __init__(self, observation_spec: Nest, action_spec: Nest, seed: int):
        super().__init__(name="core_critic")
        self._action_spec = action_spec
        self.model = make_critic(vector_spec(observation_spec, action_spec), seed)

    def __call__(self, inputs: Sequence, training: bool = False) -> tf.Tensor:
        time_step, action = inputs
        observation = network_inputs(time_step.observation)
        unit_action = to_unit(action, self._action_spec)
        return self.model([observation, unit_action], training=training)

    @property
    def variables(self) -> list[tf.Variable]:
        return self.model.variables

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        return self.model.trainable_variables

    @property
    def losses(self) -> list[tf.Tensor]:
        return self.model.losses


class NetworkCritic(tf.Module):
    """`Critic` with an ensemble of TF-Agents' critic networks."""

    def __init__(self, networks: Sequence[network.Network]):
        super().__init__(name="network_critic")
        self._networks = list(networks)

    def __call__(self, inputs: Sequence, training: bool = False) -> tf.Tensor:
        time_step, action = inputs
        step_type = time_step.step_type
        values = []
        for member in self._networks:
            value, _ = member(
                (time_step.observation, action), step_type=step_type, training=training
            )
            if value.shape.rank != step_type.shape.rank:
                raise ConfigurationError(
                    f"critic_network must return one Q value per row, shape {step_type.shape}; "
                    f"{member.name} returned shape {value.shape}."
                )
            values.append(value)
        return tf.stack(values)

    @property
    def variables(self) -> list[tf.Variable]:
        return _distinct(variable for member in self._networks for variable in member.variables)

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        return _distinct(
            variable for member in self._networks for variable in member.trainable_variables
        )

    @property
    def losses(self) -> list[tf.Tensor]:
        return [loss for member in self._networks for loss in member.losses]


class PolicyActor(tf.Module):
    """TF-Agents' policies as the actor of the core: [TimeStep] -> (nest of distributions,)."""

    def __init__(
        self, actor: network.Network, policy: tf_policy.TFPolicy, train_policy: tf_policy.TFPolicy
    ):
        """Takes the actor network, and the policies built from it for acting and for training."""
        super().__init__(name="policy_actor")
        self._network = actor
        self._policy = policy
        self._train_policy = train_policy

    def __call__(self, inputs: Sequence[ts.TimeStep], training: bool = False) -> tuple[Nest]:
        (time_step,) = inputs
        policy = self._train_policy if training else self._policy
        state = policy.get_initial_state(tf.shape(time_step.step_type)[0])
        return (policy.distribution(time_step, policy_state=state).action,)

    @property
    def variables(self) -> list[tf.Variable]:
        return self._network.variables

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        return self._network.trainable_variables

    @property
    def losses(self) -> list[tf.Tensor]:
        return self._network.losses


class PolicyDistribution:
    """A nest of distributions over actions, with the sampling interface of the core."""

    def __init__(self, distributions: Nest, action_spec: Nest):
        self._distributions = distributions
        self._action_spec = action_spec

    def sample_action(self, seed: tf.Tensor) -> tuple[Nest, tf.Tensor]:
        """Returns actions (nest of [B, ...]) and log pi [B].

        `seed` is not used: like everything in TF-Agents, the distributions sample from TensorFlow's
        global seed. log pi needs no inverse of the bijectors, which cache the noise of a sample.
        """
        del seed
        actions = tf.nest.map_structure(
            lambda distribution: distribution.sample(), self._distributions
        )
        log_prob = common.log_probability(self._distributions, actions, self._action_spec)
        return actions, log_prob


def _distinct(variables: Iterable[tf.Variable]) -> list[tf.Variable]:
    """Drops duplicates, which shared layers cause, and keeps the order."""
    return list({variable.ref(): variable for variable in variables}.values())
