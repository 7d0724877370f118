"""Prepared clips as material: what is there, for which split, and drawn so that rare things are not crowded out."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.clips.prepare.splits import SPLITS
from carescene.clips.taxonomy import WARD_EVENTS
from carescene.errors import UserError

# What patients, staff and visitors do not do on a ward, what takes more room than any ward has, and halves of two
# people's actions whose other half has nobody to make it.
_NOT_HERE: Final = (
    *("acrobatics", "dance", "jump", "kick", "punch", "roll", "slash", "raise_both_hands", "crawl"),
    *("run", "run_back_and_forth", "run_backward", "run_sideways", "side_step", "walk_sideways", "walk_backward"),
)
_HALVES: Final = ("help_up", "hand_over", "bend_and_talk", "kneel_by_fallen", "walk_beside", "lowered_by_staff")
_LEFT_OUT: Final = frozenset((*_NOT_HERE, *_HALVES))
_SHORTEST_S: Final = 2.4
# Of one person doing one thing, falls and ward events weigh more than gestures.
_WEIGHTS: Final = {"fall": 3.0, "ward": 2.0, "other": 1.0}


@dataclass(frozen=True)
class SourceClip:
    """One prepared clip that may be used: where it lies, what happens (`action`), and for which split it may serve."""

    path: Path
    action: str
    split: str
    seconds: float
    style: str

    @property
    def group(self) -> str:
        """`fall`, `ward` (another ward event) or `other`."""
        if self.action.startswith(("fall_", "slide_from")):
            return "fall"
        return "ward" if self.action in WARD_EVENTS else "other"

    def load(self) -> Clip:
        """The clip."""
        return load_clip(self.path)


class Sources:
    """Clips of some prepared folders, by split and action."""

    def __init__(self, clips: Sequence[SourceClip]) -> None:
        self.by_split: dict[str, dict[str, list[SourceClip]]] = {split: defaultdict(list) for split in SPLITS}
        for clip in clips:
            self.by_split[clip.split][clip.action].append(clip)

    def draw(self, split: str, rng: np.random.Generator, actions: Sequence[str] | None = None) -> SourceClip | None:
        """A clip of an action drawn first, so that all actions of a group are as frequent; None if there is none."""
        pools = self.by_split[split]
        known = [action for action in sorted(pools) if actions is None or action in actions]
        if not known:
            return None
        weight = np.array([_WEIGHTS[pools[action][0].group] for action in known])
        action = known[int(rng.choice(len(known), p=weight / weight.sum()))]
        return pools[action][int(rng.integers(len(pools[action])))]

    def of(self, split: str, *actions: str) -> list[SourceClip]:
        """All clips of these actions."""
        return [clip for action in actions for clip in self.by_split[split].get(action, [])]


def read_sources(folders: Sequence[Path]) -> Sources:
    """The usable clips of prepared folders (`clips/` and `splits/{train,val,test}.txt`).

    Raises:
        UserError: if a folder is not a prepared one, or no clip is usable.
    """
    found = []
    for folder in folders:
        splits = _read_splits(folder)
        for path in sorted((folder / "clips").glob("*.json")):
            split = splits.get(path.stem)
            clip = _usable(path, split) if split is not None and path.with_suffix(".npz").exists() else None
            if clip is not None:
                found.append(clip)
    if not found:
        names = ", ".join(str(folder) for folder in folders)
        raise UserError(
            f"Expected usable clips in {names}, but found none. Prepare motion capture or simulations first."
        )
    return Sources(found)


def _read_splits(folder: Path) -> Mapping[str, str]:
    files = {split: folder / "splits" / f"{split}.txt" for split in SPLITS}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise UserError(
            f"Expected a prepared folder at '{folder}', but there is no {missing[0]}. "
            "Give folders that `lightning prepare` has written to its end."
        )
    return {name: split for split, path in files.items() for name in path.read_text(encoding="utf-8").split()}


def _usable(path: Path, split: str) -> SourceClip | None:
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        attributes = header["attributes"]
        with np.load(path.with_suffix(".npz")) as arrays:
            persons, frames = arrays["valid"].shape
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"Expected a clip at '{path}', but got {error}. It is damaged; prepare it again.") from error
    action = str(attributes.get("class") or attributes.get("action") or "unknown")
    seconds = frames / float(header["fps"])
    if persons != 1 or action in _LEFT_OUT or seconds < _SHORTEST_S:
        return None
    return SourceClip(path, action, split, seconds, str(attributes.get("style", "normal")))
