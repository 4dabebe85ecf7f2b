"""The TensorFlow runtime: settings that must be made before its first operation, and what it keeps
after a run."""

import gc

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count
from sac_tf.runs.processor import multiplies_bfloat16


@gin.configurable
def set_runtime(intra_op: int = 1, inter_op: int = 2, bfloat16_products: bool = False) -> None:
    """Sets TensorFlow's thread counts, and the precision of the learner's matrix products.

    The products of an update are too small to be worth splitting: one thread each, and two side by
      side, is
    fastest on two cores, and gives the same sums in the same order every time.

    Args:
      intra_op, inter_op: threads of one operation, and operations side by side; 0 lets TensorFlow
        choose.
      bfloat16_products: compute the products of compiled updates from bfloat16, 8 bits of mantissa
        for 24, wherever they run on a processor. Weights, optimizers and losses stay float32, and
        so do acting and exported policies.

    Raises:
      ConfigurationError: other thread counts are in use already, or the processor cannot multiply
        bfloat16.
    """
    require_count("set_runtime.intra_op", intra_op, minimum=0)
    require_count("set_runtime.inter_op", inter_op, minimum=0)
    if bfloat16_products and not multiplies_bfloat16():
        raise ConfigurationError(
            "set_runtime.bfloat16_products=True needs a processor with AVX512_BF16 or AMX_BF16; "
            "leave it at False."
        )
    tf.config.optimizer.set_experimental_options(
        {"auto_mixed_precision_onednn_bfloat16": bfloat16_products}
    )
    try:
        tf.config.threading.set_intra_op_parallelism_threads(intra_op)
        tf.config.threading.set_inter_op_parallelism_threads(inter_op)
    except RuntimeError as error:
        raise ConfigurationError(
            f"set_runtime.intra_op={intra_op} and set_runtime.inter_op={inter_op} come too late: "
            "TensorFlow has run with other counts in this process."
        ) from error


def free_closed_runs() -> None:
    """Frees what closed runs still hold: rows, and the threads of Reverb that ask a stopped server
    for more.

    They hang in reference cycles with the graphs that were traced over them, which Python finds
    late. The first pass frees the Python functions, whose end lets go of the graphs, which the
    second pass frees.
    """
    gc.collect()
    gc.collect()
