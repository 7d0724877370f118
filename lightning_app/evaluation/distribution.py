"""Weighted clips against the priors they were weighted by: do their weights bring back what happens in truth?"""

import re
from collections.abc import Callable, Sequence
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
from carescene.situations.priors import OTHER, Prior, Priors
from carescene.situations.weights import effective_size, self_normalised
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


def report_distribution(out: Path, clips: Sequence[Clip], priors: Priors) -> str:
    """Write `distribution.json`, `.md` and one chart per attribute, and return the line that sums them up.

    For each attribute that was drawn: the share among the clips as they are, the self-normalised estimate by the drawn
    values, the same by what is recognised in the clips, and the prior. Values that were never drawn cannot come back;
    the prior is then taken among the others, and what is missing is told.

    Raises:
        UserError: for attributes that the priors do not know, or a folder that cannot be written.
    """
    weights = np.array([clip.weight.w for clip in clips if clip.weight is not None])
    names = sorted({key.removeprefix(_DRAWN) for clip in clips for key in clip.attributes if key.startswith(_DRAWN)})
    seen = [_seen(clip, names, priors) for clip in tqdm(clips, desc="recognising", unit="clip", dynamic_ncols=True)]
    tables = {name: _table(name, clips, weights, seen, priors) for name in names}
    size = effective_size(weights)
    rows = [row for table in tables.values() for row in table["rows"]]
    worst = max(abs(row["drawn"] - row["prior"]) for row in rows)
    numbers = {
        "clips": len(clips),
        "effective_sample_size": size,
        "priors": priors.file,
        "worst_error_drawn": worst,
        "promised": PROMISED,
        "attributes": tables,
    }
    write_report(out, "distribution", numbers, _text(numbers))
    for name, table in tables.items():
        series = {key: [row[key] for row in table["rows"]] for key in ("made", "drawn", "prior")}
        labels = [row["value"] for row in table["rows"]]
        bar_chart(
            out / f"distribution_{name}.png", f"{name}: as made, weighted, and the prior", series, labels, "share"
        )
    met = "within" if worst <= PROMISED else "NOT within"
    return (
        f"wrote distribution.json, .md and {len(tables)} charts to {out}: weighted shares are {met} {PROMISED:.0%} of "
        f"the priors (worst {worst:.1%}), effective sample size {size:.1f} of {len(clips)}"
    )


def _table(
    name: str, clips: Sequence[Clip], weights: np.ndarray, seen: Sequence[dict[str, str | None]], priors: Priors
) -> dict[str, Any]:
    has = [index for index, clip in enumerate(clips) if _DRAWN + name in clip.attributes]
    values = [clips[index].attributes[_DRAWN + name] for index in has]
    prior = priors.of(name, clips[has[0]].seconds)
    covered = {value: prior.shares.get(value, 0.0) for value in dict.fromkeys(values)}
    missing = 1.0 - sum(covered.values())
    estimate = self_normalised(values, weights[has])
    known = [index for index in has if seen[index].get(name) is not None]
    recognised = self_normalised([str(seen[index][name]) for index in known], weights[known]) if known else {}
    agree = [seen[index][name] == clips[index].attributes[_DRAWN + name] for index in known]
    rows = [
        {
            "value": value,
            "clips": values.count(value),
            "made": values.count(value) / len(values),
            "drawn": estimate[value],
            "recognised": recognised.get(value, 0.0) if recognised else None,
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


def _text(numbers: dict[str, Any]) -> str:
    lines = [
        "# Weighted clips against their priors\n",
        f"{numbers['clips']} clips, effective sample size {numbers['effective_sample_size']:.1f}. Priors: "
        f"{numbers['priors']}. Worst error of a share by the drawn values: {numbers['worst_error_drawn']:.2%} absolute "
        f"(promised: {PROMISED:.0%}).\n",
    ]
    header = ("value", "clips", "share as made", "weighted, drawn", "weighted, recognised", "prior")
    for name, table in numbers["attributes"].items():
        rows = [[row[k] for k in ("value", "clips", "made", "drawn", "recognised", "prior")] for row in table["rows"]]
        given = f" (given {table['given']})" if table["given"] else ""
        lines += [f"## {name}{given}\n", markdown_table(header, rows)]
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
