"""Initialization from another run: learners that copy from a checkpoint, and whole small runs
configured by gin."""

import functools
import json
import shutil
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.optimizers import adam
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.sac.steps import alpha_step, sac_steps
from sac_tf.agents.update import Update, make_update
from sac_tf.errors import ConfigurationError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.running_normalization import RunningNormalization
from sac_tf.replay.reader import BatchReader
from sac_tf.replay.replay import Replay
from sac_tf.replay.resident import ResidentSampler
from sac_tf.replay.rewards import REWARD_SCALE, FixedRewardScale
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.saved import saved_episodes
from sac_tf.replay.tables import make_tables
from sac_tf.replay.windows import Windows
from sac_tf.runs.checkpoints import CheckpointStore, Progress
from sac_tf.training.initialization import Initialization
from sac_tf.training.updater import Updater, save_run
from sac_tf.types import RETURN_TO_GO, Transition
from tests.replay.numbered import numbered
from tests.training.left_behind import UPDATES, final_state, last_checkpoint
from tests.training.small_runs import small_training

PARTS = ("actor", "critics", "temperature")
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def _add(replay, first, last):
    """Adds steps of one episode, of three observations and two actions, whose reward is their
    number."""
    for number in range(first, last):
        observation = np.full([1, 3], number, np.float32)
        replay.add(
            Transition(
                observation,
                np.zeros((1, 2)),
                np.float32([number]),
                np.ones(1),
                observation + 1,
            ),
            step=number,
        )
    replay.end_episodes()


_make_update = functools.partial(
    make_update,
    updates_per_call=1,
    steps=functools.partial(sac_steps, alpha_step=alpha_step),
)


def _make_state(spec, seed, units, critics, rate, normalization):
    optimizer = functools.partial(adam, learning_rate=rate)
    return SacState(
        spec,
        seed,
        discount=0.99,
        policy=functools.partial(
            make_policy,
            network=functools.partial(
                make_actor, hidden_units=(units,), normalization=normalization
            ),
        ),
        critic=functools.partial(
            make_critic, hidden_units=(8,), ensemble_size=critics, normalization=normalization
        ),
        **{f"{name}_optimizer": optimizer for name in ("actor", "critic", "alpha")},
    )


class Small(NamedTuple):
    """The parts of a small run."""

    state: SacState
    replay: Replay
    updater: Updater


@pytest.fixture
def make_run(spec, tmp_path):
    """Returns a function that makes an updater which does not compile its update, and its replay;
    closed after the test."""
    made = []

    def make(
        seed=0,
        units=8,
        critics=2,
        rate=3e-4,
        normalization=None,
        capacity=1000,
        rows=1000,
        sampler=ResidentSampler,
        update=lambda *_, transforms: Update(lambda: {}, 1, 1, ()),
        of=spec,
        **windows,
    ):
        state = _make_state(of, seed, units, critics, rate, normalization)
        replay = Replay(
            Windows(of, **{"discount": 0.99, "goals": None, **windows}),
            1,
            state.generator,
            staging=tmp_path / f"staging{len(made)}",
            expected_steps=rows,
            restore_from=None,
            tables=functools.partial(make_tables, capacity=capacity),
            reader=functools.partial(BatchReader, sampler=sampler),
        )
        made.append(replay)
        rewards = FixedRewardScale(0.99)
        updater = Updater(state, replay, update, batch_size=4, transforms=(), rewards=rewards)
        return Small(state, replay, updater)

    yield make
    for replay in made:
        replay.close()


def _copy(initialization, run):
    return initialization.apply(run.state, run.updater.rewards, run.replay)


def _save(run, root_dir, step=1):
    save_run(CheckpointStore(root_dir / "checkpoints"), run.updater, run.replay, Progress(step))
    return root_dir


