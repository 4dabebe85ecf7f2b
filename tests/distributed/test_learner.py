"""The end of the learner: collectors and evaluator wait for its last policy."""

import pytest

from sac_tf.distributed import learner, policies
from sac_tf.distributed.messages import NO_ANSWER, newest_policy
from sac_tf.errors import RunError
from tests.distributed.served import insert_rows
from tests.training.small_runs import small_training


def _complete(serve_run):
    """Returns the training of a run whose steps are all collected, its server and the address."""
    training = small_training("Patience.limit_s = 1", total_steps=100, random_steps=100)
    server, address = serve_run(training)
    spec = training.environment_factory.spec()
    insert_rows(server._server.client, 100, windows=training.make_windows(spec))
    server.tick()
    return training, server._server.client, address


def test_last_policy_is_published(serve_run, tmp_path):
    training, client, address = _complete(serve_run)
    assert learner.run(str(tmp_path / "run"), [address], training) is None
    assert newest_policy(client).is_last


def test_last_policy_that_no_server_takes_is_an_error(serve_run, tmp_path, monkeypatch):
    """The program starts again, resumes from the checkpoint, and publishes it."""
    training, client, address = _complete(serve_run)
    publish = policies.publish

    def publish_others(client, policy):
        if policy.is_last:
            raise NO_ANSWER[0]("no answer")
        publish(client, policy)

    with monkeypatch.context() as patch:
        patch.setattr(policies, "publish", publish_others)
        words = r"Waited 1 s for the replay server to take the last policy \(Patience.limit_s\)"
        with pytest.raises(RunError, match=words):
            learner.run(str(tmp_path / "run"), [address], training)
    assert not newest_policy(client).is_last
    assert learner.run(str(tmp_path / "run"), [address], training) is None
    assert newest_policy(client).is_last
