"""Stacks of images in the replay: those that the actor has seen, at every step."""

import itertools

import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import Uniform
from sac_tf.replay.windows import Windows
from sac_tf.training.collecting import collect
from tests.sources import sample_rows

STEPS = 150
KEPT = 70


def _rows(transition):
    """Returns {action: (stack, stack after it)} of the rows of transitions, in bytes."""
    arrays = (np.float32(transition.action), transition.observation, transition.next_observation)
    rows = zip(*map(np.asarray, arrays), strict=True)
    return {a.tobytes(): (o.tobytes(), n.tobytes()) for a, o, n in rows}


@pytest.mark.parametrize("sampler", [ResidentSampler, ReverbSampler])
def test_a_sampled_stack_is_the_one_that_was_seen(open_replay, sampler):
    """Two environments, ends of episodes every 20 steps, and more steps than are kept."""
    environment = EnvironmentFactory("tests.pixel_tasks:Reacher", frame_stack=3).make(2)
    windows = Windows(environment.spec, 0.9, None)
    assert set(windows.columns.widths) == {"float32", "uint8"}
    replay = open_replay(windows, 2, sampler, Uniform, capacity=KEPT)
    generator = np.random.default_rng(0)
    seen = {}
    stream = collect(environment, lambda _: generator.uniform(-1, 1, (2, 2)), seed=0)
    for transition, episodes in itertools.islice(stream, STEPS // 2):
        replay.add(transition, 1, [episode.environment for episode in episodes])
        seen |= _rows(transition)
    replay.publish()
    found = _rows(sample_rows(replay, 500))
    assert len(seen) == STEPS and 20 < len(found) < STEPS
    assert all(seen[action] == stacks for action, stacks in found.items())
    stacks = [np.frombuffer(first, np.uint8).reshape(-1, 3, 3) for first, _ in found.values()]
    repeated = [np.array_equal(stack[:, 0], stack[:, 2]) for stack in stacks]
    assert 0 < sum(repeated) < len(repeated) / 2  # at the beginning of an episode
