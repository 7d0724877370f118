"""A plan as the simulation needs it: the imitated motion of the right body, in place, and the furniture around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.clips.resample import frame_times, resample_positions, resample_rotations
from carescene.errors import UserError
from carescene.humans.anthropometry import body_from
from carescene.humans.body import Body
from carescene.humans.floor import find_soles, sole_heights
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.scenes import SceneObject, default_object, seat_surface
from carescene.simulation.situations.plan import Drift, Furniture, Plan, recorded_moments
from carescene.simulation.situations.references import Recording

FPS: Final = 20.0

# A quietly standing person's centre of pressure moves by some millimetres about twice in three seconds (Prieto et al.
# 1996); as an angle about the ankles that is under half a degree.
_SWAY_RAD: Final = 0.006
_SWAY_S: Final = (1.5, 2.7)
# The seat's front edge lies this far behind the knee joints.
_BEHIND_KNEE: Final = 0.09
# Flesh gives way under the weight: the seat lies this far above the lowest point of the free body.
_SINK: Final = 0.015
_SEATS: Final = {"chair": (0.38, 0.56), "wheelchair": (0.44, 0.56), "bed": (0.30, 0.80)}
# A seat may be this much higher or lower than the pose asks for; the body is lifted by the rest.
_SEAT_SLACK: Final = 0.10


@dataclass(frozen=True)
class Stage:
    """What the simulation starts from; the frame of the person at the onset, metres, z up, floor at z = 0.

    Attributes:
        poses, trans: the motion to imitate at 20 frames per second, drifts included.
        betas: the body.
        objects: furniture.
    """

    poses: Float[np.ndarray, "frame 24 3"]
    trans: Float[np.ndarray, "frame 3"]
    betas: Float[np.ndarray, "10"]
    objects: tuple[SceneObject, ...]


def stage(plan: Plan, recording: Recording, body: Body) -> Stage:
    """Carry the recorded motion over to the plan's body and place, and put the furniture there.

    Raises:
        UserError: the shape space has no such body, or the pose does not fit the furniture.
    """
    person = plan.person
    betas = body_from(age_years=person.age_years, height_m=person.height_m, weight_kg=person.weight_kg, sex=person.sex)
    rotations, trans = _played(plan, recording)
    with torch.no_grad():
        rest = body.rest_joints(betas).double().numpy()
        recorded = body.rest_joints(torch.from_numpy(recording.betas).float()).double().numpy()
        vertices = body.rest_vertices(betas).double().numpy()
    trans = trans * (_leg(rest) / _leg(recorded))
    onset = min(round(plan.onset_s * FPS), len(trans) - 1)
    rotations, trans = _turned(plan, rotations, trans, onset)
    joints, world = _joints(rotations, trans, rest)
    soles = find_soles(vertices, body.lbs_weights.double().numpy(), rest)
    if plan.posture != "lying":
        heights = sole_heights(joints, world, soles).min(axis=1)
        # Feet leave the floor but hardly sink into it: the low end of the heights is the floor.
        trans[:, 2] -= np.percentile(heights[: onset + 1], 10)
    lowest = _lowest(body, betas, rotations[onset], trans[onset], seated=plan.posture == "sitting")
    objects, lift = _furnish(plan, joints[onset], lowest)
    trans[:, 2] += lift
    if plan.imitation.hold:
        rotations, trans = _swaying(plan, rotations, trans, joints[onset])
    rotations, trans = _leaning(plan.imitation.drifts, rotations, trans)
    for drift in plan.imitation.drifts:
        rotations, trans = _drifted(drift, rotations, trans)
    poses = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3)
    return Stage(poses, trans, betas.double().numpy(), tuple(objects))


def _played(plan: Plan, recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and positions of the recording on the clip's clock; before its start and after its end it stands."""
    at = frame_times(plan.seconds - 1 / FPS, FPS)
    times = np.arange(len(recording.trans)) / recording.fps
    wanted = np.clip(recorded_moments(plan.imitation, plan.onset_s, at), 0.0, times[-1])
    rotations = rotvec_to_matrix(torch.from_numpy(recording.poses)).numpy()
    return resample_rotations(times, rotations, wanted), resample_positions(times, recording.trans, wanted)


def _leg(rest: Float[np.ndarray, "24 3"]) -> float:
    return float(np.linalg.norm(rest[1] - rest[4]) + np.linalg.norm(rest[4] - rest[7]))


def _turned(plan: Plan, rotations: np.ndarray, trans: np.ndarray, onset: int) -> tuple[np.ndarray, np.ndarray]:
    """The same motion with the onset at x = y = 0, facing +y (lying: with the feet towards +y)."""
    ahead = rotations[onset, 0] @ (np.array([0.0, -1.0, 0.0]) if plan.posture == "lying" else np.array([0.0, 0.0, 1.0]))
    turn = Rotation.from_euler("z", np.pi / 2 - np.arctan2(ahead[1], ahead[0])).as_matrix()
    rotations = rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    moved = (trans - trans[onset] * [1.0, 1.0, 0.0]) @ turn.T
    return rotations, moved


