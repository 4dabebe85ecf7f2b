r"""The replay server of a distributed run: starts or resumes the replay in --root_dir.

python -m binaries.replay_server --root_dir=runs/cheetah --port=8000 \
    --gin_file=gin_configs/tasks/half_cheetah.gin
"""

from absl import flags

from sac_tf.runs import folder

from . import launch, listing

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of the run; its tables are in replay_server/."
)
_PORT = flags.DEFINE_integer(
    "port", 8000, "Port to listen on, on all interfaces (docs/distributed.md: security)."
)
_GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", [], "Gin file; the same for all processes of the run"
)
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.seed=1' for example"
)
_PRINT_CONFIG = listing.DEFINE_listing("print_config", requires=[_ROOT_DIR])


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    if _PRINT_CONFIG.value:
        return listing.print_config(_GIN_FILE.value, _GIN_BINDINGS.value, is_distributed=True)
    launch.open_root_dir(_ROOT_DIR.value / folder.REPLAY_SERVER)
    training = launch.make_distributed(_GIN_FILE.value, _GIN_BINDINGS.value)
    from sac_tf.distributed import replay_server

    return launch.ending(replay_server.run(str(_ROOT_DIR.value), _PORT.value, training), "")


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
