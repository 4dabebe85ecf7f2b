"""Prints the status of a distributed run: tables, rates, rate limiter, and each process with its
policy's age and what it waits for.

python -m binaries.status --replay_address=localhost:8000
"""

import os
from pathlib import Path

from absl import flags

from sac_tf.distributed.addresses import parse_addresses

from . import launch

_ADDRESS = flags.DEFINE_string(
    "replay_address", None, "HOST:PORT of the replay server; several: commas.", required=True
)


def main(arguments: list[str]) -> None:
    launch.refuse_arguments(arguments)
    launch.divert_native_output(Path(os.devnull))
    addresses = parse_addresses(_ADDRESS.value)
    from sac_tf.distributed import connection, status

    for address in addresses:
        print("\n".join(status.all_lines(address, connection.look(address))))


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
