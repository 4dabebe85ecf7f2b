"""Whole runs on toy tasks, in this process."""

import dataclasses
import functools
import json
import os
import signal

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState
from sac_tf.agents.sac.steps import sac_steps
from sac_tf.agents.update import make_update
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.running_normalization import RunningNormalization
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.replay import Replay
from sac_tf.replay.rewards import RunningRewardScale
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.tables import make_tables
from sac_tf.runs.logs import RunLog
from sac_tf.training.evaluate import Evaluator
from sac_tf.training.learner import Learner
from sac_tf.training.train import Training
from tests.threads import count_threads
from tests.training.left_behind import final_state, read_rows

SMALL_STATE = functools.partial(
    TrainState,
    actor=functools.partial(make_actor, hidden_units=(16,)),
    critic=functools.partial(make_critic, hidden_units=(16,)),
)


def _training(
    environment="tests.toy:Counter-v0", updates_per_step=1.0, sampler=None, update=None, **settings
):
    learner = functools.partial(
        Learner,
        state=SMALL_STATE,
        update=functools.partial(make_update, batch_size=16, updates_per_call=2, **(update or {})),
        updates_per_step=updates_per_step,
    )
    if sampler is not None:
        learner = functools.partial(
            learner,
            replay=functools.partial(
                Replay, reader=functools.partial(BatchReader, sampler=sampler)
            ),
        )
    defaults = {
        "total_steps": 400,
        "random_steps": 100,
        "evaluation_period": 100,
        "checkpoint_period": 200,
    }
    return Training(
        environment,
        **(defaults | settings),
        learner=learner,
        evaluator=functools.partial(Evaluator, episodes=2),
        log=functools.partial(RunLog, period=100),
    )


def test_a_run_leaves_what_it_promises(tmp_path):
    outcome = _training().run(str(tmp_path))
    assert outcome.step == 400 and outcome.stopped_by is None and outcome.evaluation.episodes == 2
    assert [row[0] for row in read_rows(tmp_path)] == ["step", "100", "200", "300", "400"]
    metrics = read_rows(tmp_path, "metrics.csv")
    assert [row[0] for row in metrics] == ["step", "100", "200", "300", "400"]
    last = dict(zip(metrics[0], metrics[-1], strict=True))
    wanted = {
        "critic_loss",
        "actor_loss",
        "alpha_loss",
        "q_mean",
        "td_error",
        "entropy",
        "alpha",
        "replay_size",
    }
    assert wanted <= set(last) and all(np.isfinite(float(last[name])) for name in wanted)
    assert last["replay_size"] == "400" and float(last["alpha"]) != 1
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*")) == [
        "step-000000200",
        "step-000000400",
    ]
    assert list((tmp_path / "tensorboard").iterdir()) and (tmp_path / "config.gin").exists()


@pytest.mark.parametrize(
    ("updates_per_step", "num_environments", "updates"),
    [(1.0, 1, 300), (0.25, 1, 74), (5.0, 1, 1500), (1.0, 3, 300)],
)
def test_the_update_ratio_is_kept(tmp_path, updates_per_step, num_environments, updates):
    training = _training(
        updates_per_step=updates_per_step, num_environments=num_environments, evaluation_period=400
    )
    outcome = training.run(str(tmp_path))
    checkpoint = tf.train.load_checkpoint(
        str(tmp_path / f"checkpoints/step-{outcome.step:09d}/state")
    )
    assert (
        abs(int(checkpoint.get_tensor("state/updates/.ATTRIBUTES/VARIABLE_VALUE")) - updates) <= 2
    )
    rows = np.load(tmp_path / f"checkpoints/step-{outcome.step:09d}/replay/resident_rows.npy")
    assert len(rows) == outcome.step >= 400


