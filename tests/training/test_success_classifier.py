"""`binaries.train_classifier`: the threshold, the folder, and training on its reward."""

import json

import gymnasium
import numpy as np
import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.environments.success_reward import SuccessReward
from sac_tf.errors import ConfigurationError
from sac_tf.runs import gin_files
from sac_tf.training import train_classifier
from sac_tf.training.train import Training
from sac_tf.training.train_classifier import ClassifierSettings, Quality
from tests.binaries.running import call_program
from tests.minari_data import play, write
from tests.training.left_behind import last_checkpoint, saved_steps
from tests.training.small_runs import small_training

REACHING = "tests.tasks:Reaching-v0"
BINDINGS = [
    f"train.environment = '{REACHING}'",
    "train_classifier.positives = 'point/held-v0'",
    "train_classifier.negatives = 'point/lost-v0'",
    "train_classifier.final_steps = 2",
    "train_classifier.updates = 150",
    "train_classifier.batch_size = 64",
    "train_classifier.false_positive_rate = 0.0",
    "classifier.hidden_units = (32,)",
    "classifier/adam.learning_rate = 0.02",
]


def _train(output, *bindings):
    flags = [f"--gin_bindings={binding}" for binding in [*BINDINGS, *bindings]]
    return call_program("train_classifier", f"--output={output}", *flags)


def _toward(observation):
    return np.clip(-10 * observation[:1], -1, 1)


