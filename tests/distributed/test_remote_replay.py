import functools

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.sac.state import TrainState
from sac_tf.agents.update import make_update
from sac_tf.distributed.rate_limits import free_ratio, held_ratio
from sac_tf.distributed.remote_replay import Feeder, RemoteReplay
from sac_tf.distributed.waiting import bounded
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.replay import (
    prioritized,  # noqa: F401  (registers PrioritizedSampler)
    samplers,
)
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.tables import Prioritized
from sac_tf.replay.writer import TransitionWriter, wait_once
from tests.distributed.served import eventually, replay_info
from tests.replay.numbered import numbered_rows

PRIORITIZED = "BatchReader.sampler = @PrioritizedSampler"


@pytest.fixture
def make_remote(spec):
    """Returns a function that makes the replay of a learner and what feeds it."""

    def make(servers, *bindings):
        gin.parse_config(bindings)
        feeder = Feeder()
        replay = RemoteReplay(
            spec=spec,
            generator=tf.random.Generator.from_seed(1),
            discount=0.99,
            expected_rows=1000,
            clients=[server.client for server in servers],
            feeder=feeder,
        )
        return replay, feeder

    return make


def _add(spec, server, first: int, last: int) -> None:
    writer = TransitionWriter(
        RowPacker(spec), [server.client], with_queue=False, wait=wait_once, discount=0.99
    )
    writer.add(numbered_rows(first, last), step=first)
    writer.publish()
    writer.close()


def test_batches_come_in_the_compiled_update(spec, serve, make_remote):
    server = serve()
    _add(spec, server, 0, 50)
    replay, feeder = make_remote([server])
    actor, critic = (
        functools.partial(make, hidden_units=(8,)) for make in (make_actor, make_critic)
    )
    state, seen = TrainState(spec, 0, 0.99, actor=actor, critic=critic), []

    def sample(number: int):
        batch = replay.sample(number)
        tf.numpy_function(lambda reward: seen.append(reward.copy()), [batch.reward], [])
        return batch

    update = make_update(state, sample, replay.update_priorities, batch_size=4, updates_per_call=2)
    before = [weight.copy() for weight in state.critic.get_weights()]
    for _ in range(30):
        assert feeder.wait(20)
        metrics = update.run()
    assert all(np.isfinite(value) for value in metrics.values()) and int(state.updates) == 60
    assert any((a != b).any() for a, b in zip(before, state.critic.get_weights(), strict=True))
    assert {rewards.shape for rewards in seen} == {(8,)} and len(seen) == 30
    drawn = np.concatenate(seen)
    assert (
        set(drawn) <= set(range(50)) and len(set(drawn)) > 40
    )  # 240 uniform draws miss 0.4 of them on average


def test_a_wait_is_bounded_while_the_limiter_blocks_and_goes_on_afterwards(
    spec, serve, make_remote, monkeypatch
):
    """8 samples a row after the first 4, and one row of tolerance: 5 rows give 2 batches of 8, the
    next row one."""
    monkeypatch.setattr(samplers, "TIMEOUT_S", 1)  # the dataset ends meanwhile, and is begun anew
    server = serve(held_ratio(8.0, 4, tolerance_rows=1))
    replay, feeder = make_remote([server])
    take = tf.function(lambda: replay.sample(8).reward)
    take.get_concrete_function()
    assert not bounded(lambda: feeder.wait(0.05), 10)
    for first, last, batches in ((0, 5, 2), (5, 6, 1)):
        _add(spec, server, first, last)
        for _ in range(batches):
            assert feeder.wait(20)
            assert set(take().numpy()) <= set(range(last))
        assert not feeder.wait(1.5)
    assert replay_info(server).rate_limiter_info.sample_stats.completed == 24


def test_two_servers_give_half_of_each_batch(spec, serve, make_remote):
    servers = [serve(capacity=60), serve(capacity=40)]
    for number, server in enumerate(servers):
        _add(spec, server, 100 * number, 100 * number + 30)
    replay, feeder = make_remote(servers)
    assert replay.capacity == 100
    take = tf.function(lambda: replay.sample(6).reward)
    take.get_concrete_function()
    for _ in range(20):
        assert feeder.wait(20)
        assert (take().numpy() >= 100).tolist() == [False] * 3 + [True] * 3


def test_what_breaks_in_the_thread_is_raised_by_the_wait():
    dataset = tf.data.Dataset.from_tensor_slices([0.5, 1.0, np.inf]).map(
        lambda x: tf.debugging.check_numerics(x, "?")
    )
    feeder = Feeder()
    values = feeder(dataset)
    assert feeder.wait(20)  # the thread cannot go on before this is taken
    assert float(next(values)) == 0.5

    def is_raised() -> bool:
        try:
            feeder.wait(0.01)
        except RunError as error:
            assert str(error).startswith("The replay servers gave no batch (") and "Inf" in str(
                error
            )
            return True
        return False

    assert eventually(is_raised)


def test_rewards_are_scaled(spec, serve, make_remote):
    server = serve()
    _add(spec, server, 2, 3)
    replay, feeder = make_remote([server], "FixedRewardScale.scale = 0.5")
    take = tf.function(lambda: replay.sample(4).reward)
    take.get_concrete_function()
    assert feeder.wait(20)
    np.testing.assert_array_equal(take(), [1.0] * 4)


def test_a_scale_that_needs_every_reward_is_refused(serve, make_remote):
    with pytest.raises(
        ConfigurationError, match="needs every reward in order, .* use @FixedRewardScale"
    ):
        make_remote([serve()], "BatchReader.rewards = @RunningRewardScale")


def test_priorities_must_be_written_where_the_server_draws_by_them(serve, make_remote):
    with pytest.raises(ConfigurationError, match="which ReverbSampler never writes"):
        make_remote([serve(sampler=Prioritized)])
    with pytest.raises(
        ConfigurationError, match="PrioritizedSampler needs a table that draws by priorities"
    ):
        make_remote([serve()], PRIORITIZED)


def test_what_the_servers_do_not_keep_goes_through_a_checkpoint(spec, serve, make_remote, tmp_path):
    """The priority of the next rows; the rows are the servers'."""
    server = serve(free_ratio(1.0, 1), sampler=Prioritized)
    _add(spec, server, 0, 8)
    before, feeder = make_remote([server], PRIORITIZED, "PrioritizedSampler.epsilon = 0.5")

    def learn() -> None:
        before.update_priorities(before.sample(4), tf.constant([1.0, 2.0, 6.5, 0.0]))

    learn = tf.function(learn)
    learn.get_concrete_function()
    assert feeder.wait(20)
    learn()
    before.synchronize(8)
    assert before.new_priority == 7
    before.save(tmp_path / "saved")
    after, _ = make_remote([server], PRIORITIZED)
    after.restore(tmp_path / "saved")
    assert after.new_priority == 7
    gin.clear_config()
    plain, _ = make_remote([serve()])
    plain.save(tmp_path / "plain")
    assert list((tmp_path / "plain").iterdir()) == []
    plain.restore(tmp_path / "plain")
    assert plain.new_priority == 1 and not plain.collects


def test_priorities_that_a_server_did_not_take_are_said(serve, make_remote, capsys):
    replay, _ = make_remote([serve(sampler=Prioritized)], PRIORITIZED)
    replay._reader.sampler._client = None
    replay._reader.sampler._hand_over(np.uint64([1]), np.float32([1]))
    replay.synchronize(8)
    assert "Reverb did not take new priorities" in capsys.readouterr().out
