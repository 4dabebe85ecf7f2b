"""Policies exported by the programs, and evaluated by them."""

import json
import re
import shutil
import sys
import types

import pytest

from tests.binaries.running import call_program, imported, run_program


@pytest.fixture(scope="module")
def run(finished):
    """Folder of the short run, and (mean, standard deviation) that `evaluate` prints for it."""
    root, out, _ = finished
    assert f"{root}/policy" in out
    code, out, err = call_program("evaluate", f"--root_dir={root}", "--episodes=3")
    assert code == 0, err
    return root, _return(out)


def _return(out):
    """(mean, standard deviation) that `evaluate` printed."""
    mean, deviation = re.search(r"Evaluation return (\S+) \+- (\S+)", out).groups()
    return float(mean), float(deviation)


def _spec(folder):
    return json.loads((folder / "policy_spec.json").read_text())


def test_final_policy_evaluates_like_its_checkpoint(run):
    root, expected = run
    code, out, err = call_program("evaluate", f"--policy={root}/policy", "--episodes=3")
    assert (code, err) == (0, "") and f"policy of step 600 ({root}/policy)" in out
    assert _return(out) == expected
    spec = _spec(root / "policy")
    last = (root / "evaluations.csv").read_text().splitlines()[-1].split(",")
    assert (spec["environment"]["task"], spec["step"], spec["return"]) == (
        "Pendulum-v1",
        int(last[0]),
        float(last[2]),
    )


@pytest.mark.parametrize(
    ("export_format", "export"), [("tflite", run_program), ("tf_agents", call_program)]
)
def test_other_formats_evaluate_like_the_checkpoint(run, tmp_path, export_format, export):
    root, expected = run
    out_dir = tmp_path / "out"
    shutil.copytree(root / "policy", out_dir)  # an export in another format, to be replaced
    code, out, err = export(
        "export_policy",
        f"--root_dir={root}",
        f"--export_dir={out_dir}",
        f"--format={export_format}",
    )
    assert code == 0, err
    assert f"policy of step 600 ({root}/checkpoints/step-000000600) is in {out_dir}" in out
    expected_spec = _spec(root / "policy") | {"files": 0, "format": export_format}
    assert _spec(out_dir) | {"files": 0} == expected_spec
    code, out, err = call_program("evaluate", f"--policy={out_dir}", "--episodes=3")
    assert code == 0, err
    assert _return(out) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(
    ("program", "arguments", "words"),
    [
        ("evaluate", [], "Give --root_dir or --policy, and not both"),
        ("evaluate", ["--policy={half}"], "is half written or damaged (saved_model.pb)"),
        (
            "evaluate",
            ["--policy={other_task}"],
            "The policy does not fit tests.toy:Counter-v0 as it is now: the policy has observat",
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
def test_mistake_is_one_sentence(run, tmp_path, program, arguments, words):
    folders = {
        "root": run[0],
        "tmp": tmp_path,
        "half": tmp_path / "half",
        "other_task": tmp_path / "other_task",
    }
    for name in ("half", "other_task"):
        shutil.copytree(run[0] / "policy", folders[name])
    (folders["half"] / "saved_model.pb").write_bytes(b"half")
    other = _spec(folders["other_task"])
    other["environment"]["task"] = "tests.toy:Counter-v0"
    (folders["other_task"] / "policy_spec.json").write_text(json.dumps(other))
    filled = [argument.format(**folders) for argument in arguments]
    code, out, err = call_program(program, *filled)
    assert code == 2 and words in err and out == "" and len(err.splitlines()) == 1, err


class _PrintsNotice(types.ModuleType):
    """As TF-Agents, which imports Gym."""

    def __getattr__(self, name):
        print("Gym has been unmaintained since 2022", file=sys.stderr)
        return name


def test_the_notice_of_gym_is_not_printed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sac_tf.tf_agents.export", _PrintsNotice("export"))
    with imported("export_policy") as program:
        assert program._format("tf_agents") == "TF_AGENTS"
    assert capsys.readouterr().err == ""
