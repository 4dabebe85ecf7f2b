"""Checksums of seeded runs: shows that a change of structure leaves every byte of a run alone.

python -m benchmarks.checksums --baseline=COMMIT

trains the same seeded runs with this working tree and with COMMIT, one after the other on this
machine, and compares the SHA-256 of their weights, optimizers and generators, of the replay's rows,
and of all evaluations. The checksums do not depend on the names of variables. They do depend on the
processor, so they are compared and not stored.
"""

import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags

_BASELINE = flags.DEFINE_string("baseline", None, "Commit to compare with.", required=True)
_REPOSITORY = Path(__file__).resolve().parents[1]
_RUNS = {
    "Pendulum-v1, the quickstart, 3,000 steps": ("pendulum", ["train.total_steps=3_000"]),
    "HalfCheetah-v5, the defaults, 6,000 steps": ("half_cheetah", ["train.total_steps=6_000"]),
}


def main(_: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        baseline = Path(folder) / "baseline"
        _export(_BASELINE.value, baseline)
        differing = 0
        for title, (task, bindings) in _RUNS.items():
            before = _train(baseline, Path(folder) / f"{task}-before", task, bindings)
            after = _train(_REPOSITORY, Path(folder) / f"{task}-after", task, bindings)
            print(title)
            for part, checksum in before.items():
                verdict = "equal" if checksum == after[part] else f"DIFFERENT: now {after[part]}"
                print(f"  {part:<12} {checksum}  {verdict}", flush=True)
                differing += checksum != after[part]
    sys.exit(1 if differing else 0)


def _export(commit: str, folder: Path) -> None:
    """Writes the files of a commit to `folder`."""
    archive = subprocess.run(
        ["git", "archive", commit], cwd=_REPOSITORY, check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def _train(tree: Path, root_dir: Path, task: str, bindings: list[str]) -> dict[str, str]:
    """Trains with the code in `tree` and returns the checksums of the run."""
    command = [sys.executable, "-m", "binaries.train", f"--root_dir={root_dir}"]
    command += [
        f"--gin_file=gin_configs/tasks/{task}.gin",
        *(f"--gin_bindings={b}" for b in bindings),
    ]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    return checksums(root_dir)


def checksums(root_dir: Path) -> dict[str, str]:
    """Returns the SHA-256 of the variables in the newest checkpoint of a run, of its rows and of
    its evaluations."""
    checkpoint = max((root_dir / "checkpoints").glob("step-*"))
    rows = (checkpoint / "replay" / "resident_rows.npy").read_bytes()
    with (root_dir / "evaluations.csv").open(newline="") as file:
        evaluations = [
            sorted(row.items() - {("wall_time", row["wall_time"])}) for row in csv.DictReader(file)
        ]
    return {
        "variables": _sha256(*sorted(map(_fingerprint, _variables(checkpoint)))),
        "rows": _sha256(rows),
        "evaluations": _sha256(repr(evaluations).encode()),
    }


def _variables(checkpoint: Path) -> list[np.ndarray]:
    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return [np.asarray(reader.get_tensor(name)) for name in names]


def _fingerprint(array: np.ndarray) -> bytes:
    return _sha256(str((array.dtype, array.shape)).encode(), array.tobytes()).encode()


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    app.run(main)
