"""Whole distributed runs by their programs, and mistakes."""

import csv
import signal

import pytest

from binaries import launch
from tests.binaries.running import call_program, run_program
from tests.distributed.running import Cluster

LEARNING = {
    "train.environment": '"tests.toy:Delayed-v0"',
    "train.total_steps": 2000,
    "train.random_steps": 500,
    "train.evaluation_period": 500,
    "train.batch_size": 64,
    "update.updates_per_call": 2,
    "actor.hidden_units": "(32, 32)",
    "critic.hidden_units": "(32, 32)",
    "adam.learning_rate": 3e-3,
    "critic_step.tau": 0.05,
    "held_ratio.tolerance_rows": 20,
    "Evaluator.episodes": 50,
}


def _rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def _start(cluster):
    """Starts a run of two servers and two collectors, which collect before the learner starts."""
    servers = [cluster.serve(0), cluster.serve(1)]
    collectors = [cluster.collect("a"), cluster.collect("b")]
    for name in "ab":
        cluster.wait_until(lambda name=name: cluster.heartbeat(f"collector {name}"))
    return servers, [*collectors, cluster.learn(), cluster.evaluate()]


def _check_learning(folder):
    """The best return is 0; a policy that learned nothing returns -1/3 on average."""
    evaluations = _rows(folder / "evaluations.csv")
    steps = [int(row["step"]) for row in evaluations]
    assert steps == sorted(steps) and steps[-1] >= 2000
    assert float(evaluations[-1]["return_mean"]) > -0.1
    metrics = _rows(folder / "metrics.csv")
    returns = [float(row["episode_return"]) for row in metrics if row["episode_return"]]
    assert returns and max(returns) < 0 and float(metrics[-1]["critic_loss"]) > 0
    for policy in ("policy", "best_policy"):
        assert (folder / policy / "saved_model.pb").exists()
    for tensorboard in ("tensorboard", "replay_server/tensorboard"):
        assert list((folder / tensorboard).iterdir())


def _check_counts(statuses):
    """Two servers share the rows, and the learner samples both at the UTD ratio."""
    first, second = (status["rows"] for status in statuses)
    assert abs(first["inserted"] - second["inserted"]) < 50
    inserted = first["inserted"] + second["inserted"]
    sampled = first["sampled"] + second["sampled"]
    updates = statuses[0]["processes"]["learner"]["updates"]
    assert inserted >= 2000 and updates == pytest.approx(inserted - 500, rel=0.1)
    assert sampled / 64 == pytest.approx(inserted - 500, rel=0.1)


def test_two_servers_and_two_collectors_learn(tmp_path):
    """And all processes end with the run; another collector must have the same settings."""
    with Cluster(tmp_path, servers=2, **LEARNING) as cluster:
        servers, others = _start(cluster)
        refused = cluster.collect("c", **{"train.discount": 0.9})
        assert refused.wait(300) == 2
        words = "serves a run with other settings (train.discount is 0.99 there and 0.9 here)"
        assert len(refused.lines) == 1 and words in refused.lines[0]
        *training, evaluator = others
        for process in training:
            assert process.wait(600) == 0, cluster.words()
        # Now, because a server forgets a process 30 s after its last heartbeat.
        statuses = [cluster.status(0), cluster.status(1)]
        code, shown, err = call_program("status", f"--replay_address={cluster.addresses}")
        assert code == 0, err
        assert evaluator.wait(600) == 0, cluster.words()
        late = cluster.evaluate()
        assert late.wait(300) == 0 and "The run is complete" in late.output, late.output
        assert [server.end() for server in servers] == [130, 130]
    _check_learning(tmp_path)
    _check_counts(statuses)
    for name in ("collector a", "collector b"):
        assert statuses[0]["processes"][name]["steps"] > 100 and name in shown
    for status in statuses:
        assert f"{status['rows']['inserted']:,} of 2,000 inserted" in shown
    assert shown.count("64 samples per row") == 2
    outputs = [process.output for process in [*servers, *others]]
    assert all("Traceback" not in output and "Aborted" not in output for output in outputs)