@pytest.fixture
def trained(make_run, tmp_path):
    """A run of another seed that has done ten updates, and the folder that it is saved in."""
    run = make_run(seed=1, update=_make_update)
    _add(run.replay, 0, 10)
    for _ in range(10):
        run.updater.update(step=10)
    return run, _save(run, tmp_path / "trained", step=12_345)


def _values(state, tmp_path):
    """{name: array} of everything in a state."""
    path = tf.train.Checkpoint(state=state).write(str(tmp_path / "values"))
    reader = tf.train.load_checkpoint(path)
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith(VALUE)]
    return {
        name.removeprefix("state/").removesuffix(VALUE): reader.get_tensor(name) for name in names
    }


def _equal(first, second, names):
    return [name for name in names if np.array_equal(first[name], second[name])]


@pytest.mark.parametrize("optimizers", [False, True])
def test_only_the_given_parts_are_copied(make_run, trained, tmp_path, optimizers):
    run, root_dir = trained
    there = _values(run.state, tmp_path)
    fresh = _values(make_run(rate=0.01).state, tmp_path)
    assert there["updates"] == there["actor/optimizer/iter"] == 10
    assert there["temperature/model/parameter"] != 0
    kernel = "layer_with_weights-0/kernel_0"
    assert not np.array_equal(there[f"critics/model/{kernel}"], there[f"critics/target/{kernel}"])
    for parts, networks in [
        (PARTS, ("policy/", "critics/", "temperature/")),
        (("actor",), ("policy/",)),
        (("critics",), ("critics/",)),
    ]:
        new = make_run(rate=0.01)
        sentence = _copy(Initialization(str(root_dir), parts, optimizers), new)
        assert sentence.endswith("at step 12,345.")
        here = _values(new.state, tmp_path)
        taken = {
            name
            for name in here
            if name.startswith(networks)
            and ("/optimizer/" not in name or (optimizers and "OPTIMIZER_SLOT" in name))
        }
        taken |= {f"{part}/optimizer/iter" for part in parts if optimizers}
        assert set(_equal(here, there, taken)) == taken
        others = here.keys() - taken  # the learning rate, which is the new run's, is among them
        assert set(_equal(here, fresh, others)) == others
        kernels = {name for name in taken if "/kernel" in name}
        assert kernels and not _equal(here, fresh, kernels)


@pytest.mark.parametrize(("there", "here"), [(400, 1000), (400, 110), (110, 1000), (110, 110)])
def test_the_newest_steps_are_copied_in_order(make_run, tmp_path, there, here):
    """10 episodes of 30 steps, also from a ring that has wrapped: one of 110 rows has 7 segments of
    16, and each episode takes two, of 16 and 15."""
    other = make_run(capacity=there)
    for first in range(0, 300, 30):
        _add(other.replay, first, first + 30)
    initialization = Initialization(str(_save(other, tmp_path / "other")), parts=(), replay=True)
    kept = {400: 10 * 31, 110: 3 * 31 + 15}[there]
    assert initialization.expected_steps(other.replay.windows) == kept
    new = make_run(capacity=here, rows=50 + kept)
    _copy(initialization, new)
    _add(new.replay, 300, 350)
    (*copied, added) = _episodes(_save(new, tmp_path / "new"), new.replay)
    assert added == list(range(300, 351))
    expected = [list(range(first, first + 31)) for first in range(0, 300, 30)]
    if here == 1000 and there == 400:
        assert copied == expected
    else:  # the oldest one has lost its beginning, and those before it are gone
        oldest = expected[-len(copied)]
        assert copied[0] == oldest[-len(copied[0]) :]
        assert copied[1:] == expected[-len(copied) + 1 :]
        assert sum(map(len, copied)) >= min(kept, here - 51 - 16 * 2)


