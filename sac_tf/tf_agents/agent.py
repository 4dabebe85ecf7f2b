"""Soft Actor-Critic agent for TF-Agents, built on the core's state, losses and steps."""

from collections.abc import Callable
from typing import Any

import gin
import tensorflow as tf
from tf_agents.agents import data_converter, tf_agent
from tf_agents.agents.sac.sac_agent import SacLossInfo
from tf_agents.networks.network import Network
from tf_agents.policies import actor_policy
from tf_agents.trajectories import time_step as ts

from sac_tf.agents.sac import losses, steps
from sac_tf.seeds import draw_seed
from sac_tf.tf_agents import building, objective, specs
from sac_tf.types import Nest


@gin.register(module="sac_tf.tf_agents")
class SacAgent(tf_agent.TFAgent):
    """Soft Actor-Critic (1801.01290, 1812.05905) with the arguments of `tf_agents.agents.SacAgent`.

    Only the two specs are required. The defaults are those of the core: two critics and an actor
    with 256x256 units, Adam with learning rate 3e-4. `tf.random.set_seed` makes weights and samples
    repeatable. `state` is the core's SacState.

    Differences from TF-Agents: gamma is 0.99 by default (theirs 1), target_update_tau 0.005 (theirs
    1), and the entropy target is -A in units of [-1, 1] for any bounds (theirs -A / 2 in units of
    the bounds). As in TF-Agents, a given entropy target is in units of the bounds. `train` and
    `loss` exclude rows that start at the last step of an episode, and average over the others. The
    temperature step reuses the actions of the actor step.
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
        actor_policy_ctor: building.PolicyConstructor = actor_policy.ActorPolicy,
        critic_network_2: Network | None = None,
        target_critic_network: Network | None = None,
        target_critic_network_2: Network | None = None,
        target_update_tau: float = 0.005,
        target_update_period: int = 1,
        td_errors_loss_fn: objective.LossFn = tf.math.squared_difference,
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
        """Builds the agent, including all variables and optimizer slots.

        Args:
          time_step_spec: of the environment; observations may be nested.
          action_spec: float32 specs with bounds, which may differ per dimension; may be nested; A
            numbers in total.
          critic_network: called with (observation, action), returns Q values [B]. None: the core's
            critics.
          actor_network: returns distributions over actions. None: the core's squashed Gaussian.
          actor_optimizer, critic_optimizer, alpha_optimizer: Keras or tf.compat.v1 optimizers.
            None: the core's Adam.
          actor_loss_weight, critic_loss_weight, alpha_loss_weight: factors of the losses.
          actor_policy_ctor: builds the policies from the actor network.
          critic_network_2: None: a copy of the first, with its own weights.
          target_critic_network, target_critic_network_2: None: copies. The second needs
            `critic_network_2`.
          target_update_tau: Polyak rate of the targets, in (0, 1].
          target_update_period: train steps between updates of the targets.
          td_errors_loss_fn: loss of each critic.
          gamma: discount per step, in [0, 1].
          reward_scale_factor: factor of the rewards.
          initial_log_alpha: log of the initial temperature.
          use_log_alpha_in_alpha_loss: whether the temperature's loss is `log_alpha_loss` or
            `alpha_loss`.
          target_entropy: H_target in nats.
          gradient_clipping: maximum norm of each variable's gradient.
          debug_summaries, summarize_grads_and_vars: write more summaries during training.
          train_step_counter: int64 variable that counts the calls of `train`. None: TensorFlow's
            global step.
          name: of the module.

        Raises:
          ConfigurationError: an invalid argument; the message gives its name and value.
        """
        tf.Module.__init__(self, name=name)
        time_step_spec, action_spec = specs.tensor_specs(time_step_spec, action_spec)
        inputs = (time_step_spec.observation, action_spec)
        given = (actor_optimizer, critic_optimizer, alpha_optimizer)
        self._target_rule = building.target_rule(target_update_tau, target_update_period, given)
        critics = (critic_network, critic_network_2)
        targets = (target_critic_network, target_critic_network_2)
        critic, target_critic = building.critics(*inputs, given=critics, targets=targets)
        actor, policy = building.policy_actor(
            time_step_spec, action_spec, actor_network, make_policy=actor_policy_ctor
        )
        self.state = building.train_state(
            *inputs,
            networks=(actor, critic, target_critic),
            optimizers=given,
            initial_log_alpha=initial_log_alpha,
            target_entropy=target_entropy,
            gamma=gamma,
        )
        self._scales = SacLossInfo(critic_loss_weight, actor_loss_weight, alpha_loss_weight)
        self._td_errors_loss_fn = td_errors_loss_fn
        self._reward_scale_factor = reward_scale_factor
        self._use_log_alpha = use_log_alpha_in_alpha_loss
        self._gradient_clipping = building.positive_or_none("gradient_clipping", gradient_clipping)
        sequence_length = building.sequence_length(critic_network)
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
        td_errors_loss_fn: objective.LossFn,
        gamma: float = 1.0,
        reward_scale_factor: float = 1.0,
        weights: tf.Tensor | float | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Returns the summed loss of all critics, a scalar, without `critic_loss_weight`.

        Args:
          time_steps: B time steps.
          actions: actions taken in `time_steps`, within the bounds of the spec.
          next_time_steps: successors, with reward and discount.
          td_errors_loss_fn: loss of each critic.
          gamma, reward_scale_factor: as for the agent.
          weights: importance weights, scalar or [B].
          training: passed to the critic networks.
        """
        batch = objective.core_batch(
            time_steps, actions, next_time_steps, reward_scale=reward_scale_factor
        )
        target = steps.td_target(self.state, batch, gamma)
        q = self.state.critics.model([time_steps, actions], training=training)
        rows = self._critic_rows(td_errors_loss_fn)(q, target)
        return tf.reduce_mean(objective.total_loss(rows, weights, self.state.critics.model.losses))

    def actor_loss(
        self,
        time_steps: ts.TimeStep,
        weights: tf.Tensor | float | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Returns the loss of the actor, a scalar, without `actor_loss_weight`; arguments as for
        `critic_loss`."""
        seed = draw_seed(self.state.generator)
        rows, _ = steps.policy_loss(self.state, time_steps, seed, training=training)
        return tf.reduce_mean(objective.total_loss(rows, weights, self.state.policy.network.losses))

    def alpha_loss(
        self,
        time_steps: ts.TimeStep,
        weights: tf.Tensor | float | None = None,
        training: bool = False,  # noqa: ARG002 (part of TF-Agents' signature)
    ) -> tf.Tensor:
        """Returns the loss of the temperature, a scalar, without `alpha_loss_weight`; arguments as
        for `critic_loss`."""
        state = self.state
        _, log_prob = state.policy(time_steps).sample_action(draw_seed(state.generator))
        parameter = state.temperature.model.parameter
        rows = self._alpha_rows(parameter, state.alpha, log_prob, target=state.target_entropy)
        return tf.reduce_mean(objective.total_loss(rows, weights, []))

    def _initialize(self) -> None:
        """Copies the critics to the target critics."""
        critics = self.state.critics
        pairs = zip(critics.target.variables, critics.model.variables, strict=True)
        for target, variable in pairs:
            target.assign(variable)

    def _train(self, experience: Any, weights: tf.Tensor | None = None) -> tf_agent.LossInfo:
        state = self.state
        time_steps, policy_steps, next_time_steps = self._as_transition(experience)
        weights = objective.row_weights(time_steps, weights)
        batch = objective.core_batch(
            time_steps, policy_steps.action, next_time_steps, reward_scale=self._reward_scale_factor
        )
        critic_metrics, _ = steps.critic_step(
            state,
            batch,
            **self._target_rule,
            loss=self._critic_rows(self._td_errors_loss_fn),
            minimize=self._minimizer(self._scales.critic_loss, weights, state.critics.model),
        )
        actor_metrics, log_prob = steps.actor_step(
            state,
            batch,
            minimize=self._minimizer(self._scales.actor_loss, weights, state.policy.network),
        )
        alpha_metrics = steps.alpha_step(
            state,
            batch,
            log_prob,
            loss=self._alpha_rows,
            minimize=self._minimizer(self._scales.alpha_loss, weights, None),
        )
        info = self._loss_info(
            critic=critic_metrics["critic_loss"],
            actor=actor_metrics["actor_loss"],
            alpha=alpha_metrics["alpha_loss"],
        )
        state.updates.assign_add(1)
        self.train_step_counter.assign_add(1)
        return info

    def _minimizer(self, scale: float, weights: tf.Tensor, regularized: Any) -> objective.Minimizer:
        return objective.Minimizer(
            scale=scale,
            weights=weights,
            regularization=lambda: [] if regularized is None else regularized.losses,
            gradient_clipping=self._gradient_clipping,
            summarize=self.summarize_grads_and_vars,
            counter=self.train_step_counter,
        )

    def _loss(
        self, experience: Any, weights: tf.Tensor | None = None, training: bool = False
    ) -> tf_agent.LossInfo:
        time_steps, policy_steps, next_time_steps = self._as_transition(experience)
        weights = objective.row_weights(time_steps, weights)
        critic = self.critic_loss(
            time_steps,
            policy_steps.action,
            next_time_steps,
            td_errors_loss_fn=self._td_errors_loss_fn,
            gamma=self.state.discount,
            reward_scale_factor=self._reward_scale_factor,
            weights=weights,
            training=training,
        )
        actor = self.actor_loss(time_steps, weights, training=training)
        alpha = self.alpha_loss(time_steps, weights, training=training)
        return self._loss_info(
            critic=self._scales.critic_loss * critic,
            actor=self._scales.actor_loss * actor,
            alpha=self._scales.alpha_loss * alpha,
        )

    def _loss_info(
        self, critic: tf.Tensor, actor: tf.Tensor, alpha: tf.Tensor
    ) -> tf_agent.LossInfo:
        extra = SacLossInfo(critic, actor, alpha)
        for name, value in extra._asdict().items():
            tf.summary.scalar(f"Losses/{name}", value, step=self.train_step_counter)
        return tf_agent.LossInfo(loss=critic + actor + alpha, extra=extra)

    def _critic_rows(
        self, td_errors_loss_fn: objective.LossFn
    ) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Returns the loss for the core's critic step: (Q values [N, B], target [B]) -> [B], summed
        over the critics."""

        def rows(q: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
            self._summarize(td_errors=target - q, td_targets=target, pred_td_targets=q)
            return tf.add_n([td_errors_loss_fn(target, member) for member in tf.unstack(q)])

        return rows

    def _alpha_rows(
        self, log_alpha: tf.Tensor, alpha: tf.Tensor, log_prob: tf.Tensor, target: float
    ) -> tf.Tensor:
        """Returns the loss for the core's alpha step, [B]."""
        self._summarize(log_pi=log_prob, entropy_diff=-log_prob - target, log_alpha=log_alpha)
        loss = losses.log_alpha_loss if self._use_log_alpha else losses.alpha_loss
        return loss(log_alpha, alpha, log_prob, target)

    def _summarize(self, **values: tf.Tensor) -> None:
        if self.debug_summaries:
            objective.write_summaries(values, self.train_step_counter)
