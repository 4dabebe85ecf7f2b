"""Runs programs as a user does, in processes, and their main functions in this process."""

import contextlib
import importlib
import io
import subprocess
import sys
from unittest import mock

import gin
from absl import flags

from binaries import launch

SHORT = [
    "--gin_file=gin_configs/tasks/pendulum.gin",
    "--gin_bindings=train.total_steps=600",
    "--gin_bindings=train.random_steps=200",
    "--gin_bindings=train.evaluation_period=300",
    "--gin_bindings=train.checkpoint_period=200",
    "--gin_bindings=train.batch_size=32",
    "--gin_bindings=update.updates_per_call=1",
    "--gin_bindings=actor.hidden_units=(16,)",
    "--gin_bindings=critic.hidden_units=(16,)",
    "--gin_bindings=RunLog.period=200",
]


def start_program(program, *arguments, **settings):
    """Starts `python -m binaries.PROGRAM`."""
    command = [sys.executable, "-m", f"binaries.{program}", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def run_program(program, *arguments, **settings):
    """Returns exit code, output and error output of `python -m binaries.PROGRAM`."""
    process = start_program(program, *arguments, **settings)
    out, err = process.communicate(timeout=900)
    return process.returncode, out, err


def call_program(program, *arguments):
    """As `run_program`, in this process: it saves the seconds of importing TensorFlow."""
    argv = [program, *map(str, arguments)]
    out = io.StringIO()
    err = io.StringIO()
    gin.clear_config()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(launch, "divert_native_output"),
        imported(program) as module,
    ):
        code = launch.exit_code(lambda: module.main(flags.FLAGS(argv)[1:]))
    gin.clear_config()
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def imported(program):
    """Imports a program, of `binaries` if only a name is given, without the flags of others, which
    share names and come back at the end."""
    others = [
        (module, flag)
        for module, defined in flags.FLAGS.flags_by_module_dict().items()
        if module.startswith(("binaries.", "examples.", "benchmarks."))
        for flag in defined
    ]
    for _, flag in others:
        delattr(flags.FLAGS, flag.name)
    name = program if "." in program else f"binaries.{program}"
    sys.modules.pop(name, None)
    try:
        yield importlib.import_module(name)
    finally:
        for flag in list(flags.FLAGS.flags_by_module_dict().get(name, [])):
            delattr(flags.FLAGS, flag.name)
        for module, flag in others:
            flags.FLAGS[flag.name] = flag
            flags.FLAGS.register_flag_by_module(module, flag)
