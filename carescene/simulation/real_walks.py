"""Recorded walks put on another body, with hands that hold something, and joined to what somebody did before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.simulation.anatomy import SIDES, Anatomy, measure_body
from carescene.simulation.keyframing import FPS
from carescene.simulation.pose_solver import PointTargets, kinematics, solve_poses
from carescene.simulation.postures import Solved, point_carriers, point_rows
from carescene.simulation.surfaces import floor

# Walks of everyday styles; dances, giants and zombies do not walk on wards.
_ACTIONS: Final = ("walk", "walk-turn-left", "walk-turn-right", "walk_turn_left", "walk_turn_right", "walk_about")
_OLD_STYLES: Final = ("elderly", "old", "exhausted", "tired", "sad", "not-confident")
_STYLES: Final = ("normal", "feminine", "masculine", "youthful", "active")
# A trunk leads its hands smoothly: steps shake the pelvis, not what is pushed.
_SMOOTH_S: Final = 0.4
# A foot is off the ground of its first place once it has gone this far, metres.
_FIRST_STEP_M: Final = 0.30


@dataclass(frozen=True)
class Walk:
    """A recorded walk on one body: local rotations, pelvis, OmniFall label of each frame, and where it comes from."""

    motion: Solved
    labels: list[str]
    source: str
    action: str

    def first(self, frames: int) -> "Walk":
        """The walk cut after so many frames."""
        return Walk(
            Solved(self.motion.rotations[:frames], self.motion.trans[:frames]),
            self.labels[:frames],
            self.source,
            self.action,
        )


def find_walks(folder: Path, *, old: bool) -> list[Path]:
    """Clips of everyday walks in a prepared folder's training split (`old`: as old, tired or unsure people walk).

    Raises:
        UserError: no training split, or no walk in it.
    """
    listed = folder / "splits" / "train.txt"
    if not listed.is_file():
        raise UserError(
            f"Expected a prepared folder with splits/train.txt at '{folder}', but there is none. "
            "Prepare motion capture first: lightning prepare mocap."
        )
    styles = _OLD_STYLES if old else _STYLES
    found = []
    for name in sorted(listed.read_text().split()):
        # Names say action and style: reading thousands of files to learn it takes minutes.
        if any(f"_{action}_{style}_" in name for action in _ACTIONS for style in styles):
            found.append(folder / "clips" / f"{name}.json")
    if not found:
        raise UserError(f"Expected recorded walks in '{folder}', but found none. Prepare data sets that hold walks.")
    return found


def walk_on(anatomy: Anatomy, path: Path) -> Walk:
    """A recorded walk on another body: same joint angles, strides as long as its legs ask, feet at the floor."""
    clip = load_clip(path)
    own = measure_body(clip.betas[0].astype(np.float64))
    frames = np.flatnonzero(clip.valid[0])
    rotations = Rotation.from_rotvec(clip.poses[0, frames].reshape(-1, 3).astype(np.float64)).as_matrix()
    rotations = rotations.reshape(len(frames), -1, 3, 3)
    ratio = anatomy.leg / own.leg
    _, joints = kinematics(rotations, clip.trans[0, frames].astype(np.float64), own.rest)
    trans = joints[:, 0] * ratio
    trans[:, 2] = (joints[:, 0, 2] - own.ankle_height) * ratio + anatomy.ankle_height
    wanted = joints * ratio
    wanted[..., 2] = (joints[..., 2] - own.ankle_height) * ratio + anatomy.ankle_height
    targets = _feet(anatomy, rotations, trans, {side: wanted[:, JOINT[f"{side}_ankle"]] for side in SIDES})
    solved = solve_poses(anatomy, rotations, trans, targets, [floor()], iterations=8)
    labels = [OMNIFALL16[label] if label >= 0 else "other" for label in clip.frame_label[0, frames]]
    return Walk(Solved(*solved), labels, clip.id, clip.attributes.get("action", "walk"))


def hold_while_walking(
    anatomy: Anatomy, walk: Walk, hands: dict[str, Float[np.ndarray, "3"]], *, stoop: float | int = 0.0
) -> tuple[Solved, PointTargets]:
    """The walk with palms kept at places relative to the path of the pelvis.

    Args:
        hands: `left_hand`, `right_hand` -> (to the left, forwards, above the floor) in metres.
        stoop: degrees by which the trunk leans further forwards.
    """
    rotations, trans = walk.motion.rotations.copy(), walk.motion.trans
    _, joints = kinematics(rotations, trans, anatomy.rest)
    lean = Rotation.from_euler("x", stoop / 3, degrees=True).as_matrix()
    for name in ("spine1", "spine2", "spine3"):
        rotations[:, JOINT[name]] = rotations[:, JOINT[name]] @ lean
    across = joints[:, JOINT["left_hip"], :2] - joints[:, JOINT["right_hip"], :2]
    left = gaussian_filter1d(across, _SMOOTH_S * FPS, axis=0, mode="nearest")
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    ahead = np.stack([left[:, 1], -left[:, 0]], axis=-1)
    middle = gaussian_filter1d(trans[:, :2], _SMOOTH_S / 2 * FPS, axis=0, mode="nearest")
    ankles = {side: joints[:, JOINT[f"{side}_ankle"]] for side in SIDES}
    targets = _feet(anatomy, walk.motion.rotations, trans, ankles)
    for name, (aside, forwards, high) in hands.items():
        rows = point_rows()[name]
        where = middle + aside * left + forwards * ahead
        targets.positions[:, rows] = np.concatenate([where, np.full((len(where), 1), high)], axis=-1)[:, None]
        targets.weights[:, rows] = 1.0
    return Solved(*solve_poses(anatomy, rotations, trans, targets, [floor()], iterations=16)), targets


def continue_into_walk(before: Clip, anatomy: Anatomy, walk: Walk, *, blend_s: float | int = 0.8) -> Clip:
    """The clip followed by a recorded walk that begins where and how the person stands at its end.

    The walk is turned and moved to the last frame; its pose comes in over `blend_s` seconds while the feet stay where
    they stand until the walk lifts them. Labels and length follow; events, captions and scene are kept.

    Raises:
        UserError: a clip of several people, or one that does not end standing or walking.
    """
    if before.num_persons != 1 or OMNIFALL16[before.frame_label[0, -1]] not in ("standing", "walk"):
        raise UserError(
            f"Expected one person who ends standing, but '{before.id}' has {before.num_persons} and ends in another "
            "posture. Choose a clip that ends standing."
        )
    rotations = Rotation.from_rotvec(before.poses[0].reshape(-1, 3).astype(np.float64)).as_matrix()
    rotations = rotations.reshape(-1, 24, 3, 3)
    end_world, end_joints = kinematics(rotations[-1:], before.trans[0, -1:].astype(np.float64), anatomy.rest)
    turns, trans = _moved_to(walk.motion, end_world[0, 0], before.trans[0, -1].astype(np.float64))
    frames = len(trans)
    share = np.clip(np.arange(1, frames + 1) / max(blend_s * FPS, 1), 0, 1)
    share = share**3 * (10 - 15 * share + 6 * share**2)
    last = np.broadcast_to(rotations[-1], turns.shape)
    step = Rotation.from_matrix((last.swapaxes(-1, -2) @ turns).reshape(-1, 3, 3)).as_rotvec().reshape(frames, 24, 3)
    mixed = last @ Rotation.from_rotvec((step * share[:, None, None]).reshape(-1, 3)).as_matrix().reshape(turns.shape)
    _, joints = kinematics(turns, trans, anatomy.rest)
    place = trans + (before.trans[0, -1] - trans[0]) * (1 - share)[:, None]
    ankles = {}
    for side in SIDES:
        track = joints[:, JOINT[f"{side}_ankle"]]
        stood = end_joints[0, JOINT[f"{side}_ankle"]]
        gone = np.linalg.norm(track[:, :2] - track[0, :2], axis=-1)
        left = 1 - np.clip(np.maximum.accumulate(gone) / _FIRST_STEP_M, 0, 1)
        ankles[side] = track + (stood - track[0]) * left[:, None]
    targets = _feet(anatomy, mixed, place, ankles)
    solved = solve_poses(anatomy, mixed, place, targets, [floor()], iterations=12)
    poses = Rotation.from_matrix(solved[0].reshape(-1, 3, 3)).as_rotvec().reshape(-1, 24, 3).astype(np.float32)
    ids = {name: index for index, name in enumerate(OMNIFALL16)}
    labels = np.array([ids[name] for name in walk.labels], dtype=np.int8)
    return Clip(
        id=f"{before.id}-walk",
        fps=before.fps,
        poses=np.concatenate([before.poses, poses[None]], axis=1),
        trans=np.concatenate([before.trans, solved[1][None].astype(np.float32)], axis=1),
        betas=before.betas,
        frame_label=np.concatenate([before.frame_label, labels[None]], axis=1),
        valid=np.ones((1, before.num_frames + frames), dtype=bool),
        text=[text.rstrip(".") + ", then walks away." for text in before.text],
        persons=before.persons,
        events=before.events,
        attributes=before.attributes | {"walk": walk.source},
        scene=before.scene,
        generator=before.generator,
        quality=before.quality,
    )


def _moved_to(motion: Solved, root: Float[np.ndarray, "3 3"], pelvis: Float[np.ndarray, "3"]):
    """The motion turned about the vertical and moved so that its first pelvis faces and stands as given."""

    def heading(turn: Float[np.ndarray, "3 3"]) -> float:
        forward = turn @ np.array([0.0, 0.0, 1.0])
        return float(np.arctan2(forward[1], forward[0]))

    spin = Rotation.from_euler("z", heading(root) - heading(motion.rotations[0, 0])).as_matrix()
    turns = motion.rotations.copy()
    turns[:, 0] = spin @ turns[:, 0]
    trans = (motion.trans - motion.trans[0]) @ spin.T
    trans[:, :2] += pelvis[:2]
    trans[:, 2] += motion.trans[0, 2]
    return turns, trans


def _feet(anatomy: Anatomy, rotations, trans, ankles: dict[str, Float[np.ndarray, "frame 3"]]) -> PointTargets:
    """Targets that keep the ankles on their tracks and the feet turned as in the given poses."""
    carriers, offsets = point_carriers(anatomy)
    world, _ = kinematics(rotations, trans, anatomy.rest)
    positions = np.zeros((len(trans), len(carriers), 3))
    weights = np.zeros_like(positions)
    for side, track in ankles.items():
        rows = point_rows()[f"{side}_foot"]
        turn = world[:, JOINT[f"{side}_ankle"]]
        positions[:, rows] = track[:, None] + np.einsum("fab,pb->fpa", turn, offsets[rows])
        weights[:, rows] = 1.0
    return PointTargets(carriers, offsets, positions, weights)
