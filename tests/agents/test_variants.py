"""What every variant of networks and steps owes: repeatable, resumable, and learning through its
gin file."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac import steps
from sac_tf.agents.sac.crossq import crossq_step
from sac_tf.agents.sac.state import TrainState, averaged
from sac_tf.agents.update import make_update
from sac_tf.networks import torsos
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.training.train import Training
from sac_tf.types import Transition


def _networks(torso):
    hidden = functools.partial(functools.partial, hidden_units=(16,), torso=torso)
    return {"actor": hidden(make_actor), "critic": hidden(make_critic)}


VARIANTS = {
    "DroQ": (_networks(torsos.droq_torso), steps.critic_step),
    "CrossQ": ({**_networks(torsos.batch_renorm_torso), "target_critic": None}, crossq_step),
}


def _make(spec, name, seed):
    networks, critic_step = VARIANTS[name]
    state = TrainState(spec, seed, **networks)

    def sample(rows):
        normal = state.generator.normal
        return Transition(
            normal([rows, 3]), normal([rows, 2]), normal([rows]), tf.ones([rows]), normal([rows, 3])
        )

    ordered = functools.partial(steps.sac_steps, critic_step=critic_step)
    return state, make_update(state, sample, batch_size=8, updates_per_call=1, steps=ordered)


def _numbers(state, folder):
    """Every number of a checkpoint of `state`."""
    reader = tf.train.load_checkpoint(tf.train.Checkpoint(state=state).write(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name).tobytes() for name in names}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_from_a_checkpoint_is_bit_for_bit_the_run_that_was_not_cut_off(spec, name, tmp_path):
    """Masks, moving statistics and their counts are in the checkpoint."""
    (state, update), (other, update_other) = _make(spec, name, 0), _make(spec, name, 1)
    update.run()
    path = tf.train.Checkpoint(state=state).write(str(tmp_path / "middle"))
    tf.train.Checkpoint(state=other).read(path).assert_consumed()
    for _ in range(3):
        update.run()
        update_other.run()
    assert _numbers(state, tmp_path / "whole") == _numbers(other, tmp_path / "resumed")


def test_targets_start_equal_and_follow_in_weights_and_statistics_but_not_in_counts(spec):
    state = TrainState(spec, 0, **_networks(torsos.batch_renorm_torso))
    for variable, source in averaged(state.target_critic, state.critic):
        np.testing.assert_array_equal(variable, source)
        source.assign_add(tf.ones_like(source))
    before = [variable.numpy() for variable, _ in averaged(state.target_critic, state.critic)]
    steps.update_targets(state, 0.25)
    for (variable, _), old in zip(averaged(state.target_critic, state.critic), before, strict=True):
        np.testing.assert_allclose(variable, old + 0.25, rtol=1e-5)
    counts = [variable for variable in state.critic.variables if variable.dtype == tf.int64]
    assert len(counts) == 2 and len(before) == len(state.critic.variables) - 2


def test_critics_and_targets_draw_masks_of_their_own(spec):
    state = TrainState(spec, 0, **_networks(functools.partial(torsos.droq_torso, rate=0.5)))
    inputs = [tf.ones([2, 3]), tf.ones([2, 2])]
    assert np.abs(state.critic(inputs) - state.target_critic(inputs)).max() > 1e-3


SMALL = ["actor.hidden_units=(64, 64)", "critic.hidden_units=(64, 64)"]
FEWER = [
    "learner.updates_per_step=10",
    "make_update.updates_per_call=10",
    "sac_steps.critic_steps_per_actor_step=5",
]
SERL = [
    "linear_warmup.learning_rate=1e-3",
    "linear_warmup.warmup_steps=100",
    "learner.updates_per_step=4",
]
SIMBA = ["actor.hidden_units=(32,)", "critic.hidden_units=(32,)", "make_update.updates_per_call=2"]


@pytest.mark.parametrize(
    ("file", "steps", "bindings"),
    [
        ("droq", 1500, [*SMALL, *FEWER, "train.random_steps=500", "make_update.batch_size=32"]),
        ("crossq", 4500, [*SMALL, "make_update.batch_size=128"]),
        ("redq", 1500, [*SMALL, *FEWER, "critic.ensemble_size=4", "make_update.batch_size=32"]),
        ("serl", 2500, [*SMALL, *SERL, "critic.ensemble_size=4", "make_update.batch_size=64"]),
        ("simba", 3500, [*SIMBA, "make_update.batch_size=64"]),
    ],
)
def test_it_learns_pendulum(tmp_path, file, steps, bindings):
    """From below -1000 without learning; smaller networks than in the gin file."""
    bindings = [*bindings, f"train.total_steps={steps}", "adam.learning_rate=1e-3"]
    bindings += ["train.evaluation_period=5000", "train.checkpoint_period=5000"]
    gin.parse_config_files_and_bindings(
        ["gin_configs/tasks/pendulum.gin", f"gin_configs/{file}.gin"], bindings
    )
    assert Training().run(str(tmp_path)).evaluation.return_mean > -700