def test_signal_while_waiting_for_the_server(tmp_path):
    with Cluster(tmp_path) as cluster:
        waiting = [cluster.learn(), cluster.collect("a"), cluster.evaluate()]
        for process in waiting:
            process.wait_for("Waiting for the replay server at localhost")
            process.send_signal(signal.SIGTERM)
        for process in waiting:
            assert process.wait(60) == 128 + signal.SIGTERM, process.output
            assert process.lines[-1] == "Stopped by SIGTERM. Rerun the same command to resume."


def _lines(out, err):
    """All output without the progress bar."""
    return [line for line in (out + err).splitlines() if "step/s" not in line]


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("learner", ["--replay_address=localhost"], "--replay_address=localhost must be HOST:PORT"),
        ("evaluator", [], "--replay_address"),
        (
            "collector",
            ["--replay_address=localhost:1", "--collector_id=a/b"],
            "--collector_id='a/b' may have letters",
        ),
        (
            "collector",
            ["--replay_address=localhost:1", "--collector_id=.."],
            "--collector_id='..' may have letters, digits, '.', '_' and '-', and must not begin",
        ),
    ],
)
def test_wrong_flag_exits_with_2(tmp_path, program, arguments, words):
    code, out, err = run_program(program, f"--root_dir={tmp_path}", *arguments)
    lines = _lines(out, err)
    assert code == 2 and len(lines) == 1 and words in lines[0], lines


@pytest.mark.parametrize(
    ("program", "arguments", "code", "words"),
    [
        (
            "collector",
            ["--root_dir={tmp}", "--replay_address=localhost:1"],
            1,
            "No replay server answers at localhost:1",
        ),
        (
            "status",
            ["--replay_address=no.such.host.invalid:1"],
            2,
            "there is no host no.such.host.invalid",
        ),
        (
            "replay_server",
            ["--root_dir={tmp}", "--gin_bindings=replay_server.checkpoint_period=0"],
            2,
            "checkpoint_period must be a number",
        ),
        (
            "learner",
            [
                "--root_dir={tmp}",
                "--replay_address=localhost:1",
                "--gin_bindings=BatchReader.sampler=@ResidentSampler",
            ],
            2,
            "BatchReader.sampler=@ResidentSampler keeps a copy of every step",
        ),
    ],
)
def test_mistake_is_one_sentence(tmp_path, program, arguments, code, words):
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    if program != "status":
        filled.append("--gin_bindings=train.environment='tests.toy:Paced-v0'")
    given, out, err = call_program(program, *filled)
    lines = _lines(out, err)
    assert given == code and len(lines) == 1 and words in lines[0], lines


def test_an_installed_program_names_installed_programs(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "__package__", "sac_tf.binaries")
    task = "--gin_bindings=train.environment='tests.toy:Paced-v0'"
    given = [task, f"--root_dir={tmp_path}", "--replay_address=localhost:1"]
    tuned = "--gin_bindings=train.initialize_from='runs/binaries.old'"
    for arguments, words in (
        ([], "Start sac-tf-replay-server there, correct --replay_address"),
        ([tuned], "train.initialize_from is for one process (sac-tf-train); leave it out here."),
    ):
        _, _, err = call_program("collector", *given, *arguments)
        assert words in err and "binaries" not in err


def test_wrong_server_is_refused(tmp_path):
    with Cluster(tmp_path) as cluster:
        cluster.serve().wait_for("Serving")
        root_dir = f"--root_dir={tmp_path / 'other'}"
        connection = [root_dir, f"--replay_address={cluster.addresses}"]
        for program, arguments, words in (
            (
                "replay_server",
                [root_dir, f"--port={cluster.ports[0]}"],
                f"Port {cluster.ports[0]} is in use",
            ),
            (
                "collector",
                [*connection, '--gin_bindings=train.environment="Pendulum-v1"'],
                "is for tests.toy:Paced-v0",
            ),
            (
                "learner",
                [*connection, "--gin_bindings=train.updates_per_step=3.0"],
                "train.updates_per_step is 1.0 there and 3.0 here",
            ),
        ):
            code, out, err = call_program(program, *cluster._gin, *arguments)
            lines = _lines(out, err)
            assert code == 2 and len(lines) == 1 and words in lines[0], lines
