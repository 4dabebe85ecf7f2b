"""Soft Actor-Critic as a TF-Agents agent: the core's state, losses and steps behind TF-Agents'
interface."""

import functools
from collections.abc import Callable
from typing import Any

import gin
import tensorflow as tf
from tf_agents.agents import data_converter, tf_agent
from tf_agents.agents.sac.sac_agent import SacLossInfo
from tf_agents.networks.network import Network
from tf_agents.policies import actor_policy, tf_policy
from tf_agents.trajectories import time_step as ts

from sac_tf.agents.sac import losses, steps
from sac_tf.seeds import draw_seed
from sac_tf.tf_agents import building, specs
from sac_tf.tf_agents.networks import PolicyActor
from sac_tf.tf_agents.objective import Minimizer, row_weights, total_loss, write_summaries
from sac_tf.types import Nest, Transition

LossFn = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@gin.configurable(module="sac_tf.tf_agents")
class SacAgent(tf_agent.TFAgent):
    """Soft Actor-Critic (1801.01290, 1812.05905) with the arguments of `tf_agents.agents.SacAgent`.

    The two specs are enough. What is not given is as in the core: two critics and an actor of
      256x256 units, Adam with
    learning rate 3e-4. `tf.random.set_seed` makes weights and draws repeatable. `state` is the
    core's TrainState.

    These defaults are not those of TF-Agents: gamma is 0.99 (theirs 1), target_update_tau 0.005
    (theirs 1), and the entropy target is -A in units of [-1, 1], whatever the bounds (theirs -A / 2
    in units of the bounds). An entropy target that is given is in units of the bounds, as theirs.
    `train` and `loss` leave out rows that start at the last step of an episode, and the mean is
    over the others. The temperature step reuses the actions of the actor step.
    """

    def __init__(
        self,
        time_step_spec: ts.TimeStep,
        action_spec: Nest,
        critic_network: Network | None = None,
        actor_network: Network | None = None,
        actor_optimizer: Any = None,
        critic_optimizer: Any = None,
        alpha_optimizer: Any = None,
        actor_loss_weight: float = 1.0,
        critic_loss_weight: float = 0.5,
        alpha_loss_weight: float = 1.0,
        actor_policy_ctor: Callable[..., tf_policy.TFPolicy] = actor_policy.ActorPolicy,
        critic_network_2: Network | None = None,
        target_critic_network: Network | None = None,
        target_critic_network_2: Network | None = None,
        target_update_tau: float = 0.005,
        target_update_period: int = 1,
        td_errors_loss_fn: LossFn = tf.math.squared_difference,
        gamma: float = 0.99,
        reward_scale_factor: float = 1.0,
        initial_log_alpha: float = 0.0,
        use_log_alpha_in_alpha_loss: bool = True,
        target_entropy: float | None = None,
        gradient_clipping: float | None = None,
        debug_summaries: bool = False,
        summarize_grads_and_vars: bool = False,
        train_step_counter: tf.Variable | None = None,
        name: str | None = None,
    ):
        """Builds the agent, with variables and optimizer slots.

        Args:
          time_step_spec: of the environment; observations may be nested.
          action_spec: bounded float32 specs, nested too, bounds per dimension too; A numbers in
            all.
          critic_network: called with (observation, action), returns Q values [B]. None: the core's
            critics.
          actor_network: returns distributions over actions. None: the core's squashed Gaussian.
          actor_optimizer, critic_optimizer, alpha_optimizer: Keras or tf.compat.v1. None: the
            core's Adam.
          actor_loss_weight, critic_loss_weight, alpha_loss_weight: factors of the losses.
          actor_policy_ctor: f(time_step_spec, action_spec, actor_network, training) -> policy.
          critic_network_2: None: a copy of the first, with weights of its own.
          target_critic_network, target_critic_network_2: None: copies. The second needs
            `critic_network_2`.
          target_update_tau: Polyak rate of the targets, in (0, 1].
          target_update_period: the targets move with every so many train steps.
          td_errors_loss_fn: f(targets [B], predictions [B]) -> [B], for each critic.
          gamma: discount of a step, in [0, 1].
          reward_scale_factor: factor of the rewards.
          initial_log_alpha: log of the temperature at the start.
          use_log_alpha_in_alpha_loss: the temperature's loss is `log_alpha_loss`, or else
            `alpha_loss`.
          target_entropy: H_target in nats.
          gradient_clipping: largest norm of each variable's gradient.
          debug_summaries, summarize_grads_and_vars: write more summaries while training.
          train_step_counter: int64 variable that counts the calls of `train`. None: TensorFlow's
            global step.
          name: of the module.

        Raises:
          ConfigurationError: an argument that cannot work, named with its value.
        """
        tf.Module.__init__(self, name=name)
        time_step_spec, action_spec = specs.tensor_specs(time_step_spec, action_spec)
        self._target_rule = building.target_rule(target_update_tau, target_update_period)
        inputs = (time_step_spec.observation, action_spec)
        given, targets = (
            (critic_network, critic_network_2),
            (target_critic_network, target_critic_network_2),
        )
        critics = building.critics(*inputs, given, targets)
        network = building.actor_network(*inputs, actor_network)
        make_policy = functools.partial(
            actor_policy_ctor, time_step_spec=time_step_spec, action_spec=action_spec
        )
        policy, train_policy = (
            make_policy(actor_network=network, training=training) for training in (False, True)
        )
        actor = PolicyActor(network, policy, train_policy)
        names = ("actor_optimizer", "critic_optimizer", "alpha_optimizer")
        optimizers = dict(
            zip(names, (actor_optimizer, critic_optimizer, alpha_optimizer), strict=True)
        )
        discount = building.number(
            "gamma", gamma, lambda value: 0 <= value <= 1, "a number from 0 to 1"
        )
        self.state = building.train_state(
            *inputs, actor, critics, optimizers, initial_log_alpha, target_entropy, discount
        )
        self._scales = SacLossInfo(critic_loss_weight, actor_loss_weight, alpha_loss_weight)
        self._td_errors_loss_fn = td_errors_loss_fn
        self._reward_scale_factor = reward_scale_factor
        self._log_alpha_loss = (
            losses.log_alpha_loss if use_log_alpha_in_alpha_loss else losses.alpha_loss
        )
        self._gradient_clipping = building.positive_or_none("gradient_clipping", gradient_clipping)
        sequence_length = 2 if critic_network is None or not critic_network.state_spec else None
        super().__init__(
            time_step_spec,
            action_spec,
            policy=policy,
            collect_policy=policy,
            train_sequence_length=sequence_length,
            debug_summaries=debug_summaries,
            summarize_grads_and_vars=summarize_grads_and_vars,
            train_step_counter=train_step_counter,
        )
        self._as_transition = data_converter.AsTransition(
            self.data_context, squeeze_time_dim=sequence_length == 2
        )

    def critic_loss(
        self,
        time_steps: ts.TimeStep,
        actions: Nest,
        next_time_steps: ts.TimeStep,
        td_errors_loss_fn: LossFn,
        gamma: float = 1.0,
        reward_scale_factor: float = 1.0,
        weights: tf.Tensor | float | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns the loss of all critics together, a scalar, without `critic_loss_weight`.

        Args:
          time_steps: B of them.
          actions: taken there, within the bounds of the spec.
          next_time_steps: what followed, with reward and discount.
          td_errors_loss_fn: f(targets [B], predictions [B]) -> [B].
          gamma, reward_scale_factor: as for the agent.
          weights: importance weights, scalar or [B].
          training: passed to the critic networks.
        """
        batch = _batch(time_steps, actions, next_time_steps, reward_scale_factor)
        target = steps.td_target(self.state, batch, gamma)
        q = self.state.critic([time_steps, actions], training=training)
        rows = self._critic_rows(td_errors_loss_fn)(q, target)
        return tf.reduce_mean(total_loss(rows, weights, self.state.critic.losses))

    def actor_loss(
        self,
        time_steps: ts.TimeStep,
        weights: tf.Tensor | float | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Returns the loss of the actor, a scalar, without `actor_loss_weight`; arguments as for
        `critic_loss`."""
        rows, _ = steps.policy_loss(
            self.state, time_steps, draw_seed(self.state.generator), training=training
        )
        return tf.reduce_mean(total_loss(rows, weights, self.state.actor.losses))

    def alpha_loss(
        self,
        time_steps: ts.TimeStep,
        weights: tf.Tensor | float | None = None,
        training: bool = False,  # noqa: ARG002 (TF-Agents' signature; the policy is not trained here)
    ) -> tf.Tensor:
        """Returns the loss of the temperature, a scalar, without `alpha_loss_weight`; arguments as
        above."""
        _, log_prob = self.state.policy(time_steps).sample_action(draw_seed(self.state.generator))
        rows = self._alpha_rows(
            self.state.log_alpha, self.state.alpha, log_prob, self.state.target_entropy
        )
        return tf.reduce_mean(total_loss(rows, weights, []))

    def _initialize(self) -> None:
        """Makes the targets equal to the critics."""
        for target, variable in zip(
            self.state.target_critic.variables, self.state.critic.variables, strict=True
        ):
            target.assign(variable)

    def _train(self, experience: Any, weights: tf.Tensor | None = None) -> tf_agent.LossInfo:
        state = self.state
        time_steps, policy_steps, next_time_steps = self._as_transition(experience)
        batch = _batch(time_steps, policy_steps.action, next_time_steps, self._reward_scale_factor)
        weights = row_weights(time_steps, weights)

        def minimizer(scale: float, regularization: Callable[[], list]) -> Minimizer:
            clipping, counter = self._gradient_clipping, self.train_step_counter
            return Minimizer(
                scale, weights, regularization, clipping, self.summarize_grads_and_vars, counter
            )

        metrics, _ = steps.critic_step(
            state,
            batch,
            **self._target_rule,
            loss=self._critic_rows(self._td_errors_loss_fn),
            minimize=minimizer(self._scales.critic_loss, lambda: state.critic.losses),
        )
        actor_minimizer = minimizer(self._scales.actor_loss, lambda: state.actor.losses)
        actor_metrics, log_prob = steps.actor_step(state, batch, minimize=actor_minimizer)
        alpha_rule = {
            "loss": self._alpha_rows,
            "minimize": minimizer(self._scales.alpha_loss, list),
        }
        metrics |= actor_metrics | steps.alpha_step(state, batch, log_prob, **alpha_rule)
        info = self._loss_info(*(metrics[f"{name}_loss"] for name in ("critic", "actor", "alpha")))
        state.updates.assign_add(1)
        self.train_step_counter.assign_add(1)
        return info

    def _loss(
        self, experience: Any, weights: tf.Tensor | None = None, training: bool = False
    ) -> tf_agent.LossInfo:
        time_steps, policy_steps, next_time_steps = self._as_transition(experience)
        weights = row_weights(time_steps, weights)
        critic = self.critic_loss(
            time_steps,
            policy_steps.action,
            next_time_steps,
            self._td_errors_loss_fn,
            self.state.discount,
            self._reward_scale_factor,
            weights,
            training,
        )
        return self._loss_info(
            self._scales.critic_loss * critic,
            self._scales.actor_loss * self.actor_loss(time_steps, weights, training),
            self._scales.alpha_loss * self.alpha_loss(time_steps, weights, training),
        )

    def _loss_info(
        self, critic: tf.Tensor, actor: tf.Tensor, alpha: tf.Tensor
    ) -> tf_agent.LossInfo:
        extra = SacLossInfo(critic, actor, alpha)
        for name, value in extra._asdict().items():
            tf.summary.scalar(f"Losses/{name}", value, step=self.train_step_counter)
        return tf_agent.LossInfo(loss=critic + actor + alpha, extra=extra)

    def _critic_rows(
        self, td_errors_loss_fn: LossFn
    ) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Returns the loss that the core asks for: (Q values [N, B], target [B]) -> [B], summed
        over the critics."""

        def rows(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
            self._summarize(td_errors=target - q, td_targets=target, pred_td_targets=q)
            return tf.add_n([td_errors_loss_fn(target, member) for member in tf.unstack(q)])

        return rows

    def _alpha_rows(
        self, log_alpha: tf.Tensor, alpha: tf.Tensor, log_prob: tf.Tensor, target: float
    ) -> tf.Tensor:
        self._summarize(log_pi=log_prob, entropy_diff=-log_prob - target, log_alpha=log_alpha)
        return self._log_alpha_loss(log_alpha, alpha, log_prob, target)

    def _summarize(self, **values: tf.Tensor) -> None:
        if self._debug_summaries:
            write_summaries(values, self.train_step_counter)


def _batch(
    time_steps: ts.TimeStep, actions: Nest, next_time_steps: ts.TimeStep, reward_scale: float
) -> Transition:
    """Returns what a step of the core takes, with TimeSteps for observations (see `networks`)."""
    reward = reward_scale * next_time_steps.reward
    return Transition(time_steps, actions, reward, next_time_steps.discount, next_time_steps)
