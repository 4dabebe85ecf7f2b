"""Runs of an entry of the book: their command, and the rows of their evaluations."""

from benchmarks import channel, provenance, returns
from benchmarks.entries import EVALUATION_PERIOD, SAC_TF, Entry
from sac_tf.runs import folder
from sac_tf.sweeps import sweep

PACKAGES = ("tensorflow", "gymnasium", "mujoco")
"""Whose versions the results name."""
_COMMITS = "commits.txt"
"""Of a run: the commits at which it was started and resumed."""
_VERSIONS = "versions.txt"
"""Of a run: the versions of its packages; `benchmarks.peer_training` writes those of its own."""


def command(entry: Entry, seed: int, run: sweep.Run, peers_python: str) -> list[str]:
    """Returns the command that trains a run, and writes commit and versions to its folder.

    Args:
      entry, seed: of the run.
      run: its folder exists.
      peers_python: interpreter of the environment of the other libraries.
    """
    path = run.root_dir / _COMMITS
    commits = path.read_text().split() if path.exists() else []
    path.write_text(" ".join(dict.fromkeys([*commits, provenance.commit()])))
    if entry.library == SAC_TF:
        (run.root_dir / _VERSIONS).write_text(channel.versions(*PACKAGES))
        return sweep.train_command("binaries.train", run)
    return [
        *(peers_python, "-m", "benchmarks.peer_training"),
        *(entry.library, entry.algorithm, entry.task, str(seed), str(entry.steps)),
        *(str(EVALUATION_PERIOD), str(run.root_dir)),
    ]


def rows(entry: Entry, seed: int, run: sweep.Run) -> list[returns.Row]:
    """Returns the evaluations so far of a run that was started by its `command`."""
    if not (run.root_dir / folder.EVALUATIONS).exists():
        return []
    commits = (run.root_dir / _COMMITS).read_text()
    versions = (run.root_dir / _VERSIONS).read_text()
    return returns.of_run(run.root_dir, entry, seed, commits, versions)
