"""The environment factory: makes the environments of a task for training, evaluation and video,
with the user's arguments, time limit and wrappers."""

import dataclasses
import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium

from sac_tf.environments import rendering
from sac_tf.environments.frames import stack_frames
from sac_tf.environments.goals import Goals
from sac_tf.environments.gymnasium_environment import GymnasiumEnvironment, time_limit
from sac_tf.environments.names import as_json, name_of, plain, resolve
from sac_tf.errors import ConfigurationError, require_count
from sac_tf.types import EnvironmentSpec

Task = str | Callable[..., gymnasium.Env]
"""A Gymnasium id; `module:id` for an id that importing the module registers; `module:function` for
a function that returns a `gymnasium.Env`; or such a function."""

Wrapper = str | list | tuple | Callable[[gymnasium.Env], gymnasium.Env]
"""The name of a class in `gymnasium.wrappers`, `module:name` of a class or function of your own,
[name, {argument: value}], or such a class or function."""


@gin.configurable("environment")
@dataclasses.dataclass(frozen=True)
class EnvironmentFactory:
    """Makes the environments of one task.

    Attributes:
      task: which environment.
      arguments: of its constructor: numbers, texts, and lists and dicts of them.
      evaluation_arguments: replace or extend `arguments` in evaluation and video.
      max_episode_steps: time limit of an episode; None keeps the task's own.
      wrappers: applied in turn to each environment; the first one is the innermost.
      training_wrappers: applied after `wrappers` in training and recording, and not in evaluation
        and video: a learned reward, for example, or somebody who takes over.
      frame_stack: how many of the newest observations are joined to one, after the wrappers. The
        replay stores each once.
    """

    task: Task
    arguments: Mapping[str, Any] | None = None
    evaluation_arguments: Mapping[str, Any] | None = None
    max_episode_steps: int | None = None
    wrappers: Sequence[Wrapper] = ()
    training_wrappers: Sequence[Wrapper] = ()
    frame_stack: int = 1

    def __post_init__(self) -> None:
        if self.max_episode_steps is not None:
            require_count("environment.max_episode_steps", self.max_episode_steps)
        require_count("environment.frame_stack", self.frame_stack)
        for name in ("arguments", "evaluation_arguments"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Mapping):
                raise ConfigurationError(
                    f"environment.{name} must be a dict such as {{'gravity': 9.8}}, got {value!r}."
                )
            if value is not None:
                object.__setattr__(self, name, plain(f"environment.{name}", value))
        for name in ("wrappers", "training_wrappers"):
            wrappers = getattr(self, name)
            if isinstance(wrappers, str) or not isinstance(wrappers, Sequence):
                raise ConfigurationError(
                    f"environment.{name} must be a list such as ['FlattenObservation'], got "
                    f"{wrappers!r}."
                )
            object.__setattr__(self, name, tuple(map(_plain_wrapper, wrappers)))

    @property
    def title(self) -> str:
        """The task for messages and files."""
        return name_of(self.task)

    def make(
        self,
        num_environments: int = 1,
        *,
        is_evaluation: bool = False,
        render_mode: str | None = None,
        in_task_units: bool = False,
    ) -> GymnasiumEnvironment:
        """Makes environments that are stepped together.

        Args:
          num_environments: E.
          is_evaluation: whether `evaluation_arguments` count instead of `training_wrappers`.
          render_mode: "rgb_array" to render frames; None passes none to the constructor, for tasks
            that take no such argument.
          in_task_units: see `GymnasiumEnvironment`.

        Raises:
          ConfigurationError: the task cannot be made, or its spaces cannot be used.
        """
        require_count("num_environments", num_environments)
        arguments = dict(self.arguments or {})
        if is_evaluation:
            arguments |= self.evaluation_arguments or {}
        if render_mode is not None:
            arguments["render_mode"] = render_mode
        wrappers = self.wrappers if is_evaluation else (*self.wrappers, *self.training_wrappers)
        return GymnasiumEnvironment(
            self.title,
            lambda: self._make_one(arguments, wrappers),
            num_environments,
            frames=self.frame_stack,
            renders=render_mode is not None,
            in_task_units=in_task_units,
        )

    def spec(self) -> EnvironmentSpec:
        """Returns the spec of the task, from an environment that is closed again; raises as
        `make`."""
        environment = self.make()
        environment.close()
        return environment.spec

    def renderer(self) -> str | None:
        """Returns what draws the images that the task observes, after one was made; None if MuJoCo
        draws none."""
        is_rendered = (self.arguments or {}).get("render_mode") is not None
        return rendering.renderer() if is_rendered else None

    def goals(self) -> Goals:
        """Returns the goals of the task, of an environment of their own."""
        return Goals(self.title, lambda: self._make_one(dict(self.arguments or {}), self.wrappers))

    def as_json(self) -> dict[str, Any]:
        """Returns how the environments of evaluations are made, as JSON."""
        return {
            "task": self.title,
            "arguments": as_json(self.arguments or {}),
            "evaluation_arguments": as_json(self.evaluation_arguments or {}),
            "max_episode_steps": self.max_episode_steps,
            "wrappers": [_described(wrapper) for wrapper in self.wrappers],
            "frame_stack": self.frame_stack,
        }

    def _make_one(self, arguments: dict[str, Any], wrappers: Sequence[Wrapper]) -> gymnasium.Env:
        environment = self._construct(arguments)
        try:
            for wrapper in wrappers:
                environment = _wrapped(environment, wrapper)
            if self.frame_stack > 1:
                environment = stack_frames(self.title, environment, self.frame_stack)
        except BaseException:
            environment.close()
            raise
        return environment

    def _construct(self, arguments: dict[str, Any]) -> gymnasium.Env:
        if arguments.get("render_mode") is not None:
            rendering.choose_library()
        try:
            environment = self._call_constructor(arguments)
        except ConfigurationError:
            raise
        except Exception as error:  # a constructor may raise anything
            raise ConfigurationError(
                f"train.environment={self.title!r} cannot be made ({_words(error)}). {_hint(error)}"
            ) from error
        if not isinstance(environment, gymnasium.Env):
            raise ConfigurationError(
                f"train.environment={self.title!r} returned {environment!r}, not a gymnasium.Env."
            )
        return environment

    def _call_constructor(self, arguments: dict[str, Any]) -> gymnasium.Env:
        function = self.task if callable(self.task) else _function_named(self.task)
        if function is None:
            with warnings.catch_warnings():
                # The constructor takes rgb_array all the same, or it is refused in a sentence.
                warnings.filterwarnings("ignore", message=".* not in the possible render_modes")
                # None keeps the registered limit. Our own checks are stricter than Gymnasium's.
                return gymnasium.make(
                    self.task,
                    max_episode_steps=self.max_episode_steps,
                    disable_env_checker=True,
                    **arguments,
                )
        environment = function(**arguments)
        if self.max_episode_steps is None or not isinstance(environment, gymnasium.Env):
            return environment
        limit = time_limit(environment)
        if limit is not None and limit < self.max_episode_steps:
            raise ConfigurationError(
                f"environment.max_episode_steps={self.max_episode_steps} is above the time limit "
                f"of {limit} steps that {self.title} has itself; change that one."
            )
        return gymnasium.wrappers.TimeLimit(environment, self.max_episode_steps)


