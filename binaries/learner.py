r"""The learner of a distributed run: starts or resumes the run in --root_dir with batches from
replay servers.

python -m binaries.learner --root_dir=runs/cheetah --replay_address=localhost:8000 \
    --gin_file=gin_configs/tasks/half_cheetah.gin
"""

from absl import flags

from sac_tf.distributed.addresses import parse_addresses

from . import launch, listing

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of the run; an interrupted run there is resumed."
)
_ADDRESS = flags.DEFINE_string(
    "replay_address", "", "HOST:PORT of the replay server; several: commas."
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
    root_dir = str(launch.open_root_dir(_ROOT_DIR.value))
    training = launch.make_distributed(_GIN_FILE.value, _GIN_BINDINGS.value)
    from sac_tf.distributed import learner

    stopped_by = learner.run(root_dir, addresses, training)
    done = f"The run is complete. Policy in {root_dir}/policy, metrics in {root_dir}."
    return launch.ending(stopped_by, done)


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
