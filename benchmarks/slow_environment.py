"""`benchmarks.slow_environment:SlowPendulum-v0`: Pendulum-v1 at the pace of a robot, 20 ms a
step."""

import time

import gymnasium
from gymnasium.envs.classic_control.pendulum import PendulumEnv

_STEP_S = 0.02


class SlowPendulum(PendulumEnv):
    """Sleeps in each step, as whoever waits for hardware or for a simulator elsewhere."""

    def step(self, u):
        time.sleep(_STEP_S)
        return super().step(u)


gymnasium.register("SlowPendulum-v0", SlowPendulum, max_episode_steps=200)
