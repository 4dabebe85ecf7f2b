"""What the agent is made of: TF-Agents' networks where they are given, the core's where not, and
one TrainState."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.networks import network
from tf_agents.utils import common

from sac_tf.agents.sac.state import TrainState
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.networks.temperature import Temperature
from sac_tf.tf_agents import specs
from sac_tf.tf_agents.networks import (
    ActorNetwork,
    CoreCritic,
    NetworkCritic,
    PolicyActor,
    PolicyDistribution,
)
from sac_tf.tf_agents.optimizers import optimizer_factory
from sac_tf.types import Nest

Networks = Sequence[network.Network | None]


def critics(
    observation_spec: Nest, action_spec: Nest, given: Networks, targets: Networks
) -> tuple[CoreCritic | NetworkCritic, CoreCritic | NetworkCritic]:
    """Returns the critics and the target critics.

    Args:
      observation_spec, action_spec: nests of tensor specs.
      given: first and second critic network, or None.
      targets: their target networks, or None.

    Raises:
      ConfigurationError: a network that is none, or one that needs another which is not given.
    """
    names = (
        "critic_network",
        "critic_network_2",
        "target_critic_network",
        "target_critic_network_2",
    )
    for name, member in zip(names, (*given, *targets), strict=True):
        _check_network(name, member)
        if given[0] is None and member is not None:
            raise ConfigurationError(f"{name}={member.name!r} needs critic_network, which is None.")
    if given[0] is None:
        seed = _global_seed()
        return CoreCritic(observation_spec, action_spec, seed), CoreCritic(
            observation_spec, action_spec, seed
        )
    inputs = (observation_spec, action_spec)
    second = given[1] or given[0].copy(name="CriticNetwork2")
    members, copies = [given[0], second], []
    for member in members:
        member.create_variables(inputs)
    for number, member in enumerate(members):
        target = targets[number] if given[number] is not None else None
        if target is not None:
            target.create_variables(inputs)
        name = f"TargetCriticNetwork{number + 1}"
        copies.append(common.maybe_copy_target_network_with_checks(member, target, name, inputs))
    return NetworkCritic(members), NetworkCritic(copies)


def actor_network(
    observation_spec: Nest, action_spec: Nest, given: network.Network | None
) -> network.Network:
    """Returns the actor network, with variables."""
    _check_network("actor_network", given)
    actor = given or ActorNetwork(observation_spec, action_spec, _global_seed())
    actor.create_variables(observation_spec)
    return actor


def train_state(
    observation_spec: Nest,
    action_spec: Nest,
    actor: PolicyActor,
    critic_and_target: Sequence[CoreCritic | NetworkCritic],
    optimizers: dict[str, Any],
    initial_log_alpha: float,
    target_entropy: float | None,
    discount: float,
) -> TrainState:
    """Returns the core's state over these networks.

    Args:
      observation_spec, action_spec: nests of tensor specs.
      actor: of the state.
      critic_and_target: the critics and their targets.
      optimizers: by the name of their argument; see `optimizer_factory`.
      initial_log_alpha: log of the temperature.
      discount: gamma.
      target_entropy: in units of the bounds. None: -A in units of [-1, 1].
    """
    initial_log_alpha = number(
        "initial_log_alpha", initial_log_alpha, lambda x: abs(x) < 80, "between -80 and 80"
    )
    spec = specs.environment_spec(observation_spec, action_spec)
    if target_entropy is None:
        target_entropy = specs.log_volume(action_spec) - spec.action_dimensions
    target_entropy = number(
        "target_entropy", target_entropy, math.isfinite, "a finite number or None"
    )
    critic, target = critic_and_target
    return TrainState(
        spec,
        _global_seed(),
        discount,
        actor=lambda *_: actor,
        critic=lambda *_: critic,
        target_critic=lambda *_: target,
        **{name: optimizer_factory(name, optimizer) for name, optimizer in optimizers.items()},
        temperature=functools.partial(
            Temperature, math.exp(initial_log_alpha), target_entropy=target_entropy
        ),
        distribution=lambda distributions: PolicyDistribution(distributions, action_spec),
    )


def number(name: str, value: Any, accept: Callable[[float], bool], wanted: str) -> float:
    """`require_number`, which also takes NumPy's."""
    return require_number(
        name, value.item() if isinstance(value, np.generic) else value, accept, wanted
    )


def positive_or_none(name: str, value: Any) -> float | None:
    """Returns a number above 0, or None; raises ConfigurationError otherwise."""
    return (
        None if value is None else number(name, value, lambda x: x > 0, "a number above 0 or None")
    )


def target_rule(tau: Any, period: Any) -> dict[str, Any]:
    """Returns the arguments of `critic_step` that make targets; raises ConfigurationError naming
    those of the agent."""
    return {
        "tau": number(
            "target_update_tau", tau, lambda value: 0 < value <= 1, "a number above 0 and at most 1"
        ),
        "target_period": require_count("target_update_period", period),
    }


def _check_network(name: str, given: Any) -> None:
    if given is not None and not isinstance(given, network.Network):
        raise ConfigurationError(f"{name} must be a tf_agents Network or None, got {given!r}.")


def _global_seed() -> int:
    """Returns a seed that `tf.random.set_seed` makes repeatable."""
    return int(tf.random.uniform([], maxval=2**31 - 1, dtype=tf.int32))