def test_the_same_seed_gives_the_same_run_bit_for_bit(tmp_path):
    for name in ("first", "again"):
        _training("Pendulum-v1", total_steps=3000, random_steps=500, evaluation_period=1000).run(
            str(tmp_path / name)
        )
    _training("Pendulum-v1", total_steps=600, seed=1).run(str(tmp_path / "other"))
    assert read_rows(tmp_path / "first") == read_rows(tmp_path / "again")
    assert read_rows(tmp_path / "first", "metrics.csv") == read_rows(
        tmp_path / "again", "metrics.csv"
    )
    first, again, other = (final_state(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first.keys() == other.keys() and first != other


def test_a_run_that_was_cut_off_is_bit_for_bit_the_run_that_was_not(tmp_path):
    _training("Pendulum-v1", total_steps=600).run(str(tmp_path / "whole"))
    _training("Pendulum-v1", total_steps=400).run(str(tmp_path / "parts"))
    _training("Pendulum-v1", total_steps=600).run(str(tmp_path / "parts"))
    assert read_rows(tmp_path / "whole") == read_rows(tmp_path / "parts")
    assert final_state(tmp_path / "whole") == final_state(tmp_path / "parts")


def _normalized(**settings):
    """As `_training`, with observations and rewards normalised."""
    plain = _training("Pendulum-v1", **settings)
    settings = {"hidden_units": (16,), "normalization": RunningNormalization}
    networks = {
        "actor": functools.partial(make_actor, **settings),
        "critic": functools.partial(make_critic, **settings),
    }
    replay = functools.partial(
        Replay, reader=functools.partial(BatchReader, rewards=RunningRewardScale)
    )
    learner = functools.partial(
        plain.learner, state=functools.partial(TrainState, **networks), replay=replay
    )
    return dataclasses.replace(plain, learner=learner)


def test_a_normalized_run_goes_on_bit_for_bit_and_its_statistics_are_those_of_the_raw_rows(
    tmp_path,
):
    _normalized(total_steps=600).run(str(tmp_path / "whole"))
    _normalized(total_steps=400).run(str(tmp_path / "parts"))
    _normalized(total_steps=600).run(str(tmp_path / "parts"))
    assert read_rows(tmp_path / "whole") == read_rows(tmp_path / "parts")
    whole, parts = (tmp_path / name / "checkpoints/step-000000600" for name in ("whole", "parts"))
    scales = [
        (checkpoint / "replay/reward_scale.json").read_text() for checkpoint in (whole, parts)
    ]
    assert final_state(whole.parents[1]) == final_state(parts.parents[1]) and scales[0] == scales[1]
    rows = np.load(whole / "replay/resident_rows.npy")[:, :3].astype(np.float64)
    state = tf.train.load_checkpoint(str(whole / "state"))
    means, scales = (
        [n for n in state.get_variable_to_shape_map() if f"/{w}/0/" in n] for w in ("mean", "scale")
    )
    assert len(means) == len(scales) == 3  # actor, critics and target critics
    for mean, scale in zip(means, scales, strict=True):
        np.testing.assert_allclose(state.get_tensor(mean), rows.mean(0), rtol=1e-5)
        np.testing.assert_allclose(state.get_tensor(scale), 1 / rows.std(0), rtol=1e-5)
    assert json.loads((whole / "replay/reward_scale.json").read_text())["count"] == 600


def test_gin_wires_the_run_and_its_bindings_hold(tmp_path):
    """A fixed temperature, other networks, a fraction of the updates: all by bindings on top of the
    shipped files."""
    bindings = ["train.total_steps=600", "train.random_steps=200", "train.checkpoint_period=600"]
    bindings += [
        "sac_steps.alpha_step=None",
        "Temperature.initial_alpha=0.2",
        "critic.ensemble_size=3",
    ]
    bindings += [
        "actor.hidden_units=(16,)",
        "critic.hidden_units=(16,)",
        "learner.updates_per_step=0.5",
    ]
    bindings += [
        "make_update.batch_size=16",
        "make_update.updates_per_call=2",
        "adam.learning_rate=1e-3",
    ]
    bindings += ["RunLog.period=600", "critic_step.tau=1.0"]
    gin.parse_config_files_and_bindings(["gin_configs/tasks/pendulum.gin"], bindings)
    Training().run(str(tmp_path))
    names, row = read_rows(tmp_path, "metrics.csv")
    last = dict(zip(names, row, strict=True))
    assert float(last["alpha"]) == pytest.approx(0.2) and "alpha_loss" not in last
    state = tf.train.load_checkpoint(str(tmp_path / "checkpoints/step-000000600/state"))
    shapes = state.get_variable_to_shape_map()
    kernels = sorted(
        name
        for name, shape in shapes.items()
        if shape == [3 + 1, 16] and "OPTIMIZER_SLOT" not in name
    )
    assert (
        len(kernels) == 2 * 3
    )  # three critics and their targets; three observations and an action, sixteen units
    assert int(state.get_tensor("state/updates/.ATTRIBUTES/VARIABLE_VALUE")) == 200
    critics, targets = (
        [state.get_tensor(name) for name in part] for part in (kernels[:3], kernels[3:])
    )
    np.testing.assert_array_equal(critics, targets)  # tau = 1


def test_random_exploration_is_not_repeated(tmp_path, monkeypatch):
    _training(total_steps=200).run(str(tmp_path))
    monkeypatch.setattr("sac_tf.training.train.uniform_actions", lambda *_: pytest.fail)
    assert _training(total_steps=400).run(str(tmp_path)).step == 400


def test_a_complete_run_does_nothing_more(tmp_path):
    _training().run(str(tmp_path))
    before = final_state(tmp_path)
    outcome = _training().run(str(tmp_path))
    assert outcome.step == 400 and outcome.evaluation is None and final_state(tmp_path) == before


def test_a_run_leaves_no_threads_behind(tmp_path):
    _training().run(str(tmp_path / "first"))
    before = count_threads()
    _training().run(str(tmp_path / "second"))
    assert count_threads() < before + 10  # Reverb alone has about 40 for each run


def test_nested_observations_learn(tmp_path):
    assert _training("tests.toy:Nested-v0").run(str(tmp_path)).step == 400
    assert (
        float(
            dict(zip(*[read_rows(tmp_path, "metrics.csv")[i] for i in (0, -1)], strict=True))[
                "alpha"
            ]
        )
        != 1
    )


def test_sampling_straight_from_reverb(tmp_path):
    assert _training(sampler=ReverbSampler).run(str(tmp_path / "a")).step == 400
    assert _training(sampler=ReverbSampler, total_steps=600).run(str(tmp_path / "a")).step == 600
    assert not list((tmp_path / "a").rglob("resident_rows.npy"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_leaves(tmp_path, monkeypatch, number):
    learn = Learner.learn

    def learn_and_signal(self, step):
        if step == 250:
            os.kill(os.getpid(), number)
        return learn(self, step)

    monkeypatch.setattr(Learner, "learn", learn_and_signal)
    outcome = _training().run(str(tmp_path))
    assert outcome.stopped_by == number and outcome.step == 250
    assert (
        json.loads((tmp_path / "checkpoints/step-000000250/progress.json").read_text())["step"]
        == 250
    )
    monkeypatch.setattr(Learner, "learn", learn)
    assert _training().run(str(tmp_path)).step == 400


def test_a_nan_observation_stops_before_it_is_stored_and_nothing_is_lost(tmp_path):
    with pytest.raises(
        RunError, match=r"gave nan in next_observation at step 98; .* is in .*step-000000097"
    ) as caught:
        _training("tests.toy:Poisoned-v0").run(str(tmp_path))
    assert "\n" not in str(caught.value)
    rows = np.load(tmp_path / "checkpoints/step-000000097/replay/resident_rows.npy")
    assert len(rows) == 97 and np.isfinite(rows).all()


def test_a_loss_that_overflows_stops_and_is_kept_aside(tmp_path):
    with pytest.raises(
        RunError, match=r"critic_\w+ is (inf|nan) after update 2 at step 102.*diverged-000000102"
    ):
        _training("tests.toy:Steep-v0").run(str(tmp_path))
    assert (tmp_path / "checkpoints" / "diverged-000000102").is_dir()


def test_an_environment_that_breaks_loses_nothing(tmp_path, monkeypatch):
    from tests.toy import Counter

    step = Counter.step
    monkeypatch.setattr(
        Counter, "step", lambda self, a: step(self, a) if self._episode < 30 else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        _training().run(str(tmp_path))
    assert (tmp_path / "checkpoints/step-000000145").is_dir()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"total_steps": 0}, "train.total_steps must be an integer of at least 1, got 0"),
        ({"total_steps": 1e6}, "train.total_steps must be an integer of at least 1, got 1000000.0"),
        ({"random_steps": -1}, "train.random_steps must be an integer of at least 0, got -1"),
        ({"seed": "x"}, "train.seed must be an integer of at least 0, got 'x'"),
        ({"num_environments": 0}, "train.num_environments must be an integer of at least 1, got 0"),
        ({"environment": 3}, "train.environment must be a string, got 3"),
        ({"updates_per_step": 0}, "learner.updates_per_step must be a number above 0, got 0"),
        (
            {"update": {"steps": functools.partial(sac_steps, critic_steps_per_actor_step=3)}},
            "must be a multiple of",
        ),
    ],
)
def test_bad_settings_are_refused_with_one_sentence(tmp_path, settings, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        _training(**settings).run(str(tmp_path))
    assert (
        "\n" not in str(caught.value).split("\n  In call to configurable")[0]
    )  # which gin appends


def test_a_batch_larger_than_the_replay_is_refused(tmp_path):
    replay = functools.partial(Replay, tables=functools.partial(make_tables, capacity=10))
    update = functools.partial(make_update, updates_per_call=1)
    learner = functools.partial(Learner, state=SMALL_STATE, replay=replay, update=update)
    with pytest.raises(
        ConfigurationError,
        match=r"batch_size=256 is larger than the replay, make_tables.capacity=10",
    ):
        Training("tests.toy:Counter-v0", learner=learner).run(str(tmp_path))