def _away(observation):
    return np.where(observation[:1] < 0, -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def datasets(minari_store):
    """Ten episodes that end with the first number at 0, and ten in which it is 0.5 or more."""
    environment = gymnasium.make(REACHING)
    write("point/held-v0", play(environment, 10, act=_toward), environment)
    lost = play(environment, 10, act=_away)
    for episode in lost:
        episode.observations[:, 0] += np.where(episode.observations[:, 0] < 0, -0.5, 0.5)
    write("point/lost-v0", lost, environment)
    write("point/one-v0", lost[:1], environment)


@pytest.fixture(scope="module")
def classifier(datasets, tmp_path_factory):
    """Folder of a classifier, and what the program printed."""
    folder = tmp_path_factory.mktemp("classifiers") / "point"
    code, out, err = _train(folder)
    assert code == 0, err
    return folder, out


def test_the_threshold_is_the_least_for_the_rate():
    """Of 10 failures 2 may be above it: the third largest is the threshold."""
    failures = np.array([0.9, 0.8, 0.7, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    successes = np.array([0.95, 0.85, 0.75, 0.7])
    quality = Quality.of(successes, failures, rate=0.2, least=0.5)
    assert quality == Quality(0.7, positives=4, negatives=10, true_positives=3, false_positives=2)
    assert (quality.precision, quality.recall) == (0.6, 0.75)
    strict = Quality.of(successes, failures, rate=0.0, least=0.5)
    assert strict == Quality(0.9, positives=4, negatives=10, true_positives=1, false_positives=0)
    assert Quality.of(successes, failures / 10, rate=0.0, least=0.5).threshold == 0.5


def test_the_folder_has_threshold_and_configuration(classifier):
    folder, out = classifier
    described = json.loads((folder / "classifier.json").read_text())
    # Two of ten episodes are held out: their two last steps, or all ten.
    assert (described["positives"], described["negatives"]) == (4, 20)
    assert described["precision"] == 1 and described["recall"] == 1
    assert "precision 1.000, recall 1.000" in out and "0 of 20 failures" in out
    assert "train_classifier.final_steps = 2" in (folder / "config.gin").read_text()


def _wrapped(folder, **arguments):
    return SuccessReward(gymnasium.make(REACHING), classifier=str(folder), **arguments)


def test_the_reward_is_that_of_the_classifier(classifier):
    environment = _wrapped(classifier[0])
    seen = []
    for seed in range(20):
        environment.reset(seed=seed)
        observation, reward, terminated, truncated, info = environment.step(np.zeros(1, np.float32))
        if abs(observation[0]) < 0.2 or abs(observation[0]) > 0.6:  # between, there were no data
            assert reward == terminated == (abs(observation[0]) < 0.2) == info["classifier_success"]
            seen.append(reward)
        assert "is_success" in info and not truncated
    assert set(seen) == {0.0, 1.0}
    # Each probability is above this threshold.
    always = _wrapped(classifier[0], threshold=0.0)
    always.reset(seed=0)
    assert always.step(np.ones(1, np.float32))[1:3] == (1.0, True)


@pytest.mark.usefixtures("without_export")
def test_training_has_its_reward_and_evaluation_that_of_the_task(classifier, tmp_path):
    wrapper = (
        "sac_tf.environments.success_reward:SuccessReward",
        {"classifier": str(classifier[0])},
    )
    training = small_training(
        f"environment.training_wrappers = [{wrapper!r}]", environment=REACHING, total_steps=120
    )
    outcome = training.run(str(tmp_path))
    rewards = saved_steps(last_checkpoint(tmp_path))[:, -3]
    assert set(rewards) == {0.0, 1.0}
    assert outcome.evaluation.return_mean < 0
    in_training = small_training(
        f"environment.training_wrappers = [{wrapper!r}]",
        "Evaluator.in_training_environment = True",
        environment=REACHING,
    )
    with pytest.raises(ConfigurationError, match="would evaluate with environment.training_wrap"):
        in_training.run(str(tmp_path / "other"))


def test_an_interrupt_leaves_nothing(datasets, tmp_path):
    gin_files.read([], BINDINGS)
    output = tmp_path / "classifier"
    interrupted = iter([False, False, True])
    quality = train_classifier.run(
        output, Training(), ClassifierSettings(), lambda: next(interrupted)
    )
    assert quality is None and list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_at_once(datasets):
    code, _, err = _train("/dev/null/classifier", "train_classifier.updates = 1_000_000")
    assert code == 2 and "--output=/dev/null/classifier cannot be written" in err


@pytest.mark.parametrize(
    ("bindings", "code", "words"),
    [
        (["train_classifier.positives = 'no/such-v0'"], 2, "There is no data set no/such-v0"),
        (["train_classifier.negatives = 'point/one-v0'"], 2, "point/one-v0 has one episode; it"),
        (["train.environment = 'Pendulum-v1'"], 2, "point/held-v0 is not of Pendulum-v1: it has"),
        (["train_classifier.held_out = 1.0"], 2, "held_out must be a number above 0 and below 1"),
        (["train.total_steps = 9"], 2, "The binding of train.total_steps has no effect"),
        (
            ["train_classifier.positives = 'point/lost-v0'"],
            1,
            "The classifier cannot tell successes from failures (precision 0.000, recall 0.000",
        ),
    ],
)
def test_a_mistake_is_one_sentence(datasets, tmp_path, bindings, code, words):
    few = "train_classifier.updates = 2"
    found, out, err = _train(tmp_path / "classifier", few, *bindings)
    assert found == code and words in err.splitlines()[-1] and not out, err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_kept(classifier):
    code, _, err = _train(classifier[0])
    assert code == 2 and f"--output={classifier[0]} exists already; give another one." in err


@pytest.mark.parametrize(
    ("task", "folder", "words"),
    [
        ("tests.toy:Counter-v0", None, "is of another task: it takes observations"),
        (REACHING, "nowhere", "nowhere is not the folder of a classifier"),
    ],
)
def test_another_classifier_is_refused(classifier, task, folder, words):
    wrapper = (SuccessReward, {"classifier": folder or str(classifier[0])})
    with pytest.raises(ConfigurationError, match=words):
        EnvironmentFactory(task, training_wrappers=[wrapper]).make()
    EnvironmentFactory(task, training_wrappers=[wrapper]).make(is_evaluation=True).close()
