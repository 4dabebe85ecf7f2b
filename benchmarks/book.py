r"""The book of benchmarks: trains what is missing in returns.csv, and draws tables and figures.

python -m benchmarks.book
python -m benchmarks.book --algorithm=SAC --algorithm=TD3 --task=Hopper-v5 --seed=0
python -m benchmarks.book --draw_only

`make book` starts the first one. Each run has one core and one thread, and as many runs as cores
train at the same time. The rows of a run are added to returns.csv when it ends. Ctrl-C saves all
runs and stops; the same command resumes them. Commit, or work in another clone: a run reads the
files of this one when it starts.
"""

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import flags

from benchmarks import book_runs, returns
from benchmarks.entries import BOOK, LIBRARIES, SAC_TF, Entry
from binaries import launch
from sac_tf import files
from sac_tf.errors import ConfigurationError
from sac_tf.runs.interrupts import Interrupts
from sac_tf.sweeps import sweep

_REPOSITORY = Path(__file__).resolve().parents[1]
_RESULTS = _REPOSITORY / "benchmarks/results"
_PAGES = ("docs/benchmarks.md", "README.md")

_LIBRARY = flags.DEFINE_multi_enum("library", [SAC_TF], LIBRARIES, "Whose runs.")
_ALGORITHM = flags.DEFINE_multi_string("algorithm", [], "Only this algorithm; may be repeated.")
_TASK = flags.DEFINE_multi_string("task", [], "Only this task; may be repeated.")
_SEED = flags.DEFINE_multi_integer("seed", [], "Only this seed; may be repeated.")
_DRAW_ONLY = flags.DEFINE_bool("draw_only", False, "Train nothing.")
_ROOT_DIR = launch.DEFINE_path("root_dir", "runs/book", "Folder of all runs.")
_OUTPUT_DIR = launch.DEFINE_path(
    "output_dir",
    str(_RESULTS),
    "Folder of returns.csv and the figures; of another one no table of a page is filled.",
)
_PEERS_PYTHON = launch.DEFINE_path(
    "peers_python", ".venv-peers/bin/python", "Python with the other libraries installed."
)


def main(arguments: list[str]) -> int:
    launch.refuse_arguments(arguments)
    if _DRAW_ONLY.value and not (_OUTPUT_DIR.value / "returns.csv").exists():
        raise ConfigurationError(f"--output_dir={_OUTPUT_DIR.value} holds no returns.csv.")
    code = 0
    if not _DRAW_ONLY.value:
        code = train(
            _select(BOOK),
            set(_SEED.value),
            _ROOT_DIR.value,
            _OUTPUT_DIR.value / "returns.csv",
            str(_PEERS_PYTHON.value),
        )
    draw(_OUTPUT_DIR.value)
    return code


def _select(book: Sequence[Entry]) -> list[Entry]:
    """Returns the entries that the flags choose.

    Raises:
      ConfigurationError: a name that no entry has, no entry with all of them, or no interpreter.
    """
    for flag, known in (
        (_ALGORITHM, {entry.algorithm for entry in book}),
        (_TASK, {entry.task for entry in book}),
        (_SEED, set(range(max(entry.seeds for entry in book)))),
    ):
        for value in flag.value:
            if value not in known:
                raise ConfigurationError(
                    f"--{flag.name}={value}: no entry of the book has it; benchmarks/entries.py "
                    "lists all."
                )
    chosen = [
        entry
        for entry in book
        if entry.library in _LIBRARY.value
        and (not _ALGORITHM.value or entry.algorithm in _ALGORITHM.value)
        and (not _TASK.value or entry.task in _TASK.value)
    ]
    if not chosen:
        raise ConfigurationError(
            "The book has no entry with these flags; benchmarks/entries.py lists all."
        )
    if {entry.library for entry in chosen} - {SAC_TF} and not _PEERS_PYTHON.value.exists():
        raise ConfigurationError(
            f"--peers_python={_PEERS_PYTHON.value} does not exist; `make book-peers` creates it "
            "from benchmarks/requirements-peers.txt."
        )
    return chosen


def train(
    entries: Sequence[Entry], seeds: set[int], root_dir: Path, path: Path, peers_python: str
) -> int:
    """Trains the runs of `entries` that are missing in returns.csv, and adds their rows.

    Args:
      entries: of the book.
      seeds: which of their seeds; empty for all.
      root_dir: folder of all runs.
      path: of returns.csv.
      peers_python: interpreter of the environment of the other libraries.

    Returns: the exit code: 0, 1 if a run failed, 128 + n after signal n.
    """
    missing = [
        run for run in returns.missing(returns.read(path), entries) if not seeds or run[1] in seeds
    ]
    files.make_folder(path.parent, f"--output_dir={path.parent}")
    root_dir.mkdir(parents=True, exist_ok=True)
    failed: dict[sweep.Run, str] = {}
    with sweep.claim(root_dir) as lock, Interrupts(answers=False) as interrupts:
        for stage in _stages(missing, root_dir):
            active = sweep.Sweep(
                list(stage),
                parallel=len(os.sched_getaffinity(0)),
                lock=lock,
                command=functools.partial(_command, stage, peers_python),
                on_finished=functools.partial(_add, stage, path),
                pinned=True,
            )
            for run in filter(sweep.Run.is_finished, stage):
                _add(stage, path, run)
            if interrupts.received is None:
                active.run(interrupts)
            failed |= active.failed
    for run, reason in failed.items():
        print(f"Failed: {run.setting.name}, seed {run.seed}: {reason}")
    left = len(returns.missing(returns.read(path), entries))
    if interrupts.received is not None:
        print(f"Stopped by {interrupts.received.name}. Rerun the same command to resume.")
        return 128 + interrupts.received
    print(f"{left} runs of these entries are missing." if left else "These entries are complete.")
    return 1 if failed else 0


Stage = Mapping[sweep.Run, tuple[Entry, int]]
"""{run: (its entry, its seed)} of runs that can train at the same time."""


def _stages(missing: Sequence[tuple[Entry, int]], root_dir: Path) -> tuple[Stage, Stage]:
    """Returns the runs that start from scratch, and those that start from one of them."""
    first = {}
    then = {}
    for entry, seed in missing:
        run = entry.run(root_dir, seed)
        if entry.source is None:
            first[run] = (entry, seed)
        else:
            then[run] = (entry, seed)
            first[entry.source.run(root_dir, seed)] = (entry.source, seed)
    return first, then


def _command(stage: Stage, peers_python: str, run: sweep.Run) -> list[str]:
    return book_runs.command(*stage[run], run, peers_python)


def _add(stage: Stage, path: Path, run: sweep.Run) -> None:
    """Adds the rows of a run to returns.csv, except of one that is complete there and was only
    needed as a source: its rows may have been corrected since."""
    entry, seed = stage[run]
    if (entry, seed) in returns.missing(returns.read(path), [entry]):
        returns.add(path, book_runs.rows(entry, seed, run))


def draw(output_dir: Path) -> None:
    """Draws the figures from returns.csv, and fills the tables of the pages, if the folder is that
    of the repository."""
    from benchmarks import figures, tables

    rows = returns.read(output_dir / "returns.csv")
    figures.draw(rows, output_dir)
    if output_dir == _RESULTS:
        for page in _PAGES:
            path = _REPOSITORY / page
            files.write_at_once(path, tables.fill(path.read_text(), rows))


if __name__ == "__main__":
    launch.run(main)
