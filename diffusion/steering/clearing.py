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
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skin_points import SkinPoints
from carescene.scenes.scene import Scene
from diffusion.cleanup import low_pass
from diffusion.steering.body_rows import BodyRows
from diffusion.steering.contact_rows import people_rows, room_rows
from diffusion.steering.room_contact import Surroundings, WaysOut, ways_out
from diffusion.steering.skin import CARRYING, Skin
from diffusion.steering.work import Work, smooth_envelope

# Corrections last a third of a second, so every second frame (of 20 a second) sees what there is to correct.
_STRIDE: Final = 2
# Every fifth of a second tells where somebody comes near to things.
_SOME: Final = 4
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
# How much further out of something a body may be from one frame to the next, beside frames that stay, metres.
_RETREAT_M: Final = 0.01
# Corrections quicker than this are taken for trembling.
_CALM_HZ: Final = 2.5
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
    around = None
    if scene is not None:
        some = slice(None, None, _SOME)
        skin = Skin.of(model, work.rotations[:, some], work.trans[:, some], betas)
        around = Surroundings.of(scene, skin, work.there[:, some])
    if around is not None:
        _lift(work, around, betas, model, _SUNK_M)
    before = work.rotations.clone(), work.trans.clone()
    looks = torch.arange(0, work.asked.frames, _STRIDE)
    for number in range(rounds):
        seen = _Look(work, looks, around, betas, model, allowed_m)
        rows = people_rows(seen.skin, seen.joints, radii, seen.there, allowed_m=allowed_m)
        rows += [] if seen.ways is None else room_rows(seen.skin, seen.joints, seen.ways, allowed_m=allowed_m)
        if not rows:
            break
        parts = _softly(BodyRows.join(rows), looks, work.gaps())
        deep = parts.frame[parts.wanted > allowed_m]
        work.step(BodyRows.join([work.exact(), parts]), local=True)
        looks = _around(deep, work.asked.frames, number)
        if not len(looks):
            break
    _calm(work, before)
    if around is not None:
        _lift(work, around, betas, model, _LEFT_M)


def _calm(work: Work, before: tuple[Tensor, Tensor]) -> None:
    """Smooth what was changed since: which point of a part is deepest changes from frame to frame."""
    rotations, trans = before
    for person in range(work.asked.persons):
        turned = matrix_to_rotvec(rotations[person].transpose(-1, -2) @ work.rotations[person]).flatten(1)
        change = torch.cat((turned, work.trans[person] - trans[person]), dim=-1)
        if len(change) < 4 or not bool(change.abs().max() > 0):
            continue
        smooth = low_pass(change, work.asked.fps, _CALM_HZ)
        smooth[work.known[person]] = 0
        work.rotations[person] = rotations[person] @ rotvec_to_matrix(smooth[:, :-3].unflatten(-1, (24, 3)))
        work.trans[person] = trans[person] + smooth[:, -3:]


def _softly(rows: BodyRows, looks: Tensor, gaps: Float[Tensor, "person frame"]) -> BodyRows:
    """The same in frames of the clip, and asking little next to frames that stay as they are."""
    frame = looks[rows.frame]
    # One entry for each equation, in order.
    near = (gaps[rows.person, frame] * _RETREAT_M).to(rows.wanted)
    return dataclasses.replace(rows, frame=frame, wanted=torch.minimum(rows.wanted, near))


class _Look:
    """Skin and ways out of a room in some frames."""

    def __init__(
        self,
        work: Work,
        frames: Tensor,
        around: Surroundings | None,
        betas: Tensor,
        model: SkinPoints,
        allowed_m: float,
    ) -> None:
        self.skin = Skin.of(model, work.rotations[:, frames], work.trans[:, frames], betas)
        self.joints = work.joints(frames)
        self.there = work.there[:, frames]
        self.ways: WaysOut | None = None
        if around is not None:
            self.ways = ways_out(self.skin, self.joints, around, self.there, allowed_m=allowed_m)


def _around(deep: Tensor, frames: int, number: int) -> Tensor:
    """Every second frame near the deep ones, in turn the even and the odd."""
    near = torch.zeros(frames, dtype=torch.bool)
    near[deep] = True
    near = torch.nn.functional.max_pool1d(near.float()[None, None], 2 * _AROUND + 1, stride=1, padding=_AROUND)[0, 0]
    chosen = torch.nonzero(near > 0)[:, 0]
    return chosen[chosen % _STRIDE == (number + 1) % _STRIDE]


def _lift(work: Work, around: Surroundings, betas: Tensor, model: SkinPoints, left_m: float) -> None:
    """Lift people whose hips, chest or thighs are deeper than `left_m` in what is under them by what is more.

    Somebody below a mattress shows only what is in it, so lifting is repeated until nothing is deep.
    """
    frames = torch.arange(0, work.asked.frames, _STRIDE)
    pinned = work.touched()[..., 1]
    for _ in range(_LIFTS):
        seen = _Look(work, frames, around, betas, model, left_m)
        assert seen.ways is not None
        carried = torch.isin(seen.skin.group, torch.tensor(CARRYING))
        under = (seen.ways.direction[..., 2] > _UPWARDS) & carried
        needed = torch.zeros(work.there.shape, dtype=torch.float64)
        needed[:, frames] = torch.where(under, seen.ways.depth - left_m, 0.0).amax(dim=-1).double().clamp(min=0)
        for person in torch.nonzero(needed.amax(dim=1) > _SETTLED_M)[:, 0].tolist():
            work.lift(person, smooth_envelope(needed[person], reach=_RISE), pinned[person])
        frames = torch.nonzero(needed.amax(dim=0) > _SETTLED_M)[:, 0]
        if not len(frames):
            return
