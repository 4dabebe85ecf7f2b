"""Measures the speed of this library, SBX, Stable-Baselines3, TF-Agents and d3rlpy, interleaved.

python -m benchmarks.speed --output_dir=benchmarks/results

Run it from the top folder of the repository, on a machine without other work; `make bench` does,
and creates the environment of the peers first. Every contender has the same cores, and as many
threads. On a machine with other work give --cores=1: where one of several threads of an operation
has to wait for a core, all wait. Values are printed as they come; the last lines are `name value`.
"""

import shlex
import sys

from absl import flags

from binaries import launch
from sac_tf.errors import ConfigurationError, RunError

_PARTS = ("update", "loop", "redq", "humanoid", "pixels", "offline", "memory")

_OUTPUT_DIR = launch.DEFINE_path(
    "output_dir", "benchmarks/results", "Folder for speed.csv and speed.png."
)
_REPEATS = flags.DEFINE_integer(
    "repeats",
    5,
    "Rounds of each part; three times as many for updates, at most 3 for long parts.",
    lower_bound=1,
)
_QUICK = flags.DEFINE_bool(
    "quick", False, "One short round, to check that it works, not how fast it is."
)
_ONLY = flags.DEFINE_multi_enum(
    "only", [], _PARTS, "A part to run; repeat for several. All by default."
)
_CORES = flags.DEFINE_integer(
    "cores", None, "Cores and threads of each contender (default: all usable ones).", lower_bound=1
)
_PEERS_PYTHON = launch.DEFINE_path(
    "peers_python", ".venv-peers/bin/python", "Python with the peers installed."
)


def main(arguments: list[str]) -> int:
    """Runs the parts, writes the results after each, and prints the figures."""
    from benchmarks import channel, picture, provenance, results
    from benchmarks.channel import BenchmarkError
    from benchmarks.suite import Suite

    launch.refuse_arguments(arguments)
    parts = _ONLY.value or _PARTS
    if set(parts) - {"memory"} and not _PEERS_PYTHON.value.exists():
        raise ConfigurationError(
            f"--peers_python={_PEERS_PYTHON.value} does not exist; `make bench` creates it from "
            "benchmarks/requirements-peers.txt."
        )
    if _CORES.value is not None:
        channel.limit_cores(_CORES.value)
    output_dir = _OUTPUT_DIR.value
    output_dir.mkdir(parents=True, exist_ok=True)
    commit = provenance.commit()
    machine = provenance.machine()
    print(machine, flush=True)
    log = output_dir / "speed.log"
    log.write_text("")
    repeats = 1 if _QUICK.value else _REPEATS.value
    suite = Suite(str(_PEERS_PYTHON.value), log, repeats, quick=_QUICK.value)
    for part in parts:
        try:
            getattr(suite, part)()
        except BenchmarkError as error:
            raise RunError(f"{' '.join(str(error).split())} (see {log})") from error
        command = f"python -m benchmarks.speed {shlex.join(sys.argv[1:])}".strip()
        results.write(output_dir / "speed.csv", suite.samples, commit, f"{command}; {machine}")
        picture.draw(suite.samples, output_dir / "speed.png", f"commit {commit}; {machine}")
    print("\n".join(["", *results.table(suite.samples), "", *results.lines(suite.samples)]))
    return 0


if __name__ == "__main__":
    launch.run(main)
