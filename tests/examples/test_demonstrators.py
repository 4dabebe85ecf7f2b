"""The scripted demonstrators solve their tasks."""

import gymnasium

from examples import demonstrators


def _returns(task, demonstrator, episodes):
    environment = gymnasium.make(task)
    for seed in range(episodes):
        observation, info = environment.reset(seed=seed)
        act = demonstrator(environment)
        total, has_ended = 0.0, False
        while not has_ended:
            observation, reward, terminated, truncated, info = environment.step(act(observation))
            total += reward
            has_ended = terminated or truncated
        yield total, info


def test_the_arm_reaches_every_goal():
    task = "gymnasium_robotics:FetchReach-v4"
    played = list(_returns(task, demonstrators.fetch_reach, 5))
    assert all(total > -6 and info["is_success"] for total, info in played)


def test_the_tip_reaches_its_target():
    """A random policy gets about -40."""
    returns = [total for total, _ in _returns("Reacher-v5", demonstrators.reacher, 5)]
    assert sum(returns) / 5 > -8


def test_the_pendulum_is_swung_up():
    """A random policy gets -1200, a trained one about -150."""
    returns = [total for total, _ in _returns("Pendulum-v1", demonstrators.pendulum, 10)]
    assert sum(returns) / 10 > -200
