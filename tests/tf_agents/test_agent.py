"""The TF-Agents agent: defaults, specs, row weights, episode boundaries, updates, errors, gin."""

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.agents.ddpg.critic_rnn_network import CriticRnnNetwork
from tf_agents.networks.actor_distribution_rnn_network import ActorDistributionRnnNetwork
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step as ts
from tf_agents.trajectories import trajectory

from sac_tf.agents.sac.state import SacState
from sac_tf.tf_agents import SacAgent
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.train import Training  # noqa: F401 (registers gin names)
from tests.tf_agents.making import ACTION, OBSERVATION, TIME_STEP, make


def copies(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def assert_equal(before, after):
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_specs_are_enough(agent, experience):
    assert isinstance(agent, tf_agent.TFAgent)
    assert isinstance(agent.state, SacState)
    state = agent.state
    networks = (state.critics.model, state.policy.network, state.critics.target)
    before = [copies(network.variables) for network in networks]
    alpha = float(state.temperature.model.parameter)

    info = agent.train(experience())

    for network, old in zip(networks, before, strict=True):
        assert all(
            np.any(one != other) for one, other in zip(old, copies(network.variables), strict=True)
        )
    assert float(state.temperature.model.parameter) != alpha
    assert np.all(np.isfinite(info.extra))
    assert float(info.loss) == pytest.approx(sum(map(float, info.extra)), rel=1e-5)
    assert (int(agent.train_step_counter), int(state.updates)) == (1, 1)


def test_defaults_are_those_of_the_core(agent):
    assert agent._target_rule == {"tau": 0.005, "target_period": 1}
    assert agent.state.discount == 0.99
    assert agent.state.target_entropy == pytest.approx(-2 + 2 * np.log(1.25))
    layers = [
        layer for layer in agent.state.critics.model.model.layers if hasattr(layer, "members")
    ]
    assert [layer.units for layer in layers] == [256, 256, 1]


def test_the_global_seed_repeats_weights_and_training(experience):
    def trained(seed):
        agent = make()
        tf.random.set_seed(seed)
        agent = SacAgent(TIME_STEP, ACTION, train_step_counter=tf.Variable(0, dtype=tf.int64))
        agent.train(experience())
        return copies(agent.state.policy.network.variables)

    assert_equal(trained(3), trained(3))
    assert np.any(trained(3)[0] != trained(4)[0])


def test_trajectories_and_transitions_train_equally(experience):
    steps = tf.nest.map_structure(
        lambda leaf: tf.squeeze(leaf, 1), trajectory.to_transition(experience())
    )
    trained = []
    for given in (experience(), steps):
        agent = make()
        agent.train(given)
        trained.append(copies(agent.state.critics.model.variables))

    assert_equal(*trained)


def test_boundary_rows_never_train(experience):
    """Rows that join two episodes do not change the losses: the first eight rows sample the same
    actions with and without them."""
    spec = tensor_spec.BoundedTensorSpec([1], tf.float32, minimum=-2.0, maximum=0.5, name="action")
    clean = experience(spec, rows=8)
    joined = experience(spec, rows=4, seed=1)._replace(
        step_type=tf.constant([[2, 0]] * 4),
        next_step_type=tf.constant([[0, 1]] * 4),
        reward=tf.fill([4, 2], 1e6),
    )
    both = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), clean, joined)

    for method in ("loss", "train"):
        expected, found = (
            getattr(make(action_spec=spec), method)(given) for given in (clean, both)
        )
        np.testing.assert_allclose(found.extra, expected.extra, rtol=1e-5)


def test_a_batch_of_boundary_rows_trains_nothing(agent, experience):
    given = experience()._replace(step_type=tf.constant([[2, 0]] * 16))
    before = copies(agent.state.critics.model.variables + agent.state.policy.network.variables)

    info = agent.train(given)

    assert_equal(
        before, copies(agent.state.critics.model.variables + agent.state.policy.network.variables)
    )
    np.testing.assert_array_equal(info.extra, [0, 0, 0])


def test_rows_with_zero_weight_do_not_change_the_loss(experience):
    """As in TF-Agents, a row with weight 0 still counts in the denominator of the mean."""

    def critic_loss(rows, weights=None):
        return float(make().train(rows, weights=weights).extra.critic_loss)

    given = experience(rows=4)
    odd = given._replace(reward=tf.tensor_scatter_nd_update(given.reward, [[2, 0]], [1e6]))
    weights = tf.constant([1.0, 1.0, 0.0, 1.0])

    assert critic_loss(given, weights) == critic_loss(odd, weights)
    assert critic_loss(given, weights=2.0) == pytest.approx(2 * critic_loss(given))


