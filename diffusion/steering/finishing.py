"""Finishing of a sampled clip: clean-up that keeps every constraint, on each person's own body.

The network samples the path and the rotations as separate numbers for a reference body; what is decoded has sliding
feet, joints that miss their targets by centimetres, and skin in the mattress. In this order: jitter is smoothed, whole
poses are met, standing feet are held by a shift of the body that rests where the path is asked for, what is missing of
each target and what is too deep in things is moved by all joints together, the legs take up what is left of the
sliding, and targets are met to a thousandth of a millimetre. All corrections are smooth in time.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.evaluation.physics import REST_HEIGHTS
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skin_points import SkinPoints, load_skin_points
from carescene.scenes.scene import Scene
from diffusion.cleanup import CUTOFF_HZ, ankle_shift, hold_feet, low_pass
from diffusion.leg_ik import move_ankles
from diffusion.representation import BODY, MOTION_FEATURES, encode_motion, features_to_rotations
from diffusion.steering.clearing import leave_contacts
from diffusion.steering.metric import GROUPS, HEIGHT, PATH, Metric
from diffusion.steering.rows import ClipConstraints
from diffusion.steering.skin import Skin
from diffusion.steering.work import LEG_JOINTS, Work, below_pins, smooth_envelope

# Corrections of finished motion: the path hardly moves, because feet stand; poses turn within a third of a second.
FINISHING_METRIC: Final = Metric(path_speed=0.05, path_start=0.05, height=0.02, turn=0.5)


@dataclass(frozen=True)
class FinishConfig:
    """How to finish.

    Attributes:
        metric: which corrections are likely.
        cutoff_hz: smoothing of jitter, see `diffusion.cleanup`; None leaves it.
        hold: hold standing feet in place.
        plant_rounds: times the legs take up what is left of sliding. Where a path is asked for, feet glide fast before,
            and each round finds more of them slow enough to be held: after 6 rounds they slide 1.29 times as fast as
            without constraints, after 10 1.25 times.
        contact_rounds: at most so many steps out of furniture, floor and people; fewer where nothing is deep any more.
        exact_rounds: at most so many Newton steps onto the targets; each squares what is missing.
        allowed_m: depth of skin in things that is left, because both give way.
        exact_m: what counts as met.
    """

    metric: Metric = FINISHING_METRIC
    cutoff_hz: float | None = CUTOFF_HZ
    hold: bool = True
    plant_rounds: int = 10
    contact_rounds: int = 6
    exact_rounds: int = 12
    allowed_m: float = 0.005
    exact_m: float = 1e-6


@dataclass(frozen=True)
class Finished:
    """A finished clip.

    Attributes:
        motion: features of the model whose decoding (`decode_motion` with the persons' bodies) is the clip, float64.
        poses, trans: the clip itself, axis-angle (radians) and pelvis (metres), in the model's world.
        off_m: what is missing of each equation (metres).
        worst: name and distance of the constraint that is furthest off; a target out of reach is found here.
    """

    motion: Float[Tensor, "person frame 201"]
    poses: Float[Tensor, "person frame 24 3"]
    trans: Float[Tensor, "person frame 3"]
    off_m: Float[Tensor, "equation"]
    worst: tuple[str, float]


def finish(
    motion: Float[Tensor, "person frame 201"],
    asked: ClipConstraints,
    *,
    betas: Float[Tensor, "person 10"] | None = None,
    scene: Scene | None = None,
    there: Bool[Tensor, "person frame"] | None = None,
    given: Bool[Tensor, "person frame"] | None = None,
    config: FinishConfig | None = None,
    skin: SkinPoints | None = None,
) -> Finished:
    """Clean a sampled clip up so that its constraints hold on the decoded bodies.

    Args:
        motion: features of one clip (metres), at least as many persons and frames as `asked` has; more are cut off.
        asked: what must hold; also carries the rest joints of every person's body.
        betas: shapes of the bodies, for their skin; the reference body when left out.
        scene: the room in the model's world, to keep people out of furniture, walls and the floor; None leaves that.
        there: frames in which each person is there; all when left out.
        given: frames that must stay as they are.
        skin: points of another body than the bundled one.
    """
    config = config or FinishConfig()
    work = Work(motion[: asked.persons, : asked.frames], asked, there, given, config.metric)
    if config.cutoff_hz is not None and asked.frames >= 4:
        _smooth(work, config.cutoff_hz)
    _meet_poses(work)
    if config.hold and asked.frames >= 4:
        _hold(work)
    _meet(work, config.exact_rounds, config.exact_m)
    shapes = torch.zeros(asked.persons, 10) if betas is None else betas[: asked.persons].cpu()
    skin = skin or load_skin_points()
    if config.contact_rounds and (scene is not None or asked.persons > 1):
        leave_contacts(work, scene, shapes, skin, rounds=config.contact_rounds, allowed_m=config.allowed_m)
    if config.hold and asked.frames >= 4:
        for _ in range(config.plant_rounds):
            _plant(work)
        _clear_floor(work, shapes, skin, config.allowed_m)
    _meet(work, config.exact_rounds, config.exact_m)
    return _result(work)


def _smooth(work: Work, cutoff_hz: float) -> None:
    for person, features in enumerate(work.original):
        smooth = low_pass(features[:, : BODY.stop], work.asked.fps, cutoff_hz)
        smooth = torch.cat((smooth, features[:, BODY.stop :]), dim=-1)
        free = ~work.given[person]
        work.rotations[person, free] = features_to_rotations(smooth)[free]
        height = smooth[:, 2:3] / work.asked.ratio[person]
        work.trans[person, free] = torch.cat((smooth[:, :2], height), dim=-1)[free]


def _meet_poses(work: Work) -> None:
    """Turn and shift to the keyframes; what changes in them fades over time."""
    at, poses = work.asked.pose_at, work.asked.poses
    for person in at[:, 0].unique().tolist():
        own = at[:, 0] == person
        frames = at[own, 1]
        turns, places = rotvec_to_matrix(poses[own, :24]), poses[own, 24]
        # A given frame changes nothing; a keyframe changes by what is missing.
        where = torch.searchsorted(work.known[person], frames)
        turn = torch.zeros(len(work.known[person]), 24, 3, dtype=torch.float64)
        turn[where] = matrix_to_rotvec(work.rotations[person, frames].transpose(-1, -2) @ turns)
        shift = torch.zeros(len(work.known[person]), 3, dtype=torch.float64)
        shift[where] = places - work.trans[person, frames]
        pose = work.reach[person][max(GROUPS)]
        turn = rotvec_to_matrix((pose @ turn.flatten(1)).unflatten(1, (24, 3)))
        work.rotations[person] = work.rotations[person] @ turn
        path, height = work.reach[person][PATH] @ shift[:, :2], work.reach[person][HEIGHT] @ shift[:, 2:]
        work.trans[person] += torch.cat((path, height), dim=-1)


def _hold(work: Work) -> None:
    """Shift bodies so that standing feet stand, except where a constraint or a given frame says where they are."""
    pinned = work.touched()
    joints = work.joints()
    for person in range(work.asked.persons):
        rests = _rest_heights(work, person)
        shift = hold_feet(joints[person], work.asked.fps, rest_heights=rests, pinned=pinned[person])
        work.trans[person] += shift


def _plant(work: Work) -> None:
    """Move ankles so that standing feet stand still, except in frames that say where the leg is."""
    pinned = work.legs_touched()
    joints = work.joints()
    for person in range(work.asked.persons):
        rests = _rest_heights(work, person)
        shift = ankle_shift(joints[person], work.asked.fps, rest_heights=rests, pinned=pinned[person])
        _move_ankles(work, person, joints[person], shift)


def _clear_floor(work: Work, betas: Float[Tensor, "person 10"], model: SkinPoints, allowed_m: float) -> None:
    """Lift feet whose soles are below the floor: toes reach deeper than the balls that stand on it."""
    skin = Skin.of(model, work.rotations, work.trans, betas)
    joints = work.joints()
    pinned = work.legs_touched()
    for person in range(work.asked.persons):
        lift = torch.zeros(work.asked.frames, 2, 3, dtype=torch.float64)
        for side, leg in enumerate(LEG_JOINTS):
            foot = torch.isin(skin.carrier, torch.tensor(leg[2:]))
            depth = -skin.points[person][:, foot, 2].amin(dim=1).double() - allowed_m
            lift[:, side, 2] = below_pins(smooth_envelope(depth.clamp(min=0)), pinned[person, :, side])
        _move_ankles(work, person, joints[person], lift)


def _meet(work: Work, rounds: int, exact_m: float) -> None:
    """Newton steps until all equations are met, or no step makes it better."""
    before = float("inf")
    for _ in range(rounds):
        rows = work.exact()
        off = float(rows.wanted.abs().max()) if len(rows.wanted) else 0.0
        # Out of reach: the arm is stretched, and pulling on would only turn the body.
        if off < exact_m or off > 0.98 * before:
            return
        before = off
        work.step(rows)


def _result(work: Work) -> Finished:
    rows = work.exact()
    motion = torch.stack([_features(work, person) for person in range(work.asked.persons)])
    motion = torch.where((work.there & ~work.given)[..., None], motion, work.original)
    off = rows.wanted
    worst = ("", 0.0)
    if len(off):
        index = int(off.abs().argmax())
        worst = (work.asked.rows.label[index], float(off[index].abs()))
    return Finished(motion, matrix_to_rotvec(work.rotations), work.trans, off, worst)


def _move_ankles(
    work: Work, person: int, joints: Float[Tensor, "frame 24 3"], shift: Float[Tensor, "frame 2 3"]
) -> None:
    turned = move_ankles(work.rotations[person], joints, shift)
    for side, leg in enumerate(LEG_JOINTS):
        # Legs that need not move stay as they are, whichever way their knees bend.
        moved = torch.nonzero((shift[:, side] != 0).any(-1))
        work.rotations[person, moved, leg[:3]] = turned[moved, leg[:3]]


def _features(work: Work, person: int) -> Tensor:
    poses = matrix_to_rotvec(work.rotations[person])
    label = torch.full((work.asked.frames,), -1)
    return encode_motion(poses, work.trans[person], label, work.asked.rest_joints[person])[:, :MOTION_FEATURES]


def _rest_heights(work: Work, person: int) -> tuple[float, ...]:
    return tuple(height / float(work.asked.ratio[person]) for height in REST_HEIGHTS)
