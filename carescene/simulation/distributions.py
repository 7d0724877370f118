"""Figures of a library of simulated falls, beside the published ones."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.files import write_atomically
from carescene.simulation import published
from carescene.simulation.situations.plan import HEADINGS

# family, split, whether there is a clip, refusals, facts of the clip
Row = tuple[str, str, bool, Sequence[str], Mapping[str, Any]]

_MEASURES: Final[dict[str, str]] = {
    "onset_to_impact_s": "loss of balance to impact of the trunk",
    "descent_s": "descent of the pelvis to impact",
    "pelvis_speed_m_s": "pelvis, downward speed at impact",
    "head_speed_m_s": "head, downward speed at its impact",
}
_SITES: Final = ("hand", "elbow", "shoulder", "head", "hip", "buttocks", "knee", "back", "chest", "abdomen")


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts, rejection and distributions of a library as plain data.

    Falls from standing and walking are what the published figures speak of; they are weighted so that causes have their
    published shares (self-normalised importance weights, as in Owen's "Monte Carlo theory", chapter 9).
    """
    made = [row for row in rows if row[2]]
    refused = Counter(reason for row in rows for reason in row[3])
    attempts = len(made) + sum(refused.values())
    upright = [row for row in made if row[4]["action"].startswith("fall_") and row[4]["cause"] in published.CAUSES]
    weights = cause_weights([row[4]["cause"] for row in upright])
    facts = [row[4] for row in upright]
    return {
        "clips": len(made),
        "attempts": attempts,
        "refused_share": sum(refused.values()) / max(attempts, 1),
        "refused": dict(refused.most_common()),
        "given_up": sum(not row[2] for row in rows),
        "refused_share_by_family": _refused_by_family(rows),
        "events": _count_events(made),
        "upright_falls": len(upright),
        "measures": {name: _spread(_values(facts, name), weights) for name in _MEASURES},
        "directions": _shares([fact["direction"] for fact in facts], weights, tuple(HEADINGS)),
        "causes": dict(Counter(fact["cause"] for fact in facts)),
        "impacts": _impacts(facts, weights),
        "steps": _share(np.array([fact["step_response"] == "yes" for fact in facts], dtype=float), weights),
    }


def cause_weights(causes: Sequence[str]) -> np.ndarray:
    """Weights of falls, summing to 1, under which causes have their published shares: p over q, made to sum to 1."""
    count = Counter(causes)
    raw = np.array([published.CAUSES[cause] / count[cause] for cause in causes])
    return raw / raw.sum() if len(raw) else raw