def test_per_dimension_bounds_and_nested_specs():
    observation = {
        "position": tensor_spec.BoundedTensorSpec([2, 2], tf.float32, minimum=-1, maximum=1),
        "pixel": tensor_spec.BoundedTensorSpec([3], tf.uint8, minimum=0, maximum=2),
    }
    action = (
        tensor_spec.BoundedTensorSpec(
            [2], tf.float32, minimum=[-3.0, 0.0], maximum=[1.0, 0.1], name="legs"
        ),
        {"arm": tensor_spec.BoundedTensorSpec([], tf.float32, minimum=-1, maximum=4, name="arm")},
    )
    agent = make(time_step_spec=ts.time_step_spec(observation), action_spec=action)
    given = tensor_spec.sample_spec_nest(agent.collect_data_spec, outer_dims=(300, 2))
    given = given._replace(step_type=tf.ones([300, 2], tf.int32), reward=tf.ones([300, 2]))

    agent.train(given)
    first = tf.nest.map_structure(lambda leaf: leaf[:, 0], given)
    taken = agent.collect_policy.action(ts.restart(first.observation, 300)).action

    assert taken[0].shape == (300, 2) and taken[1]["arm"].shape == (300,)
    lowest = [np.min(taken[0], 0), np.min(taken[1]["arm"])]
    highest = [np.max(taken[0], 0), np.max(taken[1]["arm"])]
    assert np.all(lowest[0] >= [-3, 0]) and lowest[1] >= -1
    assert np.all(highest[0] <= [1, 0.1]) and highest[1] <= 4
    assert agent.state.target_entropy == pytest.approx(-3 + np.log(2 * 0.05 * 2.5))


def test_density_is_in_units_of_the_bounds(agent):
    """The integral of pi(a|s) over the box is 1 only if log pi has the log|scale| term."""
    step = ts.restart(tf.ones([1, 3]), 1)
    axis = np.linspace(-2 + 0.005, 0.5 - 0.005, 250)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.exp(agent.policy.distribution(step).action.log_prob(grid.astype(np.float32)))

    assert density.mean() * 2.5**2 == pytest.approx(1, abs=0.02)


def test_recurrent_networks_of_tf_agents_train():
    networks = {
        "actor_network": ActorDistributionRnnNetwork(
            OBSERVATION,
            ACTION,
            input_fc_layer_params=(4,),
            output_fc_layer_params=(4,),
            lstm_size=(4,),
        ),
        "critic_network": CriticRnnNetwork((OBSERVATION, ACTION), lstm_size=(4,)),
    }
    agent = make(**networks)
    given = tensor_spec.sample_spec_nest(agent.collect_data_spec, outer_dims=(3, 5))
    ones = tf.ones([3, 5])
    given = given._replace(
        step_type=tf.cast(ones, tf.int32), reward=ones, observation=tf.ones([3, 5, 3])
    )
    before = copies(agent.state.critics.model.trainable_variables)

    assert agent.train_sequence_length is None
    assert np.isfinite(agent.train(given).loss)
    assert np.any(before[0] != agent.state.critics.model.trainable_variables[0].numpy())


def test_initialize_copies_the_critics(networks):
    agent = make(**networks())
    agent.initialize()

    assert_equal(
        copies(agent.state.critics.model.variables), copies(agent.state.critics.target.variables)
    )


def test_targets_move_every_second_step(experience):
    agent = make(target_update_period=2, target_update_tau=1.0)
    moved = []
    for seed in range(4):
        before = copies(agent.state.critics.target.variables)
        agent.train(experience(seed=seed))
        moved.append(bool(np.any(before[0] != agent.state.critics.target.variables[0].numpy())))

    assert moved == [False, True, False, True]


def test_regularization_of_given_networks_is_added(networks):
    def critic_loss(agent):
        tf.random.set_seed(0)
        step = ts.restart(tf.ones([2, 3]), 2)
        actions = tf.zeros([2, 2])
        loss = tf.math.squared_difference
        return float(agent.critic_loss(step, actions, step, td_errors_loss_fn=loss))

    plain = make(**networks())
    given = networks()
    given["critic_network"].add_loss(lambda: tf.constant(3.0))
    regularized = make(**given)

    assert critic_loss(regularized) - critic_loss(plain) == pytest.approx(3, abs=1e-4)


def test_summaries_are_written(tmp_path, experience):
    agent = make(debug_summaries=True, summarize_grads_and_vars=True)
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        agent.train(experience())
    (events,) = tmp_path.iterdir()
    tags = {
        value.tag
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }

    assert {
        "Losses/critic_loss",
        "Losses/actor_loss",
        "Losses/alpha_loss",
        "td_errors/mean",
        "log_pi/std",
    } <= tags
    assert any("grad" in tag for tag in tags)


def test_a_loss_that_is_not_finite_raises(agent, experience):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        agent.train(experience()._replace(reward=tf.fill([16, 2], np.nan)))


def test_gin_names_do_not_conflict_with_those_of_tf_agents():
    """A process that has imported both libraries, as this one, can parse the shipped files."""
    gin.parse_config_file("gin_configs/tasks/pendulum.gin")
    assert gin.query_parameter("train.environment") == "Pendulum-v1"
    gin.parse_config("train.log = @RunLog\ntrain.evaluator = @Evaluator")
    assert gin.query_parameter("train.evaluator").configurable.wrapped is Evaluator


def test_gin_configures_the_agent():
    gin.parse_config("sac_tf.tf_agents.SacAgent.gamma = 0.5")
    try:
        configured = gin.get_configurable("sac_tf.tf_agents.SacAgent")
        assert configured(TIME_STEP, ACTION).state.discount == 0.5
    finally:
        gin.clear_config()
