"""Launches programs: parses flags and gin files, diverts native output, and prints errors as one
sentence with an exit code. A checkout starts them with `python -m binaries.train`, an installed
package with `sac-tf-train`.

Imports nothing heavy, so that `--help` and a wrong flag take no time: programs import the library
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

from sac_tf import files
from sac_tf.errors import ConfigurationError, RunError
from sac_tf.runs import folder, gin_files

if TYPE_CHECKING:
    import signal

    from sac_tf.runs.restoring import RestoredRun
    from sac_tf.training.offline import OfflineSettings
    from sac_tf.training.train import Training

_GIN_TRACE = re.compile(r"In call to configurable '(\w+)'")
"""gin adds this to errors that a configurable raises."""
_native_logs: list[Path] = []
"""Files that take the native output of this process, the newest last."""
ENVIRONMENT = "train.environment"
DATASET = "train_offline.dataset"
"""Settings without a default, the second one of offline runs."""
_COMMAND = re.compile(r"(?:python -m |(?<![\w./]))binaries\.(\w+)")

flags.disclaim_key_flags()  # a flag of DEFINE_path belongs to the program that defines it


def run(main: Callable[[list[str]], int | None]) -> None:
    """Parses the flags, runs `main` with the other arguments, and exits."""
    # An update allocates the same blocks of memory again and again: TensorFlow's own allocator is
    # faster at that than the system's. The variable is read when TensorFlow is imported.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    if main.__module__ != "__main__":  # an installed script; `python -m` does the same
        sys.path.insert(0, str(Path.cwd()))

    def parse(argv: Sequence[str]) -> list[str]:
        if {"--help", "-help", "-h"} & set(argv):
            print(_help(main.__module__))
            sys.exit(0)
        return flags.FLAGS(argv)

    def run_app() -> None:
        app.run(lambda argv: _exit(main(argv[1:]) or 0), flags_parser=parse)

    _exit(exit_code(run_app))


def command(text: str) -> str:
    """Returns a text whose programs, `python -m binaries.NAME` or `binaries.NAME`, are those of
    this installation."""
    if __package__ == "binaries":
        return text
    return _COMMAND.sub(lambda match: f"sac-tf-{match[1].replace('_', '-')}", text)


class _PathParser(flags.ArgumentParser):
    """Makes a path absolute when a program starts: a task may change the working directory."""

    def parse(self, argument: str | Path) -> Path:
        return files.absolute(argument)

    def flag_type(self) -> str:
        return "path"


def DEFINE_path(
    name: str, default: str | None, description: str, *, required: bool = False
) -> flags.FlagHolder[Path]:
    """Defines a flag whose value is an absolute path, `~` expanded."""
    return flags.DEFINE(
        _PathParser(),
        name,
        default,
        description,
        serializer=flags.ArgumentSerializer(),
        required=required,
    )


def exit_code(program: Callable[[], int | None]) -> int:
    """Runs a program, prints an error as one sentence, and returns the exit code.

    The code is 2 for a wrong flag or configuration, 1 for a failure while running, 128 + n for
    signal n.
    """
    try:
        return program() or 0
    except (ConfigurationError, flags.Error) as error:
        return _print_error(error, 2)
    except RunError as error:
        if error.__cause__ is not None and _native_logs:
            _log_traceback()
        return _print_error(error, 1)
    except (TypeError, ValueError) as error:
        configurables = _GIN_TRACE.findall(str(error))
        if not configurables:
            return _report_unexpected(error)
        _log_traceback()  # a wrong binding, or a bug of the library
        return _print_error(f"{' > '.join(reversed(configurables))}: {error}", 2)
    except Exception as error:
        return _report_unexpected(error)
    except KeyboardInterrupt:
        return _print_error("Interrupted; the last checkpoint, if any, is unchanged.", 130)


def _report_unexpected(error: Exception) -> int:
    """Prints an error that no part of the library expects as one sentence, with the traceback in
    the native log; re-raises it if there is none. Returns the exit code."""
    if not _native_logs:
        raise error
    _log_traceback()
    reason = " ".join(str(error).split())
    where = f"; see {_native_logs[-1]}"
    if _native_logs[-1] == Path(os.devnull):
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f" in line {frame.lineno} of {frame.filename}"
    return _print_error(f"Unexpected {type(error).__name__} ({reason}){where}.", 1)


def _log_traceback() -> None:
    os.write(2, traceback.format_exc().encode())


def refuse_arguments(arguments: Sequence[str]) -> None:
    """Raises ConfigurationError if there is an argument that is not a flag."""
    if arguments:
        raise ConfigurationError(
            f"Unexpected argument {arguments[0]!r}; this program takes flags only (see --help)."
        )


def make_training(gin_file: Sequence[str], bindings: Sequence[str]) -> "Training":
    """Returns the settings of a run in one process, from gin files and bindings.

    Raises:
      ConfigurationError: they cannot work, or a binding has no effect.
    """
    training = read_training(gin_file, bindings)
    training.configuration()
    return training


def make_offline(
    gin_file: Sequence[str], bindings: Sequence[str]
) -> tuple["Training", "OfflineSettings"]:
    """As `make_training`, for a run that learns from a data set. Settings of collecting that files
    have are left out, and a run without a task has the spaces of its data set."""
    if unset(gin_file, bindings, [DATASET]):
        raise ConfigurationError(f"Give {DATASET}, by --gin_file or --gin_bindings.")
    from sac_tf.pinned.gin_bindings import forget
    from sac_tf.training import offline
    from sac_tf.training.train import Training

    gin_files.read(gin_file, bindings)
    without_effect = [f"train.{name}" for name in offline.OF_COLLECTING]
    without_effect += [f"tables.{name}" for name in offline.OF_TABLES]
    forget(unset([], bindings, sorted(without_effect)))
    settings = offline.OfflineSettings()
    if unset(gin_file, bindings, [ENVIRONMENT]):
        offline.bind_spaces(settings.dataset)
    training = Training()
    offline.configuration_of(training, settings)
    return training, settings


def make_distributed(gin_file: Sequence[str], bindings: Sequence[str]) -> "Training":
    """Returns the settings of a distributed run; its programs check them when they start."""
    gin_files.check(gin_file, bindings)
    import sac_tf.distributed.settings  # noqa: F401  (registers what the bindings name)

    return read_training(gin_file, bindings)


def read_training(gin_file: Sequence[str], bindings: Sequence[str]) -> "Training":
    """As `make_training`, without the check for bindings that have no effect."""
    if unset(gin_file, bindings, [ENVIRONMENT]):
        raise ConfigurationError(f"Give {ENVIRONMENT}, by --gin_file or --gin_bindings.")
    from sac_tf.training.train import Training

    gin_files.read(gin_file, bindings)
    return Training()


def unset(gin_file: Sequence[str], bindings: Sequence[str], names: Sequence[str]) -> list[str]:
    """Returns which of the settings `names` are not bound; raises ConfigurationError as
    `gin_files.check`."""
    bound = gin_files.check(gin_file, bindings)
    return [name for name in names if not any(f".{one}".endswith(f".{name}") for one in bound)]


def ending(stopped_by: "signal.Signals | None", done: str) -> int:
    """Prints how a process of a distributed run ended, `done` if the run is complete, and returns
    its exit code."""
    if stopped_by is None:
        print(done, flush=True)
        return 0
    print(f"Stopped by {stopped_by.name}. Rerun the same command to resume.", flush=True)
    return 128 + stopped_by


def open_root_dir(root_dir: Path) -> Path:
    """Creates the folder of a run, and diverts native output to `native.log` in it."""
    try:
        root_dir.mkdir(parents=True, exist_ok=True)
        divert_native_output(root_dir / folder.NATIVE_LOG)
    except OSError as error:
        raise ConfigurationError(
            f"--root_dir={root_dir} cannot be written ({error.strerror})."
        ) from error
    return root_dir


def restore_run(root_dir: Path) -> "RestoredRun":
    """Returns the newest policy of the run in `root_dir`, built from its own configuration.

    Raises:
      ConfigurationError: there is no run, or no checkpoint yet.
      RunError: all checkpoints are damaged.
    """
    config = root_dir / folder.CONFIGURATION
    if not config.is_file():
        raise ConfigurationError(f"--root_dir={root_dir} holds no run (there is no {config}).")
    open_root_dir(root_dir)
    from sac_tf.runs import configuration, restoring

    configuration.refuse_older(root_dir)
    training = read_training([str(config)], [])
    return restoring.restore(root_dir, training.environment_factory, training.make_policy)


def divert_native_output(path: Path) -> None:
    """Redirects file descriptor 2 to the file `path`; Python's own stderr stays where it was.

    TensorFlow and Reverb print notices there that no setting disables. Call it before they are
    imported.
    """
    terminal = os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stderr.flush()
    os.dup2(log, 2)
    os.close(log)
    sys.stderr = os.fdopen(terminal, "w", buffering=1)
    _native_logs.append(path)
    warnings = logging.get_absl_handler().python_handler
    warnings.stream = sys.stderr
    warnings.setFormatter(Formatter("%(levelname)s: %(message)s"))
    logging.set_verbosity(logging.WARNING)


def _help(module: str) -> str:
    """Returns the docstring and the flags of a program."""
    usage = command(sys.modules[module].__doc__ or "")
    # absl names the flags of the main module by its file.
    own_flags = flags.FLAGS.module_help(sys.argv[0] if module == "__main__" else module)
    return f"{usage}\nflags:\n{own_flags}"


def _exit(code: int) -> None:
    """Ends the process without waiting for daemon threads, which may wait for a stopped server:
    Python would abort because of them."""
    if any(thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _print_error(error: object, code: int) -> int:
    """Prints the first line of an error (gin appends where it was raised); returns `code`."""
    lines = str(error).strip().splitlines()
    print(command(lines[0] if lines else type(error).__name__), file=sys.stderr)
    return code
