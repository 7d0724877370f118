"""Finishing of a sampled clip: clean-up that keeps every constraint, on each person's own body.

The network samples the path and the rotations as separate numbers for a reference body; what is decoded has sliding
feet, joints that miss their targets by centimetres, and skin in the mattress. In this order: jitter is smoothed, whole
poses are met, standing feet are held by a shift of the body that rests where the path is asked for, what is missing of
each target and what is too deep in things is moved by all joints together, the legs take up what is left of the
sliding, and targets are met to a thousandth of a millimetre. All corrections are smooth in time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.evaluation.people_contact import capsule_radii
from carescene.evaluation.physics import REST_HEIGHTS
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skeleton import JOINT, MODEL_JOINTS
from carescene.humans.skin_points import SkinPoints, load_skin_points
from carescene.scenes.scene import Scene
from diffusion.cleanup import CUTOFF_HZ, ankle_shift, hold_feet, low_pass
from diffusion.leg_ik import move_ankles
from diffusion.representation import BODY, MOTION_FEATURES, TRANS, encode_motion, features_to_rotations
from diffusion.steering.body_rows import BodyRows, apply_moves, exact_rows, solve_rows
from diffusion.steering.contact_rows import Skin, people_rows, room_rows
from diffusion.steering.metric import GROUPS, HEIGHT, PATH, Metric, time_kernels
from diffusion.steering.rows import ClipConstraints
from diffusion.steering.tangent import Posture

# Corrections of finished motion: the path hardly moves, because feet stand; poses turn within a third of a second.
FINISHING_METRIC: Final = Metric(path_speed=0.05, path_start=0.05, height=0.02, turn=0.5)
_LEG_JOINTS: Final = tuple(
    tuple(JOINT[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot")) for side in ("left", "right")
)
# How far (metres per frame) a lifted foot goes down towards a frame in which it must not be lifted.
_DESCENT: Final = 0.01


@dataclass(frozen=True)
class FinishConfig:
    """How to finish.

    Attributes:
        metric: which corrections are likely.
        cutoff_hz: smoothing of jitter, see `diffusion.cleanup`; None leaves it.
        hold: hold standing feet in place.
        plant_rounds: times the legs take up what is left of sliding; once, as unconstrained motion has it, leaves 1.7
            times the sliding where 5 path points are asked for, three times as much as without constraints.
        contact_rounds: steps out of furniture, floor and people.
        exact_rounds: at most so many Newton steps onto the targets; each squares what is missing.
        allowed_m: depth of skin in things that is left, because both give way.
        exact_m: what counts as met.
    """

    metric: Metric = FINISHING_METRIC
    cutoff_hz: float | None = CUTOFF_HZ
    hold: bool = True
    plant_rounds: int = 3
    contact_rounds: int = 3
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
    work = _Work(motion[: asked.persons, : asked.frames], asked, there, given, config)
    if config.cutoff_hz is not None and asked.frames >= 4:
        work.smooth(config.cutoff_hz)
    work.meet_poses()
    if config.hold and asked.frames >= 4:
        work.hold()
    work.meet(config.exact_rounds)
    shapes = torch.zeros(asked.persons, 10) if betas is None else betas[: asked.persons].cpu()
    skin = skin or load_skin_points()
    if config.contact_rounds and (scene is not None or asked.persons > 1):
        work.move_out(scene, shapes, skin)
    if config.hold and asked.frames >= 4:
        for _ in range(config.plant_rounds):
            work.plant()
        work.clear_floor(shapes, skin)
    work.meet(config.exact_rounds)
    return work.result()


class _Work:
    """Bodies of one clip while they are finished, in float64."""

    def __init__(
        self, motion: Tensor, asked: ClipConstraints, there: Tensor | None, given: Tensor | None, config: FinishConfig
    ) -> None:
        self.asked, self.config, fps = asked, config, asked.fps
        size = (asked.persons, asked.frames)
        self.there = torch.ones(size, dtype=torch.bool) if there is None else there[: size[0], : size[1]].cpu()
        self.given = torch.zeros(size, dtype=torch.bool) if given is None else given[: size[0], : size[1]].cpu()
        features = _fill_absent(motion.detach().double().cpu(), self.there)
        self.original = features
        self.rotations = features_to_rotations(features)
        self.trans = features[..., TRANS] * torch.tensor([1.0, 1.0, 0.0]).double()
        self.trans[..., 2] = features[..., 2] / asked.ratio[:, None]
        reference = reference_rest_joints().double()
        self.rest = torch.stack([reference if body is None else body.double() for body in asked.rest_joints])
        self.is_key = torch.zeros(size, dtype=torch.bool)
        self.is_key[asked.pose_at[:, 0], asked.pose_at[:, 1]] = True
        fixed = self.is_key | self.given
        known = [torch.nonzero(row)[:, 0].tolist() for row in fixed]
        kernels = [time_kernels(config.metric, asked.frames, fps, frames) for frames in known]
        self.known = [torch.tensor(frames, dtype=torch.long) for frames in known]
        self.kernel = torch.stack([kernel for kernel, _ in kernels])
        self.reach = [reach for _, reach in kernels]
        self.variance = config.metric.variances(0.0)

    def joints(self) -> Float[Tensor, "person frame 24 3"]:
        return forward_kinematics(self.rotations, self.trans, self.rest[:, None])[0]

    def posture(self) -> Posture:
        return Posture.of(self.rotations, self.trans, self.rest[:, None])

    def smooth(self, cutoff_hz: float) -> None:
        for person, features in enumerate(self.original):
            smooth = low_pass(features[:, : BODY.stop], self.asked.fps, cutoff_hz)
            smooth = torch.cat((smooth, features[:, BODY.stop :]), dim=-1)
            free = ~self.given[person]
            self.rotations[person, free] = features_to_rotations(smooth)[free]
            height = smooth[:, 2:3] / self.asked.ratio[person]
            self.trans[person, free] = torch.cat((smooth[:, :2], height), dim=-1)[free]

    def meet_poses(self) -> None:
        """Turn and shift to the keyframes; what changes in them fades over time."""
        at, poses = self.asked.pose_at, self.asked.poses
        for person in at[:, 0].unique().tolist():
            own = at[:, 0] == person
            frames = at[own, 1]
            turns, places = rotvec_to_matrix(poses[own, :24]), poses[own, 24]
            # A given frame changes nothing; a keyframe changes by what is missing.
            where = torch.searchsorted(self.known[person], frames)
            turn = torch.zeros(len(self.known[person]), 24, 3, dtype=torch.float64)
            turn[where] = matrix_to_rotvec(self.rotations[person, frames].transpose(-1, -2) @ turns)
            shift = torch.zeros(len(self.known[person]), 3, dtype=torch.float64)
            shift[where] = places - self.trans[person, frames]
            pose = self.reach[person][max(GROUPS)]
            turn = rotvec_to_matrix((pose @ turn.flatten(1)).unflatten(1, (24, 3)))
            self.rotations[person] = self.rotations[person] @ turn
            path, height = self.reach[person][PATH] @ shift[:, :2], self.reach[person][HEIGHT] @ shift[:, 2:]
            self.trans[person] += torch.cat((path, height), dim=-1)

    def hold(self) -> None:
        """Shift bodies so that standing feet stand, except where a constraint or a given frame says where they are."""
        pinned = self._touched()
        joints = self.joints()
        for person in range(self.asked.persons):
            rests = self._rest_heights(person)
            shift = hold_feet(joints[person], self.asked.fps, rest_heights=rests, pinned=pinned[person])
            self.trans[person] += shift

    def plant(self) -> None:
        """Move ankles so that standing feet stand still, except in frames that say where the leg is."""
        pinned = self._legs_touched()
        joints = self.joints()
        for person in range(self.asked.persons):
            rests = self._rest_heights(person)
            shift = ankle_shift(joints[person], self.asked.fps, rest_heights=rests, pinned=pinned[person])
            self._move_ankles(person, joints[person], shift)

    def clear_floor(self, betas: Float[Tensor, "person 10"], model: SkinPoints) -> None:
        """Lift feet whose soles are below the floor: toes reach deeper than the balls that stand on it."""
        skin = Skin.of(model, self.rotations, self.trans, betas)
        joints = self.joints()
        pinned = self._legs_touched()
        for person in range(self.asked.persons):
            lift = torch.zeros(self.asked.frames, 2, 3, dtype=torch.float64)
            for side, leg in enumerate(_LEG_JOINTS):
                foot = torch.isin(skin.carrier, torch.tensor(leg[2:]))
                depth = -skin.points[person][:, foot, 2].amin(dim=1).double() - self.config.allowed_m
                lift[:, side, 2] = _smooth_envelope(depth.clamp(min=0), pinned[person, :, side])
            self._move_ankles(person, joints[person], lift)

    def meet(self, rounds: int) -> None:
        """Newton steps until all equations are met, or no step makes it better."""
        before = float("inf")
        for _ in range(rounds):
            rows = self._exact()
            off = float(rows.wanted.abs().max()) if len(rows.wanted) else 0.0
            # Out of reach: the arm is stretched, and pulling on would only turn the body.
            if off < self.config.exact_m or off > 0.98 * before:
                return
            before = off
            self._step(rows)

    def move_out(self, scene: Scene | None, betas: Float[Tensor, "person 10"], model: SkinPoints) -> None:
        """Steps out of things and people that keep the equations."""
        radii = [capsule_radii(np.asarray(shape, np.float32), model) for shape in betas]
        allowed = self.config.allowed_m
        for _ in range(self.config.contact_rounds):
            skin = Skin.of(model, self.rotations, self.trans, betas)
            joints = self.joints()
            parts = people_rows(skin, joints, radii, self.there, allowed_m=allowed)
            if scene is not None:
                parts += room_rows(skin, joints, scene, self.there, allowed_m=allowed)
            if not parts:
                return
            self._step(BodyRows.join([self._exact(), *parts]))

    def result(self) -> Finished:
        rows = self._exact()
        motion = torch.stack([self._features(person) for person in range(self.asked.persons)])
        motion = torch.where((self.there & ~self.given)[..., None], motion, self.original)
        off = rows.wanted
        worst = ("", 0.0)
        if len(off):
            index = int(off.abs().argmax())
            worst = (self.asked.rows.label[index], float(off[index].abs()))
        return Finished(motion, matrix_to_rotvec(self.rotations), self.trans, off, worst)

    def _move_ankles(self, person: int, joints: Float[Tensor, "frame 24 3"], shift: Float[Tensor, "frame 2 3"]) -> None:
        turned = move_ankles(self.rotations[person], joints, shift)
        for side, leg in enumerate(_LEG_JOINTS):
            # Legs that need not move stay as they are, whichever way their knees bend.
            moved = torch.nonzero((shift[:, side] != 0).any(-1))
            self.rotations[person, moved, leg[:3]] = turned[moved, leg[:3]]

    def _features(self, person: int) -> Tensor:
        poses = matrix_to_rotvec(self.rotations[person])
        label = torch.full((self.asked.frames,), -1)
        return encode_motion(poses, self.trans[person], label, self.asked.rest_joints[person])[:, :MOTION_FEATURES]

    def _exact(self) -> BodyRows:
        return exact_rows(self.asked.rows, self.joints()[..., :MODEL_JOINTS, :])

    def _step(self, rows: BodyRows) -> None:
        move = solve_rows(rows, self.posture(), self.kernel, self.variance)
        self.rotations, self.trans = apply_moves(self.rotations, self.trans, move)

    def _rest_heights(self, person: int) -> tuple[float, ...]:
        return tuple(height / float(self.asked.ratio[person]) for height in REST_HEIGHTS)

    def _touched(self) -> Bool[Tensor, "person frame 2"]:
        """Frames in which a constraint says where the pelvis is, horizontally and vertically."""
        rows = self.asked.rows
        fixed = self.is_key | self.given
        touched = torch.stack((fixed, fixed), dim=-1)
        pelvis = rows.joint == 0
        touched[rows.person[pelvis], rows.frame[pelvis], (rows.axis[pelvis] == 2).long()] = True
        return touched

    def _legs_touched(self) -> Bool[Tensor, "person frame 2"]:
        rows = self.asked.rows
        fixed = self.is_key | self.given
        touched = torch.stack((fixed, fixed), dim=-1)
        for side, leg in enumerate(_LEG_JOINTS):
            on = torch.isin(rows.joint, torch.tensor(leg[1:]))
            touched[rows.person[on], rows.frame[on], side] = True
        return touched


def _smooth_envelope(lift: Float[Tensor, "frame"], pinned: Bool[Tensor, "frame"]) -> Float[Tensor, "frame"]:
    """A smooth curve nowhere below `lift`, except next to pinned frames, to which it goes down at 0.2 m/s."""
    wide = torch.nn.functional.max_pool1d(lift[None, None], 5, stride=1, padding=2)
    smooth = torch.nn.functional.avg_pool1d(wide, 3, stride=1, padding=1, count_include_pad=False)[0, 0]
    pins = torch.nonzero(pinned)[:, 0]
    if not len(pins):
        return smooth
    gap = (torch.arange(len(lift))[:, None] - pins).abs().amin(dim=1)
    return torch.minimum(smooth, _DESCENT * gap.to(smooth))


def _fill_absent(features: Tensor, there: Bool[Tensor, "person frame"]) -> Tensor:
    """Frames without a person hold the nearest one with, so that nothing is posed from zeros."""
    features = features.clone()
    for person, present in enumerate(there):
        frames = torch.nonzero(present)[:, 0]
        if len(frames) and not bool(present.all()):
            nearest = (torch.arange(len(present))[:, None] - frames).abs().argmin(dim=1)
            features[person] = features[person, frames[nearest]]
    return features
