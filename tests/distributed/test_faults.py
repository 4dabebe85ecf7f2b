"""Processes that die, pause and restart: the others continue, and no checkpoint is lost.

Each process is real, and dies by `kill -9`.
"""

import csv
import signal
import time

import numpy as np

from tests.distributed.running import Cluster, memory


def _number_before(text, words):
    """The number in front of `words` in a text: 1234 for "1,234 rows"."""
    return int(text.partition(words)[0].split()[-1].replace(",", ""))


def _resumed_step(process) -> int:
    """The step in "Resuming from step 1,234"."""
    process.wait_for("Resuming from step")
    words = process.output.partition("Resuming from step ")[2]
    return int(words.split()[0].replace(",", ""))


def _newest_checkpoint(folder) -> int:
    """The environment step of the learner's newest checkpoint; 0 without one."""
    return max(
        (int(path.name.removeprefix("step-")) for path in (folder / "checkpoints").glob("step-*")),
        default=0,
    )


def _wait_until_it_waits(cluster, process) -> None:
    """Returns when a heartbeat sent at least 3 s from now says that the process waits."""
    soon = time.time() + 3
    cluster.wait_until(
        lambda: (
            cluster.heartbeat(process).get("waiting_for")
            and cluster.heartbeat(process).get("time", 0) > soon
        )
    )


def _check_progress(cluster, updates=0) -> None:
    """Rows are inserted from now on, and the learner makes updates."""
    rows = cluster.inserted()
    cluster.wait_until(lambda: cluster.inserted() > rows + 200 and cluster.updates() > updates)


def _check_paused_learner(cluster, learner, collector) -> None:
    """The collector waits without growing, and prints that its policy is old."""
    learner.send_signal(signal.SIGSTOP)
    _wait_until_it_waits(cluster, "collector a")
    rows = cluster.inserted()
    before = memory(collector)
    collector.wait_for("so far.")
    collector.wait_for("old, more than PolicySource.oldest=3")
    assert cluster.inserted() == rows and memory(collector) < before + 5_000_000
    waiting_for = cluster.heartbeat("collector a")["waiting_for"]
    assert "room in the replay at localhost" in waiting_for
    learner.send_signal(signal.SIGCONT)
    collector.wait_for("; continuing.")
    collector.wait_for("Received a new policy after")
    _check_progress(cluster)


def _check_killed_learner(cluster, learner):
    """The collector waits, the replay is untouched; returns the resumed learner."""
    learner.kill()
    learner.wait()
    _wait_until_it_waits(cluster, "collector a")
    rows = cluster.inserted()
    learner = cluster.learn()
    step = _resumed_step(learner)
    assert 500 <= step <= rows
    _check_progress(cluster, updates=step)
    status = cluster.status()
    assert status["rows_gone"] == 0
    assert status["rows"]["kept"] == status["rows"]["inserted"] > rows
    return learner


def _check_killed_collector(cluster, collector) -> None:
    """The run continues; a new collector joins with the current policy."""
    cluster.wait_until(lambda: cluster.heartbeat("collector a").get("policy_updates"))
    collector.kill()
    collector.wait()
    _check_progress(cluster)
    cluster.collect("new")
    joined = cluster.wait_until(lambda: cluster.heartbeat("collector new"))
    updates = cluster.wait_until(lambda: cluster.heartbeat("collector new").get("policy_updates"))
    assert joined["policy_updates"] is None or joined["policy_updates"] > 100
    assert updates > 100
    _check_progress(cluster)


def _check_other_limits(cluster, server) -> None:
    """A server that restarts with other limits has them, and a waiting collector continues."""
    _wait_until_it_waits(cluster, "collector new")
    before = cluster.inserted()
    assert server.end() == 128 + signal.SIGINT
    limits = {"train.updates_per_step": 2.0, "held_ratio.tolerance_rows": 400}
    restarted = cluster.serve(**limits)
    restarted.wait_for("New limits of the table 'replay': samples_per_insert 16 -> 32")
    cluster.wait_until(lambda: cluster.inserted() >= before + 190)
    status = cluster.status()
    assert status["samples_per_insert"] == 32 and status["rows_gone"] == 0


