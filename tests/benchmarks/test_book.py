"""The book of benchmarks: what is missing, what is added, statistics, tables and figures."""

import functools
import signal
import subprocess
import sys
import time
from pathlib import Path

import gin
import numpy as np
import pytest
import tensorflow as tf
from rliable import metrics as rliable_metrics

from benchmarks import aggregates, provenance, returns, tables
from benchmarks.entries import BOOK, EVALUATION_PERIOD, PARTS, SBX, Entry
from benchmarks.returns import Row
from binaries import launch
from sac_tf import load_policy
from sac_tf.types import Transition

OURS = [entry for entry in BOOK if entry.library == "sac_tf"]
ENTRY = Entry("SAC", "Hopper-v5", 100_000, seeds=2)
TOY = """
import sys
from benchmarks import book
from benchmarks.entries import SBX, Entry
from binaries import launch
from tests.binaries.running import SHORT

bindings = tuple(flag.partition("=")[2] for flag in SHORT if "bindings" in flag)
files = ("gin_configs/tasks/pendulum.gin",)
bindings += ("RunLog.period = 20", "Evaluator.episodes = 1")
base = Entry("a", "Pendulum-v1", int(sys.argv.pop()), files, bindings, seeds=1)
shot = base._replace(algorithm="b", steps=1, source=base)
peer = Entry("PPO", "Pendulum-v1", base.steps, seeds=1, library=SBX)
book.BOOK = [base, shot, base._replace(algorithm="c"), peer]
book.draw = lambda output: None
launch.run(book.main)
"""
"""The program with entries of its own: the second starts from the run of the first, the last is of
another library."""

PEERS_PYTHON = """#!/bin/sh
[ $# = 9 ] || exit 3
printf "step,wall_time,return_mean,return_std,episodes\\n" >"$9/evaluations.csv"
printf "%s,9,-4.5,1,10\\n" "$7" >>"$9/evaluations.csv"
printf "sbx-rl 1, jax 2" >"$9/versions.txt"
echo "$@; cores $(nproc)" >"$9/command.txt"
"""
"""An interpreter that trains at once: seventh argument the steps, ninth the folder."""


def row(algorithm="SAC", task="Hopper-v5", seed=0, step=100_000, value=1.0, **others):
    fields = dict.fromkeys(Row._fields)
    fields |= {"library": "sac_tf", "episodes": 10, "commit": "abc", "versions": "x 1, y 2"}
    fields |= {"algorithm": algorithm, "task": task, "seed": seed, "step": step}
    return Row(**{**fields, "return_mean": value, **others})


def test_a_run_is_missing_until_all_its_budgets_are_evaluated():
    steps = [25_000, 50_000, 100_000]
    complete = [row(step=step) for step in steps]
    assert returns.missing([], [ENTRY]) == [(ENTRY, 0), (ENTRY, 1)]
    assert returns.missing(complete, [ENTRY]) == [(ENTRY, 1)]
    assert returns.missing(complete[1:], [ENTRY])[0] == (ENTRY, 0)
    assert returns.missing(complete[:2], [ENTRY])[0] == (ENTRY, 0)
    other = ENTRY._replace(library=SBX, seeds=1)
    assert returns.missing(complete, [other]) == [(other, 0)]


def test_seed_0_of_all_entries_comes_first():
    other = ENTRY._replace(algorithm="TD3")
    found = returns.missing([], [ENTRY, other])
    assert [(entry.algorithm, seed) for entry, seed in found] == [
        ("SAC", 0),
        ("TD3", 0),
        ("SAC", 1),
        ("TD3", 1),
    ]


def test_rows_of_a_run_replace_its_older_rows_only(tmp_path):
    path = tmp_path / "returns.csv"
    returns.add(path, [row(step=10), row(step=20, value=2.5, wall_time=3.25)])
    returns.add(path, [row(seed=1, step=10)])
    returns.add(path, [row(step=5, value=-1.0)])
    assert returns.read(path) == [row(step=5, value=-1.0), row(seed=1, step=10)]


