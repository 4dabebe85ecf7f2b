"""Matrix products of one update, and the speed of the machine at these products alone.

`update_vs_gemm_limit` is (seconds of the bare products of one update) / (seconds of our update),
both from one run: 1 would mean that sampling, activations, losses, optimizers, target networks and
metrics cost nothing.

The products are those of a SAC update whose critics take observation and action concatenated, with
the operand layouts (transposed or not) of its gradients. They run in a `tf.function` with the
thread settings of `train`. They are independent of each other, so the runtime can always run
several in parallel; an update has chains of products that depend on each other. So 1 is a bound.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.sizes import BATCH, UNITS, Size

if TYPE_CHECKING:
    import tensorflow as tf


class Product(NamedTuple):
    """[m, k] times [k, n]; `transpose_a` or `transpose_b` if that operand is stored transposed."""

    m: int
    k: int
    n: int
    transpose_a: bool = False
    transpose_b: bool = False

    @property
    def operations(self) -> int:
        """Floating-point multiplications and additions."""
        return 2 * self.m * self.k * self.n


Layer = tuple[int, int]
"""Inputs and units of a dense layer."""


def forward(layers: Sequence[Layer]) -> list[Product]:
    """Returns y = x W for each layer."""
    return [Product(BATCH, inputs, units) for inputs, units in layers]


def input_gradients(layers: Sequence[Layer]) -> list[Product]:
    """Returns dx = dy W' for each layer."""
    return [Product(BATCH, units, inputs, transpose_b=True) for inputs, units in layers]


def weight_gradients(layers: Sequence[Layer]) -> list[Product]:
    """Returns dW = x' dy for each layer."""
    return [Product(inputs, BATCH, units, transpose_a=True) for inputs, units in layers]


def update_products(size: Size) -> list[Product]:
    """Returns the products of one critic step and one actor step.

    The critic step: policy and target critics on the next observation, critics forward and back to
    their weights. The actor step: policy on the observation, critics forward and back to the
    action, policy back to its weights. That is 16 passes of a hidden 256 x 256 layer with two
    critics: 1 + 2 + 2 + 4, and 1 + 2 + 2 + 2.
    """
    hidden = (UNITS, UNITS)
    actor = [(size.observation, UNITS), hidden, (UNITS, size.action), (UNITS, size.action)]
    critic = [(size.observation + size.action, UNITS), hidden, (UNITS, 1)]
    learn_critic = forward(critic) + weight_gradients(critic) + input_gradients(critic[1:])
    critic_step = forward(actor) + size.critics * (forward(critic) + learn_critic)
    through_critic = forward(critic) + input_gradients(critic)
    actor_step = (
        forward(actor)
        + size.critics * through_critic
        + weight_gradients(actor)
        + input_gradients(actor[1:])
    )
    return critic_step + actor_step


def bare_products(products: Sequence[Product], updates_per_call: int) -> Callable[[int], float]:
    """Returns f(updates) -> updates per second of a graph with the products of `updates_per_call`
    updates, unrolled.

    Operands of one shape are shared, so they stay in the caches as the weights of an update do.
    Each product reads them again, because TensorFlow merges equal products of one tensor, and each
    result is used, because TensorFlow removes products whose results are not.
    """
    import tensorflow as tf

    operands = list(zip(products, _operands(products), strict=True))

    @tf.function(autograph=False)
    def run() -> tf.Tensor:
        corners = []
        for product, (left, right) in updates_per_call * operands:
            result = tf.matmul(
                left.read_value(),
                right.read_value(),
                transpose_a=product.transpose_a,
                transpose_b=product.transpose_b,
            )
            corners.append(result[0, 0])
        return tf.add_n(corners)

    def rate(updates: int) -> float:
        calls = max(1, updates // updates_per_call)
        start = time.perf_counter()
        for _ in range(calls):
            run().numpy()
        return calls * updates_per_call / (time.perf_counter() - start)

    rate(1)
    return rate


def _operands(products: Sequence[Product]) -> "list[tuple[tf.Variable, tf.Variable]]":
    import tensorflow as tf

    variables: dict[tuple[int, int], tf.Variable] = {}

    def operand(rows: int, columns: int, transposed: bool) -> tf.Variable:
        shape = (columns, rows) if transposed else (rows, columns)
        if shape not in variables:
            variables[shape] = tf.Variable(tf.random.normal(shape))
        return variables[shape]

    return [(operand(p.m, p.k, p.transpose_a), operand(p.k, p.n, p.transpose_b)) for p in products]