def _values(facts: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    def value(fact: Mapping[str, Any]) -> float:
        if name == "onset_to_impact_s":
            return float(fact["impact_s"]) - float(fact["onset_s"])
        if name == "descent_s":
            return float(fact["impact_s"]) - float(fact["descent_s"])
        return float(fact.get(name, "nan"))

    return np.array([value(fact) for fact in facts])


def _spread(values: np.ndarray, weights: np.ndarray) -> dict[str, float | int]:
    known = np.isfinite(values)
    if not known.any():
        return {"count": 0}
    values, weights = values[known], weights[known] / weights[known].sum()
    mean = float(weights @ values)
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    low, middle, high = (float(values[order][min(np.searchsorted(below, q), len(values) - 1)]) for q in (0.1, 0.5, 0.9))
    deviation = float(np.sqrt(weights @ (values - mean) ** 2))
    return {"count": int(known.sum()), "mean": mean, "deviation": deviation, "p10": low, "median": middle, "p90": high}


def _shares(names: Sequence[str], weights: np.ndarray, order: Sequence[str]) -> dict[str, float]:
    return {name: _share(np.array([item == name for item in names], dtype=float), weights) for name in order}


def _share(values: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ values) if len(values) else 0.0


def _impacts(facts: Sequence[Mapping[str, Any]], weights: np.ndarray) -> dict[str, float]:
    sites = [set(fact["impacts"].split(",")) for fact in facts]
    wanted = {
        name: {name}
        for name in ("hand", "elbow", "shoulder", "head", "hip", "buttocks", "knee", "back", "chest", "abdomen")
    }
    wanted["pelvis"] = {"hip", "buttocks", "abdomen"}
    return {
        name: _share(np.array([bool(parts & found) for found in sites], dtype=float), weights)
        for name, parts in wanted.items()
    }


def _count_events(made: Sequence[Row]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for _, split, _, _, facts in made:
        counts = table.setdefault(facts["action"], {"train": 0, "val": 0, "test": 0})
        counts[split] += 1
    return dict(sorted(table.items()))


def _refused_by_family(rows: Sequence[Row]) -> dict[str, float]:
    made: Counter[str] = Counter(row[0] for row in rows if row[2])
    refused: Counter[str] = Counter()
    for row in rows:
        refused[row[0]] += len(row[3])
    return {name: refused[name] / max(refused[name] + made[name], 1) for name in sorted({row[0] for row in rows})}


def write_report(rows: Sequence[Row], out: Path) -> None:
    """Write `report.json` and `report.md` of a library.

    Raises:
        UserError: the folder cannot be written.
    """
    content = summarise(rows)
    text = json.dumps(content, indent=1) + "\n"
    write_atomically(out / "report.json", lambda file: file.write(text.encode()))
    write_atomically(out / "report.md", lambda file: file.write(markdown(content).encode()))


def markdown(content: Mapping[str, Any]) -> str:
    """The report as a page: counts, refusals, and our figures beside the published ones."""
    lines = [
        "# Simulated falls and near falls",
        "",
        f"{content['clips']} clips from {content['attempts']} attempts; {content['refused_share']:.1%} were refused.",
        "",
        "| event | train | val | test |",
        "|---|---|---|---|",
        *(f"| {name} | {c['train']} | {c['val']} | {c['test']} |" for name, c in content["events"].items()),
        "",
        "| refused because | attempts |",
        "|---|---|",
        *(f"| {reason} | {count} |" for reason, count in content["refused"].items()),
        "",
        *comparison(content),
    ]
    return "\n".join(lines).rstrip() + "\n"


def comparison(content: Mapping[str, Any]) -> list[str]:
    """Lines of tables: falls from standing and walking, weighted to the published causes, beside the papers."""
    lines = [
        f"Falls from standing and walking ({content['upright_falls']}), causes weighted to the shares of "
        f"{published.CAUSES_SOURCE}.",
        "",
        "| measure | ours: mean (SD), 10th to 90th percentile | published: mean (SD) | source |",
        "|---|---|---|---|",
    ]
    for name, title in _MEASURES.items():
        ours, known = content["measures"][name], published.MEASURES[name]
        if ours["count"]:
            value = f"{ours['mean']:.2f} ({ours['deviation']:.2f}), {ours['p10']:.2f} to {ours['p90']:.2f} {known.unit}"
            theirs = f"{known.mean:.2f} ({known.deviation:.2f}) {known.unit}"
            lines.append(f"| {title} | {value} | {theirs} | {known.source} |")
    for name, known in published.IMPACTS.items():
        ours = content["impacts"][name]
        lines.append(f"| impact of the {name} | {ours:.0%} | {known.mean:.0%} {known.unit} | {known.source} |")
    total = max(sum(content["causes"].values()), 1)
    lines += ["", "| cause | made, share | published share |", "|---|---|---|"]
    lines += [
        f"| {cause.replace('_', ' ')} | {content['causes'].get(cause, 0)}, "
        f"{content['causes'].get(cause, 0) / total:.0%} | {share:.0%} |"
        for cause, share in published.CAUSES.items()
    ]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in content["directions"].items())
    lines += ["", f"Directions of ours, weighted: {shares}. Steps were tried in {content['steps']:.0%}.", ""]
    return lines + [f"- {remark}" for remark in published.REMARKS]
