"""Tests that docs/variants.md lists the variant files that exclude each other."""

import itertools
import re

from tests.configs.pairs import PAIRS, VARIANTS, algorithm_of, name_of, refusal_of
from tests.docs.source import ROOT

_PAGE = (ROOT / "docs/variants.md").read_text()


def test_the_documentation_lists_the_files_of_each_algorithm():
    listed = {
        algorithm: re.findall(r"`(\w+)`", files)
        for algorithm, files in re.findall(r"^\| `(@\w+)` \| (.*) \|$", _PAGE, re.M)
    }
    expected: dict[str, list[str]] = {}
    for file in VARIANTS:
        if algorithm := algorithm_of(file):
            expected.setdefault(algorithm, []).append(name_of(file))
    assert listed == expected


def _of_two_algorithms(pair) -> bool:
    first, second = map(algorithm_of, pair)
    return None not in (first, second) and first != second


def test_files_of_two_algorithms_exclude_each_other():
    pairs = list(filter(_of_two_algorithms, PAIRS))
    assert pairs
    assert all(map(refusal_of, pairs))


def test_the_documentation_lists_the_other_refused_pairs():
    listed = {
        (first, second): setting
        for first, others, setting in re.findall(
            r"^\| `(\w+)` and ((?:`\w+`(?:, )?)+) \| (.*) \|$", _PAGE, re.M
        )
        for second in re.findall(r"`(\w+)`", others)
    }
    expected = {}
    for pair in itertools.filterfalse(_of_two_algorithms, PAIRS):
        refusal = refusal_of(pair)
        if refusal is not None:
            names = sorted({refusal[2], refusal[5]}, key=len)
            words = " and ".join(f"`{name}`" for name in names)
            expected[tuple(map(name_of, pair))] = words
    assert listed == expected