def _plain_wrapper(wrapper: Wrapper) -> Wrapper:
    if isinstance(wrapper, list | tuple) and len(wrapper) == 2 and isinstance(wrapper[1], Mapping):
        name = name_of(wrapper[0])
        return (wrapper[0], plain(f"environment.wrappers, {name}:", wrapper[1]))
    return wrapper  # one of another form is refused where it is used


def _function_named(task: str) -> Callable[..., gymnasium.Env] | None:
    """Returns the function that `module:function` names, or None for a registered id."""
    if task.startswith("<"):
        raise ConfigurationError(
            f"The environment of this run was made by {task}, a function that cannot be imported; "
            "define it in a module, and name it as module:function."
        )
    module, separator, name = task.partition(":")
    if not separator:
        return None
    imported = importlib.import_module(module)
    if name in gymnasium.registry or not callable(getattr(imported, name, None)):
        return None
    return getattr(imported, name)


def _wrapped(environment: gymnasium.Env, wrapper: Wrapper) -> gymnasium.Env:
    arguments: Mapping[str, Any] = {}
    name: Any = wrapper
    if isinstance(wrapper, list | tuple):
        try:
            name, arguments = wrapper
            arguments = {**arguments}
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"environment.wrappers has {wrapper!r}, where a name or [name, {{argument: "
                "value}}] is needed."
            ) from error
    title = name_of(name)
    try:
        path = name if ":" in str(name) else f"gymnasium.wrappers:{name}"
        function = name if callable(name) else resolve(path)
        wrapped = function(environment, **arguments)
    except ConfigurationError:
        raise
    except Exception as error:  # a wrapper may raise anything
        raise ConfigurationError(
            f"The wrapper {title!r} cannot be used ({_words(error)}){_hint_of_wrapper(error)}"
        ) from error
    if not isinstance(wrapped, gymnasium.Env):
        raise ConfigurationError(
            f"The wrapper {title!r} returned {wrapped!r}, not a gymnasium.Env."
        )
    return wrapped


def _described(wrapper: Wrapper) -> Any:
    if isinstance(wrapper, list | tuple):
        name, arguments = wrapper
        return [name_of(name), as_json(arguments)]
    return name_of(wrapper)


def _words(error: Exception) -> str:
    reason = " ".join(str(error).split())
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def _hint(error: Exception) -> str:
    if rendering.is_graphics_error(error):
        return rendering.remedy()
    if isinstance(error, gymnasium.error.UnregisteredEnv | ImportError):
        return (
            "Give a registered id, module:id if importing a module registers it, or "
            "module:function."
        )
    if isinstance(error, TypeError) and "'render_mode'" in str(error):
        return "A video needs a constructor that takes render_mode."
    if isinstance(error, TypeError):
        return "Arguments of its constructor are given by environment.arguments = {'name': value}."
    return "Its constructor raised this."


def _hint_of_wrapper(error: Exception) -> str:
    if rendering.is_graphics_error(error):
        return f". {rendering.remedy()}"
    return (
        "; give a name in gymnasium.wrappers or module:name, with arguments as [name, {argument: "
        "value}]."
    )
