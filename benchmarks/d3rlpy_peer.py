"""Worker: CQL of d3rlpy, which learns from stored data.

python -m benchmarks.d3rlpy_peer <size>

Its defaults, with the networks, the batch and the number of sampled actions of this library and
without the Lagrange multiplier. Its target takes the policy's mean action, where ours draws one.

Tasks:
  update: updates per second, with the sampling of batches.
"""

import sys
import time

import d3rlpy
import numpy as np
import torch

from benchmarks import channel
from benchmarks.sizes import SIZES, UNITS, Size

_EPISODE = 1_000


class Cql:
    """CQL with a data set of random numbers."""

    def __init__(self, size: Size):
        """Builds the networks and the data set."""
        generator = np.random.default_rng(0)
        rows = size.random_steps
        self._data = d3rlpy.dataset.MDPDataset(
            observations=generator.normal(size=(rows, size.observation)).astype(np.float32),
            actions=generator.uniform(-1, 1, (rows, size.action)).astype(np.float32),
            rewards=generator.normal(size=rows).astype(np.float32),
            terminals=np.zeros(rows, np.float32),
            timeouts=((np.arange(rows) + 1) % _EPISODE == 0).astype(np.float32),
        )
        layers = d3rlpy.models.VectorEncoderFactory([UNITS, UNITS])
        self._cql = d3rlpy.algos.CQLConfig(
            batch_size=size.batch,
            actor_encoder_factory=layers,
            critic_encoder_factory=layers,
            n_critics=size.critics,
            n_action_samples=size.sampled_actions,
            alpha_learning_rate=0.0,
        ).create(device="cpu:0")
        self._cql.build_with_dataset(self._data)
        self._batch = size.batch

    def update(self, updates: int) -> float:
        """Returns updates per second, sampling included."""
        start = time.perf_counter()
        for _ in range(updates):
            self._cql.update(self._data.sample_transition_batch(self._batch))
        return updates / (time.perf_counter() - start)


def main() -> None:
    """Serves one size."""
    responses = channel.claim_stdout()
    torch.set_num_threads(channel.cores())
    peer = Cql(SIZES[sys.argv[1]])
    channel.serve(responses, channel.versions("d3rlpy", "torch"), {"update": peer.update})


if __name__ == "__main__":
    main()
