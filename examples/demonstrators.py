r"""Scripted demonstrators, whose episodes `binaries.record` writes as a data set.

python -m binaries.record --demonstrator=examples.demonstrators:fetch_reach --episodes=20 \
    --successes_only --output=fetch/reach-v0 --gin_file=gin_configs/tasks/fetch_reach.gin
python -m binaries.record --demonstrator=examples.demonstrators:pendulum --episodes=20 \
    --output=pendulum/scripted-v0 --gin_file=gin_configs/tasks/pendulum.gin

python -m binaries.record --demonstrator=examples.demonstrators:reacher --episodes=20 \
    --output=reacher/scripted-v0 --gin_bindings="train.environment='Reacher-v5'"
python -m binaries.record --demonstrator=examples.demonstrators:disc --episodes=20 \
    --output=disc/scripted-v0 --gin_bindings="train.environment='tests.pixel_tasks:Reacher'"

A demonstrator is called with the environment at the start of each episode, and returns a function
from the observation to the action of the task.
"""

import numpy as np


def fetch_reach(environment):
    """Moves the gripper of FetchReach-v4 straight to the goal. Four actions: a displacement, in
    units of 5 cm, and the fingers, which this task does not use."""
    del environment

    def act(observation):
        error = observation["desired_goal"] - observation["achieved_goal"]
        return np.append(np.clip(error / 0.05, -1, 1), 0).astype(np.float32)

    return act


def pendulum(environment):
    """Swings Pendulum-v1 up by its energy, and holds it there: of length l = 1 and mass m = 1, it
    has the energy l^2 m w^2 / 6 + g l m cos(angle) / 2, which is g / 2 at rest at the top."""
    task = environment.unwrapped
    top = task.g / 2

    def act(observation):
        cosine, sine, speed = map(float, observation)
        angle = np.arctan2(sine, cosine)  # 0 at the top
        missing = top - (speed**2 / 6 + top * cosine)
        swinging = 4 * missing * np.sign(speed) if abs(speed) > 1e-3 else task.max_torque
        holding = -(15 * angle + 4 * speed)
        torque = holding if abs(angle) < 0.6 else swinging
        return np.clip([torque], -task.max_torque, task.max_torque).astype(np.float32)

    return act


def reacher(environment):
    """Moves the tip of Reacher-v5, an arm of two links of 0.1 and 0.11 m, to the target: with the
    torques of a spring between the two (the transposed Jacobian), damped at the joints."""
    del environment

    def act(observation):
        cosines, sines, speeds = observation[:2], observation[2:4], observation[6:8]
        shoulder, elbow = np.cumsum(np.arctan2(sines, cosines))
        outer = 0.11 * np.array([-np.sin(elbow), np.cos(elbow)])
        whole = 0.1 * np.array([-np.sin(shoulder), np.cos(shoulder)]) + outer
        error = -observation[8:10]
        torques = 30 * np.array([whole @ error, outer @ error]) - 0.125 * speeds
        return np.clip(torques, -1, 1).astype(np.float32)

    return act


def disc(environment):
    """Moves the disc of `tests.pixel_tasks:Reacher` to its goal, which the simulator knows."""
    task = environment.unwrapped

    def act(observation):
        del observation
        return np.clip((task.goal - task.position) / 0.2, -1, 1).astype(np.float32)

    return act


def uniform(environment):
    """Acts at random, uniformly within the bounds of a task with one array of actions; the seed of
    an episode decides its actions too."""
    space = environment.action_space

    def act(observation):
        del observation
        draw = environment.unwrapped.np_random.uniform(space.low, space.high)
        return draw.astype(space.dtype)

    return act
