"""Variety of generated clips for one caption beside real clips of the same label, and nearness to training clips."""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from carescene import UserError
from carescene.clips import Clip
from carescene.clips.prepare.splits import take_group
from carescene.clips.takes import has_timeline
from carescene.evaluation import Neighbours, in_place, mean_pairwise_distance, nearest_neighbours
from carescene.evaluation.plots import bar_chart, histogram
from lightning_app.evaluation.prepared import clip_joints
from lightning_app.evaluation.reports import markdown_table, write_report
from lightning_app.evaluation.samples import Prompt

# Generated clips for one caption may spread this much, relative to real clips with the same label.
BOUNDS: Final = (0.7, 1.3)

_QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95)


def label_of(clip: Clip) -> str:
    """Label that real clips share: data set, action and style (age, pace and side follow from them)."""
    dataset = clip.source.dataset if clip.source is not None else "unknown"
    return "/".join((dataset, clip.attributes.get("action", "unknown"), clip.attributes.get("style", "normal")))


def plan_groups(clips: Sequence[Clip], groups: int, size: int, seed: int) -> tuple[dict[str, list[Clip]], list[Prompt]]:
    """Labels to compare, `size` real clips of each, and the prompts: one caption per label, at those clips' lengths.

    Labels of different actions come first, so that not all of them are walks, and those with a style before normal
    ones: a caption that names no style asks for any of them. Takes with a timeline are left out: their captions tell
    the course of one window, so that clips of one label are not clips of one caption.

    Raises:
        UserError: when no label has two clips with captions.
    """
    rng = random.Random(seed)
    by_label: dict[str, list[Clip]] = {}
    for clip in clips:
        told = clip.source is not None and has_timeline(clip.source.original_id)
        if clip.text and "action" in clip.attributes and not told:
            by_label.setdefault(label_of(clip), []).append(clip)
    large = {label: group for label, group in sorted(by_label.items()) if len(group) >= size}
    if not large:
        raise UserError(
            f"Expected labels with at least {size} real clips, but none has as many. Lower --group-size or prepare "
            "more recordings."
        )
    shuffled = rng.sample(sorted(large), len(large))
    turn: dict[str, int] = {}
    ranked = []
    for label in shuffled:
        action = large[label][0].attributes["action"]
        turn[action] = turn.get(action, 0) + 1
        styled = large[label][0].attributes.get("style", "normal") != "normal"
        ranked.append((not styled, turn[action], len(ranked), label))
    chosen: dict[str, list[Clip]] = {}
    prompts: list[Prompt] = []
    for *_, label in sorted(ranked)[:groups]:
        chosen[label] = rng.sample(large[label], size)
        # The longest caption says most about the label: style and pace, not the action alone.
        caption = max(chosen[label][0].text, key=len)
        for number, clip in enumerate(chosen[label]):
            name, frames = f"group{len(chosen):02d}-{number:02d}", int(clip.valid[0].sum())
            # Far from the seeds of the prompts that the other measures share.
            clip_seed = 1_000_003 * (seed + 1) + len(prompts)
            prompts.append(Prompt(name, caption, frames, clip_seed, {**clip.attributes, "label": label}))
    return chosen, prompts


def spread_table(real: dict[str, list[Clip]], generated: Sequence[Clip]) -> list[dict[str, Any]]:
    """Spread in metres per joint of real and generated clips of each label, of the whole motion and in place."""
    rows: list[dict[str, Any]] = []
    for label, clips in real.items():
        made = [clip for clip in generated if clip.attributes["label"] == label]
        row: dict[str, Any] = {"label": label, "clips": len(made), "caption": made[0].text[0]}
        for name, view in _VIEWS.items():
            spreads = [
                mean_pairwise_distance([view(clip_joints(clip)) for clip in group]).item() for group in (clips, made)
            ]
            row[name] = {"real": spreads[0], "generated": spreads[1], "ratio": spreads[1] / max(spreads[0], 1e-9)}
        rows.append(row)
    return rows


def neighbour_table(
    train: Sequence[Clip], test: Sequence[Clip], generated: Sequence[Clip], sample: int, seed: int
) -> dict[str, Neighbours]:
    """Nearest training clip of generated and real test clips, and of a sample of the training clips themselves.

    `train` looks at other performances only, as the test split must; `repeats` may find another take of the same one.
    """
    rng = random.Random(seed)
    references = [clip_joints(clip) for clip in train]
    probes = rng.sample(range(len(train)), min(sample, len(train)))

    def among_training(name_of: Callable[[Clip], str]) -> Neighbours:
        names = [name_of(clip) for clip in train]
        own = [names[i] for i in probes]
        return nearest_neighbours([references[i] for i in probes], references, groups=(own, names))

    return {
        "generated": nearest_neighbours([clip_joints(clip) for clip in generated], references),
        "test": nearest_neighbours([clip_joints(clip) for clip in test], references),
        "train": among_training(_performance),
        "repeats": among_training(_take),
    }


