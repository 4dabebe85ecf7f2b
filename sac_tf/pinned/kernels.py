"""Raw TensorFlow operations: faster than their public counterparts, or smaller."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from sac_tf.pinned import require_tested


def move_towards(variable: tf.Variable, value: tf.Tensor, rate: float | tf.Tensor) -> None:
    """Moves `variable` by `rate` of the way to `value`: gradient descent on half their squared
    distance.

    The kernel of gradient descent scales and adds in one pass over memory; `assign_add` needs two.
    """
    require_tested(tf)
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=variable - value)


def copy_value(variable: tf.Variable, value: tf.Tensor) -> None:
    """Gives a variable a value, on the replica that calls it, where `assign` of a mirrored variable
    is refused."""
    require_tested(tf)
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)


def uninitialized(shape: Sequence[int], dtype: str) -> tf.Tensor:
    """Returns a tensor whose values are not set.

    The operating system gives it a page of memory when the page is first written to; `tf.zeros`
    writes to all pages.
    """
    require_tested(tf)
    return tf.raw_ops.Empty(shape=list(shape), dtype=dtype, init=False)


def bind_call(
    function: Callable[..., tf.Tensor], signature: tf.TensorSpec
) -> Callable[[Sequence[tf.Tensor]], tf.Tensor]:
    """Compiles `function` for one signature and returns f(flat arguments) -> its one float32
    result.

    A concrete function that is called as an operation takes a third of the time of the same
    function called in Python, which binds its arguments anew at each call.

    Args:
      function: of a nest of tensors.
      signature: nest of `tf.TensorSpec`.
    """
    require_tested(tf)
    concrete = tf.function(function, autograph=False).get_concrete_function(signature)

    def call(arguments: Sequence[tf.Tensor]) -> tf.Tensor:
        operands = [*arguments, *concrete.captured_inputs]
        return tf.raw_ops.StatefulPartitionedCall(args=operands, Tout=[tf.float32], f=concrete)[0]

    return call
