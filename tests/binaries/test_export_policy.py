"""Policies exported by the programs, and evaluated by them."""

import json
import shutil

import pytest

from tests.binaries.running import SHORT, run_binary


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run, its policy exported at the end, and what `evaluate` says of the checkpoint."""
    root = tmp_path_factory.mktemp("runs") / "exported"
    code, out, err = run_binary("train", f"--root_dir={root}", *SHORT)
    assert code == 0 and f"{root}/policy" in out, err
    code, out, err = run_binary("evaluate", f"--root_dir={root}", "--episodes=3")
    assert code == 0, err
    return root, _return(out)


def _return(out):
    """(mean, standard deviation) that `evaluate` printed."""
    words = out.splitlines()[-1].split()
    return float(words[2]), float(words[4])


def _spec(folder):
    return json.loads((folder / "policy_spec.json").read_text())


def test_training_ends_with_a_policy_that_evaluates_like_its_checkpoint(run):
    root, expected = run
    code, out, err = run_binary("evaluate", f"--policy={root}/policy", "--episodes=3")
    assert (code, err) == (0, "") and f"policy of step 600 ({root}/policy)" in out
    assert _return(out) == expected
    spec = _spec(root / "policy")
    last = (root / "evaluations.csv").read_text().splitlines()[-1].split(",")
    assert (spec["task"], spec["step"], spec["return"]) == (
        "Pendulum-v1",
        int(last[0]),
        float(last[2]),
    )


@pytest.mark.parametrize("export_format", ["tflite", "tf_agents"])
def test_the_other_formats_are_exported_and_evaluated(run, tmp_path, export_format):
    root, expected = run
    out_dir = tmp_path / "out"
    shutil.copytree(root / "policy", out_dir)  # an export of another format, to be replaced
    code, out, err = run_binary(
        "export_policy",
        f"--root_dir={root}",
        f"--export_dir={out_dir}",
        f"--format={export_format}",
    )
    assert (
        code == 0
        and f"policy of step 600 ({root}/checkpoints/step-000000600) is in {out_dir}" in out
    ), err
    assert _spec(out_dir) | {"files": 0} == _spec(root / "policy") | {
        "files": 0,
        "format": export_format,
    }
    code, out, err = run_binary("evaluate", f"--policy={out_dir}", "--episodes=3")
    assert code == 0, err
    assert _return(out) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(
    ("binary", "arguments", "words"),
    [
        ("evaluate", [], "Give --root_dir or --policy, and not both"),
        ("evaluate", ["--policy={half}"], "is half written or damaged (saved_model.pb)"),
        (
            "evaluate",
            ["--policy={other_task}"],
            "The policy does not fit tests.toy:Counter-v0: its observations are",
        ),
        ("export_policy", ["--root_dir={tmp}/no", "--export_dir={tmp}/out"], "holds no run"),
        (
            "export_policy",
            ["--root_dir={root}", "--export_dir={root}"],
            "no exported policy; choose another folder",
        ),
        (
            "export_policy",
            ["--root_dir={root}", "--export_dir=/dev/null/out"],
            "/dev/null/out cannot be written",
        ),
    ],
)
def test_a_mistake_gets_one_sentence_and_exit_code_2(run, tmp_path, binary, arguments, words):
    folders = {
        "root": run[0],
        "tmp": tmp_path,
        "half": tmp_path / "half",
        "other_task": tmp_path / "other_task",
    }
    for name in ("half", "other_task"):
        shutil.copytree(run[0] / "policy", folders[name])
    (folders["half"] / "saved_model.pb").write_bytes(b"half")
    other = _spec(folders["other_task"]) | {"task": "tests.toy:Counter-v0"}
    (folders["other_task"] / "policy_spec.json").write_text(json.dumps(other))
    code, out, err = run_binary(binary, *(argument.format(**folders) for argument in arguments))
    assert code == 2 and words in err and out == "" and len(err.splitlines()) == 1, err
