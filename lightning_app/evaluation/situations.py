"""Situations: do generated clips show what was asked for, how exactly, and how near are they to held-out clips?"""

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor
from tqdm import tqdm

from carescene import UserError
from carescene.clips import Clip, list_clips, load_clip
from carescene.evaluation.plots import bar_chart, confusion_chart, histogram
from carescene.evaluation.ward_recogniser import WardRecogniser
from lightning_app.evaluation.prepared import split_ids
from lightning_app.evaluation.reports import markdown_table, write_report
from lightning_app.evaluation.situation_scores import (
    ClipScore,
    EventScore,
    requested_of,
    score_clip,
    score_events,
)
from lightning_app.evaluation.situation_tables import (
    RECOGNISED_BOUND,
    OnsetDetector,
    choose_detectors,
    clip_table,
    distance_table,
    event_table,
    fall_table,
    family_of,
    onset_table,
    promises,
)

_NAMES: Final = {"held_out": "held out", "generated": "generated"}


def generated_clips(folder: Path) -> list[Clip]:
    """All clips below a folder that say what they were asked for, one folder per situation or all in one.

    Raises:
        UserError: no such folder, no clip, or none that says what was asked for.
    """
    folders = sorted({path.parent for path in folder.rglob("*.npz")}) if folder.is_dir() else [folder]
    paths = [path for each in folders or [folder] for path in list_clips(each)]
    clips = [load_clip(path) for path in paths]
    asked = [clip for clip in clips if requested_of(clip)["events"] or "requested" in clip.attributes]
    if not asked:
        raise UserError(
            f"Expected clips in '{folder}' that say what was asked for, but none of {len(clips)} does. "
            "Make them with `lightning generate SITUATION.yaml`."
        )
    return asked


def held_out_clips(folders: Sequence[Path], split: str, per_event: int, seed: int = 0) -> list[Clip]:
    """Clips of a split of some prepared folders that name an event, at most `per_event` of each, drawn by the seed."""
    rng = random.Random(seed)
    paths = [folder / "clips" / name for folder in folders for name in split_ids(folder, split)]
    rng.shuffle(paths)
    counts: dict[str, int] = defaultdict(int)
    kept = []
    for path in tqdm(paths, desc=f"read {split}", unit="clip"):
        clip = load_clip(path)
        names = {event["ward_event"] for event in requested_of(clip)["events"]}
        if names and any(counts[name] < per_event for name in names):
            kept.append(clip)
            for name in names:
                counts[name] += 1
    return kept


def score_set(
    clips: Sequence[Clip], model: WardRecogniser | None, name: str, every: int = 2, contacts: int | None = None
) -> tuple[list[EventScore], list[ClipScore]]:
    """Scores of the events and of the clips of a set, with a progress bar.

    Args:
        clips: what to measure.
        model: the ward recogniser.
        name: of the set, for the progress bar.
        every: contacts are measured in every so many frames.
        contacts: and for this many of the clips, the first ones, because that takes longest; None for all.
    """
    events: list[EventScore] = []
    whole: list[ClipScore] = []
    for clip in tqdm(clips, desc=f"measure {name}", unit="clip"):
        events += score_events(clip, model)
        if contacts is None or len(whole) < contacts:
            whole.append(score_clip(clip, every))
    return events, whole


def embeddings_by_event(model: WardRecogniser, scores: Sequence[EventScore]) -> dict[str, Tensor]:
    """Embeddings of each event's clips, and of all together as `all events`."""
    vectors = model.embeddings([score.sample for score in scores])
    groups: dict[str, list[int]] = defaultdict(list)
    for row, score in enumerate(scores):
        groups[score.event].append(row)
    return {name: vectors[rows] for name, rows in groups.items()} | {"all events": vectors}


