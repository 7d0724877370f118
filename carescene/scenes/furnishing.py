"""People who sit or lie on nothing get a bed or chair under them: their clip then carries a bare room with it."""

import dataclasses
from typing import Final

import numpy as np

from carescene.clips.clip import Clip
from carescene.scenes.fitting import fit_clip
from carescene.scenes.furniture import default_object
from carescene.scenes.placement import place_clip
from carescene.scenes.placement_own import bare_room
from carescene.scenes.resting import clip_joints, find_resting
from carescene.scenes.scene import Scene
from carescene.scenes.scene_files import scene_to_dict

_HALL_M: Final = 24.0
_BARE_M: Final = 8.0


def furnish_clip(clip: Clip, *, seed: int = 0) -> Clip:
    """The clip in a bare room with the bed or chairs that its people rest on, fitted to them.

    Clips that have a bare room already are fitted to it, and those in which nobody rests above the floor to the floor
    alone; what is good already comes back as it is.

    Args:
        clip: as recorded: metres, z up, floor at z = 0.
        seed: of the place on the bed.

    Raises:
        UserError: if no bed or chair fits how they rest.
    """
    bare = bare_room(clip)
    if bare is not None:
        # The square of a bare room says nothing of walls: people may walk out of it.
        fitted, room = fit_clip(clip, dataclasses.replace(bare, polygon=_floor(clip).polygon))
        return dataclasses.replace(fitted, scene=scene_to_dict(dataclasses.replace(room, polygon=bare.polygon)))
    if not find_resting(clip, clip_joints(clip)):
        return dataclasses.replace(fit_clip(clip, _floor(clip))[0], scene=None)
    middle = _HALL_M / 2
    corners = [(0.0, 0.0), (_HALL_M, 0.0), (_HALL_M, _HALL_M), (0.0, _HALL_M)]
    hall = Scene("hall", corners, objects=[default_object("bed", "bed-1", x=middle, y=middle, rails="half")])
    placed, furnished = place_clip(clip, hall, seed=seed)
    fitted, furnished = fit_clip(placed, furnished)
    used = [thing for thing in furnished.objects if _is_used(fitted, thing.center)]
    center = np.array(used[0].center[:2]) if used else fitted.trans[fitted.valid].mean(axis=0)[:2]
    half = _BARE_M / 2
    x, y = (float(value) for value in center)
    square = [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
    return dataclasses.replace(fitted, scene=scene_to_dict(Scene(f"bare.{clip.id}", square, objects=used)))


def _floor(clip: Clip) -> Scene:
    """Nothing but floor around a clip."""
    x, y = (float(value) for value in clip.trans[clip.valid].mean(axis=0)[:2])
    reach = _HALL_M
    return Scene(
        "floor", [(x - reach, y - reach), (x + reach, y - reach), (x + reach, y + reach), (x - reach, y + reach)]
    )


def _is_used(clip: Clip, center: tuple[float, float, float]) -> bool:
    """Whether somebody's pelvis comes near the middle of a thing."""
    pelvis = clip.trans[clip.valid][:, :2]
    return bool((np.linalg.norm(pelvis - np.array(center[:2]), axis=1) < 1.2).any())
