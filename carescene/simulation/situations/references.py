"""Recorded motions that people imitate until they lose their balance, found by what is done in them."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int8

from carescene.clips.files import load_clip
from carescene.clips.prepare.splits import SPLITS, take_group
from carescene.errors import UserError
from carescene.humans.mirror import mirror_motion
from carescene.simulation.situations.plan import Activity

# Recorded classes that show an activity. People also stand while they wave or raise a hand; only their still frames
# are taken for standing.
_CLASSES: Final[dict[Activity, tuple[str, ...]]] = {
    "walking": ("walk",),
    "turning": ("walk_turn_left", "walk_turn_right"),
    "standing": ("standing", "raise_left_hand", "raise_right_hand", "raise_both_hands"),
    "reaching": ("reach", "raise_left_hand", "raise_right_hand"),
    "sitting_down": ("sit_down",),
    "sitting": ("sitting",),
    "lying": ("lying",),
}

# Manners that nobody shows on a ward are left out; slow and weary ones suit the old.
_PLAIN: Final = frozenset({"normal", "feminine", "masculine", "masculinity", "youthful", "sad", "not-confident"})
_FRAIL: Final = frozenset({"elderly", "old", "exhausted", "tired", "sad", "not-confident"})
_OLD_YEARS: Final = 65.0
# A clip in a frail manner is this many times as likely for the old as a plain one.
_FRAIL_WEIGHT: Final = 3.0


@dataclass(frozen=True)
class Reference:
    """One recorded clip that can be imitated.

    Attributes:
        group: names the take whose repeats stay in one split.
        kind: the class of what is done in it, such as "walk_turn_left".
    """

    id: str
    split: str
    group: str
    dataset: str
    licence: str
    style: str
    kind: str


@dataclass(frozen=True)
class Recording:
    """The motion of a reference at 20 frames per second, of the recorded body: world, metres, z up."""

    poses: Float[np.ndarray, "frame 24 3"]
    trans: Float[np.ndarray, "frame 3"]
    betas: Float[np.ndarray, "10"]
    labels: Int8[np.ndarray, "frame"]
    fps: float


class ReferenceLibrary:
    """Prepared motion capture by activity; the same folder always gives the same library."""

    def __init__(self, folder: Path, references: Sequence[Reference]) -> None:
        self.folder = folder
        self.references = {reference.id: reference for reference in references}
        self._by_activity = {
            (activity, split): [
                reference for reference in references if reference.split == split and _suits(reference, activity)
            ]
            for activity in _CLASSES
            for split in SPLITS
        }

    def pick(self, rng: np.random.Generator, activity: Activity, split: str, age_years: float | int) -> Reference:
        """Draw a reference that shows an activity; the old mostly get a frail manner of moving.

        Raises:
            UserError: the folder holds none of this activity in this split.
        """
        found = self._by_activity[activity, split]
        if not found:
            raise UserError(
                f"Expected recordings of {activity.replace('_', ' ')} in the {split} split of '{self.folder}', but "
                "there are none. Prepare more motion capture: lightning prepare mocap."
            )
        old = age_years >= _OLD_YEARS
        weights = np.array([_FRAIL_WEIGHT if old and item.style in _FRAIL else 1.0 for item in found])
        return found[rng.choice(len(found), p=weights / weights.sum())]

    def recording(self, reference: str, mirrored: bool = False) -> Recording:
        """The motion of a reference, its left and right exchanged if wanted.

        Raises:
            UserError: the clip is missing or damaged.
        """
        return _recording(self.folder / "clips" / f"{reference}.json", mirrored)


@functools.lru_cache(maxsize=64)
def _recording(path: Path, mirrored: bool) -> Recording:
    clip = load_clip(path)
    poses, trans = torch.from_numpy(clip.poses[0]).double(), torch.from_numpy(clip.trans[0]).double()
    if mirrored:
        poses, trans = mirror_motion(poses, trans)
    return Recording(poses.numpy(), trans.numpy(), clip.betas[0].astype(float), clip.frame_label[0], clip.fps)


def load_references(folder: Path) -> ReferenceLibrary:
    """Read what prepared motion capture holds, without its motion.

    Args:
        folder: what `lightning prepare mocap` wrote, with `clips` and `splits`.

    Raises:
        UserError: the folder is not prepared motion capture.
    """
    split_of: dict[str, str] = {}
    for split in SPLITS:
        path = folder / "splits" / f"{split}.txt"
        if not path.is_file():
            raise UserError(
                f"Expected prepared motion capture in '{folder}', but '{path}' is missing. "
                "Make it with: lightning prepare mocap --source RECORDINGS --out FOLDER."
            )
        split_of |= dict.fromkeys(path.read_text(encoding="utf-8").split(), split)
    wanted = {name for names in _CLASSES.values() for name in names}
    references = []
    for clip, split in sorted(split_of.items()):
        path = folder / "clips" / f"{clip}.json"
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            attributes, source = header["attributes"], header["source"]
            shown = attributes.get("class", "") in wanted
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"Expected the clip '{clip}' of the {split} split in '{folder}', but it cannot be read ({error}). "
                "Prepare the motion capture again."
            ) from error
        if shown:
            references.append(
                Reference(
                    id=clip,
                    split=split,
                    group=take_group(source["dataset"], source["original_id"]),
                    dataset=source["dataset"],
                    licence=source["licence"],
                    style=attributes.get("style", "normal"),
                    kind=attributes["class"],
                )
            )
    return ReferenceLibrary(folder, references)


def _suits(reference: Reference, activity: Activity) -> bool:
    return reference.kind in _CLASSES[activity] and reference.style in _PLAIN | _FRAIL
