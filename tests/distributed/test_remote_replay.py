import functools

import gin
import numpy as np
import pytest
import reverb
import tensorflow as tf

import sac_tf.replay.prioritized  # noqa: F401  (registers PrioritizedSampler)
from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.agents.sac.steps import alpha_step, sac_steps
from sac_tf.agents.update import make_update
from sac_tf.distributed import remote_replay
from sac_tf.distributed.rate_limits import free_ratio, held_ratio
from sac_tf.distributed.remote_replay import Feeder, RemoteReplay
from sac_tf.distributed.waiting import with_timeout
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.networks.actor import make_actor
from sac_tf.networks.critic import make_critic
from sac_tf.replay import samplers
from sac_tf.replay.items import ItemStream
from sac_tf.replay.saved import Summary
from sac_tf.replay.tables import Prioritized
from sac_tf.replay.writer import StepWriter, wait_once
from tests.distributed.served import WINDOWS, replay_info
from tests.replay.numbered import add_numbered
from tests.waiting import eventually

PRIORITIZED = "BatchReader.sampler = @PrioritizedSampler"


@pytest.fixture
def make_remote():
    """Returns a function that makes the replay of a learner and its feeder."""
    opened = []

    def make(clients, *bindings, restore_from=None):
        gin.parse_config(bindings)
        feeder = Feeder()
        replay = RemoteReplay(
            windows=WINDOWS,
            generator=tf.random.Generator.from_seed(1),
            expected_steps=1000,
            restore_from=restore_from,
            clients=clients,
            feeder=feeder,
            observe=lambda observation: None,
        )
        opened.append(replay)
        return replay, feeder

    yield make
    for replay in opened:
        replay.close()


def _add(server, first: int, last: int) -> None:
    """Adds the transitions `first` to `last` - 1, an episode."""
    stream = ItemStream(server.client, WINDOWS, 1, wait_once)
    writer = StepWriter(WINDOWS, 1, [stream])
    add_numbered(writer, first, last)
    writer.end_episodes()
    writer.publish()
    writer.close()


def _take_rewards(replay, number: int):
    """Returns a compiled function that samples `number` rewards; fetching starts now."""
    take = tf.function(lambda: replay.sample(1, number).reward[0], autograph=False)
    take.get_concrete_function()
    return take


def test_compiled_update_samples_batches(spec, serve, make_remote):
    server = serve()
    _add(server, 0, 50)
    replay, feeder = make_remote([server.client])
    state = SacState(
        spec,
        0,
        0.99,
        policy=functools.partial(
            make_policy, network=functools.partial(make_actor, hidden_units=(8,))
        ),
        critic=functools.partial(make_critic, hidden_units=(8,)),
    )
    seen = []

    def see(state, batch):
        tf.numpy_function(lambda reward: seen.append(reward.copy()), [batch.reward], [])
        return batch

    update = make_update(
        state,
        replay,
        batch_size=4,
        steps=functools.partial(sac_steps, alpha_step=alpha_step),
        transforms=[see],
        updates_per_call=2,
    )
    before = [weight.copy() for weight in state.critics.model.get_weights()]
    for _ in range(30):
        assert feeder.wait(60)
        metrics = update.run()
    assert all(np.isfinite(value) for value in metrics.values()) and int(state.updates) == 60
    assert any(
        (a != b).any() for a, b in zip(before, state.critics.model.get_weights(), strict=True)
    )
    assert {rewards.shape for rewards in seen} == {(4,)} and len(seen) == 60
    drawn = set(np.concatenate(seen))
    # 240 uniform draws miss 0.4 of 50 rows on average.
    assert drawn <= set(range(50)) and len(drawn) > 40


def test_wait_has_a_timeout_while_the_limiter_blocks(spec, serve, make_remote, monkeypatch):
    """8 samples per row after the first 4, with a tolerance of one row: 5 rows give 2 batches of 8,
    the next row one."""
    monkeypatch.setattr(samplers, "TIMEOUT_S", 1)  # the dataset ends meanwhile, and starts again
    server = serve(held_ratio(8.0, 4, tolerance_rows=1))
    replay, feeder = make_remote([server.client])
    take = _take_rewards(replay, 8)
    assert not with_timeout(lambda: feeder.wait(0.05), 60)
    for first, last, batches in ((0, 5, 2), (5, 6, 1)):
        _add(server, first, last)
        for _ in range(batches):
            assert feeder.wait(60)
            assert set(take().numpy()) <= set(range(last))
        assert not feeder.wait(1.5)
    assert replay_info(server).rate_limiter_info.sample_stats.completed == 24


