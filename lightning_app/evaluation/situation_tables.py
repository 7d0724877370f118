"""From scores of single clips to the numbers that are promised: shares, quantiles of errors, and their bounds."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from carescene.evaluation.frechet import (
    NEIGHBOURS,
    floor_of,
    frechet_distance,
    overlap,
    tail_coverage,
)
from lightning_app.evaluation.reports import wilson_interval
from lightning_app.evaluation.situation_scores import BED_EXITS, FALLS, PLACE_M, ClipScore, EventScore

# The bounds of the project.
RECOGNISED_BOUND: Final = 0.90
ONSET_BOUNDS_S: Final = (0.1, 0.3)
DIRECTION_BOUND: Final = 0.85
SIDE_BOUND: Final = 0.90
PLACE_BOUND: Final = 0.90
CONSTRAINT_BOUND_MM: Final = 0.1
SKATE_BOUND: Final = 1.3
PENETRATION_BOUND_M: Final = 0.01
DEEP_BOUND: Final = 0.02
ROOM_BOUND: Final = 0.95
# Fewer clips of an event than this say nothing about distances between distributions.
MIN_DISTANCE_CLIPS: Final = 2 * (NEIGHBOURS + 1)


@dataclass(frozen=True)
class OnsetDetector:
    """Which of the two detectors finds the onsets of a family of events better, and how late it is on average.

    Chosen on held-out clips whose onset is known; `offset_s` is taken off its answers.
    """

    name: str
    offset_s: float

    def error(self, score: EventScore) -> float | None:
        """Signed error in seconds of an event's onset as this detector sees it; infinite where it sees none."""
        if score.asked_onset_s is None:
            return None
        found = score.geometry_onset_s if self.name == "geometry" else score.recogniser_onset_s
        return math.inf if found is None else found - self.offset_s - score.asked_onset_s


def family_of(event: str) -> str | None:
    """The family whose onset is promised: fall, bed_exit, or none."""
    return "fall" if event in FALLS else "bed_exit" if event in BED_EXITS else None


def choose_detectors(known: Sequence[EventScore]) -> dict[str, OnsetDetector]:
    """For each family the detector with the smaller median absolute error on clips with known onsets, its bias removed.

    Families without such clips take geometry as it is.
    """
    chosen = {}
    for family in ("fall", "bed_exit"):
        rows = [score for score in known if family_of(score.event) == family and score.asked_onset_s is not None]
        best = (math.inf, OnsetDetector("geometry", 0.0))
        for name in ("geometry", "recogniser"):
            errors = [OnsetDetector(name, 0.0).error(score) for score in rows]
            finite = [error for error in errors if error is not None and math.isfinite(error)]
            if not finite:
                continue
            offset = float(np.median(finite))
            spread = float(np.median([abs(error - offset) for error in errors if error is not None]))
            best = min(best, (spread, OnsetDetector(name, round(offset, 3))), key=lambda pair: pair[0])
        chosen[family] = best[1]
    return chosen


def event_table(scores: Sequence[EventScore]) -> dict[str, dict[str, Any]]:
    """Per event: number of clips, shares seen by geometry, by the recogniser, by either, and by either at first try."""
    groups: dict[str, list[EventScore]] = defaultdict(list)
    for score in scores:
        groups[score.event].append(score)
    return {
        name: {
            "clips": len(rows),
            "geometry": share([bool(row.geometry) for row in rows]) if rows[0].geometry is not None else None,
            "recogniser": share([row.recognised for row in rows]) if rows[0].is_known else None,
            "either": share([row.shown for row in rows]),
            "interval": wilson_interval(sum(row.shown for row in rows), len(rows)),
            "first_try": share([row.shown and row.attempt == 1 for row in rows]),
        }
        for name, rows in sorted(groups.items())
    }


def onset_table(
    scores: Sequence[EventScore], detectors: dict[str, OnsetDetector]
) -> dict[str, dict[str, float | int | str]]:
    """Per family: median and 95th percentile of the absolute onset error in seconds, clips, and onsets not found."""
    table: dict[str, dict[str, float | int | str]] = {}
    for family, detector in detectors.items():
        errors = [detector.error(score) for score in scores if family_of(score.event) == family]
        known = [abs(error) for error in errors if error is not None]
        if known:
            table[family] = {
                "clips": len(known),
                "median_s": _quantile(known, 0.5),
                "p95_s": _quantile(known, 0.95),
                "not_found": sum(not math.isfinite(error) for error in known),
                "detector": detector.name,
                "offset_s": detector.offset_s,
            }
    return table


