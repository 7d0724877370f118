"""Between clips (axis-angle per SMPL joint) and the simulated person's coordinates (`qpos`, `qvel`)."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import NUM_JOINTS
from carescene.simulation.humanoid import Humanoid

# Of the angles of three hinges b is the middle one; below this cosine the two others are not told apart.
_SINGULAR = 1e-9


def to_qpos(
    humanoid: Humanoid, poses: Float[np.ndarray, "frame 24 3"], trans: Float[np.ndarray, "frame 3"]
) -> Float[np.ndarray, "frame nq"]:
    """The person's coordinates in frames of a clip (radians, metres); the hands' own pose (joints 22, 23) is left out.

    Angles run on smoothly from frame to frame, also past pi, and quaternions keep their sign, so that both can be
    interpolated. The inverse is `from_qpos`.
    """
    frames = len(poses)
    matrices = (
        Rotation.from_rotvec(poses.astype(np.float64).reshape(-1, 3)).as_matrix().reshape(frames, NUM_JOINTS, 3, 3)
    )
    qpos = np.zeros((frames, humanoid.model.nq))
    qpos[:, :3] = trans
    qpos[:, 3:7] = _smooth_quaternions(matrices[:, 0])
    angles = np.unwrap(_hinge_angles(matrices[:, humanoid.hinges], humanoid.hinge_axes), axis=0)
    qpos[:, humanoid.hinge_qpos[:, None] + np.arange(3)] = angles
    for joint, start, middle in zip(humanoid.balls, humanoid.ball_qpos, humanoid.ball_middle, strict=True):
        qpos[:, start : start + 4] = _smooth_quaternions(middle.T @ matrices[:, joint])
    return qpos


def from_qpos(
    humanoid: Humanoid, qpos: Float[np.ndarray, "frame nq"]
) -> tuple[Float[np.ndarray, "frame 24 3"], Float[np.ndarray, "frame 3"]]:
    """Axis-angle poses and pelvis positions in frames of a simulation (radians, metres); the hands lie in line."""
    frames = len(qpos)
    poses = np.zeros((frames, NUM_JOINTS, 3))
    poses[:, 0] = _from_quaternion(qpos[:, 3:7]).as_rotvec()
    angles = qpos[:, humanoid.hinge_qpos[:, None] + np.arange(3)]
    turns = [
        Rotation.from_rotvec((angles[..., k, None] * np.eye(3)[humanoid.hinge_axes[:, k]]).reshape(-1, 3))
        for k in range(3)
    ]
    poses[:, humanoid.hinges] = (turns[0] * turns[1] * turns[2]).as_rotvec().reshape(frames, -1, 3)
    for joint, start, middle in zip(humanoid.balls, humanoid.ball_qpos, humanoid.ball_middle, strict=True):
        turn = Rotation.from_matrix(middle) * _from_quaternion(qpos[:, start : start + 4])
        poses[:, joint] = turn.as_rotvec()
    return poses, qpos[:, :3].copy()


def to_qvel(humanoid: Humanoid, qpos: Float[np.ndarray, "frame nq"], fps: float | int) -> Float[np.ndarray, "frame nv"]:
    """Velocities of the coordinates by central differences (metres and radians per second), one-sided at the ends.

    Rotations of the pelvis and of balls are measured in their own frame, as MuJoCo wants them. One frame has none.
    """
    frames = len(qpos)
    qvel = np.zeros((frames, humanoid.model.nv))
    if frames == 1:
        return qvel
    before, after = np.maximum(np.arange(frames) - 1, 0), np.minimum(np.arange(frames) + 1, frames - 1)
    seconds = ((after - before) / fps)[:, None]
    qvel[:, :3] = (qpos[after, :3] - qpos[before, :3]) / seconds
    columns, dofs = humanoid.hinge_qpos[:, None] + np.arange(3), humanoid.hinge_dof[:, None] + np.arange(3)
    qvel[:, dofs.ravel()] = (qpos[after][:, columns.ravel()] - qpos[before][:, columns.ravel()]) / seconds
    for start, dof in ((3, 3), *zip(humanoid.ball_qpos, humanoid.ball_dof, strict=True)):
        first, last = (_from_quaternion(qpos[rows, start : start + 4]) for rows in (before, after))
        qvel[:, dof : dof + 3] = (first.inv() * last).as_rotvec() / seconds
    return qvel


def resample_qpos(
    humanoid: Humanoid, qpos: Float[np.ndarray, "frame nq"], fps: float | int, times: Float[np.ndarray, "time"]
) -> Float[np.ndarray, "time nq"]:
    """Coordinates at any times in seconds, by Catmull-Rom curves through the frames; the last frame holds on after it.

    Quaternions are interpolated by component and made unit length again: between frames 0.05 s apart a person turns
    too little to tell that from the shortest arc.
    """
    last = len(qpos) - 1
    position = np.clip(np.asarray(times) * fps, 0, last)
    index = np.minimum(position.astype(int), max(last - 1, 0))
    part = (position - index)[:, None]
    before, start, end, after = (qpos[np.clip(index + step, 0, last)] for step in (-1, 0, 1, 2))
    # At both ends the neighbour that is missing lies on the straight line.
    before = np.where((index == 0)[:, None], 2 * start - end, before)
    after = np.where((index + 1 >= last)[:, None], 2 * end - start, after)
    out = start + 0.5 * part * (
        end - before + part * (2 * before - 5 * start + 4 * end - after + part * (3 * (start - end) + after - before))
    )
    for first in (3, *humanoid.ball_qpos):
        out[:, first : first + 4] /= np.linalg.norm(out[:, first : first + 4], axis=1, keepdims=True)
    return out


def _hinge_angles(
    matrices: Float[np.ndarray, "frame hinge 3 3"], axes: "np.ndarray"
) -> Float[np.ndarray, "frame hinge 3"]:
    """Angles of three turns about coordinate axes, outermost first, whose product each matrix is."""
    first, middle, last = axes.T
    joint = np.arange(len(axes))
    sign = np.where((middle - first) % 3 == 1, 1.0, -1.0)
    entry = lambda row, column: matrices[:, joint, row, column]  # noqa: E731
    sine = np.clip(sign * entry(first, last), -1, 1)
    cosine = np.hypot(entry(first, first), entry(first, middle))
    b = np.arctan2(sine, cosine)
    a = np.arctan2(-sign * entry(middle, last), entry(last, last))
    c = np.arctan2(-sign * entry(first, middle), entry(first, first))
    singular = cosine < _SINGULAR
    a = np.where(singular, np.arctan2(sign * entry(last, middle), entry(middle, middle)), a)
    c = np.where(singular, 0.0, c)
    return np.stack((a, b, c), axis=-1)


def _smooth_quaternions(matrices: Float[np.ndarray, "frame 3 3"]) -> Float[np.ndarray, "frame 4"]:
    quaternions = np.roll(Rotation.from_matrix(matrices).as_quat(), 1, axis=1)
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(1))
    flips[flips == 0] = 1
    return quaternions * np.concatenate(([1.0], np.cumprod(flips)))[:, None]


def _from_quaternion(quaternions: Float[np.ndarray, "frame 4"]) -> Rotation:
    return Rotation.from_quat(np.roll(quaternions, -1, axis=1))
