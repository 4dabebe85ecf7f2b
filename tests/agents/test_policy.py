"""The policy and the train state: what each of them holds, and nothing else."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.agent import Agent
from sac_tf.agents.mirrored import mirrored
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.agent import sac
from sac_tf.agents.trainable import Trainable, trainables
from sac_tf.agents.update import make_update
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.networks.actor import make_actor
from sac_tf.runs.checkpoints import read_policy, write_state
from sac_tf.training.train import Training
from sac_tf.types import Transition
from tests.sources import Given

SMALL = "actor.hidden_units = (16,)\ncritic.hidden_units = (16,)"


def _training(*bindings, files=()):
    gin.clear_config()
    gin.parse_config_files_and_bindings(list(files), [SMALL, *bindings])
    return Training("none")


def _rows(number):
    one = tf.ones([number])
    return Transition(tf.ones([number, 3]), tf.ones([number, 2]), one, one, tf.ones([number, 3]))


def _created(function):
    """Returns the number of values in each variable that `function` creates."""
    sizes = []

    def create(next_creator, **keywords):
        variable = next_creator(**keywords)
        sizes.append(int(np.prod(variable.shape)))
        return variable

    with tf.variable_creator_scope(create):
        function()
    return sizes


def _names(state, folder):
    """Returns the names of all variables in a checkpoint of a state."""
    path = tf.train.Checkpoint(state=state).write(str(folder / "names"))
    found = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    return {name for name in found if "OBJECT_GRAPH" not in name}


@pytest.mark.parametrize("variant", ["sac", "redq", "crossq", "serl", "simba"])
def test_a_policy_creates_the_variables_of_its_network_only(spec, variant):
    training = _training(files=[f"gin_configs/{variant}.gin"])
    created = _created(lambda: training.make_policy(spec))
    assert created == _created(lambda: gin.get_configurable("actor")(spec, 0))
    assert len(_created(lambda: training.make_state(spec))) > 2 * len(created)


def test_a_policy_is_read_from_a_checkpoint_of_its_state(spec, tmp_path):
    training = _training(files=["gin_configs/redq.gin"])
    state = training.make_state(spec)
    for number, variable in enumerate(state.policy.trainable_variables):
        variable.assign_add(tf.random.stateless_normal(variable.shape, [number, 1]))
    write_state(state, tmp_path)
    policy = training.make_policy(spec)
    read_policy(policy, tmp_path)
    observation = np.float32([[1, 2, 3]])
    np.testing.assert_array_equal(
        policy.mean_action(observation), state.policy.mean_action(observation)
    )


@pytest.mark.parametrize(
    "there", ["actor.hidden_units = (8,)", "actor.hidden_units = (16, 16)"], ids=["width", "depth"]
)
def test_a_checkpoint_without_every_variable_is_refused(spec, tmp_path, there):
    write_state(_training(there).make_state(spec), tmp_path)
    wanted = _training("actor.hidden_units = (16, 16, 16)").make_policy(spec)
    with pytest.raises(RunError, match="another version of sac_tf wrote it"):
        read_policy(wanted, tmp_path)


def test_a_state_has_what_its_algorithm_uses(spec, tmp_path):
    plain = _names(_training().make_state(spec), tmp_path)
    fixed = _names(_training("sac.alpha_step = None").make_state(spec), tmp_path)
    crossq = _names(_training(files=["gin_configs/crossq.gin"]).make_state(spec), tmp_path)
    assert fixed < plain
    removed = {name.split("/")[1] for name in plain - fixed}
    assert removed == {"temperature"} and "state/temperature/model/parameter" in str(fixed)
    assert any("critics/target" in name for name in plain)
    assert not any("critics/target" in name for name in crossq)
    assert not any("state/actor/model" in name for name in plain)  # the policy is saved once


def test_the_children_of_a_state_are_its_trainables(spec):
    state = _training().make_state(spec)
    parts = trainables(state)
    assert list(parts) == ["actor", "critics", "temperature"]
    assert parts["actor"].model is state.policy
    for part in parts.values():
        names = part.optimizer.get_slot_names()
        slots = [
            part.optimizer.get_slot(variable, name)
            for variable in part.model.trainable_variables
            for name in names
        ]
        assert len(slots) == 2 * len(part.model.trainable_variables)


def test_a_trainable_creates_its_slots():
    model = tf.Module()
    model.weight = tf.Variable([1.0, 2.0])
    trainable = Trainable(model, tf.keras.optimizers.legacy.Adam(0.1))
    assert len(trainable.optimizer.variables()) == 3  # iterations and two moments
    assert trainable.target is None


def test_the_temperature_step_needs_an_optimizer(spec):
    training = _training("SacState.alpha_optimizer = None")
    with pytest.raises(ConfigurationError, match="set sac.alpha_step to None"):
        training.make_updater(training.make_state(spec), Given(_rows), training.make_rewards())


class _Cloning:
    """An algorithm of two pieces, as a user may write one: a state with a policy, and a step."""

    def __init__(self, spec, seed, discount, policy):
        del discount
        self.policy = policy(spec, seed)
        self.generator = tf.random.Generator.from_seed(seed)
        self.exploration_generator = tf.random.Generator.from_seed(seed + 1)
        self.updates = tf.Variable(0, dtype=tf.int64)
        self.strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None

    @staticmethod
    def steps(state, batches):
        errors = [
            tf.reduce_sum((state.policy.mean_action(b.observation) - b.action) ** 2, -1)
            for b in batches
        ]
        return {"error": tf.reduce_mean(errors[-1])}, tf.stack(errors)


def test_another_algorithm_is_a_policy_a_state_and_steps(spec):
    policy = functools.partial(make_policy, network=functools.partial(make_actor, hidden_units=()))
    agent = Agent(policy, functools.partial(_Cloning, policy=policy), _Cloning.steps)
    training = Training("none", agent=lambda: agent)
    state = training.make_state(spec)
    source = Given(_rows)
    updater = training.make_updater(state, source, training.make_rewards())
    assert updater.metric_names == ("error",)
    assert updater.update(0)["error"] > 0 and int(state.updates) == updater.updates == 16
    ((_, td_error),) = source.learned
    assert td_error.shape == (16, 256)


def test_the_state_of_a_run_is_built_on_its_devices(spec):
    training = Training("none", devices=mirrored)
    assert training.make_state(spec).strategy.num_replicas_in_sync == 1
    assert Training("none").make_state(spec).strategy is None


def test_an_agent_takes_its_parts():
    def steps(state, batches, alpha_step):
        return state, batches, alpha_step

    agent = sac(steps=steps, alpha_step=None)
    assert agent.steps(1, 2) == (1, 2, None) and agent.make_policy is make_policy


def test_make_update_uses_no_steps_of_its_own():
    with pytest.raises(TypeError, match="steps"):
        make_update(None, None, 4, transforms=())
