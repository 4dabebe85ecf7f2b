"""Plays an episode with an exported policy, by TensorFlow alone: python examples/serve_policy.py
FOLDER"""

import json
import sys
from functools import reduce
from pathlib import Path

import gymnasium
import tensorflow as tf

spec = json.loads(Path(sys.argv[1], "policy_spec.json").read_text())
policy = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
environment = gymnasium.make(spec["task"])
(observation, _), total_reward, done = environment.reset(seed=0), 0.0, False
while not done:
    arrays = [
        reduce(lambda nest, key: nest[key], leaf["path"], observation)
        for leaf in spec["observation"]
    ]
    inputs = {
        leaf["name"]: tf.constant([x], leaf["dtype"])
        for leaf, x in zip(spec["observation"], arrays, strict=True)
    }
    observation, reward, terminated, truncated, _ = environment.step(
        policy(**inputs)["action"].numpy()[0]
    )
    total_reward, done = total_reward + reward, terminated or truncated
print(f"{spec['task']} return {total_reward:.4f}")