def report_situations(
    out: Path,
    model: WardRecogniser,
    held_out: tuple[Sequence[EventScore], Sequence[ClipScore]],
    generated: tuple[Sequence[EventScore], Sequence[ClipScore]],
    known: Sequence[EventScore],
    unconstrained: Sequence[ClipScore],
    settings: dict[str, Any],
) -> str:
    """Write situations.json, situations.md and their pictures, and return the one line that sums them up.

    Args:
        out: folder of the report.
        model: the ward recogniser, whose last hidden layer is the encoder of the distances.
        held_out: scores of real and simulated clips of the test split: the ceiling.
        generated: scores of generated clips.
        known: scores of clips of the val split, by which the onset detectors are chosen.
        unconstrained: scores of clips of the same seeds made without constraints, for the ratio of skating.
        settings: what was measured with what.
    """
    detectors = choose_detectors(known)
    made_events = {score.event for score in generated[0]}
    ceiling = [score for score in held_out[0] if score.event in made_events]
    free = clip_table(unconstrained)["skate"] if unconstrained else None
    sides: dict[str, Any] = {}
    for side, events, clips in (("held_out", ceiling, held_out[1]), ("generated", generated[0], generated[1])):
        tables = event_table(events), onset_table(events, detectors), fall_table(events), clip_table(clips)
        sides[side] = {
            **dict(zip(("events", "onsets", "falls", "clips"), tables, strict=True)),
            "promises": promises(*tables, free if side == "generated" else None),
        }
    distances = distance_table(embeddings_by_event(model, ceiling), embeddings_by_event(model, generated[0]))
    numbers = {
        "settings": settings,
        **sides,
        "distances": distances,
        "wrong": [
            {"clip": row.clip, "event": row.event, "geometry": row.why, "recognised_as": row.recognised_as}
            for row in generated[0]
            if not row.shown
        ],
        "rooms_refused": [{"clip": row.clip, "why": row.room_fault} for row in generated[1] if row.room_fault],
    }
    write_report(out, "situations", numbers, _markdown(numbers))
    _draw(out, sides, generated[0], ceiling, detectors, distances)
    judged = [row for row in sides["generated"]["promises"] if row["bound"] != "reported" and row["passed"] is not None]
    passed = sum(row["passed"] for row in judged)
    mean = next(row["value"] for row in sides["generated"]["promises"] if "mean of events" in row["measure"])
    return (
        f"{len(generated[1])} clips, {len(sides['generated']['events'])} events, recognised in {mean:.1%} (mean of "
        f"events): {passed} of {len(judged)} bounds met; wrote {out / 'situations.md'}"
    )


def _draw(
    out: Path,
    sides: dict[str, Any],
    made: Sequence[EventScore],
    ceiling: Sequence[EventScore],
    detectors: dict[str, OnsetDetector],
    distances: dict[str, dict[str, float | int]],
) -> None:
    names = list(sides["generated"]["events"])
    if names:
        shares = {
            _NAMES[side]: [sides[side]["events"].get(name, {}).get("either", 0.0) for name in names] for side in sides
        }
        limits = [RECOGNISED_BOUND] * len(names)
        bar_chart(out / "situations_events.png", "Event recognised", shares, names, "share of clips", limits)
    for family, detector in detectors.items():
        errors = {
            name: [
                abs(error)
                for score in rows
                if family_of(score.event) == family and (error := detector.error(score)) is not None
            ]
            for name, rows in (("held out", ceiling), ("generated", made))
        }
        if any(value < float("inf") for value in errors["generated"]):
            path = out / f"situations_onset_{family}.png"
            histogram(path, f"Onset error of {family.replace('_', ' ')}s", errors, "seconds", bins=20)
    if distances:
        bars = {
            "real to real": [float(row["frechet_floor"]) for row in distances.values()],
            "generated": [float(row["frechet"]) for row in distances.values()],
        }
        bar_chart(out / "situations_frechet.png", "Frechet distance to held-out clips", bars, list(distances), "")
    known = sorted({score.event for score in made} | {score.recognised_as for score in made} - {""})
    if known:
        index = {name: number for number, name in enumerate(known)}
        counts = [[0] * len(known) for _ in known]
        for score in made:
            if score.recognised_as:
                counts[index[score.event]][index[score.recognised_as]] += 1
        confusion_chart(out / "situations_confusion.png", "asked (row), named by the recogniser", known, counts)