def report_diversity(
    out: Path,
    spreads: list[dict[str, Any]],
    neighbours: dict[str, Neighbours],
    train: Sequence[Clip],
    generated: Sequence[Clip],
    settings: dict[str, Any],
) -> str:
    """Write diversity.json, diversity.md and their pictures, and return the one line that sums them up."""
    # The geometric mean: labels count alike, whether they walk metres or wave, and half as much offsets twice as much.
    overall = {
        name: math.exp(sum(math.log(max(row[name]["ratio"], 1e-3)) for row in spreads) / len(spreads))
        for name in _VIEWS
    }
    within = sum(BOUNDS[0] <= row["motion"]["ratio"] <= BOUNDS[1] for row in spreads)
    passed = BOUNDS[0] <= overall["motion"] <= BOUNDS[1]
    near = {name: _quantiles(found.distance) for name, found in neighbours.items()}
    closest = _closest(neighbours["generated"], generated, train)
    numbers = {
        "settings": settings,
        "ratio": overall,
        "labels_within_bounds": within,
        "labels": spreads,
        "nearest_neighbour_m": near,
        "closest": closest,
        "passed": passed,
    }
    write_report(out, "diversity", numbers, _markdown(numbers))
    bar_chart(
        out / "diversity.png",
        "Spread of clips of one label",
        {side: [100 * row["motion"][side] for row in spreads] for side in ("real", "generated")},
        [row["label"].split("/", 1)[-1] for row in spreads],
        "cm per joint",
    )
    histogram(
        out / "neighbours.png",
        "Distance to the nearest training clip",
        {name: (100 * found.distance).tolist() for name, found in neighbours.items()},
        "cm per joint",
    )
    return (
        f"spread {overall['motion']:.2f} times that of real clips with the same label (bounds {BOUNDS[0]} to "
        f"{BOUNDS[1]}; {within} of {len(spreads)} labels within): {'passed' if passed else 'not passed'}; nearest "
        f"training clip {100 * near['generated']['q50']:.1f} cm per joint (real test clips "
        f"{100 * near['test']['q50']:.1f} cm); wrote {out / 'diversity.md'}"
    )


def _whole(joints: Tensor) -> Tensor:
    return joints


_VIEWS: Final[dict[str, Callable[[Tensor], Tensor]]] = {"motion": _whole, "posture": in_place}


def _performance(clip: Clip) -> str:
    """What the splits keep together: all takes that repeat one performance."""
    return take_group(clip.source.dataset, clip.source.original_id) if clip.source is not None else clip.id


def _take(clip: Clip) -> str:
    # Windows of one long take share the recording; a neighbour there would be the clip itself, shifted.
    return clip.source.original_id if clip.source is not None else clip.id


def _quantiles(distances: Tensor) -> dict[str, float]:
    finite = distances[distances.isfinite()].double()
    if not len(finite):
        return {f"q{round(100 * q):02d}": float("inf") for q in _QUANTILES}
    values = torch.quantile(finite, torch.tensor(_QUANTILES, dtype=torch.float64)).tolist()
    return {f"q{round(100 * q):02d}": value for q, value in zip(_QUANTILES, values, strict=True)}


def _closest(found: Neighbours, generated: Sequence[Clip], train: Sequence[Clip]) -> list[dict[str, Any]]:
    """The ten generated clips that are nearest to a training clip."""
    pairs = zip(generated, found.index.tolist(), found.distance.tolist(), strict=True)
    named = [(distance, clip.id, train[index].id) for clip, index, distance in pairs if index >= 0]
    return [{"clip": name, "training_clip": other, "distance_m": far} for far, name, other in sorted(named)[:10]]


def _markdown(numbers: dict[str, Any]) -> str:
    rows = [
        [
            row["label"],
            row["clips"],
            100 * row["motion"]["real"],
            100 * row["motion"]["generated"],
            row["motion"]["ratio"],
            row["posture"]["ratio"],
            row["caption"],
        ]
        for row in numbers["labels"]
    ]
    header = ["label", "clips", "real, cm", "generated, cm", "ratio", "ratio in place", "caption"]
    near = [
        [name, *(100 * value for value in values.values())] for name, values in numbers["nearest_neighbour_m"].items()
    ]
    closest = [[row["clip"], row["training_clip"], 100 * row["distance_m"]] for row in numbers["closest"]]
    return (
        "# Variety, and nearness to the training clips\n\n"
        "Spread: mean distance per joint between pairs of clips of one label, moved to the same start and direction "
        "and resampled to the same length; generated clips come from ONE caption of that label.\n\n"
        f"Geometric mean of the ratios: {numbers['ratio']['motion']:.2f} "
        f"(in place: {numbers['ratio']['posture']:.2f}); "
        f"{numbers['labels_within_bounds']} of {len(rows)} labels within {BOUNDS[0]} to {BOUNDS[1]}.\n\n"
        + markdown_table(header, rows)
        + "\n## Distance to the nearest training clip, cm per joint\n\n"
        "Same start and direction, frame by frame. Copies would be far nearer than real test clips, and nearer than "
        "`repeats`: training clips against other takes, also of the same performance. `train`: against other "
        "performances only, as test clips are.\n\n"
        + markdown_table(["clips", "nearest of all", "5 %", "25 %", "median", "75 %", "95 %"], near)
        + "\n## Generated clips nearest to training clips\n\n"
        + markdown_table(["generated", "training clip", "cm per joint"], closest)
    )
