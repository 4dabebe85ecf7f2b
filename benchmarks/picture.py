"""Bar chart of the results of `benchmarks.speed`."""

from pathlib import Path

from benchmarks.results import BFLOAT16, OURS, Sample, summarize, values
from benchmarks.sizes import UPDATES_PER_CALL

_PEERS = {
    OURS: ("sac_tf", "#d95f02"),
    BFLOAT16: ("sac_tf,\nbfloat16", "#f0a868"),
    "sbx": ("SBX", "#7570b3"),
    "sbx_grouped": (f"SBX,\n{UPDATES_PER_CALL} steps,\n{UPDATES_PER_CALL} updates", "#b3b0d6"),
    "tf_agents": ("TF-Agents", "#66a61e"),
    "sb3": ("SB3", "#999999"),
    "d3rlpy": ("d3rlpy", "#a6761d"),
}
_LIMIT = "gemm"
_NUMBER = {"color": "white", "weight": "bold"}
_COLUMNS = {
    "half_cheetah": "HalfCheetah-v5, 2 critics",
    "redq": "HalfCheetah-v5, 10 critics,\n20 updates for each step",
    "humanoid": "Humanoid-v5, 2 critics",
    "pixels_64": "images of 64 x 64 x 9",
    "pixels_84": "images of 84 x 84 x 9",
    "cql": "CQL, HalfCheetah-v5",
}
_ROWS = {"update": "updates / s, data at hand", "loop": "environment steps / s, full loop"}


def draw(samples: list[Sample], path: Path, caption: str) -> None:
    """Writes a PNG with a panel for each measured size and rate; bars are medians, whiskers reach
    from the least to the greatest value."""
    from matplotlib.figure import Figure

    measured = {sample.what for sample in samples}
    columns = {
        size: title
        for size, title in _COLUMNS.items()
        if {f"{size}_{rate}" for rate in _ROWS} & measured
    }
    if not columns:  # memory alone has no rates
        return
    size_in = (0.5 + 3.8 * len(columns), 6.5)
    figure = Figure(figsize=size_in, layout="constrained")
    panels = figure.subplots(len(_ROWS), len(columns), squeeze=False)
    for row, (rate, label) in enumerate(_ROWS.items()):
        for column, (size, title) in enumerate(columns.items()):
            axes = panels[row, column]
            _bars(axes, samples, f"{size}_{rate}")
            axes.set_title(title, fontsize=10)
            axes.set_ylabel(label if column == 0 else "")
            axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(caption, fontsize=7, color="#555555")
    figure.savefig(path, dpi=130)


def _bars(axes, samples: list[Sample], what: str) -> None:
    found = {peer: list(values(samples, what, peer).values()) for peer in (*_PEERS, _LIMIT)}
    bars = [(peer, summarize(rates)) for peer, rates in found.items() if rates and peer != _LIMIT]
    if not bars:
        axes.set_visible(False)
        return
    for position, (peer, rate) in enumerate(bars):
        whiskers = [[rate.median - rate.least], [rate.greatest - rate.median]]
        color = _PEERS[peer][1]
        axes.bar(position, rate.median, color=color, yerr=whiskers, capsize=3, ecolor="#333333")
        axes.annotate(
            f"{rate.median:.3g}",
            (position, 0),
            (0, 4),
            textcoords="offset points",
            ha="center",
            **_NUMBER,
        )
    axes.set_xticks(range(len(bars)), [_PEERS[peer][0] for peer, _ in bars], fontsize=8)
    if found[_LIMIT]:
        limit = summarize(found[_LIMIT]).median
        axes.axhline(limit, color="black", linestyle="--", linewidth=1)
        axes.annotate(
            f"float32 products alone: {limit:.3g}",
            (len(bars) - 0.6, limit),
            ha="right",
            va="bottom",
            fontsize=8,
        )
    axes.margins(y=0.15)
