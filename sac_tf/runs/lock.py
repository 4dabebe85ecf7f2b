"""A lock on the folder of a run, so that two processes do not write to it."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from sac_tf.errors import ConfigurationError
from sac_tf.runs import folder as names


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks `folder`, which is created if it does not exist, for the body. The system releases the
    lock when the process ends in any way.

    Raises:
      ConfigurationError: the folder is locked, by another process or by this one, or it cannot be
        written.
    """
    path = folder / names.LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written ({error.strerror}).") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read() or "another process"
            raise ConfigurationError(
                f"{folder} is in use by {holder}; wait until it ends or stop it, or use another "
                "folder."
            ) from error
        except OSError:
            pass  # a file system without locks
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
