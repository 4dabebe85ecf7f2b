"""Frame stacks: what is observed, stored once, learned from, exported and refused."""

import itertools

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.environments.frames import stack_frames
from sac_tf.errors import ConfigurationError
from sac_tf.replay.replay import Replay
from sac_tf.replay.windows import Windows
from sac_tf.serving.loading import load
from sac_tf.training.collecting import collect
from tests.sources import sample_rows
from tests.toy import Counter
from tests.training.left_behind import final_state, last_checkpoint, saved_rows
from tests.training.small_runs import small_training


def test_the_first_observation_is_repeated():
    """`Counter` observes (episode, step)."""
    environment = EnvironmentFactory("tests.toy:Counter-v0", frame_stack=3).make()
    assert environment.spec.observation.shape == (6,)
    stream = collect(environment, lambda _: np.zeros((1, 1)), seed=0)
    seen = [transition for transition, _ in itertools.islice(stream, 6)]
    np.testing.assert_array_equal(
        [transition.observation[0] for transition in seen],
        [
            [1, 0, 1, 0, 1, 0],
            [1, 0, 1, 0, 1, 1],
            [1, 0, 1, 1, 1, 2],
            [1, 1, 1, 2, 1, 3],
            [1, 2, 1, 3, 1, 4],
            [2, 0, 2, 0, 2, 0],
        ],
    )
    np.testing.assert_array_equal(seen[4].next_observation, [[1, 3, 1, 4, 1, 5]])


def test_frames_of_a_reused_buffer_stay_as_they_were():
    environment = EnvironmentFactory("tests.tasks:ReusedBuffer-v0", frame_stack=3).make()
    np.testing.assert_array_equal(environment.reset(seed=0) % 100, [[0, 0, 0]])
    steps = [environment.step(np.zeros((1, 1), np.float32)) for _ in range(3)]
    seen = [step.successor[0] % 100 for step in steps]
    np.testing.assert_array_equal(seen, [[0, 0, 1], [0, 1, 2], [1, 2, 3]])


def test_images_are_joined_along_their_channels():
    wrapped = image(Counter())
    stacked = stack_frames("Counter", wrapped, 2)
    assert stacked.observation_space.shape == (4, 5, 6)
    assert stacked.observation_space.dtype == np.uint8
    stacked.reset(seed=0)
    observation = stacked.step(np.float32([0]))[0]
    assert observation.dtype == np.uint8 and observation.shape == (4, 5, 6)
    np.testing.assert_array_equal(observation[..., :3], 0)
    np.testing.assert_array_equal(observation[..., 3:], 1)


def image(environment):
    """Observes the step as an image of 4 by 5 pixels with three channels."""
    return gymnasium.wrappers.TransformObservation(
        environment,
        lambda observation: np.full((4, 5, 3), observation[1], np.uint8),
        gymnasium.spaces.Box(0, 255, (4, 5, 3), np.uint8),
    )


@pytest.mark.parametrize(("num_environments", "n"), [(1, 1), (3, 3)])
def test_each_frame_is_stored_once_and_stacked_again(tmp_path, num_environments, n):
    """A nested observation of two numbers, three frames, from environments with episodes of 5."""
    factory = EnvironmentFactory("tests.toy:Nested-v0", frame_stack=3)
    environment = factory.make(num_environments)
    windows = Windows(environment.spec, 0.5, None, n=n)
    assert windows.columns.widths == {"float32": 2 + 1 + 3}
    replay = Replay(
        windows,
        num_environments,
        tf.random.Generator.from_seed(0),
        tmp_path / "staging",
        expected_steps=1000,
        restore_from=None,
    )
    stream = collect(environment, lambda _: np.zeros((num_environments, 1)), seed=0)
    stacks = set()
    for transition, episodes in itertools.islice(stream, 40):
        replay.add(transition, 1, [episode.environment for episode in episodes])
        stacks |= set(_stacks(transition.observation)) | set(_stacks(transition.next_observation))
    replay.publish()
    batch = sample_rows(replay, 500)
    firsts = set(_stacks(batch.observation))
    assert firsts <= stacks and set(_stacks(batch.next_observation)) <= stacks
    assert len(firsts) == 40 // 5 * 5
    for before, after in zip(
        _stacks(batch.observation), _stacks(batch.next_observation), strict=True
    ):
        assert after[2][0] == min(before[2][0] + n, 5)
    replay.close()


def _stacks(observation):
    """Returns ((step, episode), ...) of each row, oldest frame first."""
    steps = np.asarray(observation["b"]).astype(int)
    episodes = np.asarray(observation["a"]["c"])[:, 0].astype(int)
    return [
        tuple(zip(step.tolist(), episode.tolist(), strict=True))
        for step, episode in zip(steps, episodes, strict=True)
    ]


def test_a_run_with_stacks_learns_resumes_and_exports(tmp_path):
    """A resumed run has the bytes of an uninterrupted one; the policy takes the stack."""
    for root, totals in (("whole", (400,)), ("parts", (200, 400))):
        for total_steps in totals:
            small_training(
                "environment.frame_stack = 3",
                "environment.max_episode_steps = 40",
                environment="Pendulum-v1",
                total_steps=total_steps,
            ).run(str(tmp_path / root))
    assert final_state(tmp_path / "whole") == final_state(tmp_path / "parts")
    rows = saved_rows(last_checkpoint(tmp_path / "whole"))
    assert {episode.shape for episode in rows} == {(41, 3 + 1 + 3)} and len(rows) == 10
    act = load(tmp_path / "whole" / "policy").act
    newest = [act(np.float32([[1, 0, 0, 1, 0, 0, 1, 0, speed]])) for speed in (1, 2)]
    assert newest[0].shape == (1, 1) and newest[0] != newest[1]


@pytest.mark.parametrize(
    ("task", "frames", "words"),
    [
        ("tests.toy:Counter-v0", 0, "environment.frame_stack must be an integer of at least 1"),
        ("tests.spaces:Category-v0", 2, "environment.frame_stack=2 needs .* observes Discrete"),
    ],
)
def test_stacks_that_cannot_be_made_are_refused(task, frames, words):
    with pytest.raises(ConfigurationError, match=words):
        EnvironmentFactory(task, frame_stack=frames).make()
