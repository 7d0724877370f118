"""Furniture that must be there because somebody sat or lay on it: surfaces swept by contact."""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation

from carescene.clips.clip import Clip
from carescene.clips.frame_labels import frame_labels
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import load_skin_points
from carescene.scenes.carriers import as_bed, bed_places, seat_places
from carescene.scenes.contact_measures import carrying_points
from carescene.scenes.fitting_furniture import HEIGHTS, surface_height
from carescene.scenes.furniture import default_object
from carescene.scenes.resting import Resting, clip_joints, find_resting
from carescene.scenes.scene import Scene, SceneObject
from reconstruction.room_boxes import SeenBox
from reconstruction.room_kinds import bed_of, chair_of
from reconstruction.room_layout import Found, fresh_name, inside_box

# Less is a crouch, or a moment of a fall.
_LEAST_S: Final = 0.5
# What carries somebody is neither the floor, on which knees and heels carry too, nor higher than beds by more than a
# camera can be wrong.
_CARRIES_M: Final = (0.18, 1.20)
# A resting pelvis stays within this height band; one that slides down does not rest.
_STEADY_M: Final = 0.08
# And moves no faster than this, over a fifth of a second to either side: who rolls out of bed passes places.
_STILL_M_S: Final = 0.25
_STILL_S: Final = 0.2
# Getting onto and off a thing takes about this long, and touches it.
_ON_OFF_S: Final = 1.0
# A pelvis belongs to a surface at most this far from where its skin must be, metres up and aside.
_SAME_M: Final = 0.20
_BESIDE_M: Final = 0.10
_BESIDE_BED_M: Final = 0.30
# No larger than a chair with its back, metres.
_SMALL_M: Final = 1.1
# Spread of reconstructed heights of who rests.
CONTACT_SIGMA_M: Final = 0.03
# Frames of a rest that are looked at, and how deep skin lies in what carries it.
_SKIN_FRAMES: Final = 12
_SINK_M: Final = 0.005


def labelled(clip: Clip) -> Clip:
    """The clip with frame labels: its own where it has some, by geometry where it has none at all."""
    if (clip.frame_label >= 0).any():
        return clip
    labels = clip.frame_label.copy()
    joints = clip_joints(clip)
    for person in range(clip.num_persons):
        there = clip.valid[person]
        if there.any():
            labels[person, there] = frame_labels(torch.from_numpy(joints[person, there]), clip.fps)
    return dataclasses.replace(clip, frame_label=labels)


def find_carried(clip: Clip, joints: Float[np.ndarray, "person frame 24 3"]) -> list[Resting]:
    """Places above the floor where somebody sat or lay still for half a second; who lies first, then by time."""
    kept: list[Resting] = []
    if clip.seconds < _LEAST_S:
        return kept
    for rest in find_resting(labelled(clip), joints):
        pelvis = joints[rest.person, :, JOINT["pelvis"]]
        around = max(1, round(_STILL_S * clip.fps))
        moved = np.full(clip.num_frames, np.inf)
        moved[around:-around] = np.linalg.norm(pelvis[2 * around :] - pelvis[: -2 * around], axis=1)
        # The first and last moments are as still as those beside them.
        moved[:around], moved[-around:] = moved[around], moved[-around - 1]
        frames = rest.frames & (moved < _STILL_M_S * 2 * around / clip.fps)
        if not frames.any():
            continue
        level = float(np.median(pelvis[frames, 2]))
        frames &= np.abs(pelvis[:, 2] - level) < _STEADY_M
        if frames.sum() / clip.fps >= _LEAST_S:
            height = _lowest_skin(clip, rest, frames)
            if not _CARRIES_M[0] < height < _CARRIES_M[1]:
                continue
            at = np.median(pelvis[frames, :2], axis=0)
            kept.append(dataclasses.replace(rest, frames=frames, at=at, height=height))
    # Who lies shows more of a thing than who sits.
    return sorted(kept, key=lambda rest: (rest.kind != "lie", -int(rest.frames.sum())))


def _lowest_skin(clip: Clip, rest: Resting, frames: Bool[np.ndarray, "frame"]) -> float:
    """Height of what carries somebody, metres: the lowest skin of back or buttocks, whichever way they are turned."""
    some = np.flatnonzero(frames)
    some = some[np.unique(np.linspace(0, len(some) - 1, _SKIN_FRAMES).round().astype(int))]
    skin = load_skin_points()
    label = OMNIFALL_ID["lying" if rest.kind == "lie" else "sitting"]
    points = skin.of_person(clip.poses[rest.person, some], clip.trans[rest.person, some], clip.betas[rest.person])
    lowest = points[:, carrying_points(label, skin), 2].min(axis=1)
    return float(np.median(lowest)) + _SINK_M


