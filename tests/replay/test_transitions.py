"""Trajectory -> rows, as a table: what is stored at each kind of boundary."""

import numpy as np

from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment
from sac_tf.replay.transitions import to_transition
from sac_tf.training.collecting import Episode, collect
from sac_tf.types import Step


def test_discount_of_every_kind_of_step():
    step = Step(
        reward=np.float32([1, 2, 3, 4]),
        terminated=np.array([False, True, False, True]),
        truncated=np.array([False, False, True, True]),
        successor=np.float32([[1], [2], [3], [4]]),
        observation=np.float32([[1], [0], [0], [0]]),
    )
    transition = to_transition(np.zeros((4, 1)), np.zeros((4, 1)), step)
    np.testing.assert_array_equal(transition.discount, [1, 0, 1, 0])
    np.testing.assert_array_equal(transition.next_observation, step.successor)


def test_two_episodes_of_a_counting_environment():
    """The toy observes (episode, step); its first episode terminates at step 5, its second is cut there."""
    actions = iter(np.linspace(-1, 1, 11))
    stream = collect(GymnasiumEnvironment("tests.toy:Counter-v0"), lambda _: np.float32([[next(actions)]]), seed=0)
    rows, episodes = [], []
    for _ in range(10):
        transition, finished = next(stream)
        rows.append([*transition.observation[0], *transition.next_observation[0], transition.discount[0]])
        episodes += finished
    np.testing.assert_array_equal(
        rows,
        [
            [1, 0, 1, 1, 1],
            [1, 1, 1, 2, 1],
            [1, 2, 1, 3, 1],
            [1, 3, 1, 4, 1],
            [1, 4, 1, 5, 0],
            [2, 0, 2, 1, 1],
            [2, 1, 2, 2, 1],
            [2, 2, 2, 3, 1],
            [2, 3, 2, 4, 1],
            [2, 4, 2, 5, 1],
        ],
    )
    rewards = -0.75 + 1.25 * np.linspace(-1, 1, 11)
    assert [episode.length for episode in episodes] == [5, 5]
    np.testing.assert_allclose([e.total_reward for e in episodes], [rewards[:5].sum(), rewards[5:10].sum()], rtol=1e-5)


def test_copies_end_on_their_own():
    environment = GymnasiumEnvironment("tests.toy:Counter-v0", num_environments=2)
    finished = [f for _, (_, f) in zip(range(5), collect(environment, lambda _: np.zeros((2, 1)), 0), strict=False)]
    assert finished[:4] == [[], [], [], []]
    assert [(e.copy, e.length) for e in finished[4]] == [(0, 5), (1, 5)]
    assert isinstance(finished[4][0], Episode)
