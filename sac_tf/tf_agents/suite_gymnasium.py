"""Gymnasium environments for TF-Agents, which supports only Gym."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium
import numpy as np
import tree
from tf_agents.environments import batched_py_environment, py_environment
from tf_agents.specs import array_spec
from tf_agents.trajectories import time_step as ts

from sac_tf.environments.border import Border
from sac_tf.environments.conversion import ObservationReader
from sac_tf.errors import ConfigurationError, require_count, require_number
from sac_tf.leaves import ObservationLeaf
from sac_tf.types import Nest

GymWrapper = Callable[[gymnasium.Env], gymnasium.Env]
PyWrapper = Callable[[py_environment.PyEnvironment], py_environment.PyEnvironment]


@gin.register(module="sac_tf.tf_agents.suite_gymnasium")
def load(
    environment_name: str,
    discount: float = 1.0,
    max_episode_steps: int | None = None,
    gym_env_wrappers: Sequence[GymWrapper] = (),
    env_wrappers: Sequence[PyWrapper] = (),
    gym_kwargs: dict[str, Any] | None = None,
    num_environments: int | None = None,
    seed: int | None = None,
) -> py_environment.PyEnvironment:
    """Makes an environment, or a batch; arguments of `suite_gym.load` mean the same.

    Args:
      environment_name: a registered id, or `module:id` for an id that importing `module` registers.
      discount: of each step but the terminal one, whose discount is 0. A time limit keeps it.
      max_episode_steps: the time limit, in steps below `gym_env_wrappers` (that of suite_gym is
        above them). None: the registered limit. 0: no limit.
      gym_env_wrappers, env_wrappers: applied in turn to the Gymnasium and the PyEnvironment.
      gym_kwargs: arguments of the environment, such as {"render_mode": "rgb_array"}.
      num_environments: E copies, stepped as one batched environment. None: one, without a batch.
      seed: of the first episode (copy i: seed + i). None: unseeded.

    Raises:
      ConfigurationError: the environment, a space or a number cannot be used.
    """
    require_count("max_episode_steps", max_episode_steps or 0, minimum=0)
    if num_environments is not None:
        require_count("num_environments", num_environments)

    def make(copy: int) -> py_environment.PyEnvironment:
        environment = _make(environment_name, max_episode_steps, gym_kwargs or {})
        environment = _apply(gym_env_wrappers, environment)
        own_seed = None if seed is None else seed + copy
        return _apply(env_wrappers, GymnasiumWrapper(environment, discount, own_seed))

    if num_environments is None:
        return make(0)
    copies = [make(copy) for copy in range(num_environments)]
    # Most simulators take less time than switching threads, and hold Python's global lock.
    return batched_py_environment.BatchedPyEnvironment(copies, multithreading=False)


def _apply(wrappers: Sequence[Callable[[Any], Any]], environment: Any) -> Any:
    for wrapper in wrappers:
        environment = wrapper(environment)
    return environment


class GymnasiumWrapper(py_environment.PyEnvironment):
    """A Gymnasium environment as a PyEnvironment: float32, terminations distinct from
    truncations."""

    def __init__(self, environment: gymnasium.Env, discount: float = 1.0, seed: int | None = None):
        """Takes the environment with its time limit, the discount of its steps, and the seed of the
        first episode."""
        super().__init__(handle_auto_reset=True)
        require_number(
            "discount", discount, lambda value: 0 <= value <= 1, wanted="a number from 0 to 1"
        )
        self._environment = environment
        self._discount = np.float32(discount)
        self._seed = seed
        self._observation_spec = _spec(environment.observation_space, "observation")
        self._action_spec = _spec(environment.action_space, "action")
        made_by = environment.spec
        title = type(environment.unwrapped).__name__ if made_by is None else made_by.id
        reader = ObservationReader(title, _leaves(self._observation_spec), encode=False)
        self._border = Border(title, environment, reader)
        self._info: Mapping[str, Any] | None = None

    @property
    def gym(self) -> gymnasium.Env:
        """The Gymnasium environment."""
        return self._environment

    def observation_spec(self) -> Nest:
        return self._observation_spec

    def action_spec(self) -> Nest:
        return self._action_spec

    def get_info(self) -> Mapping[str, Any] | None:
        """Returns Gymnasium's `info` of the last reset or step; None before the first reset."""
        return self._info

    def seed(self, seed: int) -> int:
        """Seeds the next reset; later episodes continue the same random stream."""
        self._seed = seed
        return seed

    def render(self, mode: str = "rgb_array") -> np.ndarray | None:
        """Returns a frame, uint8 [height, width, 3].

        Raises:
          ConfigurationError: the environment was made with another render mode.
        """
        if self._environment.render_mode != mode:
            raise ConfigurationError(
                f"mode={mode!r} cannot be rendered by an environment made with render_mode="
                f"{self._environment.render_mode!r}; load it with gym_kwargs={{'render_mode': "
                f"{mode!r}}}."
            )
        return self._environment.render()

    def close(self) -> None:
        self._environment.close()

    def _reset(self) -> ts.TimeStep:
        seed = self._seed
        self._seed = None
        observation, self._info = self._border.reset(seed=seed)
        return ts.restart(observation)

    def _step(self, action: Nest) -> ts.TimeStep:
        action = _to_space(action, self._environment.action_space)
        result = self._border.step(action)
        self._info = result.info
        observation = result.observation
        reward = np.float32(result.reward)
        if result.terminated:
            return ts.termination(observation, reward)
        if result.truncated:
            return ts.truncation(observation, reward, self._discount)
        return ts.transition(observation, reward, self._discount)


