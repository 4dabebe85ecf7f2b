"""The scripted interveners take over where nothing is gained, report it, and give back."""

import gymnasium
import numpy as np

from examples import interveners
from tests.pixel_tasks import Reacher

STILL = np.zeros(2, np.float32)


def test_the_disc_is_moved_when_it_stands_still():
    """After 3 steps without progress for 5 steps, and again 3 steps later; not at the goal."""
    environment = interveners.disc(Reacher())
    environment.reset(seed=0)
    task = environment.unwrapped
    task.position, task.goal = np.array([-1.0, -1.0]), np.array([1.0, 0.9])
    reported = []
    for _ in range(20):
        before = task.position.copy()
        *_, info = environment.step(STILL)
        action = info.get("intervene_action", STILL)
        np.testing.assert_allclose(task.position, np.clip(before + 0.2 * action, -1, 1))
        reported.append("intervene_action" in info)
    assert reported[:8] == [False] * 3 + [True] * 5
    assert reported[8:16] == [False] * 3 + [True] * 5 and info["is_success"]
    assert reported[16:] == [False] * 4


def test_the_arm_is_moved_to_its_goal():
    """An episode has 50 steps."""
    environment = gymnasium.make("gymnasium_robotics:FetchReach-v4")
    environment = interveners.fetch_reach(environment)
    environment.reset(seed=0)
    steps = [environment.step(np.zeros(4, np.float32)) for _ in range(50)]
    taken = sum("intervene_action" in step[4] for step in steps)
    assert 5 <= taken <= 25 and steps[-1][4]["is_success"]
