"""The TensorFlow runtime: precision of products, and thread counts."""

import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents.policy import make_policy
from sac_tf.agents.sac.state import SacState
from sac_tf.errors import ConfigurationError
from sac_tf.runs import runtime
from sac_tf.training.acting import mean_actions


@pytest.fixture(autouse=True)
def _float32_afterwards():
    yield
    runtime.set_runtime()


def _critic_and_actor(spec, bfloat16_products):
    """Returns Q values of a compiled function, and actions, of the same networks."""
    runtime.set_runtime(bfloat16_products=bfloat16_products)
    state = SacState(spec, seed=0, discount=0.99, policy=make_policy)
    observation = np.random.default_rng(0).normal(size=(1, 3)).astype(np.float32)
    q = tf.function(lambda o: state.critics.model([o, tf.zeros([1, 2])]))(observation)
    return q.numpy(), mean_actions(state.policy, spec, 1)(observation)


def test_bfloat16_products_round_q_values_but_not_actions(spec, monkeypatch):
    """Where the processor has no such instructions, nothing is rounded."""
    q, action = _critic_and_actor(spec, bfloat16_products=False)
    has_them = runtime.multiplies_bfloat16()
    monkeypatch.setattr(runtime, "multiplies_bfloat16", lambda: True)
    rough_q, same_action = _critic_and_actor(spec, bfloat16_products=True)
    assert (rough_q != q).any() or not has_them
    np.testing.assert_allclose(rough_q, q, atol=0.02 * np.abs(q).max())
    np.testing.assert_array_equal(same_action, action)


def test_slow_bfloat16_products_are_refused(monkeypatch):
    monkeypatch.setattr(runtime, "multiplies_bfloat16", lambda: False)
    with pytest.raises(
        ConfigurationError,
        match=r"bfloat16_products=True needs a processor with AVX512_BF16 or AMX",
    ):
        runtime.set_runtime(bfloat16_products=True)


def test_default_thread_counts_that_come_too_late_are_reported(monkeypatch, capsys):
    def refuse(number):
        raise RuntimeError("cannot be modified after initialization")

    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", refuse)
    runtime.set_runtime()  # the same counts are in use
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    runtime.set_runtime()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("TensorFlow has run in this process with intra_op=0 and inter_op=2")
    assert "runs with the same seed may differ in the last bits" in line


def test_other_thread_counts_that_come_too_late_are_refused():
    tf.constant(1.0)
    with pytest.raises(ConfigurationError, match=r"set_runtime.intra_op=3 .* come too late"):
        runtime.set_runtime(intra_op=3)