def fall_table(scores: Sequence[EventScore]) -> dict[str, dict[str, float | int]]:
    """Shares of falls with the asked direction, side below, and place within half a metre, each over those asked."""
    wanted: dict[str, list[bool]] = {
        "direction": [row.geometry_direction == row.asked_direction for row in scores if row.asked_direction],
        "direction by recogniser": [
            row.recogniser_direction == row.asked_direction for row in scores if row.asked_direction
        ],
        "side": [row.side == row.asked_side for row in scores if row.asked_side],
        "place": [row.place_error_m <= PLACE_M for row in scores if row.place_error_m is not None],
    }
    return {name: {"clips": len(hits), "share": share(hits)} for name, hits in wanted.items() if hits}


def clip_table(scores: Sequence[ClipScore]) -> dict[str, float | int | None]:
    """Means over clips of contacts and costs, pooled skating, and the worst and mean error of constraints."""
    people = [score for score in scores if score.people_mean_m is not None]
    sampled = [score for score in scores if score.room_sampled]
    errors = [error for score in scores for error in score.constraints_m]
    bound = [score for score in scores if score.constraints_m]
    seconds = [score.seconds for score in scores if score.seconds is not None]
    return {
        "clips": len(scores),
        "scene_mean_m": _mean([score.scene_mean_m for score in scores]),
        "scene_deep": _mean([score.scene_deep for score in scores]),
        "floating": _mean([score.floating for score in scores]),
        "pairs": len(people),
        "people_mean_m": _mean([score.people_mean_m for score in people]),
        "people_deep": _mean([score.people_deep for score in people]),
        "skate": _pooled([score.skate for score in scores]),
        "skate_constrained": _pooled([score.skate for score in bound]),
        "constraints": len(errors),
        "constraints_mean_mm": 1000 * sum(errors) / len(errors) if errors else None,
        "constraints_max_mm": 1000 * max(errors) if errors else None,
        "free_fall": share([score.free_fall > 3.0 for score in scores]) if scores else None,
        "rooms_sampled": len(sampled),
        "rooms_valid": share([score.room_fault is None for score in sampled]) if sampled else None,
        "seconds": sum(seconds) / len(seconds) if seconds else None,
    }


def distance_table(real: dict[str, Tensor], made: dict[str, Tensor]) -> dict[str, dict[str, float | int]]:
    """Per event (and for `all`): Frechet distance, coverage and tail coverage, each beside real against real.

    The floor takes as many real clips as there are generated ones, or half of the real ones, which raises it a little.
    """
    table: dict[str, dict[str, float | int]] = {}
    for name in sorted(real):
        one, two = real[name], made.get(name, torch.zeros(0, real[name].shape[1]))
        if len(one) < MIN_DISTANCE_CLIPS or len(two) < NEIGHBOURS + 1:
            continue
        both = overlap(one, two)
        table[name] = {
            "real": len(one),
            "generated": len(two),
            "frechet": frechet_distance(one, two),
            "frechet_floor": floor_of(frechet_distance, one, len(two)),
            "coverage": both.coverage,
            "coverage_floor": floor_of(_coverage, one, len(two)),
            "density": both.density,
            "precision": both.precision,
            "recall": both.recall,
            "tail_coverage": tail_coverage(one, two),
            "tail_floor": floor_of(tail_coverage, one, len(two)),
        }
    return table


def _coverage(real: Tensor, generated: Tensor) -> float:
    return overlap(real, generated).coverage


def share(hits: Sequence[bool]) -> float:
    """Share of true values; 0 of none."""
    return sum(hits) / max(len(hits), 1)


def _quantile(values: Sequence[float], q: float) -> float:
    # Infinite values (not found) must neither vanish nor be averaged: the next larger of the two neighbours counts.
    return float(np.quantile(np.array(values), q, method="higher"))


