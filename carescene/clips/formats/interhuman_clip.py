"""InterHuman's pairs as clips and back: the rotations that the files leave out, bodies, one floor, another frame rate.

Joint angles of the clip are InterHuman's own. The pelvis' rotation, which the files lack, follows from the bones
(`carescene.humans.root_from_joints`); so does each person's skeleton, on which everything can be written back without
loss. The clip itself lives on the nearest shape of the free body.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip, PersonInfo, Source
from carescene.clips.formats.interhuman import PAIR_FPS, Floor, decode_pair, encode_pair
from carescene.clips.formats.interhuman_files import PairRecording
from carescene.clips.resample import frame_times, resample_positions, resample_rotations
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.floor import estimate_floor, find_soles, sole_heights, stance_heights
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.root_from_joints import root_from_joints
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT, MODEL_JOINTS, NUM_JOINTS, PARENTS

INTERHUMAN_LICENCE: Final = "CC BY-NC-SA 4.0"
CLIP_FPS: Final = 20.0

# An error of a bone weighs as much as one standard deviation of shape: keeps bodies ordinary, and bones to millimetres.
_BONE_NOISE_M: Final = 0.002
_WIDEST_SHAPE: Final = 2.5
# Rotations that belong to the joints explain the bones to less than a millimetre; this is nobody's rounding.
_UNEXPLAINED_M: Final = 0.02


@dataclass(frozen=True)
class SolvedPair:
    """Both people with all rotations, on their own bones.

    Attributes:
        rotations: of all 24 joints, the pelvis' in the z-up world, the others relative to their parents.
        trans: pelvis in the world, metres.
        rest: each person's own rest joints (y up), metres; hands as the reference body's.
    """

    rotations: Float[np.ndarray, "person frame 24 3 3"]
    trans: Float[np.ndarray, "person frame 3"]
    rest: Float[np.ndarray, "person 24 3"]


def solve_pair(
    name: str,
    positions: Float[np.ndarray, "person frame 22 3"],
    rotations: Float[np.ndarray, "person frame 21 3 3"],
) -> SolvedPair:
    """Pelvis rotations and bones of both people.

    Args:
        name: of the clip, for the message.
        positions: joints in one z-up world, metres.
        rotations: of joints 1 to 21 relative to their parents.

    Raises:
        UserError: if the rotations are not those of these joints (they explain the bones to worse than 2 cm).
    """
    reference = _reference()
    persons, frames = positions.shape[:2]
    full = np.tile(np.eye(3), (persons, frames, NUM_JOINTS, 1, 1))
    full[:, :, 1:MODEL_JOINTS] = rotations
    rest = np.zeros((persons, NUM_JOINTS, 3))
    for person in range(persons):
        full[person, :, 0], bones, error = root_from_joints(positions[person], rotations[person], reference)
        if error.mean() > _UNEXPLAINED_M:
            raise UserError(
                f"Expected rotations in '{name}' that belong to its joints, but for person {person + 1} they miss the "
                f"bones by {error.mean() * 100:.1f} cm. The rotations are of another kind or order; take "
                "InterHuman's own files."
            )
        rest[person] = _rest_of(bones, reference)
    return SolvedPair(full, positions[:, :, 0].copy(), rest)


def pair_to_clip(recording: PairRecording, fps: float | int = CLIP_FPS) -> Clip:
    """Both people as one clip: same joint angles, nearest bodies, one floor under both.

    The floor is where the soles of whoever stands are, of both people together; the clip has the recording's own
    directions and places. Heights of the pelvis follow the length of the legs, so that both stand on the floor.

    Args:
        recording: two people at 30 frames per second.
        fps: of the clip, resampled by time.

    Raises:
        UserError: rotations that do not belong to the joints.
    """
    solved = solve_pair(recording.name, recording.positions, recording.rotations)
    times = np.arange(solved.trans.shape[1]) / PAIR_FPS
    at = frame_times(float(times[-1]), float(fps))
    betas = np.stack([fit_betas(rest) for rest in solved.rest])
    lowest = recording.positions[..., 2].min()
    poses, trans, heights, soles_low = [], [], [], []
    for person in range(len(betas)):
        rest = _rest_joints(betas[person])
        rotations = resample_rotations(times, solved.rotations[person], at)
        place = resample_positions(times, solved.trans[person], at)
        place[:, 2] = lowest + (place[:, 2] - lowest) * _legs(rest) / _legs(solved.rest[person])
        joints, world = _pose(rotations, place, rest)
        soles = find_soles(_rest_vertices(betas[person]), _weights(), rest)
        heights.append(stance_heights(joints, world, soles, float(fps)))
        soles_low.append(float(sole_heights(joints, world, soles).min()))
        poses.append(Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec().reshape(-1, NUM_JOINTS, 3))
        trans.append(place)
    floor, _ = estimate_floor(np.concatenate(heights), float(fps), usual=min(soles_low), tolerance=np.inf)
    moved = np.stack(trans) - np.array([0.0, 0.0, floor])
    persons, frames = moved.shape[:2]
    return Clip(
        id=recording.name,
        fps=float(fps),
        poses=np.stack(poses).astype(np.float32),
        trans=moved.astype(np.float32),
        betas=betas.astype(np.float32),
        frame_label=np.full((persons, frames), -1, dtype=np.int8),
        valid=np.ones((persons, frames), dtype=bool),
        text=list(recording.texts),
        persons=[PersonInfo() for _ in range(persons)],
        attributes={"class": "interaction"},
        source=Source("InterHuman", INTERHUMAN_LICENCE, recording.name),
    )


def clip_to_pair(clip: Clip, rest: Float[np.ndarray, "2 24 3"] | None = None, floor: Floor = "pair") -> np.ndarray:
    """InterHuman's 262 numbers of a clip of two people, `(2, frame, 262)`, at 30 frames per second.

    Args:
        clip: two people who are there in all frames.
        rest: their skeletons, such as `SolvedPair.rest`; None for the free body in the clip's shapes.
        floor: see `interhuman.to_pair_frame`.

    Raises:
        UserError: another number of people, or somebody who is away in some frame.
    """
    if clip.num_persons != 2 or not clip.valid.all():
        away = f" who are away in {int((~clip.valid).sum())} frames" if not clip.valid.all() else ""
        raise UserError(
            f"Clip '{clip.id}': expected two people in all frames, but got {clip.num_persons}{away}. InterHuman's "
            "layout knows pairs only; choose other clips or cut them."
        )
    rest = np.stack([_rest_joints(betas) for betas in clip.betas]) if rest is None else rest
    rotations = rotvec_to_matrix(torch.from_numpy(clip.poses.astype(np.float64))).numpy()
    times = np.arange(clip.num_frames) / clip.fps
    at = frame_times(float(times[-1]), float(PAIR_FPS))
    positions, locals_ = [], []
    for person in range(2):
        turned = resample_rotations(times, rotations[person], at)
        place = resample_positions(times, clip.trans[person].astype(np.float64), at)
        joints, _ = _pose(turned, place, rest[person])
        positions.append(joints[:, :MODEL_JOINTS])
        locals_.append(turned[:, 1:MODEL_JOINTS])
    return encode_pair(np.stack(positions), np.stack(locals_), floor)


def features_to_clip(
    name: str, features: Float[np.ndarray, "2 frame 262"], texts: list[str], fps: float | int = CLIP_FPS
) -> Clip:
    """A clip of InterHuman's numbers, not normalised, such as a model trained on them makes.

    Raises:
        UserError: rotations that do not belong to the joints.
    """
    positions, rotations = decode_pair(features)
    return pair_to_clip(PairRecording(name, positions, rotations, texts), fps)


def fit_betas(rest: Float[np.ndarray, "24 3"]) -> Float[np.ndarray, "10"]:
    """Shape of the free body whose bones are nearest to a skeleton's, least squares with a weak normal prior."""
    mean, change = _shape_of_bones()
    bones = (rest[1:MODEL_JOINTS] - rest[list(PARENTS[1:MODEL_JOINTS])]).ravel()
    system = np.concatenate((change / _BONE_NOISE_M, np.eye(change.shape[1]) * 0.05))
    target = np.concatenate(((bones - mean) / _BONE_NOISE_M, np.zeros(change.shape[1])))
    return lsq_linear(system, target, bounds=(-_WIDEST_SHAPE, _WIDEST_SHAPE)).x


