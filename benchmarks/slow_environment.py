"""Environment `benchmarks.slow_environment:SlowPendulum-v0`: Pendulum-v1 at the speed of a robot,
20 ms per step."""

import time

import gymnasium
from gymnasium.envs.classic_control.pendulum import PendulumEnv

_STEP_S = 0.02


class SlowPendulum(PendulumEnv):
    """Sleeps in each step, like an environment that waits for hardware or a remote simulator."""

    def step(self, u):
        time.sleep(_STEP_S)
        return super().step(u)


gymnasium.register("SlowPendulum-v0", SlowPendulum, max_episode_steps=200)
