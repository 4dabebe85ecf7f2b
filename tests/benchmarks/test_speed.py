"""Tests the computations of the benchmarks. Nothing here is timed."""

import csv
import inspect
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import pytest

from benchmarks import channel, ours, results, sizes, stable_baselines
from benchmarks.channel import BenchmarkError
from benchmarks.products import Product, update_products
from benchmarks.results import Sample
from benchmarks.train_run import read_metrics, schedule, steps_per_second
from binaries import launch
from sac_tf.agents.update import make_update
from sac_tf.training.train import Training


def samples(what: str, **peers: list[float]) -> list[Sample]:
    """Returns a sample for each peer and round."""
    return [
        Sample(peer, what, repeat, value, versions="1.0")
        for peer, rates in peers.items()
        for repeat, value in enumerate(rates)
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], (3, 3, 3)), ([4.0, 1.0, 2.0], (2, 1, 4)), ([1.0, 2.0, 4.0, 8.0], (3, 1, 8))],
)
def test_summary_is_median_least_greatest(values, expected):
    assert results.summarize(values) == expected


def test_ratio_compares_the_two_values_of_each_round():
    # Per round 2, 1.5, 3: the median is 2, and the ratio of the medians would be 300 / 200.
    measured = samples("half_cheetah_update", ours=[200.0, 300.0, 900.0], sbx=[100.0, 200.0, 300.0])
    assert results.ratio(measured, "half_cheetah_update", "sbx") == (2.0, 1.5, 3.0)


def test_ratio_skips_rounds_without_both_values():
    measured = samples("redq_loop", ours=[4.0, 9.0], sbx=[2.0])
    assert results.ratio(measured, "redq_loop", "sbx") == (2.0, 2.0, 2.0)
    assert results.ratio(measured, "redq_loop", "sb3") is None


def test_slope_is_the_cost_of_a_row():
    assert results.slope((50.0, 150.0), (1_000.0, 1_500.0)) == (5.0, 750.0)


def test_lines_name_what_was_measured_and_nothing_else():
    measured = samples("half_cheetah_update", ours=[150.0], gemm=[200.0], ours_bfloat16=[210.0])
    measured += samples("half_cheetah_bytes_per_transition", ours=[1000.4])
    assert list(results.lines(measured)) == [
        "update_vs_gemm_limit 0.750",
        "update_bfloat16_vs_float32 1.400",
        "bytes_per_transition 1000",
    ]


def test_comparison_is_the_ratio_of_each_quantity():
    measured = samples("half_cheetah_update", now=[200.0, 300.0], before=[100.0, 100.0])
    measured += samples("half_cheetah_loop", now=[1.0])
    (line,) = results.comparison(measured, "now", "before")
    assert line.split() == ["half_cheetah_update", "now/before", "2.5", "(2", "to", "3)"]


def test_file_names_command_machine_and_commit(tmp_path):
    results.write(
        tmp_path / "speed.csv", samples("redq_update", ours=[1.5]), "abc123", "command; machine"
    )
    comment, *rows = (tmp_path / "speed.csv").read_text().splitlines()
    assert comment == "# command; machine"
    assert list(csv.DictReader(rows)) == [
        {
            "peer": "ours",
            "what": "redq_update",
            "repeat": "0",
            "value": "1.5",
            "versions": "1.0",
            "commit": "abc123",
        }
    ]


def test_an_update_is_sixteen_hidden_passes():
    products = update_products(sizes.HALF_CHEETAH)
    hidden = [product for product in products if {product.m, product.k, product.n} == {256}]
    # Critic step: policy 1, target critics 2, critics 2, backward 4. Actor step: policy 1, critics
    # 2, backward 2, policy backward 2.
    assert len(hidden) == 16
    assert sum(product.operations for product in hidden) == 16 * 2 * 256**3


