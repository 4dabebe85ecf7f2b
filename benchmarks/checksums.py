"""Checksums of seeded runs: shows that a change of structure changes no byte of a run.

python -m benchmarks.checksums --baseline=COMMIT

Trains the same seeded runs with this working tree and with COMMIT, one after the other on this
machine, and compares the SHA-256 of their weights, optimizers and generators, of the replay's rows,
and of all evaluations. The checksums do not depend on the names of variables. They depend on the
processor, so they are compared and not stored.
"""

import csv
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import commits
from binaries import launch
from sac_tf.errors import RunError

_BASELINE = flags.DEFINE_string("baseline", None, "Commit to compare with.", required=True)
_RUNS = {
    "Pendulum-v1, the quickstart, 3,000 steps": ("pendulum", ["train.total_steps=3_000"]),
    "HalfCheetah-v5, the defaults, 6,000 steps": ("half_cheetah", ["train.total_steps=6_000"]),
}


def main(arguments: list[str]) -> int:
    """Trains with both trees and returns 1 if a checksum differs, 0 otherwise."""
    launch.refuse_arguments(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        baseline = Path(folder) / "baseline"
        commits.export(_BASELINE.value, baseline)
        for title, (task, bindings) in _RUNS.items():
            before = _train(baseline, Path(folder) / f"{task}-before", task, bindings)
            after = _train(commits.REPOSITORY, Path(folder) / f"{task}-after", task, bindings)
            print(title)
            for part, checksum in before.items():
                is_equal = checksum == after[part]
                verdict = "equal" if is_equal else f"DIFFERENT: now {after[part]}"
                print(f"  {part:<12} {checksum}  {verdict}", flush=True)
                differing += not is_equal
    return 1 if differing else 0


def _train(tree: Path, root_dir: Path, task: str, bindings: list[str]) -> dict[str, str]:
    """Trains with the code in `tree` and returns the checksums of the run."""
    command = [sys.executable, "-m", "binaries.train", f"--root_dir={root_dir}"]
    command.append(f"--gin_file=gin_configs/tasks/{task}.gin")
    command += [f"--gin_bindings={binding}" for binding in bindings]
    run = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    if run.returncode != 0:
        raise RunError(f"{' '.join(command)} failed in {tree}: {run.stderr.strip()}")
    return checksums(root_dir)


def checksums(root_dir: Path) -> dict[str, str]:
    """Returns the SHA-256 of the variables and rows in the newest checkpoint of a run, and of its
    evaluations."""
    checkpoint = max((root_dir / "checkpoints").glob("step-*"))
    evaluations = []
    with (root_dir / "evaluations.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            del row["wall_time"]
            # A column that has no values changes nothing, and COMMIT may not know it.
            evaluations.append(sorted((name, value) for name, value in row.items() if value))
    return {
        "variables": _sha256(*sorted(map(_fingerprint, _variables(checkpoint)))),
        "rows": _sha256(*_rows(root_dir, checkpoint)),
        "evaluations": _sha256(repr(evaluations).encode()),
    }


def _variables(checkpoint: Path) -> list[np.ndarray]:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return [np.asarray(reader.get_tensor(name)) for name in names]


def _rows(root_dir: Path, checkpoint: Path) -> list[bytes]:
    from sac_tf.replay.saved import saved_episodes
    from sac_tf.replay.windows import Windows
    from sac_tf.runs import task_spec

    spec = task_spec.load(root_dir)
    assert spec is not None
    episodes = saved_episodes(checkpoint / "replay", Windows(spec, 0.99, None))
    return [array.tobytes() for episode in episodes for array in episode.values()]


def _fingerprint(array: np.ndarray) -> bytes:
    return _sha256(str((array.dtype, array.shape)).encode(), array.tobytes()).encode()


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    launch.run(main)
