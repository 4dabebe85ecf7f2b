"""Processes that die, stop and come back: the others go on, and nothing that was safe is lost.

Each process is real, and dies by `kill -9`.
"""

import csv
import signal
import time

import numpy as np

from tests.distributed.running import Cluster, memory


def _resumed_step(process) -> int:
    """The step in "Resuming from step 1,234"."""
    process.wait_for("Resuming from step")
    return int(process.output.partition("Resuming from step ")[2].split()[0].replace(",", ""))


def _newest_checkpoint(folder) -> int:
    """The environment step of the learner's newest checkpoint; 0 if there is none."""
    return max(
        (int(path.name.removeprefix("step-")) for path in (folder / "checkpoints").glob("step-*")),
        default=0,
    )


def _wait_until_it_waits(cluster, name) -> None:
    """Returns when a process has told that it waits, some seconds from now."""
    soon = time.time() + 3
    cluster.wait_until(
        lambda: cluster.process(name)["waiting_for"] and cluster.process(name)["time"] > soon
    )


def test_a_learner_that_is_paused_or_dies_goes_on_and_the_replay_is_untouched(tmp_path):
    """Collectors wait meanwhile without growing, and say that their policy is old."""
    with Cluster(tmp_path, **{"PolicySource.oldest": 3}) as cluster:
        cluster.serve()
        learner, collector = cluster.learn(), cluster.collect("a")
        cluster.wait_until(lambda: _newest_checkpoint(tmp_path) > 0)
        learner.send_signal(signal.SIGSTOP)
        _wait_until_it_waits(cluster, "collector a")
        rows, before = cluster.inserted(), memory(collector)
        collector.wait_for("so far.")
        collector.wait_for("old, more than PolicySource.oldest=3")
        assert cluster.inserted() == rows and memory(collector) < before + 5_000_000
        assert "room in the replay at localhost" in cluster.process("collector a")["waiting_for"]
        learner.send_signal(signal.SIGCONT)
        collector.wait_for("going on")
        collector.wait_for("A new policy again")
        cluster.wait_until(lambda: cluster.inserted() > rows + 500)

        learner.kill()
        learner.wait()
        _wait_until_it_waits(cluster, "collector a")
        rows = cluster.inserted()
        step = _resumed_step(cluster.learn())
        assert 500 <= step <= rows
        cluster.wait_until(lambda: cluster.inserted() > rows + 500 and cluster.updates() > step)
        assert (
            cluster.board()["rows_gone"] == 0
            and cluster.board()["rows"]["kept"] == cluster.inserted() > rows
        )
        assert collector.poll() is None


def test_a_replay_server_that_dies_comes_back_with_its_last_checkpoint_and_everybody_reconnects(
    tmp_path,
):
    with Cluster(tmp_path, **{"replay_server.checkpoint_period": 4}) as cluster:
        server, learner, collector = cluster.serve(), cluster.learn(), cluster.collect("a")
        saved = cluster.wait_until(
            lambda: cluster.board().get("checkpoint", {}).get("rows", 0) > 500 and cluster.board()
        )
        cluster.wait_until(lambda: cluster.inserted() > saved["rows"]["inserted"])
        server.kill()
        server.wait()
        newest = _newest_checkpoint(tmp_path)
        learner.wait_for("Waiting for rows from the replay servers")
        again = cluster.serve()
        again.wait_for("Serving")
        line = next(
            line for line in again.output.splitlines() if line.startswith("Resuming with the ")
        )
        kept, gone = (
            int(line.split(word)[0].split()[-1].replace(",", ""))
            for word in (" rows inserted until", " rows inserted later")
        )
        assert kept >= 500 and gone > 0 and cluster.board()["rows_gone"] == gone
        updates = cluster.updates()
        cluster.wait_until(
            lambda: cluster.inserted() > kept + 500 and cluster.updates() > updates + 500
        )
        cluster.wait_until(
            lambda: _newest_checkpoint(tmp_path) > newest + 500
        )  # lost rows stay counted as steps
        assert _newest_checkpoint(tmp_path) <= cluster.inserted() + gone
        assert learner.poll() is None and collector.poll() is None
        assert cluster.board()["rows"]["kept"] == cluster.board()["rows"]["inserted"]


