"""Processor features that settings depend on."""

from pathlib import Path

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def multiplies_bfloat16() -> bool:
    """Returns whether this processor has bfloat16 instructions; without them TensorFlow emulates
    bfloat16, which is slow."""
    return not _BFLOAT16_FLAGS.isdisjoint(Path("/proc/cpuinfo").read_text().split())