def test_learner_and_collectors_die(tmp_path):
    """With n-step rows, whose windows are open when the collector dies."""
    n_step = ("gin_configs/n_step.gin",)
    with Cluster(tmp_path, gin_files=n_step, **{"PolicySource.oldest": 3}) as cluster:
        server = cluster.serve()
        learner = cluster.learn()
        collector = cluster.collect("a")
        cluster.wait_until(lambda: _newest_checkpoint(tmp_path) > 0)
        _check_paused_learner(cluster, learner, collector)
        learner = _check_killed_learner(cluster, learner)
        assert collector.poll() is None
        staying = cluster.collect("staying")
        cluster.wait_until(lambda: cluster.heartbeat("collector staying"))
        _check_killed_collector(cluster, collector)
        assert learner.poll() is None and staying.poll() is None
        assert staying.end() == learner.end() == 128 + signal.SIGINT
        _check_other_limits(cluster, server)
        assert cluster._processes[-2].poll() is None  # the new collector
    with (tmp_path / "collectors/new/episodes.csv").open() as file:
        assert all(int(row["policy_updates"]) > 100 for row in csv.DictReader(file))
    with (tmp_path / "metrics.csv").open() as file:
        assert all(np.isfinite(float(row["critic_loss"])) for row in csv.DictReader(file))


def _check_killed_server(cluster, server, learner):
    """It resumes from its checkpoint, and all processes reconnect; returns the new server."""
    saved = cluster.wait_until(
        lambda: cluster.status().get("checkpoint", {}).get("rows", 0) > 500 and cluster.status()
    )
    cluster.wait_until(lambda: cluster.inserted() > saved["rows"]["inserted"])
    server.kill()
    server.wait()
    newest = _newest_checkpoint(cluster.folder)
    learner.wait_for("Waiting for rows from the replay servers")
    restarted = cluster.serve()
    restarted.wait_for("Serving")
    (line,) = (line for line in restarted.lines if line.startswith("Resuming with the "))
    kept = _number_before(line, " rows inserted until")
    gone = _number_before(line, " rows inserted later")
    assert kept >= 500 and gone > 0
    assert cluster.wait_until(cluster.status)["rows_gone"] == gone
    cluster.wait_until(lambda: cluster.inserted() > kept + 200)
    updates = cluster.wait_until(cluster.updates)
    cluster.wait_until(lambda: cluster.updates() > updates + 200)
    # Lost rows stay counted as environment steps.
    cluster.wait_until(lambda: _newest_checkpoint(cluster.folder) > newest + 500)
    assert _newest_checkpoint(cluster.folder) <= cluster.inserted() + gone
    rows = cluster.wait_until(cluster.status)["rows"]
    assert rows["kept"] == rows["inserted"]
    return restarted


def test_server_dies_and_later_stays_away(tmp_path):
    """Processes then exit after the timeout, or at a signal."""
    settings = {"replay_server.checkpoint_period": 4, "Patience.limit_s": 40}
    with Cluster(tmp_path, **settings) as cluster:
        server = cluster.serve()
        learner = cluster.learn()
        collector = cluster.collect("a")
        server = _check_killed_server(cluster, server, learner)
        assert learner.poll() is None and collector.poll() is None
        stopped = cluster.collect("b")
        evaluator = cluster.evaluate()
        stopped_evaluator = cluster.evaluate(tmp_path / "second")
        cluster.wait_until(
            lambda: cluster.heartbeat("evaluator") and cluster.heartbeat("collector b")
        )
        for process in (evaluator, stopped_evaluator):
            process.wait_for("Evaluating")
        server.kill()
        for process in (stopped, stopped_evaluator):
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 128 + signal.SIGTERM, process.output
            assert "Rerun the same command to resume." in process.output
        for process, what in (
            (learner, "rows from the replay servers"),
            (collector, "room in the replay at localhost"),
            (evaluator, "a new policy"),
        ):
            assert process.wait(300) == 1
            waited = f"Waited 40 s for {what}"
            assert any(line.startswith(waited) for line in process.lines), process.output
        others = (learner, collector, stopped, evaluator, stopped_evaluator)
        assert all("Traceback" not in process.output for process in others)
        assert _newest_checkpoint(tmp_path) > 0
