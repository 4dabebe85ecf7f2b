"""The replay of a distributed learner: batches sampled from replay servers, fetched in a thread."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import reverb
import tensorflow as tf

from sac_tf.distributed.messages import NO_ANSWER
from sac_tf.errors import RunError
from sac_tf.replay.reader import BatchReader, rows_of
from sac_tf.replay.samplers import ReverbSampler
from sac_tf.replay.saved import Summary
from sac_tf.replay.tables import REPLAY_TABLE, TIMEOUT_S
from sac_tf.replay.windows import Windows
from sac_tf.runs.logs import say
from sac_tf.types import Nest, Transition

_CLOSING_S = 1.0


class Feeder:
    """A `Feed` that fetches batches in a thread, so that the learner can wait for them with a
    timeout and still react to Ctrl-C.

    Reverb's own sampler waits for a stopped server without a timeout, and continues when the server
    has restarted.
    """

    def __init__(self) -> None:
        self._fetched = threading.Semaphore(0)
        self._error: Exception | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def __call__(self, dataset: tf.data.Dataset) -> "Feeder":
        """Starts to fetch. Batches must have static shapes."""
        self._dataset = dataset
        self._spec = dataset.element_spec
        leaves = tf.nest.flatten(self._spec)
        self._queue = tf.queue.FIFOQueue(
            1, [leaf.dtype for leaf in leaves], [leaf.shape for leaf in leaves]
        )
        self._thread = threading.Thread(target=self._fetch, name="feeder", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stops fetching, and waits a moment for the thread: it leaves a server that answers, and
        ends with the process if the server has stopped."""
        self._is_closed = True
        if self._thread is None:  # never called
            return
        self._queue.close(cancel_pending_enqueues=True)
        self._thread.join(_CLOSING_S)

    def wait(self, seconds: float) -> bool:
        """Returns whether a batch was fetched within `seconds`; `next` then returns it.

        Raises:
          RunError: fetching failed.
        """
        if self._error is not None:
            raise RunError(f"The replay servers gave no batch ({self._error}).") from self._error
        return self._fetched.acquire(timeout=seconds)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Returns the next batch; called inside a `tf.function`, once for each `wait` that returned
        True."""
        return tf.nest.pack_sequence_as(self._spec, tf.nest.flatten(self._queue.dequeue()))

    def _fetch(self) -> None:
        # A dataset ends when the rate limiter blocked it for `TIMEOUT_S`; `wait` has its own
        # timeout.
        while not self._is_closed:
            try:
                for batch in self._dataset:
                    if self._is_closed:
                        return
                    self._queue.enqueue(tf.nest.flatten(batch))
                    self._fetched.release()
            except tf.errors.UnavailableError:
                continue
            except tf.errors.CancelledError:  # by `close`
                return
            except Exception as error:  # raised by `wait`
                self._error = error
                return


class RemoteReplay:
    """The replay of a distributed learner, a `Source`; the servers' own checkpoints hold the
    steps."""

    def __init__(
        self,
        windows: Windows,
        generator: tf.random.Generator,
        expected_steps: int,
        restore_from: Path | None,
        clients: Sequence[reverb.Client],
        feeder: Feeder,
        observe: Callable[[Nest], None],
    ):
        """Samples from the servers of `clients`.

        Args:
          windows, generator, expected_steps, restore_from: as for `Replay`.
          clients: of the servers.
          feeder: fetches the batches.
          observe: called with the observations [rows, ...] of every sample, inside a
            `tf.function`: the learner sees no others.

        Raises:
          ConfigurationError: a sampler that does not fit the servers or their tables.
          RunError: a server does not answer.
        """
        self._feeder = feeder
        self._observe = observe
        infos = [_replay_table(client) for client in clients]
        self._reader = BatchReader(
            windows=windows,
            addresses=[client.server_address for client in clients],
            capacity=sum(info.max_size for info in infos),
            expected_steps=expected_steps,
            generator=generator,
            feed=feeder,
            default=ReverbSampler,
        )
        for info in infos:
            self._reader.check_table(info)
        if restore_from is not None:
            self._reader.restore(restore_from, rows=0, transitions=0)

    @property
    def new_priority(self) -> float:
        """Priority of new transitions, if the table is sampled by priorities."""
        return self._reader.sampler.new_priority

    def sample(self, batches: int, batch_size: int) -> Transition:
        """As `Source.sample`."""
        drawn = self._reader.sample(batches, batch_size)
        self._observe(rows_of(drawn.observation))
        return drawn

    def update_priorities(self, batches: Transition, td_error: tf.Tensor) -> None:
        """As `Source.update_priorities`."""
        self._reader.update_priorities(batches, td_error)

    def synchronize(self, transitions: int) -> None:
        """As `Sampler.synchronize`, but priorities that a stopped server did not take are lost."""
        try:
            self._reader.sampler.synchronize(rows=0, transitions=transitions)
        except RunError as error:
            say(f"{error} The transitions keep their priorities.")

    def save(self, folder: Path) -> None:
        """Writes to the new folder `folder` what the servers' checkpoints do not have."""
        folder.mkdir()
        Summary(transitions=0, rows=0, segment=0, widths={}).save(folder)
        self._reader.save(folder)

    def close(self) -> None:
        """Stops fetching batches."""
        self._feeder.close()


def _replay_table(client: reverb.Client) -> reverb.reverb_types.TableInfo:
    try:
        return client.server_info(timeout=TIMEOUT_S)[REPLAY_TABLE]
    except NO_ANSWER as error:
        raise RunError(
            f"The replay server at {client.server_address} does not answer ({error})."
        ) from error
