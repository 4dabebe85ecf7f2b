"""Latency of one action for one observation: exported policies and TF-Agents' PyTFEagerPolicy, in
one process.

python -m benchmarks.policy_latency > latency.txt

All of them have networks of 256-256 for a task of HalfCheetah's size (17 observations, 6 actions),
and take and return NumPy arrays. The rounds of all policies alternate, so that other load of the
machine affects them alike; a number is the median of all calls of all rounds.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags
from tf_agents.agents.ddpg.critic_network import CriticNetwork
from tf_agents.agents.sac import sac_agent
from tf_agents.agents.sac.tanh_normal_projection_network import TanhNormalProjectionNetwork
from tf_agents.networks.actor_distribution_network import ActorDistributionNetwork
from tf_agents.policies.greedy_policy import GreedyPolicy
from tf_agents.policies.py_tf_eager_policy import PyTFEagerPolicy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step

from sac_tf.agents.policy import make_policy
from sac_tf.serving import export_policy
from sac_tf.serving.policy_spec import TFLITE_FILE, PolicySpec
from sac_tf.types import EnvironmentSpec

_CALLS = flags.DEFINE_integer("calls", 100, "Calls of each policy in a round.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 10, "Rounds to measure.", lower_bound=1)
_OBSERVATIONS = 17
_ACTIONS = 6
_HIDDEN = (256, 256)


def main(_: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        policies = _exported(Path(folder)) | _tf_agents()
        seconds: dict[str, list[float]] = {name: [] for name in policies}
        for number in range(_ROUNDS.value + 1):
            for name, act in policies.items():
                taken = [_time(act) for _call in range(_CALLS.value)]
                if number > 0:  # the first round compiles and warms up
                    seconds[name] += taken
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, median in medians.items():
        print(f"{name}_microseconds {1e6 * median:.1f}")
    for theirs in ("pytfeagerpolicy", "pytfeagerpolicy_tf_function"):
        for ours in ("saved_model", "tflite"):
            print(f"{ours}_times_faster_than_{theirs} {medians[theirs] / medians[ours]:.2f}")


def _exported(folder: Path) -> dict[str, Callable[[], object]]:
    """Returns calls of exported policies, through TensorFlow's own interface."""
    bound = np.ones(_ACTIONS, np.float32)
    observation = tf.TensorSpec([_OBSERVATIONS], tf.float32, name="observation")
    spec = EnvironmentSpec.of_arrays(observation, -bound, bound)
    policy = make_policy(spec, seed=0)
    description = PolicySpec({"task": "none"}, spec, step=0, episode_return=None)
    for form in (export_policy.SAVED_MODEL, export_policy.TFLITE):
        export_policy.export(policy, description, folder / form.name, form)
    signature = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    interpreter = tf.lite.Interpreter(str(folder / "tflite" / TFLITE_FILE))
    runner = interpreter.get_signature_runner("serving_default")
    array = np.zeros([1, _OBSERVATIONS], np.float32)
    return {
        "saved_model": lambda: signature(observation=tf.constant(array))["action"].numpy(),
        "tflite": lambda: runner(observation=array)["action"],
    }


def _tf_agents() -> dict[str, Callable[[], object]]:
    """Returns calls of the mean action of a TF-Agents SAC agent, with and without
    `use_tf_function`."""
    observation = tensor_spec.TensorSpec([_OBSERVATIONS], tf.float32)
    action = tensor_spec.BoundedTensorSpec([_ACTIONS], tf.float32, -1, 1)
    agent = sac_agent.SacAgent(
        time_step.time_step_spec(observation),
        action,
        critic_network=CriticNetwork((observation, action), joint_fc_layer_params=_HIDDEN),
        actor_network=ActorDistributionNetwork(
            observation,
            action,
            fc_layer_params=_HIDDEN,
            continuous_projection_net=TanhNormalProjectionNetwork,
        ),
        actor_optimizer=None,
        critic_optimizer=None,
        alpha_optimizer=None,
    )
    step = time_step.restart(np.zeros([_OBSERVATIONS], np.float32))
    greedy = GreedyPolicy(agent.policy)
    eager = PyTFEagerPolicy(greedy)
    compiled = PyTFEagerPolicy(greedy, use_tf_function=True)
    return {
        "pytfeagerpolicy": lambda: eager.action(step),
        "pytfeagerpolicy_tf_function": lambda: compiled.action(step),
    }


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    app.run(main)
