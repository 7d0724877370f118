"""One cycle of somebody's recorded walk, closed into a loop: what `walk_along` repeats along a path."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT, NUM_JOINTS
from carescene.scenes.resting import clip_joints

# Adults take 0.8 to 1.4 s for two steps (Winter 2009).
_SHORTEST_S: Final = 0.8
_LONGEST_S: Final = 1.5
_SLOWEST: Final = 0.6  # metres per second
_STRAIGHT: Final = np.radians(12.0)
# Mean distance of joints between the two ends of a good loop, metres.
_CLOSED_M: Final = 0.05
# A foot on the floor: its ankle or ball is this slow (metres per second).
_STANDING: Final = 0.45
# Walking feet stand for more than half of the cycle; ankles are seen to for a little less.
_WALKED: Final = 0.42
_FEET: Final = (("left_ankle", "left_foot"), ("right_ankle", "right_foot"))


@dataclass(frozen=True)
class Gait:
    """A closed walking cycle in a frame that travels evenly along +x; metres, seconds.

    Attributes:
        rotations: local rotations, the pelvis' in the travelling frame.
        offset: pelvis less the even travel: forwards, to the left, height above the floor.
        stands: whether each foot (left, right) stands.
        speed: of the travel, metres per second.
        fps: frames per second of the cycle.
        leg: of the recorded body, pelvis joint to ankle in the rest pose, metres.
    """

    rotations: Float[np.ndarray, "frame 24 3 3"]
    offset: Float[np.ndarray, "frame 3"]
    stands: Bool[np.ndarray, "frame 2"]
    speed: float
    fps: float
    leg: float

    @property
    def seconds(self) -> float:
        """Of one cycle (two steps)."""
        return len(self.offset) / self.fps

    def at(
        self, phase: Float[np.ndarray, "some"]
    ) -> tuple[Float[np.ndarray, "some 24 3 3"], Float[np.ndarray, "some 3"], Bool[np.ndarray, "some 2"]]:
        """Rotations, offset and standing feet at phases (cycles; any number), between frames on the shortest arc."""
        count = len(self.offset)
        place = np.mod(phase, 1.0) * count
        first = np.floor(place).astype(int) % count
        share = place - np.floor(place)
        after = (first + 1) % count
        rotations = blend_rotations(self.rotations[first], self.rotations[after], share)
        offset = self.offset[first] + share[:, None] * (self.offset[after] - self.offset[first])
        return rotations, offset, self.stands[np.round(place).astype(int) % count]


def find_gait(clip: Clip, person: int = 0) -> Gait:
    """The best closed cycle of straight, even walking in a clip.

    Raises:
        UserError: if nobody walks two even steps straight ahead in it.
    """
    joints = clip_joints(clip)[person]
    shortest, longest = round(_SHORTEST_S * clip.fps), round(_LONGEST_S * clip.fps)
    best: tuple[float, int, int] | None = None
    for length in range(shortest, longest + 1):
        for start in range(2, len(joints) - length - 2, 2):
            cost = _loop_cost(joints, start, start + length, clip.fps)
            if cost is not None and (best is None or cost < best[0]):
                best = (cost, start, start + length)
    if best is None or best[0] > _CLOSED_M:
        raise UserError(
            f"Expected two even steps straight ahead in clip '{clip.id}', but found none. A gait is taken from them. "
            "Give a clip in which somebody walks on at one speed."
        )
    gait = _closed(clip, person, joints, best[1], best[2])
    if gait.stands.mean(axis=0).min() < _WALKED:
        raise UserError(
            f"Expected somebody to walk in clip '{clip.id}', but each foot stands for only "
            f"{100 * gait.stands.mean(axis=0).min():.0f} % of the cycle: a run. Give a walk."
        )
    return gait


def blend_rotations(
    start: Float[np.ndarray, "frame joint 3 3"],
    end: Float[np.ndarray, "frame joint 3 3"],
    share: Float[np.ndarray, "frame"],
) -> Float[np.ndarray, "frame joint 3 3"]:
    """Rotations on the shortest arc from `start` (share 0) to `end` (share 1)."""
    shape = start.shape
    first, last = (Rotation.from_matrix(r.reshape(-1, 3, 3)) for r in (start, end))
    step = (first.inv() * last).as_rotvec() * np.repeat(share, shape[1])[:, None]
    return (first * Rotation.from_rotvec(step)).as_matrix().reshape(shape)


def about_z(angle: Float[np.ndarray, "frame"]) -> Float[np.ndarray, "frame 3 3"]:
    """Rotations about the vertical."""
    return Rotation.from_rotvec(np.stack([0 * angle, 0 * angle, angle], axis=1)).as_matrix()


def _loop_cost(joints: np.ndarray, start: int, end: int, fps: float) -> float | None:
    """Mean distance of joints at both ends, metres, with half a frame of their velocity; None for curves and stops."""
    pelvis = joints[start : end + 1, 0, :2]
    step = np.diff(pelvis, axis=0)
    speed = np.linalg.norm(step, axis=1) * fps
    travel = pelvis[-1] - pelvis[0]
    if np.linalg.norm(travel) * fps / (end - start) < _SLOWEST or speed.std() > 0.25 * speed.mean():
        return None
    half = len(step) // 2
    turns = [np.arctan2(part[1], part[0]) for part in (step[:half].sum(axis=0), step[half:].sum(axis=0))]
    if abs(np.remainder(turns[1] - turns[0] + np.pi, 2 * np.pi) - np.pi) > _STRAIGHT:
        return None
    facing = joints[[start, end], JOINT["left_hip"], :2] - joints[[start, end], JOINT["right_hip"], :2]
    ahead = np.stack([facing[:, 1], -facing[:, 0]], axis=1).mean(axis=0)
    if ahead @ travel < 0.85 * np.linalg.norm(ahead) * np.linalg.norm(travel):
        return None  # sideways or backwards
    first, last = (joints[frame] - np.append(joints[frame, 0, :2], 0.0) for frame in (start, end))
    before, after = (
        (joints[frame + 1] - joints[frame]) - (joints[frame + 1, :1] - joints[frame, :1]) for frame in (start, end)
    )
    return float(np.linalg.norm(first - last, axis=-1).mean() + 0.5 * np.linalg.norm(before - after, axis=-1).mean())


def _closed(clip: Clip, person: int, joints: np.ndarray, start: int, end: int) -> Gait:
    travel = joints[end, 0, :2] - joints[start, 0, :2]
    angle, count = float(np.arctan2(travel[1], travel[0])), end - start
    local = Rotation.from_rotvec(clip.poses[person, start : end + 1].reshape(-1, 3).astype(np.float64)).as_matrix()
    local = local.reshape(-1, NUM_JOINTS, 3, 3)
    local[:, 0] = about_z(np.array([-angle]))[0] @ local[:, 0]
    # What is left open between both ends is shared out over the cycle.
    share = np.arange(count) / count
    closing = local[:1] @ np.swapaxes(local[-1:], -1, -2)
    target = np.broadcast_to(closing, local[:-1].shape) @ local[:-1]
    rotations = blend_rotations(local[:-1], target, share)
    moved = joints[start : end + 1, 0] - np.append(joints[start, 0, :2], 0.0)
    cos, sin = np.cos(angle), np.sin(angle)
    forward, left = moved[:, 0] * cos + moved[:, 1] * sin, moved[:, 1] * cos - moved[:, 0] * sin
    offset = np.stack([forward, left, moved[:, 2]], axis=1)
    drift = (offset[-1] - offset[0]) / count
    speed = float(drift[0] * clip.fps)
    offset = offset[:-1] - np.arange(count)[:, None] * drift
    offset[:, :2] -= offset[:, :2].mean(axis=0)
    velocity = np.linalg.norm(np.gradient(joints, axis=0), axis=-1) * clip.fps
    stands = np.stack(
        [np.minimum(*(velocity[start:end, JOINT[name]] for name in foot)) < _STANDING for foot in _FEET], axis=1
    )
    rest = joints[start]
    bones = (("pelvis", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"))
    leg = sum(float(np.linalg.norm(rest[JOINT[b]] - rest[JOINT[a]])) for a, b in bones[1:])
    return Gait(rotations, offset, stands, speed, float(clip.fps), leg)
