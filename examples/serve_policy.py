"""Plays an episode with an exported policy, using TensorFlow and Gymnasium only.

python examples/serve_policy.py FOLDER
"""

import importlib
import json
import sys
from pathlib import Path

import gymnasium
import numpy as np
import tensorflow as tf

folder = sys.argv[1]
text = Path(folder, "policy_spec.json").read_text()
spec = json.loads(text, object_hook=lambda x: tuple(x["tuple"]) if "tuple" in x else x)
if spec["format"] == "tflite":
    interpreter = tf.lite.Interpreter(str(Path(folder, "policy.tflite")))
    policy = interpreter.get_signature_runner("serving_default")
else:
    policy = tf.saved_model.load(folder).signatures["serving_default"]
names = {tuple(leaf["path"]): leaf["name"] for leaf in spec["action"]}


def arrange(space, outputs, path=()):
    """Returns the outputs of the policy in the structure of the action space."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {key: arrange(sub, outputs, (*path, key)) for key, sub in space.items()}
    if isinstance(space, gymnasium.spaces.Tuple):
        return tuple(arrange(sub, outputs, (*path, i)) for i, sub in enumerate(space))
    return np.asarray(outputs[names[path]])[0, ...]


def find(name, default_module):
    """Returns what `module:name` refers to, or None."""
    module, _, attribute = name.rpartition(":")
    return getattr(importlib.import_module(module or default_module), attribute, None)


task = spec["environment"]
arguments = {**task["arguments"], **task["evaluation_arguments"]}
limit = task["max_episode_steps"]
make = find(task["task"], "gymnasium")
if make is None or task["task"].rpartition(":")[2] in gymnasium.registry:
    environment = gymnasium.make(task["task"], max_episode_steps=limit, **arguments)
else:
    environment = make(**arguments)
    environment = gymnasium.wrappers.TimeLimit(environment, limit) if limit else environment
for wrapper in task["wrappers"]:
    name, arguments = (wrapper, {}) if isinstance(wrapper, str) else wrapper
    environment = find(name, "gymnasium.wrappers")(environment, **arguments)
if (frames := task.get("frame_stack", 1)) > 1:
    environment = gymnasium.wrappers.FrameStackObservation(environment, frames)
observation, _ = environment.reset(seed=0)
total_reward, is_over = 0.0, False
while not is_over:
    inputs = {}
    for leaf in spec["observation"]:
        array = observation
        for key in leaf["path"]:
            array = array[key]
        if frames > 1:
            array = np.concatenate([np.atleast_1d(frame) for frame in array], axis=-1)
        inputs[leaf["name"]] = tf.constant([array], leaf["dtype"])
    action = arrange(environment.action_space, policy(**inputs))
    observation, reward, terminated, truncated, _ = environment.step(action)
    total_reward += float(reward)
    is_over = terminated or truncated
print(f"{task['task']} return {total_reward:.4f}")