def _leaves(observation_spec: Nest) -> list[ObservationLeaf]:
    return [
        ObservationLeaf(
            name="/".join(map(str, path)) or "observation",
            path=tuple(path),
            shape=tuple(leaf.shape),
            dtype=np.dtype(leaf.dtype).name,
        )
        for path, leaf in tree.flatten_with_path(observation_spec)
    ]


def _make(name: str, max_episode_steps: int | None, arguments: dict[str, Any]) -> gymnasium.Env:
    module, separator, _ = str(name).partition(":")
    if max_episode_steps == 0:
        max_episode_steps = -1  # no limit, for Gymnasium
    try:
        if separator:
            importlib.import_module(module)
        return gymnasium.make(name, max_episode_steps=max_episode_steps, **arguments)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigurationError(
            f"environment_name={name!r} cannot be made by Gymnasium ({reason}). "
            "Give a registered id, or module:id if importing a module registers it, and the "
            "arguments of its constructor in gym_kwargs."
        ) from error


def _spec(space: gymnasium.Space, name: str) -> Nest:
    """Returns the array spec of a space; floats of any size become float32."""
    spaces = gymnasium.spaces
    if isinstance(space, spaces.Dict):
        return {key: _spec(sub, f"{name}/{key}") for key, sub in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_spec(sub, f"{name}/{number}") for number, sub in enumerate(space.spaces))
    if isinstance(space, spaces.Box):
        dtype = np.float32 if np.issubdtype(space.dtype, np.floating) else space.dtype
        # The largest float64 numbers mean "no bound" and become infinite.
        with np.errstate(over="ignore"):
            low = space.low.astype(dtype)
            high = space.high.astype(dtype)
        return array_spec.BoundedArraySpec(space.shape, dtype, minimum=low, maximum=high, name=name)
    if isinstance(space, spaces.Discrete):
        last = space.start + space.n - 1
        return array_spec.BoundedArraySpec(
            (), np.int64, minimum=space.start, maximum=last, name=name
        )
    if isinstance(space, spaces.MultiDiscrete):
        last = space.start + space.nvec - 1
        return array_spec.BoundedArraySpec(
            space.shape, np.int64, minimum=space.start, maximum=last, name=name
        )
    if isinstance(space, spaces.MultiBinary):
        return array_spec.BoundedArraySpec(
            space.shape, space.dtype, minimum=0, maximum=1, name=name
        )
    raise ConfigurationError(
        f"The {name} space {space} has no array spec; wrap the environment (gym_env_wrappers)."
    )


def _to_space(action: Nest, space: gymnasium.Space) -> Any:
    """Returns an action with the dtypes of the space, clipped to its bounds, which float32 may have
    rounded outwards."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {key: _to_space(action[key], sub) for key, sub in space.items()}
    if isinstance(space, gymnasium.spaces.Tuple):
        return tuple(_to_space(part, sub) for part, sub in zip(action, space.spaces, strict=True))
    if isinstance(space, gymnasium.spaces.Discrete):
        return space.dtype.type(action)
    if isinstance(space, gymnasium.spaces.Box):
        return np.clip(np.asarray(action, space.dtype), space.low, space.high)
    return np.asarray(action, space.dtype)
