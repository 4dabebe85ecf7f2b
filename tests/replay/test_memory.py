"""Memory of the replay: predicted, compared with the machine and its control group."""

import logging
import types
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf

from sac_tf.errors import ConfigurationError
from sac_tf.leaves import ObservationLeaf
from sac_tf.replay import memory
from sac_tf.replay.ring import Ring, ring_bytes
from sac_tf.replay.windows import Windows
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
    ("capacity", "expected_steps", "step_bytes", "words"),
    [
        (1_000_000, 10**7, 220, None),
        (10**6, 10**6, 320_732, "needs 320.7 GB of memory for 1,000,000 steps of 320,732 bytes"),
        (10**6, 10**6, 320_732, "there are 16.0 GB; set tables.capacity to at most 44000."),
        (10**6, 40_000, 320_732, None),
        (44_000, 10**6, 320_732, None),
        (45_000, 10**6, 320_732, "tables.capacity=45000 needs 14.4 GB"),
    ],
)
def test_steps_that_cannot_fit_are_refused(machine, capacity, expected_steps, step_bytes, words):
    machine.available = machine.total
    if words is None:
        memory.require_memory(capacity, expected_steps, step_bytes)
        return
    with pytest.raises(ConfigurationError, match=words):
        memory.require_memory(capacity, expected_steps, step_bytes)


def test_the_ring_takes_memory_as_rows_arrive():
    """When it is full, 100,000 rows of 1,004 numbers take 402 MB, and 2,000 of them 8 MB."""
    windows = Windows(
        EnvironmentSpec.of_arrays(np.zeros(1000), -np.ones(1), np.ones(1)), 0.99, None
    )
    before = psutil.Process().memory_info().rss
    ring = Ring(windows, rows=100_000, segments=100)
    rows = np.full([2_000, 1004], 3, np.float32)
    rows[:, -1] = 0
    age = tf.range(2_000)
    receive = tf.function(ring.receive, autograph=False)
    receive({"float32": tf.constant(rows)}, tf.minimum(age, 1), age, tf.constant(0, tf.int64))
    assert psutil.Process().memory_info().rss - before < 100e6
    assert ring.size == 1_999
    drawn = ring.sample(10, tf.random.Generator.from_seed(0))["float32"]
    assert drawn.shape == (10, 2, 1004)
    np.testing.assert_array_equal(drawn[..., 0], 3)
    assert all("CPU:0" in variable.device for variable in ring.variables)


def test_steps_that_do_not_fit_now_are_reported(machine, caplog):
    with caplog.at_level(logging.WARNING):
        memory.require_memory(10**6, 10**6, 7900)
        assert caplog.messages == []
        memory.require_memory(10**6, 10**6, 8700)
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
    with pytest.raises(ConfigurationError, match="tables.capacity=1000000 needs 160.1.* at most"):
        _wide(total_steps=10**6).run(str(tmp_path / "refused"))
    settings = {"total_steps": 120, "evaluation_period": 1000, "checkpoint_period": 1000}
    _wide("tables.capacity = 100", "Evaluator.episodes = 1", **settings).run(str(tmp_path / "run"))
    assert last_checkpoint(tmp_path / "run").name == "step-000000120"


def test_frames_are_counted_once_for_each_copy(machine):
    """A stack of three frames of 84 x 84 x 3: one frame and four numbers a step, in Reverb and in
    the ring, with its links."""
    leaf = ObservationLeaf("observation", (), (84, 84, 9), "uint8", frames=3)
    action = EnvironmentSpec.of_arrays(np.zeros(1), -np.ones(1), np.ones(1)).action_leaves
    windows = Windows(EnvironmentSpec((leaf,), action), 0.99, None)
    step_bytes = windows.columns.row_bytes + ring_bytes(windows)
    assert step_bytes == 2 * (84 * 84 * 3 + 4 * 4) + 20
    assert 100_000 * step_bytes < 4.8e9
    with pytest.raises(ConfigurationError, match="needs 42.4 GB .* at most 330000"):
        memory.require_memory(10**6, 10**6, step_bytes)


@pytest.mark.parametrize("sampler", ["ResidentSampler", "ReverbSampler"])
def test_each_sampler_is_checked(machine, tmp_path, sampler):
    machine.total = 10**4
    with pytest.raises(ConfigurationError, match="of memory for 500 steps of .* bytes"):
        small_training(f"BatchReader.sampler = @{sampler}", total_steps=499).run(str(tmp_path))


def test_a_replay_server_is_checked(machine):
    from sac_tf.distributed.replay_server import make_run_tables

    windows = Windows(
        EnvironmentSpec.of_arrays(np.zeros(40_000), -np.ones(1), np.ones(1)), 0.99, None
    )
    with pytest.raises(ConfigurationError, match="160,716 bytes.* at most 89000"):
        make_run_tables(windows, small_training(total_steps=10**6))