def test_rows_of_a_run_are_its_evaluations(tmp_path):
    (tmp_path / "evaluations.csv").write_text(
        "step,wall_time,return_mean,return_std,episodes,success_rate,success_once,info_x\n"
        "5,1.5,-7.25,0.5,10,,0.5,9\n"
    )
    assert returns.of_run(tmp_path, ENTRY, 1, "abc", "x 1, y 2") == [
        row(seed=1, step=5, value=-7.25, return_std=0.5, success_once=0.5, wall_time=1.5)
    ]


def test_statistics_equal_numbers_worked_by_hand():
    scores = np.arange(1.0, 9.0).reshape(4, 2)
    # The middle half of 1, ..., 8 is 3, 4, 5, 6.
    assert aggregates.interquartile_mean(scores).value == [4.5]
    assert aggregates.mean(scores).value == [4.5]
    # Of 1, 3 and 2, 3: 1 loses twice, 3 wins once and is equal once: 1.5 of 4.
    better = aggregates.improvement(np.array([[1.0], [3.0]]), np.array([[2.0], [3.0]]))
    assert better.value == [0.375]
    share = aggregates.profile(scores, np.array([0.0, 4.0, 8.0]))
    assert share.value.tolist() == [1.0, 0.5, 0.0]


def test_improvement_equals_that_of_rliable():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(5, 3))
    y = generator.normal(size=(4, 3))
    expected = rliable_metrics.probability_of_improvement(x, y)
    assert aggregates.improvement(x, y).value[0] == pytest.approx(expected)


def test_intervals_resample_runs_within_each_task():
    """Runs of one task differ, those of the other do not: only the first widens the interval."""
    scores = np.array([[0.0, 10.0], [2.0, 10.0]])
    value, low, high = aggregates.mean(scores)
    # The mean of two draws of 0 and 2 is 0, 1 or 2.
    assert (value[0], low[0], high[0]) == (5.5, 5.0, 6.0)
    assert aggregates.mean(scores).low == low
    assert np.isnan(aggregates.mean(scores[:1]).low[0])


def test_scores_are_relative_to_crossq_and_have_equal_runs():
    rows = [row(seed=seed, value=2677.0 * seed) for seed in (1, 2, 3)]
    rows += [row(task="HalfCheetah-v5", seed=seed, value=8091.0) for seed in (1, 2)]
    scores = tables.normalized(rows, "SAC", ["HalfCheetah-v5", "Hopper-v5"])
    np.testing.assert_allclose(scores, [[1, 1], [1, 2]])


def test_tables_have_mean_deviation_and_number_of_seeds():
    rows = [row(seed=seed, value=value) for seed, value in enumerate([1.0, 2.0, 6.0])]
    rows.append(row(task="Ant-v5", value=7.0))
    page = tables.fill("a\n<!-- book: results -->\nold\n<!-- end -->\nb\n", rows)
    lines = page.splitlines()
    assert lines[0] == "a" and lines[-2:] == ["<!-- end -->", "b"] and "old" not in page
    # Deviations -2, -1, 3: the variance is 14 / 2.
    assert "| SAC |  | 3 +- 3 (3) |  | 7 (1) |  |" in lines


def test_cost_is_time_of_a_step_and_time_to_a_return():
    """Two seeds: 5,000 is reached after 2 and 4 hours; the last steps are at 5 and 7 hours."""
    values = {
        0: [(1, 4_999.0), (2, 5_000.0), (5, 5_000.0)],
        1: [(1, 0.0), (4, 9_000.0), (7, 15_000.0)],
    }
    rows = [
        row(task="HalfCheetah-v5", seed=seed, step=step, value=value, wall_time=3600.0 * hours)
        for seed, run in values.items()
        for step, (hours, value) in zip((25_000, 50_000, 100_000), run, strict=True)
    ]
    page = "<!-- book: stability -->\n<!-- end -->"
    # Returns 5,000 and 15,000: deviation 7,071; 6 hours for 100,000 steps are 216 s for 1,000.
    assert "| HalfCheetah-v5 | SAC | 0.71 | 216.00 | 3.00 |" in tables.fill(page, rows)
    rows.append(row(task="HalfCheetah-v5", seed=2, wall_time=1.0))
    assert tables.fill(page, rows).count("|  |\n") == 1


