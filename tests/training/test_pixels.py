"""Whole runs on images, configured by the shipped gin file."""

import numpy as np
import pytest

import sac_tf
from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.replay.columns import ColumnPacker
from tests.binaries.running import call_program
from tests.training.left_behind import final_state, killed, last_metrics, read_rows
from tests.training.small_runs import small_training

DRQ = "gin_configs/drq.gin"
SERL = "gin_configs/serl_pixels.gin"
SMALL_ENCODER = [
    "drq_convolutions.filters = (8, 16, 16)",
    "drq_convolutions.strides = (2, 2, 2)",
    "random_shift.pixels = 2",
]


def _train(root, *bindings, task="Reacher", files=(DRQ,), **settings):
    training = small_training(
        *(SMALL_ENCODER if DRQ in files else ()),
        *bindings,
        files=files,
        environment=f"tests.pixel_tasks:{task}",
        **settings,
    )
    return training.run(str(root))


def test_the_reacher_is_learned_from_images(tmp_path, without_export):
    """A random policy gets -21.3, the best one -2.37, and -4.2 is 90% of the way."""
    _train(
        tmp_path,
        "drq_convolutions.filters = (16, 16)",
        "drq_convolutions.strides = (2, 1)",
        "drq_convolutions.pooling = @spatial_softmax",
        "actor.hidden_units = (64, 64)",
        "critic.hidden_units = (64, 64)",
        "critic.torso = @layer_norm_torso",
        "critic_step.tau = 0.02",
        "train.updates_per_step = 2",
        "Evaluator.episodes = 50",
        total_steps=5000,
        random_steps=300,
        evaluation_period=1000,
        checkpoint_period=5000,
        batch_size=64,
        discount=0.8,
    )
    names, *rows = read_rows(tmp_path)
    returns = [float(row[names.index("return_mean")]) for row in rows]
    assert max(returns) >= -4.2, returns


def test_two_cameras_and_a_vector_train_resume_and_serve(tmp_path):
    """A run of SERL resumes bit for bit, and both export formats take what the task returns."""
    bindings = (
        "serl_convolutions.filters = (8, 8, 16)",
        "critic.ensemble_size = 3",
        "sac_steps.critic_steps_per_actor_step = 1",
    )
    files = (SERL, "gin_configs/normalized.gin", "gin_configs/n_step.gin")
    settings = {"task": "TwoCameras", "files": files, "num_environments": 2, "total_steps": 160}
    _train(tmp_path / "whole", *bindings, checkpoint_period=120, **settings)
    resumed = killed(tmp_path / "whole", tmp_path / "resumed")
    _train(resumed, *bindings, checkpoint_period=120, **settings)
    assert read_rows(tmp_path / "whole") == read_rows(resumed)
    assert final_state(tmp_path / "whole") == final_state(resumed)
    lite = tmp_path / "lite"
    code, _, err = call_program(
        "export_policy", f"--root_dir={resumed}", f"--export_dir={lite}", "--format=tflite"
    )
    assert code == 0, err
    policies = [sac_tf.load_policy(path) for path in (resumed / "policy", lite, resumed)]
    environment = EnvironmentFactory("tests.pixel_tasks:TwoCameras")._make_one({}, ())
    observation, _ = environment.reset(seed=0)
    first, second, of_checkpoint = (policy(observation) for policy in policies)
    np.testing.assert_allclose(first, second, atol=1e-5)
    np.testing.assert_allclose(first, of_checkpoint, atol=1e-5)
    for key, array in observation.items():
        other = policies[0]({**observation, key: np.zeros_like(array)})
        assert np.abs(other - first).max() > 1e-6


def test_prioritized_replay_has_images(tmp_path, without_export):
    _train(tmp_path, files=(DRQ, "gin_configs/per.gin"), total_steps=200, random_steps=100)
    assert float(last_metrics(tmp_path)["critic_loss"]) > 0


def test_a_frame_is_stored_once_in_bytes():
    """32 x 32 x 3 bytes and five numbers: two actions, reward, discount, end."""
    factory = EnvironmentFactory("tests.pixel_tasks:Reacher", frame_stack=3)
    spec = factory.spec()
    assert spec.observation.shape == (32, 32, 9) and spec.observation.dtype == "uint8"
    assert ColumnPacker(spec).row_bytes == 32 * 32 * 3 + 5 * 4


@pytest.mark.parametrize(
    ("task", "files", "message"),
    [
        ("ChannelsFirst", (DRQ,), r"of the shape \[3, 32, 32\], which is not \[height, width"),
        ("StackFirst", (DRQ,), r"of the shape \[9, 32, 32\], which is not \[height, width"),
        ("FloatImages", (DRQ,), r"takes images of uint8, and the .* has observation float32 \[32"),
        ("Reacher", (), "has an image .*, which needs an encoder; use gin_configs/drq.gin, or"),
    ],
)
def test_images_that_cannot_be_learned_from_are_one_sentence(tmp_path, task, files, message):
    training = small_training(files=files, environment=f"tests.pixel_tasks:{task}")
    with pytest.raises(ConfigurationError, match=message):
        training.run(str(tmp_path))


def test_images_of_numbers_are_converted_by_a_wrapper():
    """The remedy of the sentence that refuses them."""
    wrappers = ["tests.pixel_tasks:bytes_of"]
    converted = EnvironmentFactory("tests.pixel_tasks:FloatImages", wrappers=wrappers).make()
    expected = EnvironmentFactory("tests.pixel_tasks:Reacher").make()
    np.testing.assert_array_equal(converted.reset(seed=0), expected.reset(seed=0))
    assert converted.spec.observation_leaves == expected.spec.observation_leaves


@pytest.mark.parametrize(
    ("scale", "words"),
    [(1 / 255, "float64 numbers from 0 to 1"), (2, "int64 numbers from 0 to 510")],
)
def test_images_with_other_numbers_than_their_space_are_refused(scale, words):
    factory = EnvironmentFactory("tests.pixel_tasks:Untrue", arguments={"scale": scale})
    with pytest.raises(RunError, match=f"observation with {words}, and its .* says uint8; return"):
        environment = factory.make()
        environment.reset(seed=0)
        environment.step(np.ones((1, 2), np.float32))
