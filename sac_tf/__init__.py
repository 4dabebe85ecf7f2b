"""Soft Actor-Critic and its family on TensorFlow.

`sac_tf.Training(environment=..., total_steps=...).run(folder)` trains, and
`sac_tf.load_policy(folder)` returns a policy that acts.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sac_tf.training.load_policy import load_policy as load_policy
    from sac_tf.training.train import Training as Training

__version__ = "0.1.0"
__all__ = ["Training", "load_policy"]
_MODULES = {
    "Training": "sac_tf.training.train",
    "load_policy": "sac_tf.training.load_policy",
}


def __getattr__(name: str) -> Any:
    """Imports what is used: TensorFlow takes seconds, and `--help` needs none of it."""
    if name not in _MODULES:
        raise AttributeError(f"module 'sac_tf' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