def test_time_to_a_return_is_that_of_each_seed(tmp_path, monkeypatch):
    path = tmp_path / "times.csv"
    monkeypatch.setattr(tables, "TIMES", path)
    for seed, (seconds, step) in enumerate([(100.0, 35_000), (140.0, 45_000)]):
        run = [row("a", seed=seed, step=5_000, value=-1.0, wall_time=9.0)]
        run.append(row("a", seed=seed, step=step, value=5_000.0, wall_time=seconds))
        run.append(row("a", seed=seed, step=step + 5_000, value=6_000.0, wall_time=999.0))
        returns.add(path, run)
    assert tables.TABLES["time_to_return"]([]).splitlines()[-1] == (
        "| a | 100, 140 | 120 | 35,000, 45,000 |"
    )


def test_figures_are_drawn_and_pages_of_other_results_kept(tmp_path):
    rows = [row(seed=seed, step=step, wall_time=3.0) for seed in (0, 1) for step in (1, 100_000)]
    rows += [one._replace(task="HalfCheetah-v5") for one in rows]
    returns.add(tmp_path / "returns.csv", rows)
    page = Path("README.md").read_text()
    flags = ["--draw_only", f"--output_dir={tmp_path}"]
    subprocess.run([sys.executable, "-m", "benchmarks.book", *flags], check=True)
    names = {path.name for path in tmp_path.iterdir()}
    figures = {"returns.png", "wall_clock.png", "parts.png", "profiles.png"}
    assert names == {"returns.csv", *figures}
    assert Path("README.md").read_text() == page


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.folder)
def test_every_entry_is_a_configuration_that_can_train(entry, tmp_path):
    run = entry.run(tmp_path, 1)
    training = launch.make_training(run.gin_files, run.gin_bindings)
    assert (training.total_steps, training.seed) == (entry.steps, 1)
    assert training.evaluation_period == EVALUATION_PERIOD
    assert (training.initialize_from is None) == (entry.source is None)


