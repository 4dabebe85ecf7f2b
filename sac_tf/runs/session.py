"""The session of a program: its TensorFlow runtime, signals, and open resources."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from sac_tf.runs.interrupts import Interrupts


class Closable(Protocol):
    """Anything that must be closed."""

    def close(self) -> None: ...


Resource = TypeVar("Resource", bound=Closable)


class Session(NamedTuple):
    """Signals and open resources of a program.

    Attributes:
      interrupts: the signal that was received, if any.
      resources: closed at the end, the newest first, also if opening another one failed.
    """

    interrupts: Interrupts
    resources: contextlib.ExitStack

    def open(self, resource: Resource) -> Resource:
        """Returns `resource`, which is closed at the end of the session. A close that fails is
        reported and does not hide how the program ended."""
        self.resources.callback(_close, resource)
        return resource

    def is_interrupted(self) -> bool:
        """Returns whether a signal was received."""
        return self.interrupts.received is not None


def _close(resource: Closable) -> None:
    try:
        resource.close()
    except Exception as error:
        reason = " ".join(str(error).split())
        name = type(resource).__name__
        logging.warning("Closing %s raised %s (%s).", name, type(error).__name__, reason)


@contextlib.contextmanager
def session(runtime: Callable[[], None]) -> Iterator[Session]:
    """Sets the TensorFlow runtime, catches signals, and closes all resources at the end.

    Args:
      runtime: `set_runtime`, or a function that does the same.
    """
    runtime()
    with Interrupts() as interrupts, contextlib.ExitStack() as resources:
        yield Session(interrupts, resources)
