r"""The collector of a distributed run: acts with the newest policy and inserts its transitions into
replay servers.

python -m binaries.collector --root_dir=runs/cheetah --replay_address=localhost:8000 \
    --gin_file=gin_configs/tasks/half_cheetah.gin
"""

import os
import re
import socket

from absl import flags

from sac_tf.distributed.addresses import parse_addresses
from sac_tf.runs import folder as names

from . import launch, listing

_ROOT_DIR = launch.DEFINE_path(
    "root_dir",
    None,
    "Folder of the run; episodes are logged in collectors/ID there.",
)
_ADDRESS = flags.DEFINE_string(
    "replay_address", "", "HOST:PORT of the replay server; several: commas."
)
_ID = flags.DEFINE_string(
    "collector_id", None, "Name of this collector; default: host name and process id."
)
_GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", [], "Gin file; the same for all processes of the run"
)
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.seed=1' for example"
)
_PRINT_CONFIG = listing.DEFINE_listing("print_config", requires=[_ROOT_DIR, _ADDRESS])


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    if _PRINT_CONFIG.value:
        return listing.print_config(_GIN_FILE.value, _GIN_BINDINGS.value, is_distributed=True)
    addresses = parse_addresses(_ADDRESS.value)
    collector_id = _ID.value or f"{socket.gethostname()}-{os.getpid()}"
    if not re.fullmatch(r"[\w-][\w.-]*", collector_id):  # '..' would be the folder of the run
        raise launch.ConfigurationError(
            f"--collector_id={collector_id!r} may have letters, digits, '.', '_' and '-', and must "
            "not begin with '.'."
        )
    folder = launch.open_root_dir(_ROOT_DIR.value / names.COLLECTORS / collector_id)
    training = launch.make_distributed(_GIN_FILE.value, _GIN_BINDINGS.value)
    from sac_tf.distributed import collector

    stopped_by = collector.run(folder, addresses, collector_id, training)
    return launch.ending(stopped_by, f"Episodes in {folder}/{names.EPISODES}.")


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
