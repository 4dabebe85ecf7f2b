"""Starts the binaries as a user does."""

import subprocess
import sys

SHORT = [
    "--gin_file=gin_configs/tasks/pendulum.gin",
    "--gin_bindings=train.total_steps=600",
    "--gin_bindings=train.random_steps=200",
    "--gin_bindings=train.evaluation_period=300",
    "--gin_bindings=train.checkpoint_period=200",
    "--gin_bindings=train.batch_size=32",
    "--gin_bindings=update.updates_per_call=2",
    "--gin_bindings=actor.hidden_units=(64, 64)",
    "--gin_bindings=critic.hidden_units=(64, 64)",
    "--gin_bindings=RunLog.period=200",
]


def start_binary(binary, *arguments, **settings):
    command = [sys.executable, "-m", f"binaries.{binary}", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def run_binary(binary, *arguments, **settings):
    process = start_binary(binary, *arguments, **settings)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err
