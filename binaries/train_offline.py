r"""Trains a policy from a data set: starts or resumes the run in --root_dir.

python -m binaries.train_offline --root_dir=runs/cloned --gin_file=gin_configs/bc.gin \
    --gin_bindings="train.environment='Pendulum-v1'" \
    --gin_bindings="train_offline.dataset='pendulum/expert-v0'"
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
        return listing.print_config(_GIN_FILE.value, _GIN_BINDINGS.value, is_offline=True)
    if _ROOT_DIR.value is None:
        raise launch.ConfigurationError("Give --root_dir, the folder of the run.")
    root_dir = launch.open_root_dir(_ROOT_DIR.value)
    training, settings = launch.make_offline(_GIN_FILE.value, _GIN_BINDINGS.value)
    from sac_tf.training import offline
    from sac_tf.training.scores import normalized_score

    outcome = offline.run(str(root_dir), training, settings)
    task = training.environment_factory.title
    score = normalized_score(task, settings.dataset, outcome.evaluation)
    return outcomes.report(root_dir, outcome, unit="update", score=score)


def run() -> None:
    """Runs the program as an installed script."""
    launch.run(main)


if __name__ == "__main__":
    run()
