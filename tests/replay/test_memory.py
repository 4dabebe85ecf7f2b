"""Memory of the replay: predicted, compared with the machine and its control group."""

import logging
import types
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.replay import memory
from sac_tf.replay.packing import RowPacker
from sac_tf.replay.samplers import ROWS_FILE, ResidentSampler
from sac_tf.replay.tables import ReplayServer, make_tables
from sac_tf.types import EnvironmentSpec
from tests.training.left_behind import last_checkpoint
from tests.training.small_runs import small_training


@pytest.fixture
def machine(monkeypatch):
    """A machine with 16 GB of memory, of which 8 GB are free, without control groups."""
    found = types.SimpleNamespace(total=16 * 10**9, available=8 * 10**9)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: found)
    monkeypatch.setattr(memory, "_group_limits", lambda: [])
    return found


@pytest.mark.parametrize(
    ("capacity", "expected_rows", "width", "copies", "words"),
    [
        (1_000_000, 10**7, 42, 2, None),
        (10**6, 10**6, 40_004, 2, "needs 320.7 GB of memory for 1,000,000 rows of 320,732 bytes"),
        (10**6, 10**6, 40_004, 2, "there are 16.0 GB; set tables.capacity to at most 44000."),
        (10**6, 10**6, 40_004, 1, "set tables.capacity to at most 89000."),
        (10**6, 40_000, 40_004, 2, None),
        (44_000, 10**6, 40_004, 2, None),
        (45_000, 10**6, 40_004, 2, "tables.capacity=45000 needs 14.4 GB"),
    ],
)
def test_rows_that_cannot_fit_are_refused(machine, capacity, expected_rows, width, copies, words):
    machine.available = machine.total
    if words is None:
        memory.require_memory(capacity, expected_rows, width, copies)
        return
    with pytest.raises(ConfigurationError, match=words):
        memory.require_memory(capacity, expected_rows, width, copies)


def test_the_ring_takes_memory_as_rows_arrive(tmp_path):
    """When it is full, 100,000 rows of 1,003 numbers take 401 MB, and 2,000 of them 8 MB."""
    spec = EnvironmentSpec.of_arrays(np.zeros(500), -np.ones(1), np.ones(1))
    server = ReplayServer(make_tables(1003), tmp_path / "staging", None)
    before = psutil.Process().memory_info().rss
    sampler = ResidentSampler(
        [server.address], RowPacker(spec), 10**5, 10**5, generator=None, feed=None
    )
    saved = np.full([2_000, 1003], 3.0, np.float32)
    np.save(tmp_path / ROWS_FILE, saved)
    sampler.restore(tmp_path, rows_added=len(saved))
    assert psutil.Process().memory_info().rss - before < 100e6
    np.testing.assert_array_equal(tf.gather(sampler._rows, [0, 1_999]), saved[:2])
    assert "CPU:0" in sampler._rows.device
    server.stop()


def test_rows_that_do_not_fit_now_are_reported(machine, caplog):
    with caplog.at_level(logging.WARNING):
        memory.require_memory(10**6, 10**6, 900, copies=2)
        assert caplog.messages == []
        memory.require_memory(10**6, 10**6, 1000, copies=2)
    (message,) = caplog.messages
    assert message.startswith("The replay needs 8.7 GB of memory when it is full, and 8.0 GB are")


@pytest.mark.parametrize(
    ("groups", "file", "text", "expected"),
    [
        ("0::/job/part", "/sys/fs/cgroup/job/memory.max", "4000", [4000]),
        ("0::/", "/sys/fs/cgroup/memory.max", "max", []),
        ("4:memory:/a\n2:cpu:/", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "7", [7]),
    ],
)
def test_limits_of_control_groups_are_found(monkeypatch, groups, file, text, expected):
    texts = {file: text, "/proc/self/cgroup": groups}
    monkeypatch.setattr(memory, "_text", lambda path: texts.get(str(path), ""))
    monkeypatch.setattr(Path, "read_text", lambda path: texts[str(path)])
    assert list(memory._group_limits()) == expected


def test_the_limit_is_that_of_the_control_group(machine, monkeypatch):
    monkeypatch.setattr(memory, "_group_limits", lambda: iter([2**63 - 4096, 10**9]))
    assert memory.memory_limit() == 10**9


def _wide(*bindings, **settings):
    return small_training(*bindings, environment="tests.tasks:WideObservation-v0", **settings)


def test_a_wide_observation_trains_with_a_capacity_that_fits(machine, tmp_path, monkeypatch):
    monkeypatch.setattr("sac_tf.training.exporting.export", lambda *_: None)
    with pytest.raises(ConfigurationError, match="tables.capacity=1000000 needs 320.* at most"):
        _wide(total_steps=10**6).run(str(tmp_path / "refused"))
    settings = {"total_steps": 120, "evaluation_period": 1000, "checkpoint_period": 1000}
    _wide("tables.capacity = 100", "Evaluator.episodes = 1", **settings).run(str(tmp_path / "run"))
    assert last_checkpoint(tmp_path / "run").name == "step-000000120"


@pytest.mark.parametrize("sampler", ["ResidentSampler", "ReverbSampler"])
def test_each_sampler_is_checked(machine, tmp_path, sampler):
    machine.total = 10**5
    with pytest.raises(ConfigurationError, match="of memory for 500 rows of .* bytes"):
        small_training(f"BatchReader.sampler = @{sampler}", total_steps=499).run(str(tmp_path))


def test_a_replay_server_is_checked(machine):
    from sac_tf.distributed.replay_server import make_run_tables

    with pytest.raises(ConfigurationError, match="160,716 bytes.* at most 89000"):
        make_run_tables(40_004, small_training(total_steps=10**6))
