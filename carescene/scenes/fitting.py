"""Contact fit: people who were placed in a room are moved by little until they rest on it and are inside nothing."""

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import binary_dilation, gaussian_filter1d

from carescene.clips.clip import Clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.humans.skin_points import SkinPoints, load_skin_points
from carescene.scenes.contact_measures import (
    ContactReport,
    carrying_points,
    contact_report,
    distances,
    near_scene,
)
from carescene.scenes.fitting_furniture import (
    alone,
    carrier_of,
    needed_lift,
    pushed,
    resting_frames,
    with_backrest,
    with_height,
    without_pillow,
)
from carescene.scenes.fitting_pose import PersonMotion, fit_person
from carescene.scenes.footprint import footprint, rectangle_distance
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.rearranging import replaced
from carescene.scenes.scene import Scene
from carescene.scenes.scene_files import scene_to_dict

# What every clip must keep: the bounds of the project for its generated situations.
MEAN_M: Final = 0.01
SHARE_DEEP: Final = 0.02
SHARE_FLOATING: Final = 0.10
# A clip this good already is left exactly as it was recorded.
_GOOD_M: Final = 0.008
# Beds and seats are set by up to this much without looking at anything else; skin is then this deep in them.
_SETTLES_M: Final = 0.04
_TOUCH_M: Final = 0.004
_MOST_LOOKS: Final = 30
# Frames looked at while fitting: five a second see all that a person of 0.3 s steps can do.
_LOOKS_PER_S: Final = 5.0

_MOVING: Final = tuple(OMNIFALL_ID[name] for name in ("sit_down", "lie_down", "stand_up", "other"))


def fit_clip(clip: Clip, scene: Scene, *, folder: Path | None = None) -> tuple[Clip, Scene]:
    """Move the people of a placed clip, and set the beds and seats that carry them, until they touch the room rightly.

    Beds and seats take the height at which people rest on them and chairs are pushed up to who sits on them. Then root
    and joints get small smooth offsets (see `fit_person`), feet that stand stay where they are. Clips whose contact is
    good already come back unchanged.

    Args:
        clip: as `place_clip` returns it: metres, z up, floor at z = 0.
        scene: its room, which the clip need not carry.
        folder: where the scene's file lies, to which the names of its meshes are relative.

    Returns:
        the clip, which carries the room, and the room, as they then are.

    Raises:
        UserError: if people are still more than 1 cm inside something on average, or more than 3 cm in 2 % of the
            frames, or hover: names the thing and by how much.
    """
    skin = load_skin_points()
    report = contact_report(clip, scene, every=2, folder=folder, skin=skin)
    if not _is_good(report):
        scene = _settled(clip, scene, skin)
        report = contact_report(clip, scene, every=2, folder=folder, skin=skin)
    if not _is_good(report):
        for person in range(clip.num_persons):
            if _needs_fit(report, person):
                clip, scene = _fit_one(clip, scene, person, folder, skin)
        report = contact_report(clip, scene, folder=folder, skin=skin)
    require_contact(clip, scene, report)
    return dataclasses.replace(clip, scene=scene_to_dict(scene)), scene


def require_contact(clip: Clip, scene: Scene, report: ContactReport) -> None:
    """Refuse a clip whose people are inside things or hover.

    Raises:
        UserError: names the thing and by how much.
    """
    if report.mean_m > MEAN_M or report.share_deep > SHARE_DEEP:
        raise UserError(
            f"Expected the people of clip '{clip.id}' to be at most 1 cm inside things of room '{scene.id}' on average "
            f"and 3 cm in 2 % of the frames, but got {100 * report.mean_m:.1f} cm and {100 * report.share_deep:.0f} % "
            f"(deepest in {report.deepest}). Its furniture has another shape than the recorded one. Take another "
            "place, room or clip."
        )
    if report.share_floating > SHARE_FLOATING:
        raise UserError(
            f"Expected the people of clip '{clip.id}' to be carried by room '{scene.id}', but got "
            f"{100 * report.share_floating:.0f} % of their frames with a gap of more than 3 cm under them. What "
            "carried them when they were recorded has no counterpart there. Take another place, room or clip."
        )


def _is_good(report: ContactReport) -> bool:
    return report.mean_m <= _GOOD_M and report.share_deep <= SHARE_DEEP / 2 and report.share_floating <= 0.01


def _needs_fit(report: ContactReport, person: int) -> bool:
    return not _is_good(ContactReport(report.depth_m[[person]], report.gap_m[[person]], ""))


