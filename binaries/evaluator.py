r"""The evaluator of a distributed run: evaluates each newly published policy until the run is
complete.

python -m binaries.evaluator --root_dir=runs/cheetah --replay_address=localhost:8000 \
    --gin_file=gin_configs/tasks/half_cheetah.gin
"""

from absl import flags

from sac_tf.distributed.addresses import parse_addresses
from sac_tf.runs import folder

from . import launch, listing

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of the run; evaluations.csv is written there."
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
    launch.open_root_dir(_ROOT_DIR.value / folder.EVALUATOR)
    training = launch.make_distributed(_GIN_FILE.value, _GIN_BINDINGS.value)
    from sac_tf.distributed import evaluator

    stopped_by = evaluator.run(str(_ROOT_DIR.value), addresses, training)
    done = f"The run is complete. Evaluations in {_ROOT_DIR.value}/{folder.EVALUATIONS}."
    return launch.ending(stopped_by, done)


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
