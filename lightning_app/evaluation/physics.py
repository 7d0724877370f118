"""Physics: skating, jerk, penetration and floating of generated clips beside those of real ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from carescene.clips import Clip
from carescene.evaluation.plots import bar_chart
from carescene.evaluation.scores import MEASURES, ClipScore, pool, ratio_intervals, score_clips
from carescene.humans.body import Body
from lightning_app.evaluation.reports import markdown_table, write_report


def score_with_bar(clips: Sequence[Clip], body: Body, name: str) -> list[ClipScore]:
    """Scores of clips, with a progress bar."""
    with tqdm(total=len(clips), desc=f"physics of {name}", unit="clip") as bar:
        return score_clips(clips, body, bar.update)


def report_physics(
    out: Path, body: Body, real: Sequence[Clip], generated: Sequence[Clip], settings: dict[str, Any]
) -> str:
    """Write physics.json, physics.md and physics.png, and return the one line that sums them up."""
    scores = {"real": score_with_bar(real, body, "real"), "generated": score_with_bar(generated, body, "generated")}
    values = {side: pool(one) for side, one in scores.items()}
    intervals = ratio_intervals(scores["generated"], scores["real"])
    table: dict[str, dict[str, Any]] = {}
    for name, measure in MEASURES.items():
        limit = measure.limit(values["real"][name])
        value = values["generated"][name]
        table[name] = {
            "what": measure.text,
            "unit": measure.unit,
            "real": values["real"][name],
            "generated": value,
            "ratio": value / values["real"][name] if values["real"][name] > 0 else None,
            "ratio_interval": intervals[name],
            "limit": limit,
            "passed": None if limit is None else value <= limit,
        }
    sources = _by_source(real, scores["real"])
    passed = all(row["passed"] is not False for row in table.values())
    numbers = {
        "settings": settings,
        "clips": {side: len(one) for side, one in scores.items()},
        "measures": table,
        "real_by_source": sources,
        "passed": passed,
    }
    write_report(out, "physics", numbers, _markdown(numbers))
    bar_chart(
        out / "physics.png",
        "Physics of generated clips beside real ones (real = 1; red: limit)",
        {
            "real": [1.0] * len(table),
            "generated": [row["ratio"] if row["ratio"] is not None else float("nan") for row in table.values()],
        },
        list(table),
        "ratio to real",
        [
            row["limit"] / row["real"] if row["limit"] is not None and row["real"] > 0 else None
            for row in table.values()
        ],
    )
    short = ", ".join(
        f"{name} {row['generated']:.3g} (real {row['real']:.3g}, limit {row['limit']:.3g} {row['unit']})"
        for name, row in table.items()
        if row["limit"] is not None
    )
    return f"{short}: {'passed' if passed else 'not passed'}; wrote {out / 'physics.md'}"


def _by_source(clips: Sequence[Clip], scores: Sequence[ClipScore]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[ClipScore]] = {}
    for clip, score in zip(clips, scores, strict=True):
        groups.setdefault(clip.source.dataset if clip.source is not None else "unknown", []).append(score)
    return {name: {"clips": float(len(group)), **pool(group)} for name, group in sorted(groups.items())}


def _interval(row: dict[str, Any]) -> str | None:
    low, high = row["ratio_interval"]
    return None if row["ratio"] is None else f"{low:.2f} to {high:.2f}"


def _markdown(numbers: dict[str, Any]) -> str:
    rows = [
        [
            name,
            row["what"],
            row["unit"],
            row["real"],
            row["generated"],
            row["ratio"],
            _interval(row),
            row["limit"],
            row["passed"],
        ]
        for name, row in numbers["measures"].items()
    ]
    header = ["measure", "what", "unit", "real", "generated", "ratio", "95 % interval", "limit", "passed"]
    sources = [[name, *values.values()] for name, values in numbers["real_by_source"].items()]
    return (
        "# Physics of generated clips beside real ones\n\n"
        f"{numbers['clips']['generated']} generated and {numbers['clips']['real']} real clips "
        f"(split {numbers['settings']['split']}), both posed on the same body. A stance is a foot point that is low "
        "(within 4 cm of its resting height) and slow (under 0.5 m/s).\n\n"
        + markdown_table(header, rows)
        + "\n## Real clips by data set\n\n"
        + markdown_table(["data set", "clips", *MEASURES], sources)
    )