def _joints(rotations: np.ndarray, trans: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, world = forward_kinematics(torch.from_numpy(rotations), torch.from_numpy(trans), torch.from_numpy(rest))
    return joints.numpy(), world.numpy()


def _lowest(body: Body, betas: torch.Tensor, rotations: np.ndarray, trans: np.ndarray, *, seated: bool) -> float:
    """Height of the lowest point of the skin: of the pelvis and thighs of who sits, of the whole body of who lies."""
    poses = torch.from_numpy(Rotation.from_matrix(rotations).as_rotvec()).float()
    with torch.no_grad():
        vertices = body.pose(poses[None], torch.from_numpy(trans).float()[None], betas).vertices[0].numpy()
    if seated:
        vertices = vertices[body.lbs_weights.argmax(dim=1).numpy() == JOINT["pelvis"]]
    return float(vertices[:, 2].min())


def _furnish(plan: Plan, joints: Float[np.ndarray, "24 3"], lowest: float) -> tuple[list[SceneObject], float]:
    """Furniture of the plan, and how far the body must be lifted to rest on it."""
    objects, lift = [], 0.0
    for number, piece in enumerate(plan.furniture, start=1):
        name, params = f"{piece.kind}-{number}", dict(piece.params)
        y = piece.y
        if piece.holds and plan.posture == "sitting":
            key = "mattress_height_m" if piece.kind == "bed" else "seat_height_m"
            low, high = _SEATS[piece.kind]
            height = float(np.clip(lowest + _SINK, low, high))
            lift = height - lowest - _SINK
            if abs(lift) > _SEAT_SLACK:
                raise UserError(
                    f"Expected a {piece.kind} {low} to {high} m high under a seat at {lowest:.2f} m, but none fits. "
                    "Take another recording of sitting."
                )
            params[key] = round(height, 3)
            y += _seat_shift(piece, params, joints)
        elif piece.holds:
            lift = float(params["mattress_height_m"]) - lowest - _SINK
        objects.append(default_object(piece.kind, name, x=piece.x, y=y, yaw=piece.yaw, **params))  # pyright: ignore[reportArgumentType]
    return objects, lift


def _seat_shift(piece: Furniture, params: dict, joints: Float[np.ndarray, "24 3"]) -> float:
    """How far ahead of the pelvis the middle of the seat's box goes, so that its edge lies behind the knees."""
    knees = (joints[JOINT["left_knee"], 1] + joints[JOINT["right_knee"], 1]) / 2
    thing = default_object(piece.kind, "seat-1", x=0.0, y=0.0, yaw=piece.yaw, **params)
    side = "front" if piece.kind != "bed" else ("right" if piece.yaw > 0 else "left")
    surface = seat_surface(thing, side)
    cos, sin = np.cos(piece.yaw), np.sin(piece.yaw)
    front = sin * surface.front[0] + cos * surface.front[1]
    return float(knees - _BEHIND_KNEE - front)


def _swaying(plan: Plan, rotations: np.ndarray, trans: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(len(trans)) / FPS
    # The phase comes from the plan, so that the same plan always sways the same way.
    phase = 7.0 * plan.imitation.at_s
    angles = _SWAY_RAD * np.stack([np.sin(2 * np.pi * at / period + phase) for period in _SWAY_S], axis=-1)
    turns = Rotation.from_rotvec(np.pad(angles, ((0, 0), (0, 1)))).as_matrix()
    return _about(_feet(joints), turns, rotations, trans)


def _feet(joints: Float[np.ndarray, "24 3"]) -> Float[np.ndarray, "3"]:
    return (joints[JOINT["left_ankle"]] + joints[JOINT["right_ankle"]]) / 2 * np.array([1.0, 1.0, 0.0])


def _about(
    point: np.ndarray, turns: np.ndarray, rotations: np.ndarray, trans: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The whole body turned about a point (one, or one per frame), every frame by its own turn."""
    rotations = rotations.copy()
    rotations[:, 0] = turns @ rotations[:, 0]
    return rotations, point + np.einsum("tij,tj->ti", turns, trans - point)


def _share(drift: Drift, frames: int) -> Float[np.ndarray, "frame"]:
    """How much of a drift is done: a smooth step from 0 to 1."""
    share = np.clip((np.arange(frames) / FPS - drift.start_s) / drift.seconds, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def _leaning(drifts: Sequence[Drift], rotations: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The body leaning by the sum of all leans, about the floor below it."""
    total = np.zeros_like(trans)
    for drift in drifts:
        # Turning about z cross the direction tips the body that way.
        axis = np.cross([0.0, 0.0, 1.0], [*drift.towards, 0.0])
        total += _share(drift, len(trans))[:, None] * drift.lean * axis
    return _about(trans * [1.0, 1.0, 0.0], Rotation.from_rotvec(total).as_matrix(), rotations, trans)


def _drifted(drift: Drift, rotations: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The body shifted, lifted and rolled."""
    share, towards = _share(drift, len(trans)), np.array([*drift.towards, 0.0])
    if drift.roll:
        # The long axis of a lying body is y; a positive turn about it carries the upper side to +x.
        about = np.array([0.0, np.sign(drift.towards[0]), 0.0])
        rotations = rotations.copy()
        rotations[:, 0] = Rotation.from_rotvec(share[:, None] * drift.roll * about).as_matrix() @ rotations[:, 0]
    return rotations, trans + share[:, None] * (drift.shift * towards + np.array([0.0, 0.0, drift.lift]))
