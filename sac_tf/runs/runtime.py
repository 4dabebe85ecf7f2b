"""The TensorFlow runtime: its threads and precision, and the memory of closed runs."""

import gc

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count
from sac_tf.runs.processor import multiplies_bfloat16

_INTRA_OP = 1
_INTER_OP = 2


@gin.configurable
def set_runtime(
    intra_op: int = _INTRA_OP, inter_op: int = _INTER_OP, bfloat16_products: bool = False
) -> None:
    """Sets TensorFlow's thread counts, and the precision of the learner's matrix products.

    The products of an update are too small to be split: one thread per product and two products at
    a time are fastest on two cores, and every sum is taken in the same order each time. The counts
    cannot change after TensorFlow's first operation in a process: in a notebook where it has run,
    the default counts have no effect. Such a run is trained all the same, but its seed may not
    repeat it in every bit.

    Args:
      intra_op, inter_op: threads of one operation, and operations at a time; 0 lets TensorFlow
        choose.
      bfloat16_products: compute the products of compiled updates on a CPU from bfloat16, with 8
        bits of mantissa instead of 24. Weights, optimizers and losses stay float32, and so do
        acting and exported policies.

    Raises:
      ConfigurationError: TensorFlow has run with other counts than those asked for, which are not
        the defaults; or the processor cannot multiply bfloat16.
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
        _keep_threads(intra_op, inter_op, error)


def _keep_threads(intra_op: int, inter_op: int, error: RuntimeError) -> None:
    """Keeps the thread counts of a process in which TensorFlow has run, if they are those asked for
    or nothing but the defaults was asked for."""
    used_intra_op = tf.config.threading.get_intra_op_parallelism_threads()
    used_inter_op = tf.config.threading.get_inter_op_parallelism_threads()
    if (intra_op, inter_op) == (used_intra_op, used_inter_op):
        return
    if (intra_op, inter_op) != (_INTRA_OP, _INTER_OP):
        raise ConfigurationError(
            f"set_runtime.intra_op={intra_op} and set_runtime.inter_op={inter_op} come too late: "
            "TensorFlow has run with other counts in this process. Leave them out, or call "
            "set_runtime before TensorFlow's first operation."
        ) from error
    print(
        f"TensorFlow has run in this process with intra_op={used_intra_op} and "
        f"inter_op={used_inter_op} threads (0: its own choice), which cannot change: runs with the "
        "same seed may differ in the last bits. To avoid this, call "
        "sac_tf.runs.runtime.set_runtime() before TensorFlow's first operation.",
        flush=True,
    )


def free_closed_runs() -> None:
    """Frees the memory of closed runs, and the Reverb threads that still send requests to stopped
    servers.

    Reference cycles with traced graphs hold them, which Python collects late. The first pass
    collects the Python functions, which release their graphs; the second pass collects those.
    """
    gc.collect()
    gc.collect()