def carrying_things(
    resting: Sequence[Resting],
    drawn: Sequence[Found],
    boxes: list[SeenBox],
    clip: Clip,
    joints: Float[np.ndarray, "person frame 24 3"],
    names: set[str],
) -> list[Found]:
    """Drawn things, then a bed or chair for each resting place that none of them carries.

    Args:
        resting: from `find_carried`.
        drawn: things the user drew.
        boxes: measured boxes; one that lies under a resting place gives the thing its box and leaves the list.
        clip: whose people rest.
        joints: of its people, metres.
        names: ids already given; new ones are added.
    """
    found = list(drawn)
    for rest in resting:
        touching = _touching(rest, clip)
        on = next((number for number, each in enumerate(found) if _is_on(each.thing, rest)), None)
        if on is not None:
            found[on] = _shared(found[on], _covered(rest, joints), touching)
            continue
        under = next((box for box in boxes if _is_under(box, rest)), None)
        if under is None:
            # What was seen of a chair without its seat is that chair.
            boxes[:] = [box for box in boxes if not _is_part(box, rest)]
            found.append(Found(_guessed(rest, names), "carries", touching, _covered(rest, joints)))
            continue
        boxes.remove(under)
        # Contact and depth both measure the surface; each counts by its precision.
        weights = np.array([CONTACT_SIGMA_M, under.sigma]) ** -2.0
        height = float(np.average([rest.height, under.surface], weights=weights))
        is_bed = rest.kind != "seat" or under.is_bed
        thing = (
            bed_of(under, fresh_name("bed", names), height, rest.front if rest.kind == "lie" else None)
            if is_bed
            else chair_of(under, fresh_name("chair", names), height, rest.front)
        )
        if rest.kind == "lie":
            thing = as_bed(thing, dataclasses.replace(rest, height=height, grounded=True), empty=True).thing
        found.append(Found(thing, "seen", touching, _covered(rest, joints)))
    return found


def _guessed(rest: Resting, names: set[str]) -> SceneObject:
    """A thing of natural size where only its being touched is known."""
    if rest.kind == "seat":
        _, chairs = seat_places(Scene("", [], objects=[]), [rest], np.random.default_rng(0))
        return dataclasses.replace(chairs[0], id=fresh_name("chair", names))
    plain = default_object("bed", fresh_name("bed", names), x=0.0, y=0.0, rails="none", pillow=False)
    bed = as_bed(plain, dataclasses.replace(rest, grounded=True), empty=True).thing
    # Where the first place of a bed at the origin lies tells where the bed is whose first place is the person's.
    at, front = next(bed_places(bed, rest))
    turn = float(np.arctan2(rest.front[1], rest.front[0]) - np.arctan2(front[1], front[0]))
    cos, sin = np.cos(turn), np.sin(turn)
    x, y = rest.at - np.array([cos * at[0] - sin * at[1], sin * at[0] + cos * at[1]])
    yaw = float(np.mod(turn + np.pi, 2 * np.pi) - np.pi)
    return dataclasses.replace(bed, center=(float(x), float(y), bed.center[2]), yaw=yaw)


def _is_on(thing: SceneObject, rest: Resting) -> bool:
    surface = surface_height(thing) if thing.kind in HEIGHTS else thing.center[2] + thing.size[2] / 2
    return abs(surface - rest.height) < _SAME_M and bool(inside_box(rest.at[None], thing, _BESIDE_M)[0])


def _is_under(box: SeenBox, rest: Resting) -> bool:
    local = np.abs((rest.at - [box.place.x, box.place.y]) @ box.place.axes.T)
    # Beds are never so near to each other that the wrong one could be meant.
    margin = _BESIDE_BED_M if box.is_bed else _BESIDE_M
    beside = bool((local < [box.place.half_x + margin, box.place.half_y + margin]).all())
    return beside and abs(box.surface - rest.height) < _SAME_M


def _is_part(box: SeenBox, rest: Resting) -> bool:
    local = np.abs((rest.at - [box.place.x, box.place.y]) @ box.place.axes.T)
    return box.sides[1] < _SMALL_M and bool((local < [box.place.half_x, box.place.half_y]).all())


def _touching(rest: Resting, clip: Clip) -> Bool[np.ndarray, "person frame"]:
    touching = np.zeros((clip.num_persons, clip.num_frames), bool)
    around = max(1, round(_ON_OFF_S * clip.fps))
    touching[rest.person] = binary_dilation(rest.frames, iterations=around)
    return touching


def _covered(rest: Resting, joints: Float[np.ndarray, "person frame 24 3"]) -> Float[np.ndarray, "place 2"]:
    """What must be over the thing: the pelvis, and neck and head of who lies."""
    parts = [JOINT[name] for name in (("pelvis", "neck", "head") if rest.kind == "lie" else ("pelvis",))]
    return np.median(joints[rest.person, rest.frames][:, parts, :2], axis=0)


def _shared(found: Found, covered: Float[np.ndarray, "place 2"], touching: Bool[np.ndarray, "person frame"]) -> Found:
    carries = touching if found.carries is None else found.carries | touching
    covers = covered if found.covers is None else np.concatenate([found.covers, covered])
    return dataclasses.replace(found, carries=carries, covers=covers)