def _markdown(numbers: dict[str, Any]) -> str:
    settings, made, real = numbers["settings"], numbers["generated"], numbers["held_out"]
    ceiling = {(row["measure"], row["on"]): row["value"] for row in real["promises"]}
    promised = [
        [
            row["measure"],
            row["on"],
            row["cases"],
            ceiling[(row["measure"], row["on"])],
            row["value"],
            row["bound"],
            row["passed"] if row["bound"] != "reported" else None,
        ]
        for row in made["promises"]
    ]
    return (
        "# Situations: what was asked for, and what generated clips show\n\n"
        f"{made['clips']['clips']} generated clips; held out: {real['clips']['clips']} clips of the "
        f"{settings['split']} split of {settings['data']}, judged in the same way: what they reach is the ceiling of "
        "the judges. "
        f"Recogniser and encoder: {settings['encoder']}.\n\n"
        + markdown_table(["measure", "on", "cases", "held out", "generated", "bound", "met"], promised)
        + "\n## Events\n\nShares of clips in which geometry, the recogniser, or either of them sees the event; "
        "`first try` leaves out clips that were drawn again.\n\n"
        + markdown_table(
            [
                "event",
                "clips",
                "geometry",
                "recogniser",
                "either",
                "95 % interval",
                "first try",
                "held out: clips",
                "geometry",
                "recogniser",
                "either",
            ],
            [_event_row(name, row, real["events"].get(name, {})) for name, row in made["events"].items()],
        )
        + "\n## Falls and bed exits\n\n"
        + markdown_table(
            ["set", "what", "clips", "median, s", "95th percentile, s", "not found", "found by", "its bias, s"],
            [
                [_NAMES[side], family, *(row[key] for key in _ONSET_KEYS)]
                for side in _NAMES
                for family, row in numbers[side]["onsets"].items()
            ],
        )
        + "\n"
        + markdown_table(
            ["set", "of falls", "clips", "share"],
            [
                [_NAMES[side], what, row["clips"], float(row["share"])]
                for side in _NAMES
                for what, row in numbers[side]["falls"].items()
            ],
        )
        + "\n## Distance to the held-out clips\n\n"
        f"Encoder: {settings['encoder']}. Floor: real against real, with as many clips where there are enough.\n\n"
        + markdown_table(
            [
                "event",
                "real",
                "generated",
                "Frechet",
                "floor",
                "coverage",
                "floor",
                "tail coverage",
                "floor",
                "density",
                "precision",
                "recall",
            ],
            [[name, *(row[key] for key in _DISTANCE_KEYS)] for name, row in numbers["distances"].items()],
        )
        + "\n## Contacts and cost\n\n"
        + markdown_table(
            ["measure", "held out", "generated"],
            [[name, real["clips"][name], value] for name, value in made["clips"].items()],
        )
    )


_ONSET_KEYS: Final = ("clips", "median_s", "p95_s", "not_found", "detector", "offset_s")
_DISTANCE_KEYS: Final = (
    "real",
    "generated",
    "frechet",
    "frechet_floor",
    "coverage",
    "coverage_floor",
    "tail_coverage",
    "tail_floor",
    "density",
    "precision",
    "recall",
)


def _event_row(name: str, made: dict[str, Any], real: dict[str, Any]) -> list[object]:
    low, high = made["interval"]
    return [
        name,
        made["clips"],
        made["geometry"],
        made["recogniser"],
        made["either"],
        f"{low:.2f} to {high:.2f}",
        made["first_try"],
        *(real.get(key) for key in ("clips", "geometry", "recogniser", "either")),
    ]
