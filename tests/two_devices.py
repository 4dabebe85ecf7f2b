"""Data-parallel learning on two logical CPUs, run by `test_devices.py` in a separate process."""

import functools

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import BoundedTensorSpec
from tf_agents.trajectories import time_step, trajectory

from sac_tf import devices
from sac_tf.agents import pools
from sac_tf.agents.cql.steps import cloning_actor_step, cql_gap, cql_step
from sac_tf.agents.mirrored import mirrored
from sac_tf.agents.optimizers import adam
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac import losses, steps
from sac_tf.agents.sac.crossq import crossq_step
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.schedules import linear_warmup
from sac_tf.agents.td3.state import Td3State
from sac_tf.agents.td3.steps import td3_critic_step, td3_steps
from sac_tf.agents.update import make_update
from sac_tf.errors import ConfigurationError
from sac_tf.networks import torsos
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.networks.running_normalization import RunningNormalization, make_observer
from sac_tf.networks.temperature import Temperature
from sac_tf.replay.augmentation import shift_images
from sac_tf.replay.mixture import Mixture
from sac_tf.runs import restoring
from sac_tf.tf_agents import SacAgent
from sac_tf.training import exporting
from sac_tf.training.acting import mean_actions
from sac_tf.training.exploration import sampled
from sac_tf.training.train import Training
from sac_tf.types import WEIGHT, Transition
from tests.sources import Given, numbered_source
from tests.training.left_behind import killed

# TensorFlow creates its devices at its first operation.
_cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_cpu, 2 * [tf.config.LogicalDeviceConfiguration()])

_part = functools.partial
_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"
_renorm = _part(torsos.batch_renorm_torso, warm_up=3)


def _networks(torso=torsos.mlp_torso, members=2, **settings):
    settings = {"hidden_units": (16,), "torso": torso, **settings}
    return {
        "policy": _part(make_policy, network=_part(make_actor, **settings)),
        "critic": _part(make_critic, ensemble_size=members, **settings),
    }


_sac_steps = _part(steps.sac_steps, alpha_step=steps.alpha_step)
VARIANTS = {
    "weighted REDQ": (
        {**_networks(members=3), "alpha_optimizer": lambda: tf.keras.optimizers.legacy.SGD(0.1)},
        _part(
            _sac_steps,
            critic_step=_part(steps.critic_step, pool=pools.subset_minimum_q),
            actor_step=_part(steps.actor_step, pool=pools.mean_q),
        ),
        1,
    ),
    "CrossQ": (
        {**_networks(_renorm), "target_critic": None},
        _part(_sac_steps, critic_step=crossq_step),
        1,
    ),
    "CQL": (
        _networks(),
        _part(
            _sac_steps,
            critic_step=_part(
                cql_step, gap=_part(cql_gap, sampled_actions=2), value=losses.soft_value
            ),
            actor_step=_part(cloning_actor_step, cloning_updates=1),
        ),
        1,
    ),
    "TD3": (
        {**_networks(), "make_state": Td3State},
        _part(td3_steps, critic_step=_part(td3_critic_step, noise_std=0.5)),
        2,
    ),
    "optimizers": (
        {
            **_networks(),
            "critic_optimizer": lambda: adam(
                linear_warmup(warmup_steps=4), weight_decay=0.1, global_clipnorm=0.1
            ),
            "actor_optimizer": lambda: tf.keras.optimizers.legacy.SGD(0.1, global_clipnorm=0.1),
            "temperature": _part(Temperature, initial_alpha=0.5, minimum=0.4999, maximum=0.5001),
        },
        _part(
            _sac_steps,
            critic_step=_part(steps.critic_step, target_period=2, tau=0.5),
            critic_steps_per_actor_step=2,
            actor_batch=steps.whole_batch,
        ),
        2,
    ),
}
"""Settings of the state, steps, and updates per call."""


def _one_device(spec, make_state=SacState, **settings):
    return make_state(spec, 0, 0.99, **settings)


def _mirrored(spec, devices=2, **settings):
    with mirrored(devices):
        return _one_device(spec, **settings)


def _strategy(devices=None):
    """Returns the strategy that is current while a state is built."""
    with mirrored(devices):
        return tf.distribute.get_strategy()


def _make(state, ordered, updates):
    """Returns the update of a state, and the list of the rewards and TD errors of its calls."""

    def sample(rows):
        normal = state.generator.normal
        return Transition(
            observation=normal([rows, 3]),
            action=tf.tanh(normal([rows, 2])),
            reward=normal([rows]),
            discount=tf.cast(tf.range(rows) % 3 != 0, tf.float32),
            next_observation=normal([rows, 3]),
            extras={WEIGHT: tf.exp(normal([rows]))},
        )

    source = Given(sample)
    update = make_update(
        state, source, batch_size=6, transforms=(), updates_per_call=updates, steps=ordered
    )
    return update, source.learned


