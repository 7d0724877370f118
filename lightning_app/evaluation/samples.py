"""The generated clips that all measures share: planned from real captions, made in batches, kept in a folder."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tqdm import tqdm

from carescene import UserError
from carescene.clips import Clip, load_clip, save_clip
from carescene.files import write_atomically

_PLAN: Final = "plan.json"

# Sample sets of neighbouring seeds share no clip seed.
_SEEDS_APART: Final = 100_003


@dataclass(frozen=True)
class Prompt:
    """What one clip is to be made from: a caption of a real clip, that clip's length and labels."""

    id: str
    caption: str
    frames: int
    seed: int
    attributes: dict[str, str]


# Captions, frames and seeds -> one clip each, in their order.
MakeClips = Callable[[list[str], list[int], list[int]], list[Clip]]


def plan_prompts(clips: Sequence[Clip], num: int | None, seed: int) -> list[Prompt]:
    """Draw `num` prompts from real clips: every clip once before any twice, one of its captions each time.

    With None, every clip once: generated and real clips then have the same mixture of actions and lengths.

    Raises:
        UserError: when no clip has a caption.
    """
    usable = [clip for clip in clips if clip.text]
    if not usable:
        raise UserError("Expected clips with captions to generate from, but none has one. Prepare the data again.")
    rng = random.Random(seed)
    num = len(usable) if num is None else num
    prompts: list[Prompt] = []
    while len(prompts) < num:
        turn = len(prompts) // len(usable)
        for clip in rng.sample(usable, len(usable))[: num - len(prompts)]:
            frames, number = int(clip.valid[0].sum()), seed * _SEEDS_APART + len(prompts)
            prompts.append(Prompt(f"{clip.id}-{turn}", rng.choice(clip.text), frames, number, dict(clip.attributes)))
    return prompts


def sample_set(
    folder: Path, prompts: Sequence[Prompt], make: Callable[[], MakeClips], settings: Mapping[str, object], batch: int
) -> list[Clip]:
    """Clips of the prompts, read from the folder where they exist and generated where they do not.

    A stopped run goes on where it was; each clip has its own seed, so that it does not depend on the stop.

    Args:
        folder: where the clips and their plan are kept; made when missing.
        prompts: what to generate.
        make: loads the model; called only when something is missing.
        settings: everything that determines the clips besides the prompts (checkpoint, sampler, steps, seed ...). A
            folder made with other settings is refused.
        batch: clips generated at once.

    Raises:
        UserError: the folder holds samples of other settings or cannot be written.
    """
    _check_plan(folder, prompts, settings)
    # Sorted by length: little of a batch is padding.
    missing = sorted((p for p in prompts if not _exists(folder, p)), key=lambda p: (p.frames, p.id))
    if missing:
        maker = make()
        with tqdm(total=len(missing), desc=f"generate {folder.name}", unit="clip") as bar:
            for start in range(0, len(missing), batch):
                _make_batch(folder, missing[start : start + batch], maker)
                bar.update(len(missing[start : start + batch]))
    return [load_clip(folder / prompt.id) for prompt in prompts]


def _make_batch(folder: Path, rows: Sequence[Prompt], maker: MakeClips) -> None:
    made = maker([row.caption for row in rows], [row.frames for row in rows], [row.seed for row in rows])
    for row, clip in zip(rows, made, strict=True):
        save_clip(replace(clip, id=row.id, text=[row.caption], attributes=dict(row.attributes)), folder)


def _exists(folder: Path, prompt: Prompt) -> bool:
    return (folder / f"{prompt.id}.json").is_file() and (folder / f"{prompt.id}.npz").is_file()


def _check_plan(folder: Path, prompts: Sequence[Prompt], settings: Mapping[str, object]) -> None:
    plan = {"settings": dict(settings), "prompts": [asdict(prompt) for prompt in prompts]}
    path = folder / _PLAN
    if not path.is_file():
        write_atomically(path, lambda file: file.write(json.dumps(plan, indent=1, ensure_ascii=False).encode()))
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        known_settings = dict(known["settings"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"Expected the plan of a sample set in '{path}', but it is damaged. Delete the folder."
        ) from error
    if known != json.loads(json.dumps(plan)):
        changed = [
            f"{name} {known_settings.get(name)} -> {value}"
            for name, value in settings.items()
            if known_settings.get(name) != value
        ]
        raise UserError(
            f"Expected '{folder}' to be new or to hold samples of these settings, but it holds others "
            f"({'; '.join(changed) or 'other prompts'}). Choose another --samples or --out folder, or delete this one."
        )
