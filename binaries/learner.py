r"""Learns from replay servers, or goes on with the run in --root_dir; collectors bring the
experience.

python -m binaries.learner --root_dir=runs/cheetah --replay_address=localhost:8000 \
    --gin_file=gin_configs/tasks/half_cheetah.gin
"""

from absl import flags

from binaries import launch
from sac_tf.distributed.addresses import parse_addresses

_ROOT_DIR = flags.DEFINE_string(
    "root_dir", None, "Folder of the run; an interrupted run there goes on.", required=True
)
_ADDRESS = flags.DEFINE_string(
    "replay_address", None, "HOST:PORT of the replay server; several: commas.", required=True
)
_GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", [], "Gin file; the same as for the other processes of the run."
)
_GIN_BINDINGS = flags.DEFINE_multi_string("gin_bindings", [], "A binding; repeatable.")


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    addresses = parse_addresses(_ADDRESS.value)
    root_dir = str(launch.open_root_dir(_ROOT_DIR.value))
    learning, training = launch.make_distributed("learn", _GIN_FILE.value, _GIN_BINDINGS.value)
    stopped_by = learning.run(root_dir, addresses, training)
    return launch.ending(
        stopped_by, f"The run is complete. Policy in {root_dir}/policy, metrics in {root_dir}."
    )


if __name__ == "__main__":
    launch.run(main)