def test_new_networks_observe_the_copied_steps(make_run, tmp_path):
    """Ten steps whose observations are 0 to 9; the copied policy has observed none."""
    other = make_run(normalization=RunningNormalization)
    _add(other.replay, 0, 10)
    root_dir = _save(other, tmp_path / "other")
    for parts, means in [((), (4.5, 4.5)), (("actor",), (0.0, 4.5)), (PARTS, (0.0, 0.0))]:
        new = make_run(normalization=RunningNormalization)
        _copy(Initialization(str(root_dir), parts, replay=True), new)
        for part, mean in zip(("actor", "critics"), means, strict=True):
            submodules = getattr(new.state, part).submodules
            layers = [layer for layer in submodules if isinstance(layer, RunningNormalization)]
            assert layers
            for layer in layers:
                assert layer.mean[0].numpy().tolist() == [mean] * 3


def test_copied_steps_have_returns_of_the_new_discount(make_run, tmp_path):
    """Three steps with a reward of 1: the returns-to-go are 1.75, 1.5 and 1."""
    other = make_run(with_return_to_go=True)
    for number in range(3):
        transition = numbered(number)._replace(reward=np.ones(1, np.float32))
        other.replay.add(transition, number + 1, [0] if number == 2 else [])
    root_dir = _save(other, tmp_path / "other")
    new = make_run(discount=0.5, with_return_to_go=True)
    _copy(Initialization(str(root_dir), parts=(), replay=True), new)
    new.replay.publish()
    batch = new.replay.sample(1, 200)
    observations, returns = batch.observation[0, :, 0], batch.extras[RETURN_TO_GO][0]
    found = dict(zip(observations.numpy(), returns.numpy(), strict=True))
    assert found == {0: 1.75, 1: 1.5, 2: 1}


def _episodes(root_dir, replay):
    """Returns the first observation of each row, by episode, in the only checkpoint of a run."""
    saved = root_dir / "checkpoints" / "step-000000001" / "replay"
    return [
        rows["float32"][:, 0].astype(int).tolist() for rows in saved_episodes(saved, replay.windows)
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"units": 16},
            r"policy/network/layer_with_weights-0/bias is \[8\] there and \[16\] here; build",
        ),
        (
            {"critics": 3},
            r"critics/model/layer_with_weights-0/bias_2 is absent there and \[8\] here; build",
        ),
    ],
)
def test_networks_that_do_not_fit_are_named_with_both_shapes(make_run, trained, settings, words):
    _, root_dir = trained
    with pytest.raises(
        ConfigurationError, match=f"train.initialize_from={root_dir} does not fit: {words}"
    ):
        _copy(Initialization(str(root_dir)), make_run(**settings))
    fitting = {"units": "critics", "critics": "actor"}[next(iter(settings))]
    _copy(Initialization(str(root_dir), (fitting,)), make_run(**settings))


def test_another_task_does_not_fit(make_run, trained, nested_spec):
    _, root_dir = trained
    with pytest.raises(
        ConfigurationError,
        match=r"policy/network/layer_with_weights-0/kernel is \[3, 8\] there and \[7, 8\]",
    ):
        _copy(Initialization(str(root_dir)), make_run(of=nested_spec))
    with pytest.raises(
        ConfigurationError,
        match=r"has {.float32.: 8} numbers, and one here {.float32.: 11}",
    ):
        _copy(Initialization(str(root_dir), (), replay=True), make_run(of=nested_spec))


def test_a_folder_without_a_run_or_rows_is_refused(make_run, trained, tmp_path):
    new = make_run(sampler=ReverbSampler)
    for missing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(
            ConfigurationError,
            match=f"train.initialize_from={missing} holds no checkpoint of a run",
        ):
            _copy(Initialization(str(missing)), new)
    reverb = _save(new, tmp_path / "reverb")
    with pytest.raises(ConfigurationError, match="replay servers keep them, or Reverb.s own"):
        _copy(Initialization(str(reverb), replay=True), new)
    for manifest in reverb.rglob("manifest.json"):
        manifest.unlink()
    with pytest.raises(ConfigurationError, match="reverb has no intact checkpoint"):
        _copy(Initialization(str(reverb)), new)