def test_products_of_the_first_and_last_layers():
    products = update_products(sizes.HALF_CHEETAH)
    expected = {
        Product(256, 17, 256): 2,  # policy, forward twice
        Product(17, 256, 256, transpose_a=True): 1,  # policy, weights of the first layer
        Product(256, 23, 256): 6,  # 2 targets, and 2 critics twice
        Product(23, 256, 256, transpose_a=True): 2,  # critics, weights of the first layer
        Product(256, 256, 23, transpose_b=True): 2,  # critics, back to observation and action
        Product(256, 256, 6): 4,  # policy, two heads, forward twice
        Product(256, 256, 6, transpose_a=True): 2,  # the heads' weights
        Product(256, 6, 256, transpose_b=True): 2,  # back through the heads
        Product(256, 256, 1): 6,  # Q values
        Product(256, 256, 1, transpose_a=True): 2,
        Product(256, 1, 256, transpose_b=True): 4,
    }
    assert {product: products.count(product) for product in expected} == expected
    assert sum(expected.values()) + 16 == len(products)


def test_products_count_every_critic():
    hidden = [p for p in update_products(sizes.REDQ) if {p.m, p.k, p.n} == {256}]
    assert len(hidden) == 1 + 10 + 10 + 20 + 1 + 10 + 10 + 2


def test_rate_is_taken_from_the_first_update_to_the_last_row(tmp_path):
    path = tmp_path / "metrics.csv"
    assert read_metrics(path) == []
    path.write_text(
        "step,wall_time,critic_loss\n1252,1.0,\n5008,2.5,0.5\n6260,7.5,0.4\n7512,10.5,0.3\n"
    )
    assert steps_per_second(read_metrics(path)) == (7512 - 5008) / 8.0
    with pytest.raises(BenchmarkError, match="1 rows"):
        steps_per_second(read_metrics(path)[:1])


@pytest.mark.parametrize("size", sizes.SIZES.values(), ids=lambda size: size.name)
def test_schedule_has_rows_at_the_first_update_and_the_end(size):
    period, total = schedule(size, quick=False)
    assert total % period == 0
    rows = [step for step in range(period, total + 1, period) if step > sizes.RANDOM_STEPS]
    assert len(rows) >= 2
    if size.updates_per_step == 1:
        assert rows[0] == sizes.RANDOM_STEPS + 16


def test_contenders_have_the_cores_that_are_given():
    code = "from benchmarks import channel; channel.limit_cores(1); " + (
        "import subprocess; print(channel.cores(), subprocess.getoutput('nproc'))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(("library", "threads"), [("sb3", [3]), ("sbx", [])])
def test_torch_has_as_many_threads_as_cores(library, threads, monkeypatch):
    set_to = []
    fake = SimpleNamespace(set_num_threads=set_to.append, SAC=mock.MagicMock())
    monkeypatch.setattr(stable_baselines.importlib, "import_module", lambda name: fake)
    monkeypatch.setattr(channel, "cores", lambda: 3)
    stable_baselines.StableBaselines(library, sizes.HALF_CHEETAH, 1)
    assert set_to == threads


def test_our_worker_has_as_many_threads_as_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "cores", lambda: 3)
    make_training = mock.MagicMock()
    monkeypatch.setattr(ours.launch, "make_training", make_training)
    ours.Ours(sizes.HALF_CHEETAH, tmp_path)
    assert "set_runtime.inter_op = 3" in make_training.call_args.args[1]


def test_sizes_repeat_the_defaults_of_the_library():
    default = inspect.signature(make_update).parameters["updates_per_call"].default
    assert default == sizes.UPDATES_PER_CALL
    assert Training.random_steps == sizes.RANDOM_STEPS


def test_bindings_are_those_of_the_size():
    assert sizes.gin_bindings(sizes.HALF_CHEETAH) == ['train.environment = "HalfCheetah-v5"']
    assert "critic.ensemble_size = 10" in sizes.gin_bindings(sizes.REDQ)
    assert "train.updates_per_step = 20" in sizes.gin_bindings(sizes.REDQ)


@pytest.mark.parametrize("size", sizes.SIZES.values(), ids=lambda size: size.name)
def test_bindings_of_a_size_are_settings_of_a_run(size):
    training = launch.make_training(sizes.gin_files(size), sizes.gin_bindings(size))
    assert training.environment == size.environment
    assert training.updates_per_step == size.updates_per_step
    assert training.batch_size == size.batch