def _settled(clip: Clip, scene: Scene, skin: SkinPoints) -> Scene:
    """The room with beds and seats a little lower where people lie or sit a little inside them, or higher."""
    for person in range(clip.num_persons):
        frames = np.flatnonzero(clip.valid[person])
        labels, pelvis = clip.frame_label[person, frames], clip.trans[person, frames].astype(np.float64)
        rests = np.flatnonzero(resting_frames(labels, pelvis))
        if not len(rests):
            continue
        some = rests[:: max(1, len(rests) // 8)]
        carrier = carrier_of(scene, pelvis[some])
        if carrier is None:
            continue
        chosen = frames[some]
        points = skin.of_person(clip.poses[person, chosen], clip.trans[person, chosen], clip.betas[person])
        distance = distances(alone(scene, carrier), points)
        nearest = [distance[row, carrying_points(int(label), skin)].min() for row, label in enumerate(labels[some])]
        inside = -float(np.median(nearest))
        # Deeper, the distance may lead out sideways; further away, something else carries the person.
        if abs(inside) < _SETTLES_M:
            scene = replaced(scene, with_height(carrier, -(inside - _TOUCH_M)))
    return scene


def _fit_one(clip: Clip, scene: Scene, person: int, folder: Path | None, skin: SkinPoints) -> tuple[Clip, Scene]:
    frames = np.flatnonzero(clip.valid[person])
    labels = clip.frame_label[person, frames]
    step = max(1, round(clip.fps / _LOOKS_PER_S), -(-len(frames) // _MOST_LOOKS))
    points = skin.of_person(clip.poses[person, frames], clip.trans[person, frames], clip.betas[person])
    pelvis = clip.trans[person, frames].astype(np.float64)
    looks = np.arange(0, len(frames), step)
    rests = resting_frames(labels, pelvis)
    lift = np.zeros(len(frames))
    if rests[looks].any():
        scene, lift = _carried(scene, points, labels, pelvis, looks, rests, skin)
    near = near_scene(scene, points.reshape(-1, 3), 0.2)
    geometry = SceneGeometry.of([near], folder=folder)
    poses, trans = clip.poses.copy(), clip.trans.copy()
    motion = PersonMotion.of(
        clip.poses[person, frames], clip.trans[person, frames], clip.betas[person], labels, clip.fps
    )
    fitted = fit_person(motion, geometry, skin, lift, looks)
    poses[person, frames], trans[person, frames] = fitted.poses(), fitted.trans.numpy()
    return dataclasses.replace(clip, poses=poses, trans=trans), scene


def _carried(
    scene: Scene,
    points: Float[np.ndarray, "frame point 3"],
    labels: np.ndarray,
    pelvis: Float[np.ndarray, "frame 3"],
    looks: np.ndarray,
    rests: np.ndarray,
    skin: SkinPoints,
) -> tuple[Scene, Float[np.ndarray, "frame"]]:
    """The room with the carrier set for the person, and the lift that remains, metres."""
    carrier = carrier_of(scene, pelvis[looks[rests[looks]]])
    if carrier is None:
        return scene, np.zeros(len(points))
    # Also who is about to rest, or was a moment ago, and is above the bed or seat.
    above = rectangle_distance(pelvis[:, :2], footprint(carrier)) < 0.1
    carried = rests | (above & np.isin(labels, _MOVING))
    some = looks[carried[looks]]
    if carrier.kind == "bed":
        carrier = without_pillow(carrier)
        lies = looks[labels[looks] == OMNIFALL_ID["lying"]]
        if len(lies):
            carrier = with_backrest(scene, carrier, points[lies], labels[lies], skin)
    lift = needed_lift(points[some], labels[some], alone(scene, carrier), skin)
    usual = np.nanmedian(lift[rests[some]]) if np.isfinite(lift[rests[some]]).any() else np.nan
    if np.isnan(usual):
        return scene, np.zeros(len(points))
    higher = with_height(carrier, -float(usual))
    lift = needed_lift(points[some], labels[some], alone(scene, higher), skin)
    known = np.isfinite(lift)
    if carrier.kind != "toilet":
        used = known if carrier.kind == "bed" else known & rests[some]
        higher = pushed(replaced(scene, higher), higher, points[some][used], lift[used])
    spread = np.interp(np.arange(len(points)), some[known], lift[known])
    # Who gets up or sits down is lifted less and less on the way.
    reach = binary_dilation(carried, np.ones(9))
    return replaced(scene, higher), gaussian_filter1d(np.where(reach, spread, 0.0), 3.0, mode="nearest")
