"""The field's whole table: generated motions against real ones, replicated, with the real-vs-real row beside them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from carescene.clips import Clip
from carescene.errors import UserError
from carescene.evaluation.embedding_table import (
    EMBEDDING_MEASURES,
    diversity_pairs,
    mean_of_sums,
    measure_embeddings,
)
from carescene.evaluation.joint_physics import JOINT_MEASURES, joint_totals
from carescene.evaluation.replications import Estimate, estimates
from carescene.evaluation.spread import MULTIMODALITY_PAIRS, multimodality
from lightning_app.evaluation.real_sets import Drawn, Judge, RealSet, people_of
from lightning_app.evaluation.reports import markdown_table, write_report
from lightning_app.evaluation.samples import Prompt

# First seeds of the clips of one run are this far from those of a run with the next seed; repeats for one caption begin
# in the middle.
_APART = 100_000_007

# Prompts and the name of their set -> one clip each.
MakeSet = Callable[[str, Sequence[Prompt]], list[Clip]]


class Rows(NamedTuple):
    """Estimates of every measure: of generated motions, of other draws of the real clips, and of halves of them."""

    generated: dict[str, Estimate]
    real: dict[str, Estimate]
    halves: dict[str, Estimate]


def evaluate_against(
    real: RealSet,
    judge: Judge,
    make: MakeSet | None,
    replications: int,
    seed: int,
    captions: int,
    repeats: int,
) -> Rows:
    """Every measure over replications, each with new captions, crops and samples.

    Args:
        real: clips to hold against.
        judge: the evaluator.
        make: generates clips; None measures real clips only.
        replications: 20 in the field.
        seed: of draws, pairs and samples.
        captions, repeats: of multimodality: 100 and 30 in the field.

    Raises:
        UserError: fewer than one replication, or what set and evaluator refuse.
    """
    if replications < 1:
        raise UserError(f"Expected at least 1 replication, but got {replications}. The field takes 20.")
    made_rows, real_rows, half_rows = [], [], []
    bar = tqdm(range(replications), desc="replications", unit="replication", dynamic_ncols=True)
    for number in bar:
        reference, other = real.draw(seed, 2 * number), real.draw(seed, 2 * number + 1)
        expected = judge.embed_motions([row.motion for row in reference])
        text, motions = judge.embed_texts(other), [row.motion for row in other]
        embedded = judge.embed_motions(motions)
        real_rows.append(_row(expected, embedded, text, motions, real, judge, number))
        order = torch.randperm(len(other), generator=torch.Generator().manual_seed(number)).tolist()
        one, two = order[: len(order) // 2], order[len(order) // 2 :]
        half = [motions[at] for at in one]
        half_rows.append(_row(expected[two], embedded[one], text[one], half, real, judge, number))
        if make is not None:
            clips = make(f"replication_{number:02d}", _prompts(other, real, seed * _APART + number * len(other)))
            made = [real.of_clip(clip) for clip in clips]
            made_rows.append(_row(expected, judge.embed_motions(made), text, made, real, judge, number))
    generated = estimates(made_rows) if made_rows else {}
    if make is not None and captions > 0 and repeats > 1:
        generated |= _multimodality(real, judge, make, replications, seed, captions, repeats)
    return Rows(generated, estimates(real_rows), estimates(half_rows))


def report_against(out: Path, name: str, rows: Rows, settings: Mapping[str, Any]) -> str:
    """Write `distribution_<name>.json` and `.md`, and return the table with what it was made with.

    Raises:
        UserError: when the folder cannot be written.
    """
    names = {key: measure.text for key, measure in EMBEDDING_MEASURES.items()} | JOINT_MEASURES
    arrows = {True: " ↑", False: " ↓", None: " →"}
    better = {key: arrows[measure.higher_is_better] for key, measure in EMBEDDING_MEASURES.items()}
    columns = {"generated": rows.generated, "real": rows.real, "real, other half": rows.halves}
    columns = {title: column for title, column in columns.items() if column}
    table = markdown_table(
        ("measure", *columns),
        [
            (text + better.get(key, ""), *(str(column[key]) if key in column else "-" for column in columns.values()))
            for key, text in names.items()
            if any(key in column for column in columns.values())
        ],
    )
    numbers = {
        "settings": dict(settings),
        **{title.replace(", ", "_").replace(" ", "_"): _plain(column) for title, column in columns.items()},
    }
    text = (
        f"# Generated motion against {settings['against']}\n\n{table}\n"
        f"Evaluator: {settings['evaluator']}. Numbers of other evaluators cannot be compared with these.\n\n"
        + "".join(f"- {key}: {value}\n" for key, value in settings.items() if key not in ("against", "evaluator"))
        + "\nMean and half width of the 95 % interval over replications (1.96 sigma / sqrt n; of sampling alone, not "
        "of training). Real: the same clips with other captions and crops, as the field has it; other half: disjoint "
        "halves, the floor of so many clips. ↑ higher, ↓ lower, → nearer to real is better.\n"
    )
    write_report(out, f"distribution_{name}", numbers, text)
    return f"{text}\nwrote {out / f'distribution_{name}.md'}"


def _row(
    reference: Float[Tensor, "n feature"],
    motion: Float[Tensor, "m feature"],
    text: Float[Tensor, "m feature"],
    motions: Sequence[Any],
    real: RealSet,
    judge: Judge,
    seed: int,
) -> dict[str, float]:
    people = [people_of(one) for one in motions]
    totals = torch.stack([joint_totals(p.joints[0], there=p.there[0], feet=real.feet) for p in people])
    physics = mean_of_sums({name: totals[:, at] for at, name in enumerate(JOINT_MEASURES)})
    return measure_embeddings(reference, motion, text, judge.batch, seed) | physics


def _prompts(drawn: Sequence[Drawn], real: RealSet, first_seed: int) -> list[Prompt]:
    return [
        Prompt(f"{row.id}-{at}", row.caption, real.frames_to_make(row), first_seed + at, {})
        for at, row in enumerate(drawn)
    ]


def _multimodality(
    real: RealSet, judge: Judge, make: MakeSet, replications: int, seed: int, captions: int, repeats: int
) -> dict[str, Estimate]:
    drawn = real.draw(seed, 0)
    order = torch.randperm(len(drawn), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = [drawn[at] for at in order[:captions]]
    rows = [row for row in chosen for _ in range(repeats)]
    clips = make("multimodality", _prompts(rows, real, seed * _APART + _APART // 2))
    features = judge.embed_motions([real.of_clip(clip) for clip in clips]).unflatten(0, (len(chosen), repeats))
    pairs = min(MULTIMODALITY_PAIRS, max(1, repeats // 2))
    return estimates([{"multimodality": multimodality(features, pairs, number)} for number in range(replications)])


def pairs_used(count: int, repeats: int) -> str:
    """How many pairs diversity and multimodality look at, for the settings of a table."""
    return f"{max(1, diversity_pairs(count))} for diversity, {min(MULTIMODALITY_PAIRS, max(1, repeats // 2))} a caption"


def _plain(column: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: value._asdict() for name, value in column.items()}
