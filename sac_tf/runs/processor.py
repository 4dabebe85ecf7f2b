"""What the processor can do."""

from pathlib import Path

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def multiplies_bfloat16() -> bool:
    """Returns whether this processor has instructions for it; without them TensorFlow would emulate
    it, slowly."""
    return not _BFLOAT16_FLAGS.isdisjoint(Path("/proc/cpuinfo").read_text().split())