def test_two_servers_give_half_of_each_batch(spec, serve, make_remote):
    servers = [serve(capacity=60), serve(capacity=40)]
    for number, server in enumerate(servers):
        _add(server, 100 * number, 100 * number + 30)
    replay, feeder = make_remote([server.client for server in servers])
    with pytest.raises(ConfigurationError, match=r"size=101 is larger .* tables.capacity=100\."):
        replay.sample(1, 101)
    take = _take_rewards(replay, 6)
    for _ in range(20):
        assert feeder.wait(60)
        assert (take().numpy() >= 100).tolist() == [False] * 3 + [True] * 3


def test_error_of_the_thread_is_raised_by_wait():
    dataset = tf.data.Dataset.from_tensor_slices([0.5, 1.0, np.inf]).map(
        lambda x: tf.debugging.check_numerics(x, "?")
    )
    feeder = Feeder()
    values = feeder(dataset)
    assert feeder.wait(60)
    assert float(next(values)) == 0.5  # the thread blocks until this batch is taken

    def is_raised() -> bool:
        try:
            feeder.wait(0.01)
        except RunError as error:
            message = str(error)
            assert message.startswith("The replay servers gave no batch (") and "Inf" in message
            return True
        return False

    assert eventually(is_raised)


def test_sampler_must_fit_the_table(serve, make_remote):
    with pytest.raises(ConfigurationError, match="which ReverbSampler never writes"):
        make_remote([serve(sampler=Prioritized).client])
    words = "PrioritizedSampler needs a table that draws by priorities"
    with pytest.raises(ConfigurationError, match=words):
        make_remote([serve().client], PRIORITIZED)


def test_stopped_server_raises_one_sentence(serve, make_remote, monkeypatch):
    monkeypatch.setattr(remote_replay, "TIMEOUT_S", 1)
    server = serve()
    server.stop()
    words = f"^The replay server at {server.address} does not answer \\(.*\\)\\.$"
    with pytest.raises(RunError, match=words):
        with_timeout(lambda: make_remote([reverb.Client(server.address)]), 60)


def test_checkpoint_has_the_priority_of_new_rows(spec, serve, make_remote, tmp_path):
    """The rows and their priorities are in the servers' checkpoints."""
    server = serve(free_ratio(1.0, 1), sampler=Prioritized)
    _add(server, 0, 8)
    before, feeder = make_remote([server.client], PRIORITIZED, "PrioritizedSampler.epsilon = 0.5")

    def learn() -> None:
        before.update_priorities(before.sample(1, 4), tf.constant([[1.0, 2.0, 6.5, 0.0]]))

    learn = tf.function(learn, autograph=False)
    learn.get_concrete_function()
    assert feeder.wait(60)
    learn()
    before.synchronize(8)
    assert before.new_priority == 7
    before.save(tmp_path / "saved")
    after, _ = make_remote([server.client], PRIORITIZED, restore_from=tmp_path / "saved")
    assert after.new_priority == 7


def test_uniform_checkpoint_is_empty(serve, make_remote, tmp_path):
    server = serve()
    plain, _ = make_remote([server.client])
    plain.save(tmp_path / "plain")
    # A reader of the steps finds that there are none.
    assert [path.name for path in (tmp_path / "plain").iterdir()] == ["replay.json"]
    assert Summary.load(tmp_path / "plain").rows == 0
    restored, _ = make_remote([server.client], restore_from=tmp_path / "plain")
    assert restored.new_priority == 1


def test_lost_priorities_are_printed(serve, make_remote, capsys):
    replay, _ = make_remote([serve(sampler=Prioritized).client], PRIORITIZED)
    replay._reader.sampler._client = None
    replay._reader.sampler._hand_over(np.uint64([1]), np.float32([1]))
    replay.synchronize(8)
    assert "Reverb did not take new priorities" in capsys.readouterr().out
