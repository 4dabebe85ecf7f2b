"""Plays an episode with an exported policy, using TensorFlow and Gymnasium only.

python examples/serve_policy.py FOLDER
"""

import json
import sys
from pathlib import Path

import gymnasium
import tensorflow as tf

folder = sys.argv[1]
spec = json.loads(Path(folder, "policy_spec.json").read_text())
policy = tf.saved_model.load(folder).signatures["serving_default"]
environment = gymnasium.make(spec["task"])
observation, _ = environment.reset(seed=0)
total_reward = 0.0
done = False
while not done:
    inputs = {}
    for leaf in spec["observation"]:
        array = observation
        for key in leaf["path"]:
            array = array[key]
        inputs[leaf["name"]] = tf.constant([array], leaf["dtype"])
    action = policy(**inputs)["action"].numpy()[0]
    observation, reward, terminated, truncated, _ = environment.step(action)
    total_reward += reward
    done = terminated or truncated
print(f"{spec['task']} return {total_reward:.4f}")
