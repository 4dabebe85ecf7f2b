"""A policy as functions of plain TensorFlow operations, with its weights inside."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from sac_tf.agents.sac.state import TrainState
from sac_tf.serving.policy_spec import SEED, PolicySpec
from sac_tf.types import EnvironmentSpec, Nest


def scale_to_task(action: tf.Tensor, spec: EnvironmentSpec) -> tf.Tensor:
    """Returns actions [B, A] in [-1, 1] as actions within the bounds of the task, as the
    environment adapter does.

    An operation that would change nothing is left out: each costs a few per cent of a call for one
      observation.
    """
    low, high = spec.action_low, spec.action_high
    center, half_range = (high + low) / 2, (high - low) / 2
    if np.any(half_range != 1):
        action = half_range * action
    if np.any(center != 0):
        action = center + action
    is_exact = np.array_equal(center + half_range, high) and np.array_equal(
        center - half_range, low
    )
    return action if is_exact else tf.clip_by_value(action, low, high)


def make_signatures(
    state: TrainState, spec: EnvironmentSpec, description: PolicySpec
) -> dict[str, tf.types.experimental.GenericFunction]:
    """Returns the signatures of an exported policy, for any batch size B.

    All take the observation as one named input for each array, [B, ...]:
      serving_default: -> action [B, A], the mean action, within the bounds of the task.
      sample: also takes seed, int64 scalar -> action [B, A], drawn; the same seed draws the same.
      distribution: -> loc, scale [B, A] of the Gaussian before it is squashed and scaled.
    """
    observation = [
        tf.TensorSpec([None, *leaf.shape], leaf.dtype, leaf.name)
        for leaf in description.observation
    ]
    seed = tf.TensorSpec([], tf.int64, SEED)

    def nest(leaves: Sequence[tf.Tensor]) -> Nest:
        return tf.nest.pack_sequence_as(spec.observation, leaves)

    def mean(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"action": scale_to_task(state.policy(nest(leaves)).mean_action(), spec)}

    def sample(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        *leaves, seed = inputs
        action = state.policy(nest(leaves)).sample(seed=tf.bitcast(seed, tf.int32))
        return {"action": scale_to_task(action, spec)}

    def distribution(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        gaussian = state.policy(nest(leaves)).parameters
        return {"loc": gaussian["loc"], "scale": tf.exp(gaussian["log_std"])}

    return {
        "serving_default": _freeze(mean, observation),
        "sample": _freeze(sample, [*observation, seed]),
        "distribution": _freeze(distribution, observation),
    }


def _freeze(function: Callable[..., dict[str, tf.Tensor]], inputs: list[tf.TensorSpec]) -> Callable:
    """Compiles `function` with its variables as constants.

    Calls are then faster, and a signature goes on working when the object that it was loaded with
    is gone.
    """
    concrete = tf.function(function, autograph=False).get_concrete_function(*inputs)
    frozen, names = convert_variables_to_constants_v2(concrete), sorted(concrete.structured_outputs)
    graph = frozen.graph.as_graph_def()
    _hide_constants(graph)
    given, wanted = (
        [tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs)
    )

    def call(*leaves: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = tf.graph_util.import_graph_def(
            graph, dict(zip(given, leaves, strict=True)), wanted, name=""
        )
        return dict(zip(names, outputs, strict=True))

    return tf.function(call, input_signature=inputs, autograph=False)


def _hide_constants(graph: tf.compat.v1.GraphDef) -> None:
    """Puts each constant matrix behind a `PlaceholderWithDefault`, in place.

    TensorFlow repacks the weights of a product that it knows to be constant, and the repacked
    product rounds differently. A long episode would make another return of that. So the policy acts
    as in training, bit for bit.
    """
    for node in [node for node in graph.node if node.op == "Const"]:
        shape = node.attr["value"].tensor.tensor_shape
        if len(shape.dim) >= 2:
            value = graph.node.add()
            value.CopyFrom(node)
            value.name = f"{node.name}/value"
            hidden = tf.compat.v1.NodeDef(
                name=node.name, op="PlaceholderWithDefault", input=[value.name]
            )
            hidden.attr["dtype"].CopyFrom(node.attr["dtype"])
            hidden.attr["shape"].shape.CopyFrom(shape)
            node.CopyFrom(hidden)