def _pooled(totals: Sequence[tuple[float, float]]) -> float | None:
    """Mean of sums and counts; None of nothing."""
    count = sum(total[1] for total in totals)
    return sum(total[0] for total in totals) / count if count else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def promises(
    events: dict[str, dict[str, Any]],
    onsets: dict[str, dict[str, float | int | str]],
    falls: dict[str, dict[str, float | int]],
    clips: dict[str, float | int | None],
    skate_unconstrained: float | None,
) -> list[dict[str, Any]]:
    """Each promised number with its bound: what, on what, value, number of cases, bound as text, and whether it holds.

    Values that were not measured are None, and then nothing holds or fails.
    """
    rows: list[dict[str, Any]] = []

    def add(what: str, on: str, value: float | None, count: int, bound: str, holds: Callable[[float], bool]) -> None:
        rows.append(
            {
                "measure": what,
                "on": on,
                "value": value,
                "cases": count,
                "bound": bound,
                "passed": None if value is None else holds(value),
            }
        )

    shares = [row["either"] for row in events.values()]
    cases = sum(row["clips"] for row in events.values())
    least = min(shares) if shares else None
    add("event recognised, worst event", "every event asked", least, cases, ">= 0.90", lambda x: x >= RECOGNISED_BOUND)
    add("event recognised, mean of events", "every event asked", _mean(shares), cases, "reported", lambda _: True)
    reached = share([value >= RECOGNISED_BOUND for value in shares]) if shares else None
    add("events recognised in 90 % or more", "every event asked", reached, len(shares), "1.00", lambda x: x >= 1.0)
    first = _mean([row["first_try"] for row in events.values()])
    add("event recognised at first try, mean of events", "every event asked", first, cases, "reported", lambda _: True)
    for family, name in (("fall", "falls"), ("bed_exit", "bed exits")):
        row = onsets.get(family)
        for key, bound in zip(("median_s", "p95_s"), ONSET_BOUNDS_S, strict=True):
            value = float(row[key]) if row is not None else None
            what = f"onset error, {'median' if key == 'median_s' else '95th percentile'}, s"
            add(what, name, value, int(row["clips"]) if row else 0, f"<= {bound}", lambda x, b=bound: x <= b)
    for key, bound in (("direction", DIRECTION_BOUND), ("side", SIDE_BOUND), ("place", PLACE_BOUND)):
        row = falls.get(key)
        value = float(row["share"]) if row else None
        text = "place within 0.5 m" if key == "place" else f"{key} as asked"
        add(text, "falls", value, int(row["clips"]) if row else 0, f">= {bound:.2f}", lambda x, b=bound: x >= b)
    worst, number = clips["constraints_max_mm"], int(clips["constraints"] or 0)
    add("constraint error, largest, mm", "keyframes and points", worst, number, "<= 0.1", _at_most(CONSTRAINT_BOUND_MM))
    skate = clips["skate_constrained"]
    ratio = skate / skate_unconstrained if skate is not None and skate_unconstrained else None
    add("skating, constrained over unconstrained", "the same seeds", ratio, int(clips["clips"] or 0), "<= 1.3",
        _at_most(SKATE_BOUND))  # fmt: skip
    add("penetration of furniture and floor, mean, m", "all clips", clips["scene_mean_m"], int(clips["clips"] or 0),
        "<= 0.01", _at_most(PENETRATION_BOUND_M))  # fmt: skip
    add("frames deeper than 3 cm in furniture or floor", "all clips", clips["scene_deep"], int(clips["clips"] or 0),
        "<= 0.02", _at_most(DEEP_BOUND))  # fmt: skip
    pairs = int(clips["pairs"] or 0)
    add("penetration of people, mean, m", "clips of 2 and more", clips["people_mean_m"], pairs, "<= 0.01",
        _at_most(PENETRATION_BOUND_M))  # fmt: skip
    rooms = int(clips["rooms_sampled"] or 0)
    add("sampled rooms valid", "free sampling", clips["rooms_valid"], rooms, ">= 0.95", lambda x: x >= ROOM_BOUND)
    return rows


def _at_most(bound: float) -> Callable[[float], bool]:
    return lambda value: value <= bound
