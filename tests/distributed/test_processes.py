"""Whole runs on many processes, by their binaries; and what a mistake gets."""

import csv
import subprocess
import sys
import time

import pytest

from tests.distributed.running import Cluster


def _rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_two_collectors_and_a_learner_learn_pendulum_and_all_end_with_the_run(tmp_path):
    task = {
        "train.environment": '"Pendulum-v1"',
        "train.total_steps": 4000,
        "train.random_steps": 1000,
        "train.evaluation_period": 1000,
        "train.checkpoint_period": 2000,
        "train.batch_size": 128,
        "update.updates_per_call": 8,
        "actor.hidden_units": "(64, 64)",
        "critic.hidden_units": "(64, 64)",
        "adam.learning_rate": 1e-3,
        "held_ratio.tolerance_rows": 64,
    }
    with Cluster(tmp_path, **task) as cluster:
        server = cluster.serve()
        others = [cluster.learn(), cluster.collect("a"), cluster.collect("b"), cluster.follow()]
        for process in others:
            assert process.wait(300) == 0, cluster.words()
        status = [sys.executable, "-m", "binaries.status", f"--replay_address={cluster.addresses}"]
        shown = subprocess.run(status, capture_output=True, text=True, timeout=60).stdout
        board = cluster.board()
        late = cluster.follow()
        assert late.wait(60) == 0 and "The run is complete" in late.output, late.output
        assert server.end() == 130
    updates, inserted = board["processes"]["learner"]["updates"], board["rows"]["inserted"]
    assert inserted >= 4000 and updates == pytest.approx(inserted - 1000, rel=0.1)
    for name in ("collector a", "collector b"):
        assert board["processes"][name]["steps"] > 500 and name in shown
    assert (
        f"{inserted:,} ever inserted, 4,000 asked for" in shown
        and "128 samples for each row" in shown
    )
    evaluations = _rows(tmp_path / "evaluations.csv")
    assert [int(row["step"]) for row in evaluations] == sorted(
        int(row["step"]) for row in evaluations
    )
    assert int(evaluations[-1]["step"]) >= 4000
    # The best: no run is like another, and some lose for a while what they had learned. The first
    # is below -1,200.
    assert max(float(row["return_mean"]) for row in evaluations) > -700
    metrics = _rows(tmp_path / "metrics.csv")
    returns = [
        float(row["episode_return"]) for row in metrics if row["episode_return"]
    ]  # of a second, and maybe none
    assert returns and max(returns) < 0 and float(metrics[-1]["critic_loss"]) > 0
    assert all(
        "Traceback" not in process.output and "Aborted" not in process.output
        for process in [server, *others]
    )
    assert (tmp_path / "policy" / "saved_model.pb").exists()
    assert list((tmp_path / "replay_server/tensorboard").iterdir()) and list(
        (tmp_path / "tensorboard").iterdir()
    )


def test_two_replay_servers_share_the_rows_and_the_learner_reads_both(tmp_path):
    with Cluster(tmp_path, servers=2) as cluster:
        servers = [cluster.serve(0), cluster.serve(1)]
        learner, collector = cluster.learn(), cluster.collect("a")
        cluster.wait_until(lambda: cluster.updates() > 500)
        assert collector.end() == learner.end() == 130
        ended = time.time()
        cluster.wait_until(
            lambda: all(cluster.board(number)["time"] > ended + 1 for number in (0, 1))
        )
        first, second = (cluster.board(number)["rows"] for number in (0, 1))
        rows, samples = first["inserted"] + second["inserted"], first["sampled"] + second["sampled"]
        assert (
            abs(first["inserted"] - second["inserted"]) < 50
            and min(first["inserted"], second["inserted"]) > 100
        )
        assert abs(samples / 16 - (rows - 100)) < 500
        assert [server.end() for server in servers] == [130, 130]


def _mistake(binary, *arguments):
    """Exit code and output of a binary that cannot work."""
    task = [
        '--gin_bindings=train.environment="tests.toy:Paced-v0"',
    ]
    command = [
        sys.executable,
        "-m",
        f"binaries.{binary}",
        *([] if binary == "status" else task),
        *arguments,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ended.returncode, [
        line for line in (ended.stdout + ended.stderr).splitlines() if "step/s" not in line
    ]


@pytest.mark.parametrize(
    ("binary", "arguments", "code", "words"),
    [
        (
            "learner",
            ["--replay_address=localhost"],
            2,
            "--replay_address=localhost must be HOST:PORT",
        ),
        (
            "collector",
            ["--replay_address=localhost:1"],
            1,
            "No replay server answers at localhost:1",
        ),
        (
            "status",
            ["--replay_address=no.such.host.invalid:1"],
            2,
            "there is no host no.such.host.invalid",
        ),
        ("evaluator", [], 2, "--replay_address"),
        (
            "collector",
            ["--replay_address=localhost:1", "--collector_id=a/b"],
            2,
            "--collector_id='a/b' may have letters",
        ),
        (
            "replay_server",
            ["--gin_bindings=replay_server.checkpoint_period=0"],
            2,
            "checkpoint_period must be a number",
        ),
    ],
)
def test_a_mistake_gets_one_sentence_at_once(tmp_path, binary, arguments, code, words):
    root_dir = [] if binary == "status" else [f"--root_dir={tmp_path}"]
    given, lines = _mistake(binary, *root_dir, *arguments)
    assert given == code and len(lines) == 1 and words in lines[0], lines


def test_a_wrong_server_is_refused_at_once(tmp_path):
    with Cluster(tmp_path) as cluster:
        cluster.serve().wait_for("Serving")
        address, here = f"--replay_address={cluster.addresses}", f"--root_dir={tmp_path / 'other'}"
        for arguments, words in (
            (
                ["replay_server", here, f"--port={cluster.ports[0]}"],
                f"Port {cluster.ports[0]} is in use",
            ),
            (
                ["collector", here, address, '--gin_bindings=train.environment="Pendulum-v1"'],
                "is for tests.toy:Paced-v0",
            ),
            (
                ["learner", here, address, "--gin_bindings=train.updates_per_step=3.0"],
                "(train.updates_per_step is 1.0 there and 3.0 here); give all",
            ),
        ):
            code, lines = _mistake(*arguments)
            assert code == 2 and len(lines) == 1 and words in lines[0], lines
