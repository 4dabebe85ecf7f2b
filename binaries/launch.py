"""What the binaries share: flags, quiet native libraries, gin, and errors as one sentence with an
exit code.

Imports nothing heavy, so that `--help` and a wrong flag answer at once; binaries import the library
in `main`.
"""

import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from logging import Formatter
from pathlib import Path
from typing import TYPE_CHECKING

from absl import app, flags, logging

from sac_tf.errors import ConfigurationError, RunError
from sac_tf.runs import folder

if TYPE_CHECKING:
    import signal

    from sac_tf.runs.restoring import RestoredRun
    from sac_tf.training.train import Training

_GIN_TRACE = re.compile(r"In call to configurable '(\w+)'")
"""gin adds this to whatever is raised while something is built from bindings."""


def run(main: Callable[[list[str]], int | None]) -> None:
    """Parses the flags and runs `main` with the other arguments.

    Exit codes: 2 for a wrong flag or configuration, 1 for a failure while running, 128 + n for
      signal n.
    """
    # An update takes and returns the same pieces of memory over and over: TensorFlow's own
    # allocator is faster at that than the system's. Read when TensorFlow is imported.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    try:
        app.run(lambda argv: _exit(main(argv[1:]) or 0), flags_parser=_parse_flags)
    except (ConfigurationError, flags.Error) as error:
        _exit(_complain(error, 2))
    except RunError as error:
        _exit(_complain(error, 1))
    except (TypeError, ValueError) as error:
        builder = _GIN_TRACE.search(str(error))
        if builder is None:
            raise
        os.write(2, traceback.format_exc().encode())  # to the native log: it may yet be our fault
        _exit(_complain(f"{builder[1]}: {error}", 2))
    except KeyboardInterrupt:
        _exit(_complain("Interrupted; the last checkpoint, if there is one, is as it was.", 130))


def refuse_arguments(arguments: Sequence[str]) -> None:
    """Raises ConfigurationError if there is an argument that is not a flag."""
    if arguments:
        raise ConfigurationError(
            f"Unexpected argument {arguments[0]!r}; this program takes flags only (see --help)."
        )


def make_training(files: Sequence[str], bindings: Sequence[str]) -> "Training":
    """Returns the run that gin files and bindings describe.

    Raises:
      ConfigurationError: they cannot work, or a binding has no effect on the run of one process.
    """
    training = read_training(files, bindings)
    training.configuration()
    return training


def read_training(files: Sequence[str], bindings: Sequence[str]) -> "Training":
    """As `make_training`, without a look at bindings that have no effect."""
    import sac_tf.agents.mirrored  # noqa: F401  (registers a configurable)
    from sac_tf.runs import gin_files
    from sac_tf.training.train import Training

    gin_files.read(files, bindings)
    try:
        return Training()
    except RuntimeError as error:  # gin's error for a missing binding
        raise ConfigurationError(
            "Give train.environment, by --gin_file or --gin_bindings."
        ) from error


def make_distributed(files: Sequence[str], bindings: Sequence[str]) -> "Training":
    """As `make_training`, for a process of a distributed run."""
    from sac_tf.distributed import settings

    training = read_training(files, bindings)
    settings.configuration_of(training)
    return training


def ending(stopped_by: "signal.Signals | None", words: str) -> int:
    """Prints how a process of a distributed run ended, and returns its exit code."""
    if stopped_by is None:
        print(words, flush=True)
        return 0
    print(f"Stopped by {stopped_by.name}. Rerun the same command to resume.", flush=True)
    return 128 + stopped_by


def open_root_dir(path: str) -> Path:
    """Creates the folder of a run, and sends what native libraries print to `native.log` in it."""
    root_dir = Path(path)
    try:
        root_dir.mkdir(parents=True, exist_ok=True)
        divert_native_output(root_dir / folder.NATIVE_LOG)
    except OSError as error:
        raise ConfigurationError(
            f"--root_dir={path} cannot be written ({error.strerror})."
        ) from error
    return root_dir


def restore_run(root_dir: str) -> "RestoredRun":
    """Returns the newest policy of the run in `root_dir`, built as the configuration there says.

    Raises:
      ConfigurationError: there is no run, or no checkpoint yet.
      RunError: no checkpoint is whole.
    """
    config = Path(root_dir) / folder.CONFIGURATION
    if not config.is_file():
        raise ConfigurationError(f"--root_dir={root_dir} holds no run (there is no {config}).")
    open_root_dir(root_dir)
    from sac_tf.runs import restoring

    training = read_training([str(config)], [])
    return restoring.restore(Path(root_dir), training.environment, training.make_acting_state)


def divert_native_output(path: Path) -> None:
    """Sends file descriptor 2 to `path`, and keeps Python's own stderr where it was.

    TensorFlow and Reverb print notices there that no setting stops. Call it before they are
    imported.
    """
    terminal = os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stderr.flush()
    os.dup2(log, 2)
    os.close(log)
    sys.stderr = os.fdopen(terminal, "w", buffering=1)
    warnings = logging.get_absl_handler().python_handler
    warnings.stream = sys.stderr
    warnings.setFormatter(Formatter("%(levelname)s: %(message)s"))
    logging.set_verbosity(logging.WARNING)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    if {"--help", "-help", "-h"} & set(argv):
        app.usage(shorthelp=True, writeto_stdout=True)
        sys.exit(0)
    return flags.FLAGS(argv)


def _exit(code: int) -> None:
    """Ends the process, past threads that still wait for a server that is gone: Python would abort
    over them."""
    if any(thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _complain(error: object, code: int) -> int:
    print(_first_line(error), file=sys.stderr)
    return code


def _first_line(error: object) -> str:
    """gin appends where it was called from; the first line is the message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
