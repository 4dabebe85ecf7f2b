"""A session: what every program of a run sets up before its work and takes down after it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from sac_tf.runs.interrupts import Interrupts


class Closable(Protocol):
    """Anything that must be closed."""

    def close(self) -> None: ...


Resource = TypeVar("Resource", bound=Closable)


class Session(NamedTuple):
    """What is open while a program works.

    Attributes:
      interrupts: the signal that was received, if any.
      resources: closes what was opened, the newest first, also if building the rest failed.
    """

    interrupts: Interrupts
    resources: contextlib.ExitStack

    def open(self, resource: Resource) -> Resource:
        """Returns `resource`, which is closed at the end of the session."""
        self.resources.callback(resource.close)
        return resource

    def is_interrupted(self) -> bool:
        """Returns whether a signal was received."""
        return self.interrupts.received is not None


@contextlib.contextmanager
def session(runtime: Callable[[], None]) -> Iterator[Session]:
    """Sets the runtime of TensorFlow, catches signals, and closes at the end what was opened."""
    runtime()
    with Interrupts() as interrupts, contextlib.ExitStack() as resources:
        yield Session(interrupts, resources)
