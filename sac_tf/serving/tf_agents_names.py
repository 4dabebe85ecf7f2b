"""Names of the tf_agents format: how TF-Agents' `PolicySaver` names inputs and outputs.

Imports nothing of TF-Agents, so that loading an export needs TensorFlow only.
"""

import re
from collections.abc import Sequence

from sac_tf.leaves import ActionLeaf, ObservationLeaf
from sac_tf.types import EnvironmentSpec

Path = tuple[str | int, ...]


def paths(leaves: Sequence[ObservationLeaf | ActionLeaf]) -> list[Path]:
    """Returns where the arrays are in the nests of TF-Agents: as in the task, or in a flat dict by
    their names if the task has tuples or keys that TF-Agents cannot name."""
    keys = [key for leaf in leaves for key in leaf.path]
    if all(isinstance(key, str) and re.fullmatch(r"[\w.-]+", key, re.ASCII) for key in keys):
        return [leaf.path for leaf in leaves]
    return [(leaf.name,) for leaf in leaves]


def observation_inputs(spec: EnvironmentSpec) -> dict[str, str]:
    """Returns {name of an observation leaf: name of the input}."""
    return _names("0/observation", spec.observation_leaves)


def action_outputs(spec: EnvironmentSpec) -> dict[str, str]:
    """Returns {name of an action leaf: name of the output}."""
    return _names("action", spec.action_leaves)


def _names(first: str, leaves: Sequence[ObservationLeaf | ActionLeaf]) -> dict[str, str]:
    return {
        leaf.name: "/".join([first, *map(str, path)])
        for leaf, path in zip(leaves, paths(leaves), strict=True)
    }
