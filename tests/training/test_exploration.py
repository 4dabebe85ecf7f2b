"""Exploration: the actions of each kind, by hand and by distribution; resumed runs."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.policy import Policy, make_policy
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.distributions import SquashedGaussian
from sac_tf.seeds import draw_seed
from sac_tf.training.exploration import noisy, partly_random, repeated_noise, sampled
from tests.training.left_behind import final_state, killed
from tests.training.small_runs import small_training


def _network(inputs, training=False):
    """loc is the first two numbers of the observation, and the standard deviation 2."""
    (observation,) = inputs
    loc = observation[:, :2]
    return loc, tf.fill(tf.shape(loc), np.log(np.float32(2)))


GAUSSIAN = Policy(_network, SquashedGaussian)


def _generator(seed=3):
    return tf.random.Generator.from_seed(seed)


def _actions(exploration, environments, steps):
    """Returns actions [steps, environments, 2] at observations of zeros."""
    observation = np.zeros((environments, 3), np.float32)
    return np.stack([exploration.act(observation) for _ in range(steps)])


def _lengths(column):
    """Returns the lengths of the runs of equal values, without the last one, which may go beyond
    the end."""
    ends = np.flatnonzero(np.diff(column)) + 1
    return np.diff([0, *ends])


def test_sampled_actions_are_those_of_the_policy(spec):
    policy = make_policy(spec, 0, network=functools.partial(make_actor, hidden_units=(8,)))
    observation = np.float32([[1, 2, 3], [4, 5, 6]])
    found = sampled(policy, _generator(), spec, 2).act(observation)
    expected = policy.distribution(observation).sample(seed=draw_seed(_generator()))
    np.testing.assert_array_equal(found, expected)
    action, extras = policy.sample(observation, draw_seed(_generator()))
    np.testing.assert_array_equal(action, expected)
    log_prob = policy.distribution(observation).log_prob(expected)
    np.testing.assert_allclose(extras["log_prob"], log_prob, rtol=1e-4)


def test_noisy_actions_are_the_mean_plus_noise_within_the_bounds(spec):
    policy = SimpleNamespace(mean_action=lambda observation: observation[:, :2])
    noise = tf.random.stateless_normal([2, 2], draw_seed(_generator()))
    observation = np.float32([[0.5, -0.2, 9], [0.95, -1.0, 9]])
    found = noisy(policy, _generator(), spec, 2, std=0.3).act(observation)
    np.testing.assert_allclose(found, np.clip(observation[:, :2] + 0.3 * noise, -1, 1), rtol=1e-6)
    actions = _actions(noisy(policy, _generator(), spec, 500, std=0.1), 500, steps=10)
    assert actions.std() == pytest.approx(0.1, rel=0.05) and abs(actions.mean()) < 0.005


def test_some_actions_are_uniform_and_others_of_the_policy(spec):
    """Actions of the policy are within 0.1 of 0.5; so is one in a hundred uniform ones."""
    policy = SimpleNamespace(
        sample=lambda observation, seed: (
            tf.random.stateless_uniform([1000, 2], seed, 0.4, 0.6),
            {},
        )
    )
    exploration = partly_random(policy, _generator(), spec, 1000, probability=0.3)
    actions = _actions(exploration, 1000, steps=10).reshape(-1, 2)
    uniform = actions[(np.abs(actions - 0.5) > 0.1001).any(axis=1)]
    assert len(uniform) / len(actions) == pytest.approx(0.3 * 0.99, abs=0.02)
    assert abs(uniform.mean()) < 0.03 and uniform.std() == pytest.approx(3**-0.5, rel=0.03)


def test_repeated_noise_is_kept_and_the_mean_follows_the_state(spec):
    """a = tanh(loc + 2 noise), with the same noise at two states."""
    exploration = repeated_noise(GAUSSIAN, _generator(), spec, 1, exponent=0, longest=2)
    states = np.float32([[[0.1 * step, -0.1 * step, 0]] for step in range(40)])
    noise = [(np.arctanh(exploration.act(state)[0]) - state[0, :2]) / 2 for state in states]
    changes = np.abs(np.diff(noise, axis=0)).max(axis=1) > 1e-3
    assert set(_lengths(np.cumsum(np.r_[0, changes]))) == {1, 2}


def test_n_is_distributed_as_a_power_of_n(spec):
    """Each environment has its own noise and its own n; P(1) = 0.63 with exponent 2 up to 16."""
    actions = _actions(repeated_noise(GAUSSIAN, _generator(), spec, 40), 40, steps=600)
    found = np.concatenate([_lengths(actions[:, number, 0]) for number in range(40)])
    weights = np.arange(1, 17.0) ** -2
    expected = len(found) * weights / weights.sum()
    counts = np.bincount(found, minlength=17)[1:]
    assert len(counts) == 16 and counts[0] / len(found) == pytest.approx(0.63, abs=0.02)
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert chi_square < 37.7  # 0.1% of 15 degrees of freedom
    noise = np.arctanh(np.clip(actions, -1 + 1e-6, 1 - 1e-6)) / 2
    assert noise.std() == pytest.approx(1, rel=0.05)
    assert (actions[0, 0] != actions[0, 1]).all()


def test_begin_draws_new_noise(spec):
    exploration = repeated_noise(GAUSSIAN, _generator(), spec, 3, exponent=0, longest=1000)
    before = _actions(exploration, 3, steps=2)
    np.testing.assert_array_equal(before[0], before[1])
    exploration.begin()
    assert (_actions(exploration, 3, steps=1)[0] != before[0]).all()


def test_noise_kept_for_one_step_is_new_in_each_step(spec):
    actions = _actions(repeated_noise(GAUSSIAN, _generator(), spec, 2, longest=1), 2, steps=20)
    assert (np.diff(actions, axis=0) != 0).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (functools.partial(noisy, std=-1.0), "noisy.std must be a number of at least 0"),
        (functools.partial(partly_random, probability=1.5), "partly_random.probability must be"),
        (functools.partial(repeated_noise, longest=0), "repeated_noise.longest must be"),
        (functools.partial(repeated_noise, exponent=-1), "repeated_noise.exponent must be"),
    ],
)
def test_numbers_out_of_range_are_refused(spec, make, words):
    with pytest.raises(ConfigurationError, match=words):
        make(GAUSSIAN, _generator(), spec, 1)


def test_a_policy_without_gaussian_noise_is_refused(spec):
    policy = Policy(_network, lambda *_: SimpleNamespace())
    with pytest.raises(ConfigurationError, match="@repeated_noise needs a policy with Gaussian"):
        repeated_noise(policy, _generator(), spec, 1)


@pytest.mark.parametrize("kind", ["noisy", "repeated_noise"])
def test_a_resumed_run_explores_as_an_uninterrupted_one(tmp_path, without_export, kind):
    def run(root):
        settings = {"num_environments": 2, "total_steps": 240, "random_steps": 40}
        small_training(
            f"train.exploration = @{kind}",
            "Evaluator.episodes = 0",
            environment="tests.tasks:UnevenEnds-v0",
            checkpoint_period=80,
            **settings,
        ).run(str(root))

    run(tmp_path / "whole")
    killed(tmp_path / "whole", tmp_path / "resumed")
    assert list((tmp_path / "resumed/checkpoints").glob("step-*"))
    run(tmp_path / "resumed")
    assert final_state(tmp_path / "whole") == final_state(tmp_path / "resumed")
