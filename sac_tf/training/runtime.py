"""The TensorFlow runtime: settings that must be made before its first operation, and what it keeps after a run."""

import gc

import gin
import tensorflow as tf

from sac_tf.errors import ConfigurationError, require_count


@gin.register
def set_threads(intra_op: int = 1, inter_op: int = 2) -> None:
    """Sets TensorFlow's thread counts; 0 lets TensorFlow choose.

    The products of an update are too small to be worth splitting: one thread each, and two side by side, is
    fastest on two cores, and gives the same sums in the same order every time.
    """
    require_count("set_threads.intra_op", intra_op, minimum=0)
    require_count("set_threads.inter_op", inter_op, minimum=0)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(intra_op)
        tf.config.threading.set_inter_op_parallelism_threads(inter_op)
    except RuntimeError as error:
        raise ConfigurationError(
            f"set_threads.intra_op={intra_op} and set_threads.inter_op={inter_op} come too late: "
            "TensorFlow has run with other counts in this process."
        ) from error


def free_closed_runs() -> None:
    """Frees what closed runs still hold: rows, and the threads of Reverb that ask a stopped server for more.

    They hang in reference cycles with the graphs that were traced over them, which Python finds late. The first
    pass frees the Python functions, whose end lets go of the graphs, which the second pass frees.
    """
    gc.collect()
    gc.collect()
