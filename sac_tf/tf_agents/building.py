"""Builds the parts of the TF-Agents agent: networks, policies and the train state.

Networks and optimizers that are not given are those of the core.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tf_agents.networks import network
from tf_agents.policies import tf_policy
from tf_agents.trajectories import time_step as ts
from tf_agents.utils import common

from sac_tf.agents.policy import Policy
from sac_tf.agents.sac.state import SacState
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.networks.temperature import Temperature, require_reachable
from sac_tf.tf_agents import specs
from sac_tf.tf_agents.networks import (
    ActorNetwork,
    CoreCritic,
    Critic,
    NetworkCritic,
    PolicyActor,
    PolicyDistribution,
)
from sac_tf.tf_agents.optimizers import optimizer_factory
from sac_tf.types import Nest

Networks = Sequence[network.Network | None]
"""First and second network, each of which may be None."""

_OPTIMIZERS = ("actor_optimizer", "critic_optimizer", "alpha_optimizer")


class PolicyConstructor(Protocol):
    """Builds a policy from an actor network, as `tf_agents.policies.actor_policy.ActorPolicy`."""

    def __call__(
        self,
        *,
        time_step_spec: ts.TimeStep,
        action_spec: Nest,
        actor_network: network.Network,
        training: bool,
    ) -> tf_policy.TFPolicy:
        """Takes tensor specs, a network with variables, and whether the policy is being trained."""


def critics(
    observation_spec: Nest, action_spec: Nest, given: Networks, targets: Networks
) -> tuple[Critic, Critic]:
    """Returns the critics and the target critics.

    Args:
      observation_spec, action_spec: nests of tensor specs.
      given: the critic networks; without the first one, the core's critics are built.
      targets: the target networks of the critics.

    Raises:
      ConfigurationError: an argument that is not a network, or one that needs a network that is
        not given.
    """
    names = (
        "critic_network",
        "critic_network_2",
        "target_critic_network",
        "target_critic_network_2",
    )
    first, second = given
    for name, member in zip(names, (*given, *targets), strict=True):
        _check_network(name, member)
        if first is None and member is not None:
            raise ConfigurationError(f"{name}={member.name!r} needs critic_network, which is None.")
    if first is None:
        # The same seed, so that the targets equal the critics.
        seed = _global_seed()
        critic = CoreCritic(observation_spec, action_spec, seed)
        return critic, CoreCritic(observation_spec, action_spec, seed)
    return _network_critics((observation_spec, action_spec), first, second, targets=targets)


def _network_critics(
    inputs: tuple[Nest, Nest],
    first: network.Network,
    second: network.Network | None,
    targets: Networks,
) -> tuple[NetworkCritic, NetworkCritic]:
    """Returns TF-Agents' networks as critics and target critics; copies those that are None."""
    if second is None:
        # As in TF-Agents, a copied critic has a copied target.
        targets = (targets[0], None)
    members = (first, second or first.copy(name="CriticNetwork2"))
    for member in members:
        member.create_variables(inputs)
    copies = []
    for number, (member, target) in enumerate(zip(members, targets, strict=True), start=1):
        if target is not None:
            target.create_variables(inputs)
        name = f"TargetCriticNetwork{number}"
        copy = common.maybe_copy_target_network_with_checks(
            member, target, name=name, input_spec=inputs
        )
        copies.append(copy)
    return NetworkCritic(members), NetworkCritic(copies)


def policy_actor(
    time_step_spec: ts.TimeStep,
    action_spec: Nest,
    given: network.Network | None,
    make_policy: PolicyConstructor,
) -> tuple[PolicyActor, tf_policy.TFPolicy]:
    """Returns the actor of the core's state, and the policy that acts.

    Args:
      time_step_spec, action_spec: tensor specs.
      given: the actor network; None builds the core's actor.
      make_policy: called for the policy that acts and for the policy that is trained.

    Raises:
      ConfigurationError: `given` is not a network.
    """
    _check_network("actor_network", given)
    observation_spec = time_step_spec.observation
    actor_network = given or ActorNetwork(observation_spec, action_spec, _global_seed())
    actor_network.create_variables(observation_spec)
    policy, train_policy = (
        make_policy(
            time_step_spec=time_step_spec,
            action_spec=action_spec,
            actor_network=actor_network,
            training=training,
        )
        for training in (False, True)
    )
    return PolicyActor(actor_network, policy, train_policy), policy