def _rest_of(bones: np.ndarray, reference: np.ndarray) -> np.ndarray:
    rest = reference.copy()
    for joint in range(1, NUM_JOINTS):
        parent = PARENTS[joint]
        step = bones[joint] if joint < MODEL_JOINTS else reference[joint] - reference[parent]
        rest[joint] = rest[parent] + step
    return rest


def _pose(rotations: np.ndarray, trans: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, world = forward_kinematics(torch.from_numpy(rotations), torch.from_numpy(trans), torch.from_numpy(rest))
    return joints.numpy(), world.numpy()


def _legs(rest: np.ndarray) -> float:
    """Pelvis over the balls of the feet, metres, straight legs."""
    return float(rest[0, 1] - rest[[JOINT["left_foot"], JOINT["right_foot"]], 1].mean())


@cache
def _reference() -> np.ndarray:
    return _rest_joints(np.zeros(10))


def _rest_joints(betas: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return _body().rest_joints(torch.from_numpy(np.asarray(betas)).float()).double().numpy()


def _rest_vertices(betas: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return _body().rest_vertices(torch.from_numpy(np.asarray(betas)).float()).double().numpy()


@cache
def _weights() -> np.ndarray:
    return _body().lbs_weights.double().numpy()


@cache
def _shape_of_bones() -> tuple[np.ndarray, np.ndarray]:
    """Bones `(63,)` at betas 0 and what each beta adds, `(63, 10)`: joints are linear in betas."""
    parents = list(PARENTS[1:MODEL_JOINTS])
    joints = np.stack([_reference(), *(_rest_joints(one) for one in np.eye(10))])
    bones = (joints[:, 1:MODEL_JOINTS] - joints[:, parents]).reshape(11, -1)
    return bones[0], (bones[1:] - bones[0]).T


_body = cache(load_body)
