"""Programs that use a finished run build its policy, and no critic or optimizer; runs of older
versions are refused."""

import gin
import numpy as np
import pytest

import sac_tf
from sac_tf.errors import ConfigurationError
from tests.binaries.running import call_program
from tests.training.small_runs import small_training


@pytest.fixture(scope="module")
def root_dir(tmp_path_factory):
    """The folder of a run of REDQ."""
    root = tmp_path_factory.mktemp("redq")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sac_tf.training.exporting.export", lambda *_: None)
        small_training(
            "update.updates_per_call = 20",
            "train.updates_per_step = 1",
            "Evaluator.episodes = 0",
            files=["gin_configs/redq.gin"],
            environment="tests.tasks:Plain-v0",
            total_steps=120,
        ).run(str(root))
    gin.clear_config()
    return root


@pytest.mark.usefixtures("only_policies")
def test_finished_runs_are_used_without_critics(root_dir, tmp_path):
    code, out, err = call_program("evaluate", f"--root_dir={root_dir}", "--episodes=1")
    assert code == 0, err
    assert "policy of step 120" in out
    for form in ("saved_model", "tflite", "tf_agents"):
        code, _, err = call_program(
            "export_policy",
            f"--root_dir={root_dir}",
            f"--export_dir={tmp_path / form}",
            f"--format={form}",
        )
        assert code == 0, err
    policy = sac_tf.load_policy(root_dir)
    exported = sac_tf.load_policy(tmp_path / "tf_agents")
    observation = np.float32([0.1, 0.2, 0.3])
    np.testing.assert_allclose(policy(observation), exported(observation), rtol=1e-5)


def test_runs_of_older_versions_are_refused_in_one_sentence(tmp_path):
    (tmp_path / "config.gin").write_text(
        "import sac_tf.agents.sac.state\n\n"
        "TrainState.actor = @actor\ntrain.environment = 'tests.tasks:Plain-v0'\n"
    )
    words = f"The run in {tmp_path} was begun by an older version of sac_tf"
    with pytest.raises(ConfigurationError, match=words):
        sac_tf.load_policy(tmp_path)
    with pytest.raises(ConfigurationError, match=words):
        small_training(environment="tests.tasks:Plain-v0").run(str(tmp_path))
    with pytest.raises(ConfigurationError, match=words):
        small_training(
            environment="tests.tasks:Plain-v0", initialize_from=str(tmp_path), total_steps=20
        ).run(str(tmp_path / "new"))
    for program in ("evaluate", "export_policy"):
        target = [] if program == "evaluate" else [f"--export_dir={tmp_path / 'out'}"]
        code, _, err = call_program(program, f"--root_dir={tmp_path}", *target)
        assert (code, err.splitlines()) == (2, [err.strip()]) and words in err
