"""Weighted clips against the priors they were weighted by: do their weights bring back what happens in truth?"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tqdm import tqdm

from carescene import UserError
from carescene.clips import Clip, list_clips, load_clip
from carescene.evaluation.onset import find_bed_exit, find_fall
from carescene.evaluation.plots import bar_chart
from carescene.evaluation.tracks import Track, tracks_of
from carescene.humans.anthropometry import describe_body
from carescene.situations.drawing import drawn_situation
from carescene.situations.priors import OTHER, Prior, Priors
from carescene.situations.situation import Situation
from carescene.situations.weights import effective_size, self_normalised, standard_errors
from lightning_app.evaluation.reports import markdown_table, write_report

# What the project promises: estimates this near to the prior, absolute.
PROMISED: Final = 0.02
_DRAWN: Final = "drawn_"
_BAND: Final = re.compile(r"(\d{2,3})-(\d{2,3})")


def weighted_clips(folder: Path) -> list[Clip]:
    """All clips of a folder that carry a weight.

    Raises:
        UserError: no such folder, or no clip with a weight.
    """
    clips = [load_clip(path) for path in tqdm(list_clips(folder), desc="reading", unit="clip", dynamic_ncols=True)]
    weighted = [clip for clip in clips if clip.weight is not None]
    if not weighted:
        raise UserError(
            f"Expected clips with weights in '{folder}', but none of {len(clips)} has one. Make them from a situation "
            "with `oversample`."
        )
    return weighted


@dataclass(frozen=True)
class Weighted:
    """A draw and its weight: the value of each attribute, and what the clip itself shows of them, if it was made."""

    values: Mapping[str, str]
    w: float
    seen: Mapping[str, str | None] | None = None


def draws_of(situation: Situation, count: int) -> list[Weighted]:
    """The first draws of a situation, as its clips would have them; nothing is sampled.

    Raises:
        UserError: a situation that oversamples nothing.
    """
    if not situation.oversample:
        raise UserError(
            "Expected a situation with `oversample`, but got one that draws nothing. Add the shares wanted, such as "
            "`oversample: {cause: {slip: 0.5, trip: 0.5}}`."
        )
    more = dataclasses.replace(situation, count=count)
    draws = [drawn_situation(more, index)[0] for index in range(count)]
    return [Weighted(draw.values, draw.w) for draw in draws if draw is not None]


def recognised(clips: Sequence[Clip], priors: Priors) -> list[Weighted]:
    """What was drawn for clips that carry weights, beside what they show."""
    names = {key.removeprefix(_DRAWN) for clip in clips for key in clip.attributes if key.startswith(_DRAWN)}
    found: list[Weighted] = []
    for clip in tqdm(clips, desc="recognising", unit="clip", dynamic_ncols=True):
        assert clip.weight is not None
        values = {name: clip.attributes[_DRAWN + name] for name in names if _DRAWN + name in clip.attributes}
        found.append(Weighted(values, clip.weight.w, _seen(clip, sorted(names), priors)))
    return found


def report_distribution(out: Path, drawn: Sequence[Weighted], priors: Priors, seconds: float) -> str:
    """Write `distribution.json`, `.md` and one chart per attribute, and return the line that sums them up.

    For each attribute that was drawn: the share among the draws as they are, the self-normalised estimate with its
    standard error, the same by what is recognised in the clips, and the prior. Values that were never drawn cannot come
    back; the prior is then taken among the others, and what is missing is told.

    Args:
        out: folder of the report.
        drawn: clips, or draws without clips.
        priors: to be brought back.
        seconds: length of a clip; chances of events depend on it.

    Raises:
        UserError: for attributes that the priors do not know, or a folder that cannot be written.
    """
    weights = np.array([each.w for each in drawn])
    names = sorted({name for each in drawn for name in each.values})
    tables = {name: _table(name, drawn, weights, priors.of(name, seconds)) for name in names}
    size = effective_size(weights)
    rows = [row for table in tables.values() for row in table["rows"]]
    worst = max(abs(row["drawn"] - row["prior"]) for row in rows)
    kind = "clips" if any(each.seen is not None for each in drawn) else "draws"
    numbers = {
        kind: len(drawn),
        "effective_sample_size": size,
        "priors": priors.file,
        "worst_error_drawn": worst,
        "largest_standard_error": max(row["error"] for row in rows),
        "promised": PROMISED,
        "attributes": tables,
    }
    write_report(out, "distribution", numbers, _text(numbers, kind))
    for name, table in tables.items():
        series = {key: [row[key] for row in table["rows"]] for key in ("made", "drawn", "prior")}
        labels = [row["value"] for row in table["rows"]]
        bar_chart(
            out / f"distribution_{name}.png", f"{name}: as made, weighted, and the prior", series, labels, "share"
        )
    met = "within" if worst <= PROMISED else "NOT within"
    return (
        f"wrote distribution.json, .md and {len(tables)} charts to {out}: weighted shares are {met} {PROMISED:.0%} of "
        f"the priors (worst {worst:.1%}), effective sample size {size:.1f} of {len(drawn)} {kind}"
    )


def _table(name: str, drawn: Sequence[Weighted], weights: np.ndarray, prior: Prior) -> dict[str, Any]:
    has = [index for index, each in enumerate(drawn) if name in each.values]
    values = [drawn[index].values[name] for index in has]
    covered = {value: prior.shares.get(value, 0.0) for value in dict.fromkeys(values)}
    missing = 1.0 - sum(covered.values())
    estimate, error = self_normalised(values, weights[has]), standard_errors(values, weights[has])
    seen = {index: value for index in has if (value := (drawn[index].seen or {}).get(name)) is not None}
    known = list(seen)
    shown = self_normalised(list(seen.values()), weights[known]) if known else {}
    agree = [value == drawn[index].values[name] for index, value in seen.items()]
    rows = [
        {
            "value": value,
            "clips": values.count(value),
            "made": values.count(value) / len(values),
            "drawn": estimate[value],
            "error": error[value],
            "recognised": shown.get(value, 0.0) if shown else None,
            "prior": share / sum(covered.values()),
        }
        for value, share in sorted(covered.items(), key=lambda pair: -pair[1])
    ]
    return {
        "given": prior.given,
        "source": prior.source,
        "assumed": prior.assumed,
        "never_drawn": missing if missing > 1e-6 else 0.0,
        "not_seen": 1.0 - float(weights[known].sum() / weights[has].sum()) if known else None,
        "agreement": float(np.mean(agree)) if agree else None,
        "rows": rows,
    }


def _text(numbers: dict[str, Any], kind: str) -> str:
    lines = [
        f"# Weighted {kind} against their priors\n",
        f"{numbers[kind]} {kind}, effective sample size {numbers['effective_sample_size']:.1f}. Priors: "
        f"{numbers['priors']}. Worst error of a share by the drawn values: {numbers['worst_error_drawn']:.2%} absolute "
        f"(promised: {PROMISED:.0%}); largest standard error, were the draws independent: "
        f"{numbers['largest_standard_error']:.2%}.\n",
    ]
    columns = {"value": "value", "clips": kind, "made": "share as made", "drawn": "weighted, drawn"}
    columns |= {"error": "standard error", "recognised": "weighted, recognised", "prior": "prior"}
    for name, table in numbers["attributes"].items():
        rows = [[row[key] for key in columns] for row in table["rows"]]
        given = f" (given {table['given']})" if table["given"] else ""
        lines += [f"## {name}{given}\n", markdown_table(list(columns.values()), rows)]
        lines.append(f"Source: {table['source']}" + (" - assumed shares." if table["assumed"] else ".") + "\n")
        if table["never_drawn"]:
            lines.append(
                f"{table['never_drawn']:.1%} of the prior has values that were never drawn; shares are of the others.\n"
            )
        if table["agreement"] is not None:
            lines.append(
                f"Recognised as drawn in {table['agreement']:.0%} of the clips in which it can be seen; in "
                f"{table['not_seen']:.0%} (weighted) it cannot.\n"
            )
    return "\n".join(lines)


# --------------------------------------------------------------------------------------------- what a clip itself shows


def _seen(clip: Clip, names: Sequence[str], priors: Priors) -> dict[str, str | None]:
    """The value of each attribute as far as the clip itself shows it; None where it does not."""
    tracks = tracks_of(clip)
    return {name: _RECOGNISE[name](clip, tracks, priors) if name in _RECOGNISE else None for name in names}


def _direction(clip: Clip, tracks: list[Track], priors: Priors) -> str | None:
    mine = next((track for track in tracks if track.person == 0), None)
    fall = None if mine is None else find_fall(mine)
    return None if fall is None else fall.direction


def _event(clip: Clip, tracks: list[Track], priors: Priors) -> str | None:
    mine = next((track for track in tracks if track.person == 0), None)
    if mine is None:
        return None
    if find_fall(mine) is not None:
        return "fall"
    return "bed_exit" if find_bed_exit(mine) is not None else "none"


def _company(clip: Clip, tracks: list[Track], priors: Priors) -> str | None:
    return "alone" if len(tracks) == 1 else "with_staff"


def _sex(clip: Clip, tracks: list[Track], priors: Priors) -> str | None:
    return describe_body(torch.from_numpy(clip.betas[0])).sex


def _age_band(clip: Clip, tracks: list[Track], priors: Priors) -> str | None:
    # The shape space ends at 90 years; bodies do not tell the oldest apart.
    age = describe_body(torch.from_numpy(clip.betas[0])).age_years
    prior: Prior = priors.of("age_band", clip.seconds)
    bands = {name: match for name in prior.shares if name != OTHER and (match := _BAND.fullmatch(name))}
    return next((name for name, match in bands.items() if int(match[1]) - 0.5 <= age < int(match[2]) + 0.5), None)


_RECOGNISE: Final[dict[str, Callable[[Clip, list[Track], Priors], str | None]]] = {
    "direction": _direction,
    "event": _event,
    "company": _company,
    "sex": _sex,
    "age_band": _age_band,
}
