"""Tests the names and labels of the Kubernetes manifests, which it reads as text."""

import re
import subprocess
from pathlib import Path

_FOLDER = Path("deploy/kubernetes")
_SERVER = (_FOLDER / "server.yaml").read_text()


def _labels(text):
    """Returns the label keys and values in a text, without their prefix."""
    return re.findall(r"app\.kubernetes\.io/([\w-]+): ([\w-]+)", text)


def _second_server():
    """Returns what the command in the comment of server.yaml writes."""
    (command,) = re.findall(r"^# +(sed .*) > server_b\.yaml$", _SERVER, re.MULTILINE)
    written = subprocess.run(command, shell=True, cwd=_FOLDER, capture_output=True, text=True)
    assert written.returncode == 0, written.stderr
    return written.stdout


def test_second_server_shares_no_name_with_the_first():
    second = _second_server()
    names = re.findall(r"(?:name|serviceName): (server[\w-]*)\b", second)
    assert len(names) == len(re.findall(r"(?:name|serviceName): server\b", _SERVER)) == 7
    assert set(names) == {"server-b"}


def test_network_policy_opens_the_port_of_every_server():
    """It selects what all servers have, and no other pod."""
    policies = (_FOLDER / "network_policy.yaml").read_text().split("\n---\n")
    (policy,) = (policy for policy in policies if "port: 8000" in policy)
    selected = set(_labels(policy.partition("podSelector:")[2].partition("policyTypes:")[0]))
    assert ("part-of", "sac-tf") in selected
    for text in (_SERVER, _second_server()):
        assert selected <= set(_labels(text.partition("  template:")[2].partition("    spec:")[0]))
    for program in ("collector", "learner", "evaluator"):
        assert not selected <= set(_labels((_FOLDER / f"{program}.yaml").read_text()))
