"""Fixtures of all tests: no native log lines, threads as in a run, no gin bindings of other
tests."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gin
import numpy as np
import pytest
import tensorflow as tf

from sac_tf.agents import trainable
from sac_tf.networks.layers import EnsembleDense
from sac_tf.runs.runtime import free_closed_runs, set_runtime
from sac_tf.types import EnvironmentSpec
from tests.threads import count_threads

set_runtime()


def pytest_collection_finish():
    """Excludes imported modules from garbage collection, which saves time in every test."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_gin_bindings():
    yield
    gin.clear_config()


@pytest.fixture(autouse=True)
def _few_threads():
    """Frees closed replays: the threads of many of them would slow down later tests."""
    before = count_threads()
    yield
    if count_threads() > before + 20:
        free_closed_runs()


@pytest.fixture(scope="session")
def minari_store(tmp_path_factory):
    """The folder of the local store of Minari, which is empty at first."""
    folder = tmp_path_factory.mktemp("minari")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        yield folder


@pytest.fixture
def spec() -> EnvironmentSpec:
    """Three observations, two actions."""
    observation = tf.TensorSpec([3], tf.float32, name="observation")
    return EnvironmentSpec.of_arrays(observation, -np.ones(2, np.float32), np.ones(2, np.float32))


@pytest.fixture
def nested_spec() -> EnvironmentSpec:
    """A nested dict of observations with 2 + 2 x 2 + 1 numbers, and one action."""
    observation = {
        "position": tf.TensorSpec([2], tf.float32, name="position"),
        "hand": {
            "grid": tf.TensorSpec([2, 2], tf.float32, name="grid"),
            "force": tf.TensorSpec([1], tf.float32, name="force"),
        },
    }
    return EnvironmentSpec.of_arrays(observation, -np.ones(1, np.float32), np.ones(1, np.float32))


@pytest.fixture
def only_policies(monkeypatch):
    """Fails where a critic or an optimizer is built."""

    def refuse(*_, **__):
        raise AssertionError("a critic or an optimizer is built")

    monkeypatch.setattr(EnsembleDense, "__init__", refuse)
    monkeypatch.setattr(trainable, "with_slots", refuse)
