"""The package: what its wheel holds, and its programs from an empty folder."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"sac_tf": "sac_tf", "binaries": "sac_tf/binaries", "gin_configs": "sac_tf/gin_configs"}
"""{folder of the repository: its place in the wheel}."""

SHORT = [
    "train.total_steps=60",
    "train.random_steps=20",
    "train.evaluation_period=60",
    "train.checkpoint_period=60",
    "train.batch_size=8",
    "update.updates_per_call=1",
    "actor.hidden_units=(8,)",
    "critic.hidden_units=(8,)",
]


def _documented(name):
    """Returns the content of a file as docs/installation.md shows it."""
    text = (ROOT / "docs/installation.md").read_text()
    (block,) = re.findall(rf"^```\w*\n(# {name}\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return block


def _sources(folder):
    """Returns the files of a folder that belong into the wheel, relative to it."""
    files = [path for ending in ("py", "gin") for path in (ROOT / folder).rglob(f"*.{ending}")]
    return {path.relative_to(ROOT / folder).as_posix() for path in files}


def _pip(*arguments):
    command = [sys.executable, "-m", "pip", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built without a network from a copy of the sources."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    _pip("wheel", "-q", "--no-build-isolation", "--no-deps", "-w", copy / "dist", copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the installed package and its scripts."""
    target = tmp_path_factory.mktemp("installed")
    _pip("install", "-q", "--no-index", "--no-deps", "--target", target, wheel)
    return target


def _run(installed, folder, script, *arguments):
    """Returns exit code, output and error output of an installed program."""
    done = subprocess.run(
        [installed / "bin" / script, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_wheel_holds_library_programs_and_gin_files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {
        f"{place}/{name}" for folder, place in FOLDERS.items() for name in _sources(folder)
    }


def test_each_program_has_a_script(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith("entry_points.txt"))
        text = archive.read(name).decode()
    entries = configparser.ConfigParser(delimiters="=")
    entries.read_string(text)
    programs = {
        path.stem
        for path in (ROOT / "binaries").glob("*.py")
        if "def run() -> None:" in path.read_text()
    }
    assert len(programs) == 13
    assert dict(entries["console_scripts"]) == {
        f"sac-tf-{program.replace('_', '-')}": f"sac_tf.binaries.{program}:run"
        for program in programs
    }


def test_help_names_the_script(installed, tmp_path):
    code, out, err = _run(installed, tmp_path, "sac-tf-export-policy", "--help")
    assert (code, err) == (0, "")
    assert "\nsac-tf-export-policy --root_dir=" in out and "--export_dir: " in out
    assert "binaries" not in out.partition("flags:")[0]


def test_mistakes_of_a_script_exit_with_2(installed, tmp_path):
    code, out, err = _run(installed, tmp_path, "sac-tf-train", "--root_dir=a", "--gin_file=b.gin")
    shipped = f"{installed}/sac_tf/gin_configs"
    assert (code, out) == (2, "") and err == (
        "--gin_file=b.gin does not exist, neither in the working directory nor among the shipped "
        f"files, which are in {shipped}.\n"
    )


def test_the_documented_task_and_gin_file_train(installed, tmp_path):
    """In an empty folder: the gin file includes a shipped one, the task is a module there."""
    for name in ("my_robot.py", "reach.gin"):
        (tmp_path / name).write_text(_documented(name))
    bindings = [f"--gin_bindings={binding}" for binding in SHORT]
    code, out, err = _run(
        installed, tmp_path, "sac-tf-train", "--root_dir=run", "--gin_file=reach.gin", *bindings
    )
    assert code == 0, err
    root = tmp_path / "run"
    assert out.splitlines()[-1] == (
        f"Next: sac-tf-evaluate --root_dir={root} --video={root}/policy.mp4"
    )
    assert "Windows.n = 3" in (root / "config.gin").read_text()
    assert (root / "policy/saved_model.pb").is_file() and (root / "learning_curve.png").is_file()
