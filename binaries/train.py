"""Trains a policy: starts or resumes the run in --root_dir.

python -m binaries.train --root_dir=runs/cheetah --gin_file=gin_configs/tasks/half_cheetah.gin
python -m binaries.train --print_config --gin_file=gin_configs/redq.gin   # lists all settings
"""

from absl import flags

from . import launch, listing, outcomes

_ROOT_DIR = launch.DEFINE_path(
    "root_dir", None, "Folder of the run; an interrupted run there is resumed."
)
_GIN_FILE = flags.DEFINE_multi_string("gin_file", [], "Gin file, of your own or shipped")
_GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding, 'train.seed=1' for example"
)
_PRINT_CONFIG = listing.DEFINE_listing("print_config")


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    if _PRINT_CONFIG.value:
        return listing.print_config(_GIN_FILE.value, _GIN_BINDINGS.value)
    if _ROOT_DIR.value is None:
        raise launch.ConfigurationError("Give --root_dir, the folder of the run.")
    root_dir = launch.open_root_dir(_ROOT_DIR.value)
    training = launch.make_training(_GIN_FILE.value, _GIN_BINDINGS.value)
    outcome = training.run(str(root_dir))
    from sac_tf.training.outcome import lowest_evaluation

    start = lowest_evaluation(root_dir, training.initialize_from)
    return outcomes.report(root_dir, outcome, unit="step", start=start)


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