def test_a_collector_that_dies_does_no_harm_and_a_new_one_joins_with_the_current_policy(tmp_path):
    """With n-step rows, whose windows are still open when it dies."""
    with Cluster(tmp_path, gin_files=("gin_configs/n_step.gin",)) as cluster:
        cluster.serve()
        learner, dying, staying = (
            cluster.learn(),
            cluster.collect("dying"),
            cluster.collect("staying"),
        )
        cluster.wait_until(
            lambda: (
                cluster.updates() > 100 and cluster.process("collector dying").get("policy_updates")
            )
        )
        dying.kill()
        rows = cluster.inserted()
        cluster.wait_until(lambda: cluster.inserted() > rows + 500)
        cluster.collect("new")
        joined = cluster.wait_until(lambda: cluster.process("collector new"))
        updates = cluster.wait_until(lambda: cluster.process("collector new").get("policy_updates"))
        assert joined["policy_updates"] is None or joined["policy_updates"] > 100
        assert updates > 100
        rows = cluster.inserted()
        cluster.wait_until(lambda: cluster.inserted() > rows + 500)
        assert learner.poll() is None and staying.poll() is None
        assert staying.end() == learner.end() == 128 + signal.SIGINT
    with (tmp_path / "collectors/new/episodes.csv").open() as file:
        assert all(int(row["policy_updates"]) > 100 for row in csv.DictReader(file))
    with (tmp_path / "metrics.csv").open() as file:
        assert all(np.isfinite(float(row["critic_loss"])) for row in csv.DictReader(file))


def test_processes_exit_when_the_server_is_gone_or_a_signal_comes(
    tmp_path,
):
    with Cluster(tmp_path, **{"Patience.limit_s": 30}) as cluster:
        server = cluster.serve()
        server.wait_for("Serving")
        learner, collector, stopped = cluster.learn(), cluster.collect("a"), cluster.collect("b")
        evaluator, stopped_evaluator = cluster.follow(), cluster.follow()
        cluster.wait_until(lambda: cluster.updates() > 100 and cluster.process("evaluator"))
        for process in (evaluator, stopped_evaluator):
            process.wait_for("Evaluating")
        server.kill()
        for process in (stopped, stopped_evaluator):
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 128 + signal.SIGTERM, process.output
            assert "Rerun the same command to resume" in process.output
        for process, what in (
            (learner, "rows from the replay servers"),
            (collector, "room in the replay at localhost"),
            (evaluator, "a new policy"),
        ):
            assert process.wait(90) == 1
            lines = process.output.strip().splitlines()
            assert any(line.startswith("Waited 30 s for " + what) for line in lines), process.output
        others = (learner, collector, stopped, evaluator, stopped_evaluator)
        assert all("Traceback" not in process.output for process in others)
        assert _newest_checkpoint(tmp_path) > 0


def test_a_server_restarted_with_other_limits_has_the_new_ones(tmp_path):
    with Cluster(tmp_path) as cluster:
        server, collector = cluster.serve(), cluster.collect("a")
        cluster.wait_until(lambda: cluster.process("collector a").get("waiting_for"))
        before = cluster.board()
        assert server.end() == 128 + signal.SIGINT
        again = cluster.serve(**{"train.updates_per_step": 2.0, "held_ratio.tolerance_rows": 400})
        again.wait_for("New limits of the table 'replay': samples_per_insert 16 -> 32")
        cluster.wait_until(lambda: cluster.inserted() >= before["rows"]["inserted"] + 190)
        assert cluster.board()["samples_per_insert"] == 32 and cluster.board()["rows_gone"] == 0
        assert collector.poll() is None
