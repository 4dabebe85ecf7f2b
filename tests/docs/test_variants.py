"""Tests that docs/variants.md lists the pairs of variant files that exclude each other."""

import re

from tests.configs.pairs import PAIRS, name_of, refusal_of
from tests.docs.source import ROOT


def test_the_documentation_lists_the_refused_pairs():
    listed = re.findall(
        r"^\| `(\w+)` and `(\w+)` \| (.*) \|$", (ROOT / "docs/variants.md").read_text(), re.M
    )
    expected = []
    for pair in PAIRS:
        refusal = refusal_of(pair)
        if refusal is not None:
            names = sorted({refusal[2], refusal[5]}, key=len)
            words = " and ".join(f"`{name}`" for name in names)
            expected.append((*map(name_of, pair), words))
    assert listed == expected
