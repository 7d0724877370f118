"""Out of furniture, walls, the floor and each other, by little and smoothly, without letting go of what was asked for.

Whoever has sunk into what carries them is lifted first, as a whole. Then each part of the body that is still inside
something is moved out by the joints that carry it, in steps that look at ever fewer frames: those that are still deep.
What is left under somebody who lies or sits is lifted at last.
"""

import dataclasses
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.evaluation.people_contact import capsule_radii
from carescene.humans.skin_points import SkinPoints
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.scene import Scene
from diffusion.steering.body_rows import BodyRows
from diffusion.steering.contact_rows import people_rows, room_rows
from diffusion.steering.room_contact import WaysOut, room_near, ways_out
from diffusion.steering.skin import CARRYING, Skin
from diffusion.steering.work import Work, smooth_envelope

# Corrections last a third of a second, so every second frame (of 20 a second) sees what there is to correct.
_STRIDE: Final = 2
# What is left to the parts of the body when the whole is lifted at first and at last, metres.
_SUNK_M: Final = 0.02
_LEFT_M: Final = 0.012
# Lifts in a row, and what is not worth another one, metres.
_LIFTS: Final = 4
_SETTLED_M: Final = 0.003
# Frames over which a lift rises and falls: 0.4 s each.
_RISE: Final = 8
# Frames within this of a deep one are looked at again.
_AROUND: Final = 3
# A way out that leads up by this much (cosine) is one that a lift goes.
_UPWARDS: Final = 0.7


def leave_contacts(
    work: Work,
    scene: Scene | None,
    betas: Float[Tensor, "person 10"],
    model: SkinPoints,
    *,
    rounds: int,
    allowed_m: float,
) -> None:
    """Move people out of the room's things and of each other, in at most `rounds` steps that keep the constraints.

    Args:
        work: the bodies, which are changed.
        scene: the room in the model's world; None for people alone.
        betas: shapes of the bodies.
        model: skin points of the body model.
        allowed_m: depth that is left.
    """
    radii = [capsule_radii(np.asarray(shape, np.float32), model) for shape in betas]
    geometry = None
    if scene is not None:
        geometry = room_near(scene, Skin.of(model, work.rotations, work.trans, betas), work.there)
    if geometry is not None:
        _lift(work, geometry, betas, model, _SUNK_M)
    looks = torch.arange(0, work.asked.frames, _STRIDE)
    for number in range(rounds):
        seen = _Look(work, looks, geometry, betas, model, allowed_m)
        rows = people_rows(seen.skin, seen.joints, radii, seen.there, allowed_m=allowed_m)
        rows += [] if seen.ways is None else room_rows(seen.skin, seen.joints, seen.ways, allowed_m=allowed_m)
        if not rows:
            break
        parts = BodyRows.join(rows)
        parts = dataclasses.replace(parts, frame=looks[parts.frame])
        deep = parts.frame[parts.wanted > allowed_m]
        work.step(BodyRows.join([work.exact(), parts]))
        looks = _around(deep, work.asked.frames, number)
        if not len(looks):
            break
    if geometry is not None:
        _lift(work, geometry, betas, model, _LEFT_M)


class _Look:
    """Skin and ways out of a room in some frames."""

    def __init__(
        self,
        work: Work,
        frames: Tensor,
        geometry: SceneGeometry | None,
        betas: Tensor,
        model: SkinPoints,
        allowed_m: float,
    ) -> None:
        self.skin = Skin.of(model, work.rotations[:, frames], work.trans[:, frames], betas)
        self.joints = work.joints(frames)
        self.there = work.there[:, frames]
        self.ways: WaysOut | None = None
        if geometry is not None:
            self.ways = ways_out(self.skin, self.joints, geometry, self.there, allowed_m=allowed_m)


def _around(deep: Tensor, frames: int, number: int) -> Tensor:
    """Every second frame near the deep ones, in turn the even and the odd."""
    near = torch.zeros(frames, dtype=torch.bool)
    near[deep] = True
    near = torch.nn.functional.max_pool1d(near.float()[None, None], 2 * _AROUND + 1, stride=1, padding=_AROUND)[0, 0]
    chosen = torch.nonzero(near > 0)[:, 0]
    return chosen[chosen % _STRIDE == (number + 1) % _STRIDE]


def _lift(work: Work, geometry: SceneGeometry, betas: Tensor, model: SkinPoints, left_m: float) -> None:
    """Lift people whose hips, chest or thighs are deeper than `left_m` in what is under them by what is more.

    Somebody below a mattress shows only what is in it, so lifting is repeated until nothing is deep.
    """
    frames = torch.arange(0, work.asked.frames, _STRIDE)
    pinned = work.touched()[..., 1]
    for _ in range(_LIFTS):
        seen = _Look(work, frames, geometry, betas, model, left_m)
        assert seen.ways is not None
        carried = torch.isin(seen.skin.group, torch.tensor(CARRYING))
        under = (seen.ways.direction[..., 2] > _UPWARDS) & carried
        needed = torch.zeros(work.there.shape, dtype=torch.float64)
        needed[:, frames] = torch.where(under, seen.ways.depth - left_m, 0.0).amax(dim=-1).double().clamp(min=0)
        for person in torch.nonzero(needed.amax(dim=1) > _SETTLED_M)[:, 0].tolist():
            work.trans[person, :, 2] += smooth_envelope(needed[person], pinned[person], reach=_RISE)
        frames = torch.nonzero(needed.amax(dim=0) > _SETTLED_M)[:, 0]
        if not len(frames):
            return