@pytest.mark.parametrize(
    ("root_dir", "settings", "words"),
    [
        ("run", {"parts": "actor"}, "must be a sequence of names or None, got 'actor'"),
        ("run", {"parts": ()}, "Initialization.parts is empty"),
        ("run", {"parts": (), "optimizers": True, "replay": True}, "Initialization.parts is empty"),
        (3, {}, "train.initialize_from must be the folder of a run, got 3"),
    ],
)
def test_bad_settings_are_refused(root_dir, settings, words):
    with pytest.raises(ConfigurationError, match=words):
        Initialization(root_dir, **settings)


def test_an_unknown_part_is_refused(make_run):
    words = r"must be a sequence of actor, critics, temperature, got \['policy'\]"
    with pytest.raises(ConfigurationError, match=words):
        _copy(Initialization("run", ["policy"]), make_run())


def _run(root_dir, *bindings, **settings):
    settings = {
        "total_steps": 60,
        "random_steps": 0,
        "evaluation_period": 60,
        "checkpoint_period": 30,
        "batch_size": 8,
        **settings,
    }
    # Episodes end with checkpoint periods: a run of 30 steps is the first half of one of 60.
    bindings = ["Evaluator.episodes = 1", "environment.max_episode_steps = 30", *bindings]
    training = small_training(*bindings, environment="Pendulum-v1", **settings)
    return training.run(str(root_dir))


def test_the_reward_scale_counts_each_step_once(tmp_path, without_export):
    """That of the other run comes with its critics; new critics have one of the copied steps."""
    scaled = "train.rewards = @RunningRewardScale"
    _run(tmp_path / "other", scaled)
    for parts, replay, steps in [
        (None, False, 60 + 60),
        (None, True, 60 + 60),
        (("actor",), False, 60),
        (("actor",), True, 60 + 60),
        ((), True, 60 + 60),
    ]:
        new = tmp_path / f"new of {parts} {replay}"
        bindings = [scaled, f"Initialization.parts = {parts}", f"Initialization.replay = {replay}"]
        _run(new, *bindings, initialize_from=f"{tmp_path}/other")
        saved = (last_checkpoint(new) / REWARD_SCALE).read_text()
        assert json.loads(saved)["count"] == steps, new.name


def test_an_initialized_run_resumes_bit_for_bit(tmp_path, capsys, without_export):
    """The ring wraps in each part, and the second part needs no files of the other run."""
    _run(tmp_path / "other")
    bindings = [
        "tables.capacity = 50",
        "Initialization.replay = True",
        "Initialization.optimizers = True",
    ]
    settings = {"initialize_from": f"{tmp_path}/other", "seed": 1}
    _run(tmp_path / "whole", *bindings, **settings)
    words = (
        "Starting with actor, critics, temperature, optimizers, replay of "
        f"{tmp_path}/other at step 60."
    )
    assert capsys.readouterr().out.count(words) == 1
    _run(tmp_path / "parts", *bindings, **settings, total_steps=30)
    shutil.rmtree(tmp_path / "other")
    _run(tmp_path / "parts", *bindings, **settings)
    assert capsys.readouterr().out.count(words) == 1
    whole = final_state(tmp_path / "whole")
    assert whole == final_state(tmp_path / "parts")
    assert np.frombuffer(whole[UPDATES], np.int64) == [60]
    assert np.frombuffer(whole[f"state/actor/optimizer/iter{VALUE}"], np.int64) == [60 + 60]


def test_a_run_that_is_refused_leaves_no_configuration(tmp_path):
    with pytest.raises(ConfigurationError, match="holds no checkpoint of a run"):
        _run(tmp_path, initialize_from=f"{tmp_path}/other")
    with pytest.raises(
        ConfigurationError, match="binding of Initialization.optimizers has no effect"
    ):
        _run(tmp_path, "Initialization.optimizers = True")
    assert not (tmp_path / "config.gin").exists()
