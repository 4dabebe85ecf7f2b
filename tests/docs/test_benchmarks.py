"""Tests that the pages show the numbers of the results."""

import numpy as np
import pytest

from benchmarks import offline, returns, tables
from benchmarks.entries import TASKS
from tests.docs.source import ROOT

RESULTS = ROOT / "benchmarks/results/returns.csv"


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks.md"])
def test_figures_of_a_page_are_those_of_the_csv(page):
    text = (ROOT / page).read_text()
    assert "<!-- book: " in text
    assert tables.fill(text, returns.read(RESULTS)) == text


def test_figures_of_stored_data_are_those_of_the_csv():
    text = offline.PAGE.read_text()
    assert "<!-- book: offline -->" in text
    assert offline.fill(text, offline.table(returns.read(offline.RESULTS))) == text


def test_results_are_unchanged_by_reading_and_writing(tmp_path):
    returns.add(tmp_path / "returns.csv", returns.read(RESULTS))
    assert (tmp_path / "returns.csv").read_text() == RESULTS.read_text()


def test_the_ratio_to_sac_is_that_of_the_csv():
    rows = returns.read(RESULTS)
    ratios = []
    for task in TASKS:
        fast, sac = (
            np.mean(list(tables.scores(rows, name, task, tables.COMPARED).values()))
            for name in ("fast.gin", "SAC")
        )
        ratios.append(fast / sac)
    sentence = f"{min(ratios):.1f} to {max(ratios):.1f} times the return of SAC"
    assert sentence in (ROOT / "README.md").read_text()


def test_the_time_to_a_return_is_that_of_the_csv():
    rows = returns.read(tables.TIMES)
    reached = returns.reaching(rows, tables.GOAL).values()
    ours, peer = (
        np.mean([row.wall_time for row in reached if row.label == name])
        for name in ("fast.gin", "SAC, SBX")
    )
    sentence = (
        f"a return of {tables.GOAL:,} on HalfCheetah-v5 after {ours:.0f} s on two cores, "
        f"SAC of SBX after {peer:.0f} s"
    )
    assert sentence in (ROOT / "README.md").read_text()
