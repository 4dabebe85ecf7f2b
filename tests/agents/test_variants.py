"""Variants of networks and steps: repeatable, resumable, and learning Pendulum by their gin
files."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.passes import joint_pass
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import steps
from sac_tf.agents.sac.categorical import categorical_crossq_step, categorical_step
from sac_tf.agents.sac.crossq import crossq_step
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.targets import averaged_pairs, update_targets
from sac_tf.agents.td3.state import Td3State
from sac_tf.agents.td3.steps import td3_steps
from sac_tf.agents.update import make_update
from sac_tf.networks import torsos
from sac_tf.networks.actor import make_actor
from sac_tf.networks.batch_norm_torsos import batch_norm_torso
from sac_tf.networks.categorical import categorical_head
from sac_tf.networks.critic import make_critic
from sac_tf.training.train import Training
from sac_tf.types import Transition
from tests.sources import Given

_part = functools.partial


def _networks(torso, **critic):
    return {
        "policy": _part(make_policy, network=_part(make_actor, hidden_units=(16,), torso=torso)),
        "critic": _part(make_critic, hidden_units=(16,), torso=torso, **critic),
    }


_sac_steps = _part(steps.sac_steps, alpha_step=steps.alpha_step)
VARIANTS = {
    "DroQ": (_part(SacState, **_networks(torsos.droq_torso)), _sac_steps),
    "CrossQ": (
        _part(SacState, target_critic=None, **_networks(torsos.batch_renorm_torso)),
        _part(_sac_steps, critic_step=crossq_step),
    ),
    "XQC": (
        _part(SacState, **_networks(batch_norm_torso, head=categorical_head)),
        _part(_sac_steps, critic_step=_part(categorical_step, forward=joint_pass)),
    ),
    "XQC without targets": (
        _part(SacState, target_critic=None, **_networks(batch_norm_torso, head=categorical_head)),
        _part(_sac_steps, critic_step=categorical_crossq_step),
    ),
    "TD3": (_part(Td3State, **_networks(torsos.mlp_torso)), td3_steps),
}


def _make(spec, name, seed):
    make_state, ordered = VARIANTS[name]
    state = make_state(spec, seed, 0.99)

    def sample(rows):
        normal = state.generator.normal
        return Transition(
            normal([rows, 3]), normal([rows, 2]), normal([rows]), tf.ones([rows]), normal([rows, 3])
        )

    update = make_update(
        state, Given(sample), batch_size=8, transforms=(), updates_per_call=2, steps=ordered
    )
    return state, update


def _numbers(state, folder):
    """Returns the bytes of every variable in a checkpoint of `state`."""
    reader = tf.train.load_checkpoint(tf.train.Checkpoint(state=state).write(str(folder)))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name).tobytes() for name in names}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_resumed_run_equals_an_uninterrupted_run(spec, name, tmp_path):
    """Bit for bit: dropout masks, moving statistics and their counts are in the checkpoint."""
    state, update = _make(spec, name, seed=0)
    other, update_other = _make(spec, name, seed=1)
    update.run()
    path = tf.train.Checkpoint(state=state).write(str(tmp_path / "middle"))
    tf.train.Checkpoint(state=other).read(path).assert_consumed()
    for _ in range(3):
        update.run()
        update_other.run()
    assert _numbers(state, tmp_path / "whole") == _numbers(other, tmp_path / "resumed")


def test_targets_average_weights_and_statistics_not_counts(spec):
    state = SacState(spec, 0, 0.99, **_networks(torsos.batch_renorm_torso))
    pairs = averaged_pairs(state.critics.target, state.critics.model)
    for variable, source in pairs:
        np.testing.assert_array_equal(variable, source)
        source.assign_add(tf.ones_like(source))
    before = [variable.numpy() for variable, _ in pairs]
    update_targets(state.critics.target, state.critics.model, 0.25)
    for (variable, _), old in zip(pairs, before, strict=True):
        np.testing.assert_allclose(variable, old + 0.25, rtol=1e-5)
    counts = [variable for variable in state.critics.model.variables if variable.dtype == tf.int64]
    assert len(counts) == 2
    assert len(before) == len(state.critics.model.variables) - 2


def test_critics_and_targets_draw_different_dropout_masks(spec):
    networks = _networks(_part(torsos.droq_torso, rate=0.5))
    state = SacState(spec, 0, 0.99, **networks)
    inputs = [tf.ones([2, 3]), tf.ones([2, 2])]
    assert np.abs(state.critics.model(inputs) - state.critics.target(inputs)).max() > 1e-3


SMALL = ["actor.hidden_units=(64, 64)", "critic.hidden_units=(64, 64)"]
TINY = [
    "actor.hidden_units=(32, 32)",
    "critic.hidden_units=(32, 32)",
    "adam.learning_rate=3e-3",
    "train.batch_size=64",
    "train.random_steps=200",
    "Evaluator.episodes=5",
]
FEWER = [
    "train.updates_per_step=10",
    "update.updates_per_call=10",
    "sac_steps.critic_steps_per_actor_step=5",
]
TWO = [
    "train.updates_per_step=2",
    "update.updates_per_call=2",
    "sac_steps.critic_steps_per_actor_step=2",
]
SERL = [
    "linear_warmup.learning_rate=3e-3",
    "linear_warmup.warmup_steps=100",
    "critic.ensemble_size=3",
]
TD3 = ["td3_actor_step.tau=0.05", "noisy.std=0.3", "train.random_steps=500"]
SIMBA = ["actor.hidden_units=(32,)", "critic.hidden_units=(32,)", "update.updates_per_call=2"]


@pytest.mark.parametrize(
    ("file", "steps", "bindings"),
    [
        ("droq", 1500, [*TINY, *TWO]),
        ("crossq", 4000, [*TINY, "update.updates_per_call=3"]),
        ("redq", 1500, [*SMALL, *FEWER, "critic.ensemble_size=4", "train.batch_size=32"]),
        ("td3", 1800, [*TINY, *TD3, "train.updates_per_step=2"]),
        ("serl", 2000, [*TINY, *TWO, *SERL]),
        ("simba", 3500, [*SIMBA, "train.batch_size=64"]),
    ],
)
def test_it_learns_pendulum(tmp_path, monkeypatch, file, steps, bindings):
    """From below -1000 without learning; smaller networks than in the gin file.

    Seeds 0 to 2 return -230, -199 and -320 with DroQ, and -445, -229 and -537 with SERL. Seeds 0 to
    7 return -326 to -121 with CrossQ; after 3000 steps, -964 to -117. TD3 needs more random steps.
    Exports have tests of their own.
    """
    monkeypatch.setattr("sac_tf.training.exporting.export", lambda *_: None)
    bindings = ["adam.learning_rate=1e-3", *bindings, f"train.total_steps={steps}"]
    bindings += ["train.evaluation_period=5000", "train.checkpoint_period=5000"]
    gin.parse_config_files_and_bindings(
        ["gin_configs/tasks/pendulum.gin", f"gin_configs/{file}.gin"], bindings
    )
    assert Training().run(str(tmp_path)).evaluation.return_mean > -700
