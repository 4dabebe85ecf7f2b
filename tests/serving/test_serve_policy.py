"""The example `serve_policy.py`, run by a user who has not installed this library."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from sac_tf.environments.factory import EnvironmentFactory
from sac_tf.runs.episodes import EpisodeInfo
from sac_tf.serving import export_policy
from sac_tf.serving.policy_spec import PolicySpec
from sac_tf.training.acting import mean_actions
from sac_tf.training.evaluate import play
from tests.serving.exported import describe, make_state

EXAMPLE = Path("examples/serve_policy.py").resolve()
WITHOUT_OUR_LIBRARIES = """
import runpy, sys
FORBIDDEN = {"sac_tf", "binaries", "tensorflow_probability", "tf_agents"}
FORBIDDEN |= {"reverb", "gin", "tree"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _serve(folder: Path) -> str:
    command = [sys.executable, "-c", WITHOUT_OUR_LIBRARIES, str(EXAMPLE), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def _export(environment_id: str, folder: Path) -> float:
    """Exports a policy with large actions, and returns its return in this process."""
    environment = EnvironmentFactory(environment_id).make()
    state = make_state(environment.spec)
    description = describe(environment_id, environment.spec)
    export_policy.export(state.policy, description, folder=folder)
    act = mean_actions(state.policy, environment.spec, num_environments=1)
    episodes = play(environment, act, seed=0)
    environment.close()
    return EpisodeInfo().summarize(episodes).return_mean


@pytest.mark.parametrize(
    ("export_format", "settings"),
    [
        (
            export_policy.SAVED_MODEL,
            {"task": "tests.spaces:make_point", "arguments": {"gain": 2}, "max_episode_steps": 7},
        ),
        (export_policy.TFLITE, {"task": "tests.spaces:Everything-v0", "max_episode_steps": 5}),
        (
            export_policy.SAVED_MODEL,
            {
                "task": "tests.spaces:Base",
                "max_episode_steps": 9,
                "wrappers": ["NormalizeReward", ("ReshapeObservation", {"shape": (3, 1)})],
            },
        ),
        (
            export_policy.TFLITE,
            {"task": "tests.toy:Nested-v0", "max_episode_steps": 4, "frame_stack": 3},
        ),
    ],
)
def test_the_example_makes_the_task_as_its_run_did(
    tmp_path, monkeypatch, capsys, export_format, settings
):
    """Functions, arguments, time limits, wrappers, nested spaces and stacks, in this process."""
    factory = EnvironmentFactory(**settings)
    environment = factory.make(is_evaluation=True)
    state = make_state(environment.spec)
    description = PolicySpec(factory.as_json(), environment.spec, 0, None)
    export_policy.export(state.policy, description, tmp_path / "policy", export_format)
    act = mean_actions(state.policy, environment.spec, num_environments=1)
    (episode,) = play(environment, act, seed=0)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path / "policy")])
    runpy.run_path(str(EXAMPLE))
    printed = float(capsys.readouterr().out.split()[-1])
    assert printed == pytest.approx(episode.total_reward, abs=1e-3)


def test_the_example_gets_the_same_return_without_sac_tf(tmp_path):
    """1,000 steps of a chaotic task make a difference in the last bit of one action visible."""
    expected = _export("HalfCheetah-v5", tmp_path / "policy")
    assert abs(float(_serve(tmp_path / "policy")) - expected) < 1e-3
    assert len(EXAMPLE.read_text().splitlines()) <= 70