def _numbers(state, folder):
    """Returns every variable in a checkpoint of `state`."""
    return _read(tf.train.Checkpoint(state=state).write(str(folder / "numbers")))


def _read(path):
    reader = tf.train.load_checkpoint(str(path))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def _assert_close(one, two):
    assert one.keys() == two.keys()
    for name, value in one.items():
        if np.asarray(value).dtype.kind == "f":
            np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(two[name], value, err_msg=name)


def _copies(state):
    """Returns the values of each network variable on both devices."""
    targets = [trained.target for trained in (state.actor, state.critics) if trained.target]
    networks = [state.policy, state.critics.model, *targets]
    return [variable.values for network in networks for variable in network.variables]


@pytest.mark.parametrize("name", VARIANTS)
def test_two_devices_equal_one_device_with_the_joint_batch(spec, tmp_path, name):
    """Weights, optimizer moments, moving statistics, generators, metrics, and TD errors in the
    order of the rows."""
    settings, ordered, updates = VARIANTS[name]
    one = _one_device(spec, **settings)
    two = _mirrored(spec, **settings)
    update, calls = _make(one, ordered, updates)
    update_two, calls_two = _make(two, ordered, updates)
    before = _numbers(one, tmp_path)
    assert two.strategy.num_replicas_in_sync == 2
    _assert_close(before, _numbers(two, tmp_path))
    for _ in range(3):
        _assert_close(update.run(), update_two.run())
    after = _numbers(one, tmp_path)
    after_two = _numbers(two, tmp_path)
    assert sum(np.any(after[name] != before[name]) for name in after) > 20
    _assert_close(after, after_two)
    _assert_close(dict(enumerate(calls)), dict(enumerate(calls_two)))
    assert all(np.array_equal(*values) for values in _copies(two))

    for state, name in ((one, "one"), (two, "two")):
        tf.train.Checkpoint(state=state).write(str(tmp_path / name))
    tf.train.Checkpoint(state=one).read(str(tmp_path / "two")).assert_consumed()
    tf.train.Checkpoint(state=two).read(str(tmp_path / "one")).assert_consumed()
    swapped = _numbers(one, tmp_path)
    swapped_two = _numbers(two, tmp_path)
    assert all(np.array_equal(swapped[name], after_two[name]) for name in after)
    assert all(np.array_equal(swapped_two[name], after[name]) for name in after)
    _assert_close(update.run(), update_two.run())
    _assert_close(_numbers(one, tmp_path), _numbers(two, tmp_path))


def test_each_replica_gets_exactly_half_of_each_source(spec):
    """In each of the 20 batches of a call."""
    shares = []

    def record(_, batches):
        reward = tf.stack([batch.reward for batch in batches])
        tf.numpy_function(lambda array: shares.append(array.copy()), [reward], [])
        return {"reward": tf.reduce_mean(reward)}, reward

    sources = [numbered_source(0), numbered_source(1000)]
    mixture = Mixture([(source, 0.5) for source in sources], replicas=2)
    state = _mirrored(spec, **_networks())
    update = make_update(
        state, mixture, batch_size=8, transforms=(), updates_per_call=20, steps=record
    )
    update.run()
    assert [share.shape for share in shares] == [(20, 4)] * 2
    for share in shares:
        np.testing.assert_array_equal((share < 1000).sum(axis=1), [2] * 20)
    assert np.unique(shares).size == 160
    for source in sources:
        ((reward, td_error),) = source.learned
        np.testing.assert_array_equal(td_error, reward)


def test_one_mirrored_device_equals_a_plain_device(spec, tmp_path):
    plain = _one_device(spec, **_networks())
    mirrored = _mirrored(spec, devices=1, **_networks())
    for state in (plain, mirrored):
        update, _ = _make(state, _sac_steps, 1)
        update.run()
    _assert_close(_numbers(plain, tmp_path), _numbers(mirrored, tmp_path))


def test_observation_statistics_and_actions_equal_one_device(spec, tmp_path):
    settings = _networks(normalization=RunningNormalization)
    one = _one_device(spec, **settings)
    two = _mirrored(spec, **settings)
    for state in (one, two):
        observe = make_observer(state)
        observe(np.float32([[1, 2, 3], [4, 5, 9]]))
    _assert_close(_numbers(one, tmp_path), _numbers(two, tmp_path))
    assert all(np.array_equal(*values) for values in _copies(two))
    observation = np.float32([[1, 2, 3], [0, 0, 0]])
    acts = [
        [sampled(s.policy, s.exploration_generator, spec, 2).act for s in (one, two)],
        [mean_actions(s.policy, spec, 2) for s in (one, two)],
    ]
    for act, act_two in acts:
        for _ in range(2):
            np.testing.assert_allclose(act_two(observation), act(observation), rtol=1e-5)


def test_each_replica_draws_its_own_dropout_masks(spec):
    state = _mirrored(spec, **_networks(_part(torsos.droq_torso, rate=0.5)))
    inputs = [tf.ones([5, 3]), tf.ones([5, 2])]
    q = tf.function(lambda: state.strategy.run(lambda: state.critics.model(inputs)))()
    assert np.abs(q.values[0] - q.values[1]).min(axis=1).max() > 1e-4