@functools.cache
def _step(spec, algorithm):
    """Returns train state, target weights before and metrics of one step of an entry."""
    entry = next(entry for entry in BOOK if entry.algorithm == algorithm)
    agent = launch.make_training(entry.gin_files, entry.gin_bindings).agent()
    state = agent.make_state(spec, 0, 0.99)
    before = state.critics.target.get_weights()
    normal = state.generator.normal
    batch = Transition(normal([4, 3]), normal([4, 2]), normal([4]), tf.ones([4]), normal([4, 3]))
    metrics, _ = agent.steps(state, [batch])
    gin.clear_config()
    return state, before, {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_sac_is_changed_in_its_step(name, spec):
    state, before, metrics = _step(spec, name)
    after = state.critics.target.get_weights()
    keeps_targets = all(map(np.array_equal, before, after))
    _, plain_before, plain = _step(spec, "SAC")
    assert np.isfinite([metrics["critic_loss"], metrics["actor_loss"]]).all()
    assert keeps_targets == (name == "SAC, hard targets")
    assert (2 * len(before) == len(plain_before)) == (name == "SAC, one critic")
    assert (metrics["entropy"] == 0) == (name == "SAC, deterministic actor")
    assert state.target_entropy == (-1 if name == "SAC, entropy target -A/2" else -2)
    expected = {"SAC, no entropy": 1e-8, "SAC, deterministic actor": 1e-8}
    expected["SAC, fixed temperature 0.2"] = 0.2
    assert metrics["alpha"] == pytest.approx(expected.get(name, plain["alpha"]))
    same_loss = ("SAC, entropy target -A/2", "SAC, hard targets")
    assert (metrics["critic_loss"] == plain["critic_loss"]) == (name in same_loss)


def test_entries_have_names_of_their_own():
    assert len({entry.folder for entry in BOOK}) == len(BOOK)


def test_a_commit_is_that_of_the_code_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    for name in ("code.py", "benchmarks/results/returns.csv", "page.md"):
        (tmp_path / name).write_text("1\n")
    for command in ("init -q", "add .", "-c user.name=x -c user.email=x commit -qm x"):
        subprocess.run(["git", *command.split()], check=True)
    (tmp_path / "benchmarks/results/returns.csv").write_text("2\n")
    (tmp_path / "page.md").write_text("2\n")
    assert not provenance.commit().endswith("+")
    (tmp_path / "code.py").write_text("2\n")
    assert provenance.commit().endswith("+")


def _start_book(tmp_path, steps, *flags):
    flags = [f"--root_dir={tmp_path / 'runs'}", f"--output_dir={tmp_path}", *flags]
    command = [sys.executable, "-c", TOY, *flags, str(steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_stopped_book_resumes_and_adds_what_is_missing(tmp_path):
    known = row("c", "Pendulum-v1", step=20_000)
    returns.add(tmp_path / "returns.csv", [known])
    book = _start_book(tmp_path, 20_000)
    folder = tmp_path / "runs" / "a,Pendulum-v1" / "seed-0"
    ends = time.monotonic() + 300
    while not list(folder.glob("checkpoints/step-*")):
        assert book.poll() is None and time.monotonic() < ends
        time.sleep(0.05)
    book.send_signal(signal.SIGINT)
    out, _ = book.communicate(timeout=300)
    assert book.returncode == 128 + signal.SIGINT and "Rerun the same command" in out
    assert returns.read(tmp_path / "returns.csv") == [known]
    stopped_at = int(max(folder.glob("checkpoints/step-*")).name.removeprefix("step-"))
    total = stopped_at + 100

    known = row("c", "Pendulum-v1", step=total)
    returns.add(tmp_path / "returns.csv", [known])
    book = _start_book(tmp_path, total)
    out, _ = book.communicate(timeout=600)
    assert book.returncode == 0 and "These entries are complete." in out
    assert f"Resuming from step {stopped_at:,}" in (folder / "sweep.log").read_text()
    rows = returns.read(tmp_path / "returns.csv")
    last = {one.algorithm: one for one in rows if one.step in (1, total)}
    assert last.keys() == {"a", "b", "c"} and last["c"] == known
    assert {path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()} == {
        "a,Pendulum-v1",
        "b,Pendulum-v1",
    }
    observation = np.array([0.6, -0.8, 0.5], np.float32)
    folders = (folder, tmp_path / "runs" / "b,Pendulum-v1" / "seed-0")
    first, second = (load_policy(one)(observation) for one in folders)
    np.testing.assert_array_equal(first, second)  # no update
    assert "tensorflow 2.15.1" in rows[0].versions and rows[0].wall_time > 0

    shared_core = [one._replace(wall_time=None) for one in rows if one.algorithm == "a"]
    path = tmp_path / "returns.csv"
    path.unlink()
    returns.add(path, [known, *shared_core])
    out, _ = _start_book(tmp_path, total).communicate(timeout=300)
    assert "These entries are complete." in out
    assert [one for one in returns.read(path) if one.algorithm == "a"] == shared_core


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed=9"], "--seed=9: no entry of the book has it"),
        (["--algorithm=SAC", "--algorithm=SCA"], "--algorithm=SCA: no entry"),
        (["--draw_only", "--output_dir={tmp}/no"], "no holds no returns.csv."),
        (["--algorithm=SAC", "--output_dir=/dev/null/no"], "cannot be written"),
    ],
)
def test_flags_that_cannot_work_are_refused(tmp_path, arguments, words):
    command = [sys.executable, "-m", "benchmarks.book", f"--root_dir={tmp_path}/runs"]
    command += [argument.format(tmp=tmp_path) for argument in arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_of_another_library_has_one_core_and_its_rows(tmp_path):
    python = tmp_path / "python"
    python.write_text(PEERS_PYTHON)
    python.chmod(0o755)
    book = _start_book(tmp_path, 5_000, "--library=SBX", f"--peers_python={python}")
    out, _ = book.communicate(timeout=300)
    assert book.returncode == 0 and "These entries are complete." in out
    (found,) = returns.read(tmp_path / "returns.csv")
    assert (found.label, found.step, found.return_mean) == ("PPO, SBX", 5_000, -4.5)
    assert found.versions == "sbx-rl 1, jax 2"
    folder = tmp_path / "runs" / "PPO,SBX,Pendulum-v1" / "seed-0"
    expected = f"-m benchmarks.peer_training SBX PPO Pendulum-v1 0 5000 5000 {folder}; cores 1\n"
    assert (folder / "command.txt").read_text() == expected