def train_state(
    observation_spec: Nest,
    action_spec: Nest,
    networks: tuple[PolicyActor, Critic, Critic],
    optimizers: Sequence[Any],
    initial_log_alpha: float,
    target_entropy: float | None,
    gamma: float,
) -> SacState:
    """Returns the core's state with these networks.

    Args:
      observation_spec, action_spec: nests of tensor specs.
      networks: the actor, the critics and the target critics.
      optimizers: of actor, critics and temperature; see `optimizer_factory`.
      initial_log_alpha: log of the initial temperature.
      target_entropy: in units of the bounds; None for -A in units of [-1, 1].
      gamma: discount of one step.

    Raises:
      ConfigurationError: a number out of range, or an unknown optimizer class.
    """
    spec = specs.environment_spec(observation_spec, action_spec)
    actor, critic, target_critic = networks
    # Its distributions only sample: acting is the task of TF-Agents' own policies.
    policy = Policy(actor, lambda nest: PolicyDistribution(nest, action_spec))  # type: ignore
    named = zip(_OPTIMIZERS, optimizers, strict=True)
    makers = {name: optimizer_factory(name, optimizer) for name, optimizer in named}
    return SacState(
        spec,
        _global_seed(),
        number("gamma", gamma, lambda x: 0 <= x <= 1, wanted="a number from 0 to 1"),
        policy=lambda *_: policy,
        critic=lambda *_: critic,
        target_critic=lambda *_: target_critic,
        temperature=_temperature(initial_log_alpha, target_entropy, action_spec),
        **makers,
    )


def _temperature(
    initial_log_alpha: Any, target_entropy: Any, action_spec: Nest
) -> Callable[[], Temperature]:
    log_volume = specs.log_volume(action_spec)
    actions = sum(leaf.shape.num_elements() for leaf in tf.nest.flatten(action_spec))
    if target_entropy is None:
        target_entropy = log_volume - actions
    initial_log_alpha = number(
        "initial_log_alpha", initial_log_alpha, lambda x: abs(x) < 80, wanted="between -80 and 80"
    )
    target_entropy = number(
        "target_entropy", target_entropy, math.isfinite, wanted="a finite number or None"
    )
    require_reachable(target_entropy, actions, log_volume, name="target_entropy")
    initial_alpha = math.exp(initial_log_alpha)
    return functools.partial(Temperature, initial_alpha, target_entropy=target_entropy)


def target_rule(tau: Any, period: Any, optimizers: Sequence[Any]) -> dict[str, Any]:
    """Returns the arguments of `critic_step` for the targets; raises ConfigurationError with the
    names of the agent's arguments.

    The steps of the critics' optimizer are counted for the period. Of a legacy Keras optimizer that
    trains other networks too, these would be more.
    """
    actor, critic, alpha = optimizers
    is_legacy = isinstance(critic, tf.keras.optimizers.legacy.Optimizer)
    if is_legacy and period != 1 and (critic is actor or critic is alpha):
        raise ConfigurationError(
            f"target_update_period={period!r} needs a critic_optimizer that is not also the "
            "actor_optimizer or alpha_optimizer; give each its own."
        )
    return {
        "tau": number(
            "target_update_tau",
            tau,
            lambda value: 0 < value <= 1,
            wanted="a number above 0 and at most 1",
        ),
        "target_period": require_count("target_update_period", period),
    }


def sequence_length(critic_network: network.Network | None) -> int | None:
    """Returns the number of steps in a training sequence: 2, a transition; or None, any number, for
    a recurrent critic."""
    if critic_network is not None and critic_network.state_spec:
        return None
    return 2


def positive_or_none(name: str, value: Any) -> float | None:
    """Returns a number above 0, or None; raises ConfigurationError otherwise."""
    if value is None:
        return None
    return number(name, value, lambda x: x > 0, wanted="a number above 0 or None")


def number(name: str, value: Any, accept: Callable[[float], bool], wanted: str) -> float:
    """`require_number` that also accepts NumPy numbers."""
    if isinstance(value, np.generic):
        value = value.item()
    return require_number(name, value, accept, wanted=wanted)


def _check_network(name: str, given: Any) -> None:
    if given is not None and not isinstance(given, network.Network):
        raise ConfigurationError(f"{name} must be a tf_agents Network or None, got {given!r}.")


def _global_seed() -> int:
    """Returns a seed that depends on `tf.random.set_seed`."""
    return int(tf.random.uniform([], maxval=2**31 - 1, dtype=tf.int32))
