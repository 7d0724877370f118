"""Training, validation and test: by groups, so that no repeat of a take is on both sides, and every class on each."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SPLITS: Final[tuple[str, ...]] = ("train", "val", "test")
VALIDATION_SHARE = 0.08
TEST_SHARE = 0.12
# A class needs one group for each split; with fewer, all of it is for training.
_FEWEST_GROUPS = 3


@dataclass(frozen=True)
class SplitItem:
    """One clip to be placed: its group, its class and how long it is."""

    group: str
    action: str
    frames: int


def take_group(dataset: str, original_id: str) -> str:
    """Name shared by all takes that repeat one performance.

    Bandai-Namco's numbered repeats of one action in one style are cut out of one continuous recording (each begins
    where the last one ended), so they are one group. Mirrored copies and numbered parts of the other sets count as
    their originals.
    """
    name = original_id
    if dataset == "bandai":
        name = re.sub(r"_\d+$", "", name)
    elif dataset == "deepmimic":
        name = re.sub(r"_mirror$", "", name)
    elif dataset == "amass":
        # AMASS names repeats of one performance with a trailing number: subject/action_03_poses.
        name = re.sub(r"(_\d+)?(_poses|_stageii)?$", "", name)
    return f"{dataset}/{name}"


def make_splits(
    items: Mapping[str, SplitItem],
    seed: str = "1",
    *,
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
) -> dict[str, list[str]]:
    """Sorted clip ids of each split.

    Within every class, whole groups go to test until its share of the frames is there, then to validation, the rest
    is for training. The order of groups comes from a hash of their names: adding data moves no other group
    unless a class' share overflows.

    Args:
        items: clip id -> item. A group belongs to the class of most of its frames.
        seed: another seed draws other groups.
        validation_share, test_share: of the frames of each class; 0 leaves a split empty.
    """
    shares = {"test": test_share, "val": validation_share}
    by_group: dict[str, list[str]] = defaultdict(list)
    for clip, item in items.items():
        by_group[item.group].append(clip)
    by_class: dict[str, list[str]] = defaultdict(list)
    sizes = {group: sum(items[clip].frames for clip in clips) for group, clips in by_group.items()}
    for group, clips in by_group.items():
        frames: dict[str, int] = defaultdict(int)
        for clip in clips:
            frames[items[clip].action] += items[clip].frames
        by_class[max(sorted(frames), key=lambda action: frames[action])].append(group)
    split_of: dict[str, str] = {}
    for groups in by_class.values():
        split_of |= _place(groups, sizes, seed, shares)
    result: dict[str, list[str]] = {split: [] for split in SPLITS}
    for clip, item in items.items():
        result[split_of[item.group]].append(clip)
    return {split: sorted(clips) for split, clips in result.items()}


def _place(groups: list[str], sizes: Mapping[str, int], seed: str, shares: Mapping[str, float]) -> dict[str, str]:
    if len(groups) < _FEWEST_GROUPS:
        return dict.fromkeys(groups, "train")
    total = sum(sizes[group] for group in groups)
    waiting = sorted(groups, key=lambda group: hashlib.blake2b(f"{seed}/{group}".encode()).hexdigest())
    placed: dict[str, str] = {}
    for split, share in shares.items():
        if share == 0:
            continue
        got = 0
        while True:
            room = share * total - got
            # A group that overshoots by less than half of itself comes nearer to the share than leaving it out.
            fitting = [group for group in waiting if sizes[group] <= 2 * room]
            if not fitting and got > 0:
                break
            group = fitting[0] if fitting else _among_smallest(waiting, sizes)
            waiting.remove(group)
            placed[group] = split
            got += sizes[group]
            if len(waiting) < (2 if split == "test" else 1) + 1:
                break
    return placed | dict.fromkeys(waiting, "train")


def _among_smallest(waiting: list[str], sizes: Mapping[str, int]) -> str:
    """The first in hash order that is hardly larger than the smallest: not always the same style is held out."""
    smallest = min(sizes[group] for group in waiting)
    return next(group for group in waiting if sizes[group] <= 1.5 * smallest)