def test_images_are_shifted_as_on_one_device(spec):
    images = np.random.default_rng(0).integers(0, 256, [1, 6, 9, 8, 2], np.uint8)

    def shifted(state):
        def learn(batches):
            batch = shift_images(state.generator, 3, batches[0])
            pixels = tf.cast(tf.reshape(batch, [batch.shape[0], -1]), tf.float32)
            return {}, tf.linalg.matvec(pixels, tf.range(144.0))[tf.newaxis]

        update = functools.partial(devices.on_replicas, state.strategy, learn, tf.constant(images))
        return tf.function(update, autograph=False)()[1]

    one, two = _one_device(spec, **_networks()), _mirrored(spec, **_networks())
    for _ in range(2):
        np.testing.assert_array_equal(shifted(two), shifted(one))


def test_replicas_of_the_tf_agents_agent_sum_their_shares(spec):
    """Both get the same rows, whose targets are noise-free: a step equals that of one device, and a
    loss is half of that on one device."""

    def train(strategy):
        tf.random.set_seed(0)
        with strategy.scope():
            optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
            action = BoundedTensorSpec([2], tf.float32, -1, 1)
            agent = SacAgent(
                time_step.time_step_spec(spec.observation), action, critic_optimizer=optimizer
            )
        ones = tf.ones([4, 2])
        rows = trajectory.mid(tf.ones([4, 2, 3]), tf.zeros([4, 2, 2]), (), ones, 0 * ones)
        info = tf.function(lambda: strategy.run(agent.train, (rows,)), autograph=False)()
        losses = strategy.experimental_local_results(info.extra.critic_loss)
        return agent.state.critics.model.variables, losses

    one, (loss,) = train(tf.distribute.get_strategy())
    two, losses = train(_strategy())
    np.testing.assert_allclose(losses, [loss / 2, loss / 2], rtol=1e-5)
    for variable, other in zip(one, two, strict=True):
        np.testing.assert_allclose(other, variable, rtol=1e-5, atol=1e-7)


def test_mirrored_state_uses_all_devices_by_default():
    assert [_strategy(devices).num_replicas_in_sync for devices in (None, 1, 2)] == [2, 1, 2]


def test_settings_that_replicas_cannot_share_raise(spec):
    state = _mirrored(spec, **_networks())
    with pytest.raises(ConfigurationError, match=r"train.batch_size=7 must be a multiple of 2"):
        make_update(state, None, batch_size=7, steps=None, transforms=())
    with pytest.raises(
        ConfigurationError, match="jit_compile=True does not work with train.devices=@mirrored"
    ):
        make_update(state, None, batch_size=8, steps=None, transforms=(), jit_compile=True)
    with pytest.raises(
        ConfigurationError,
        match=r"mirrored.devices=3 exceeds the available devices: CPU:0, CPU:1\.",
    ):
        _mirrored(spec, devices=3)
    with pytest.raises(
        ConfigurationError, match=r"mirrored.devices must be an integer of at least 1, got 0"
    ):
        _mirrored(spec, devices=0)


SHORT = """
    train.environment = "tests.tasks:Plain-v0"
    train.devices = @mirrored
    train.total_steps = 100
    train.random_steps = 50
    train.evaluation_period = 100
    train.checkpoint_period = 50
    train.batch_size = 16
    update.updates_per_call = 1
    actor.hidden_units = (16,)
    critic.hidden_units = (16,)
    Evaluator.episodes = 1
"""


def test_a_mirrored_run_trains_resumes_and_exports(tmp_path, monkeypatch):
    """The resumed run is a copy without the last checkpoint."""

    def train(folder):
        gin.parse_config(SHORT)
        Training().run(str(tmp_path / folder))
        gin.clear_config()

    train("whole")
    monkeypatch.setattr(exporting, "export", lambda *_: None)
    killed(tmp_path / "whole", tmp_path / "resumed")
    train("resumed")
    whole, resumed = (
        _read(tmp_path / folder / "checkpoints" / "step-000000100" / "state")
        for folder in ("whole", "resumed")
    )
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)

    gin.parse_config_file(str(tmp_path / "whole" / "config.gin"))
    training = Training()
    restored = restoring.restore(tmp_path / "whole", training.environment, training.make_policy)
    copies = [hasattr(variable, "values") for variable in restored.policy.variables]
    assert not any(copies)
    assert whole[f"state/updates/{_VALUE}"] == 50
    observation = np.float32([[1.0, 0.0, 0.5]])
    policy = tf.saved_model.load(str(tmp_path / "whole" / "policy")).signatures["serving_default"]
    served = policy(observation=tf.constant(observation))["action"]
    np.testing.assert_array_equal(
        served, mean_actions(restored.policy, restored.spec, 1)(observation)
    )
