"""What somebody does, frame by frame, read from joints and furniture alone: posture, what carries the body, speeds.

The checks of situations rest on these tracks. They read neither labels nor events of the clip, so that a generated clip
is judged by what can be seen in it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.evaluation.carriers import Carriers
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import SkinPoints, load_skin_points

# Smoothing of positions before they are differentiated, as in `carescene.clips.frame_labels`: noise goes, steps stay.
SMOOTH_S: Final = 0.1
# A posture shorter than this is flicker.
_MIN_POSTURE_S: Final = 0.25

_LYING_TILT: Final = 55.0  # degrees of the trunk from the vertical; people who recline in a chair stay below
_LYING_LEGS: Final = 40.0  # degrees of pelvis to ankles from the vertical: keeps deep bends out of lying
_SEATED_THIGH: Final = 50.0  # degrees of the steeper thigh from the vertical: one leg always stands in a walk
_UPRIGHT: Final = 0.72  # pelvis height over standing height; kneeling upright gives 0.55
_FEET_LOW: Final = 0.28  # legs: the lower ankle of somebody who stands
_KNEE_LOW: Final = 0.25  # legs: height of knees that rest on the floor
_ON_FLOOR: Final = 0.46  # legs: pelvis height of somebody who sits or lies on the floor, props on an arm included
_RESTING_RISE: Final = 0.3  # m/s of the pelvis up or down: somebody who falls is on no bed
_RESTING_S: Final = 0.5
_HANDS_LOW: Final = 0.25  # legs: height of hands that bear weight on the floor


@dataclass(frozen=True)
class Track:
    """One person of a clip in the frames in which the person exists; one value a frame unless said otherwise.

    Attributes:
        person: index in the clip.
        fps: frames per second.
        start_s: time of the first frame in the clip, seconds.
        leg: thigh and shin, metres (one number).
        joints: metres in the world, of the clip's own body.
        height: pelvis height over its height when standing.
        rise: vertical speed of the pelvis, m/s.
        speed: horizontal speed of the pelvis without the sway of steps, m/s.
        tilt: of the trunk from the vertical, degrees.
        thigh: of the steeper thigh from the vertical, degrees (0 hangs down).
        facing: unit vector on the floor.
        front: unit vector out of the chest.
        on_bed, on_seat: whether a bed or a seat is under the pelvis and within reach; without a room, whether somebody
            lies or sits above the floor.
        thing: index of that object in the scene, -1 for none.
        posture: `upright`, `sitting`, `lying`, `kneeling`, `squatting`, `crawl` or `low` (anything else).
        grounded: the trunk rests on the floor or right above it, not on furniture.
    """

    person: int
    fps: float
    start_s: float
    leg: float
    joints: Float[np.ndarray, "frame 24 3"]
    height: Float[np.ndarray, "frame"]
    rise: Float[np.ndarray, "frame"]
    speed: Float[np.ndarray, "frame"]
    tilt: Float[np.ndarray, "frame"]
    thigh: Float[np.ndarray, "frame"]
    facing: Float[np.ndarray, "frame 2"]
    front: Float[np.ndarray, "frame 3"]
    on_bed: Bool[np.ndarray, "frame"]
    on_seat: Bool[np.ndarray, "frame"]
    thing: np.ndarray
    posture: np.ndarray
    grounded: Bool[np.ndarray, "frame"]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.joints)

    def joint(self, name: str) -> Float[np.ndarray, "frame 3"]:
        """Positions of one joint, metres."""
        return self.joints[:, JOINT[name]]

    def pair(self, name: str) -> Float[np.ndarray, "frame 3"]:
        """Middle of the left and the right joint of this name, metres."""
        return (self.joint(f"left_{name}") + self.joint(f"right_{name}")) / 2

    def is_(self, *postures: str) -> Bool[np.ndarray, "frame"]:
        """Frames in one of these postures."""
        return np.isin(self.posture, postures)

    def between(self, start_s: float, end_s: float) -> "Track":
        """The part of the track between two times of the clip, seconds; at least four frames."""
        first = min(max(round((start_s - self.start_s) * self.fps), 0), self.frames - 4)
        last = min(max(round((end_s - self.start_s) * self.fps), first + 4), self.frames)
        rows = {
            each.name: getattr(self, each.name)[first:last]
            for each in dataclasses.fields(self)
            if isinstance(getattr(self, each.name), np.ndarray)
        }
        return dataclasses.replace(self, start_s=self.seconds(first), **rows)

    def seconds(self, frame: int) -> float:
        """Time of a frame of the track in the clip, seconds."""
        return self.start_s + frame / self.fps


def clip_joints(clip: Clip, skin: SkinPoints | None = None) -> Float[np.ndarray, "person frame 24 3"]:
    """Joints of all people on their own bodies in the world, metres; zeros where a person does not exist."""
    betas = torch.from_numpy(np.asarray(clip.betas, np.float32))
    rest = (skin or load_skin_points()).rest_joints(betas)[:, None]
    poses = np.where(clip.valid[..., None, None], clip.poses, 0.0).astype(np.float32)
    trans = np.where(clip.valid[..., None], clip.trans, 0.0).astype(np.float32)
    joints, _ = forward_kinematics(rotvec_to_matrix(torch.from_numpy(poses)), torch.from_numpy(trans), rest)
    return np.where(clip.valid[..., None, None], joints.numpy().astype(np.float64), 0.0)


def tracks_of(clip: Clip, skin: SkinPoints | None = None) -> list[Track]:
    """One `Track` per person of a clip that is valid in at least four frames; the clip's scene says what carries them.

    Args:
        clip: metres, z up, floor at z = 0; its scene, if any, as a dictionary.
        skin: of another body than the bundled one.

    Raises:
        UserError: the clip's scene is damaged, or nobody is there for four frames.
    """
    joints = clip_joints(clip, skin)
    carriers = Carriers.of(clip.scene if isinstance(clip.scene, dict) else None)
    found = [
        track_of(joints[person][clip.valid[person]], clip.fps, carriers, person, int(clip.valid[person].argmax()))
        for person in range(clip.num_persons)
        if clip.valid[person].sum() >= 4
    ]
    if not found:
        raise UserError(
            f"Clip '{clip.id}': expected somebody who is there for at least 4 frames, but got nobody. "
            "Too short to be measured; leave it out."
        )
    return found


def track_of(
    joints: Float[np.ndarray, "frame 24 3"],
    fps: float | int,
    carriers: Carriers | None = None,
    person: int = 0,
    first_frame: int = 0,
) -> Track:
    """The track of one person from joints in the world, metres, z up, floor at z = 0."""
    points = np.asarray(joints, np.float64)
    carriers = carriers or Carriers.of(None)

    def pair(name: str) -> np.ndarray:
        return (points[:, JOINT[f"left_{name}"]] + points[:, JOINT[f"right_{name}"]]) / 2

    pelvis = points[:, JOINT["pelvis"]]
    thighs = [points[:, JOINT[f"{side}_knee"]] - points[:, JOINT[f"{side}_hip"]] for side in ("left", "right")]
    shins = [points[:, JOINT[f"{side}_ankle"]] - points[:, JOINT[f"{side}_knee"]] for side in ("left", "right")]
    leg = float(np.median(np.linalg.norm(thighs[0], axis=-1) + np.linalg.norm(shins[0], axis=-1)))
    trunk = points[:, JOINT["neck"]] - pelvis
    across = points[:, JOINT["left_shoulder"]] - points[:, JOINT["right_shoulder"]]
    front = _unit(np.cross(across, trunk))
    left = points[:, JOINT["left_hip"]] - points[:, JOINT["right_hip"]] + across
    smooth = gaussian_filter1d(pelvis, SMOOTH_S * fps, axis=0, mode="nearest")
    slow = gaussian_filter1d(pelvis[:, :2], 3 * SMOOTH_S * fps, axis=0, mode="nearest")
    support = carriers.under(pelvis)
    values: dict[str, Any] = {
        # Standing, the hips are level with the pelvis and the ankles a tenth of a leg above the floor.
        "height": smooth[:, 2] / (1.13 * leg),
        "rise": np.gradient(smooth[:, 2]) * fps,
        "speed": np.linalg.norm(np.gradient(slow, axis=0), axis=-1) * fps,
        "tilt": angle_to_vertical(trunk),
        "thigh": np.minimum(*(180.0 - angle_to_vertical(each) for each in thighs)),
        "facing": _unit(np.stack([left[:, 1], -left[:, 0]], axis=-1)),
        "front": front,
        "on_bed": support.bed,
        "on_seat": support.seat,
        "thing": support.thing,
        "grounded": (pelvis[:, 2] < _ON_FLOOR * leg) & ~support.bed & ~support.seat,
    }
    posture = steady(_posture(points, values, pair, leg), max(1, round(_MIN_POSTURE_S * fps)))
    if carriers.scene is None:
        # Recordings leave the furniture out: whoever lies or sits above the floor for a while has some.
        rests = ~values["grounded"] & (np.abs(values["rise"]) < _RESTING_RISE)
        values["on_bed"] = _lasting((posture == "lying") & rests, fps)
        values["on_seat"] = _lasting((posture == "sitting") & rests, fps)
    return Track(
        person=person,
        fps=float(fps),
        start_s=first_frame / fps,
        leg=leg,
        joints=points,
        posture=posture,
        **values,
    )


def _posture(points: np.ndarray, values: dict[str, Any], pair: Any, leg: float) -> np.ndarray:
    pelvis = points[:, JOINT["pelvis"]]
    ankles = points[:, [JOINT["left_ankle"], JOINT["right_ankle"]]]
    knees = points[:, [JOINT["left_knee"], JOINT["right_knee"]]]
    wrists = points[:, [JOINT["left_wrist"], JOINT["right_wrist"]], 2]
    legs = 180.0 - angle_to_vertical(pair("ankle") - pelvis)
    carried = values["on_bed"] | values["on_seat"]
    tilt, thigh = values["tilt"], values["thigh"]
    lying = (tilt > _LYING_TILT) & ((legs > _LYING_LEGS) | values["grounded"])
    footed = ankles[..., 2].min(axis=1) < _FEET_LOW * leg
    upright = (values["height"] > _UPRIGHT) & footed & (thigh < _SEATED_THIGH) & ~lying
    # Knees on the floor with the ankles behind them; somebody who sits on the floor has the ankles before the knees.
    ahead = ((ankles - knees)[..., :2] * values["facing"][:, None]).sum(-1)
    knelt = ((knees[..., 2] < _KNEE_LOW * leg) & (ahead < 0.05)).any(axis=1) & ~carried
    all_fours = (
        (tilt > _LYING_TILT)
        & (values["front"][:, 2] < -0.5)
        & (wrists.min(axis=1) < _HANDS_LOW * leg)
        & (knees[..., 2].max(axis=1) < 1.4 * _KNEE_LOW * leg)
        & (pelvis[:, 2] > 0.3 * leg)
        & ~carried
    )
    # Without furniture in the clip a seat shows by feet ahead of the trunk, where nobody could balance.
    centre = pelvis + (points[:, JOINT["neck"]] - pelvis) / 2
    ahead_of_trunk = ((pair("ankle") - centre)[:, :2] * values["facing"]).sum(-1) > 0.1 * leg
    seated = (thigh > _SEATED_THIGH) & (carried | ahead_of_trunk | values["grounded"])
    posture = np.full(len(points), "low", dtype="<U9")
    posture[(values["height"] < 0.62) & ~carried] = "squatting"
    posture[seated] = "sitting"
    posture[upright] = "upright"
    posture[knelt & (values["height"] < _UPRIGHT)] = "kneeling"
    posture[lying] = "lying"
    posture[all_fours] = "crawl"
    return posture


def steady(names: np.ndarray, window: int) -> np.ndarray:
    """Names without flicker: each frame takes the most frequent name of the `window` frames around it."""
    kinds, codes = np.unique(names, return_inverse=True)
    shares = [uniform_filter1d((codes == k).astype(float), window | 1, mode="nearest") for k in range(len(kinds))]
    return kinds[np.argmax(shares, axis=0)]


def _lasting(flags: np.ndarray, fps: float | int) -> np.ndarray:
    kept = np.zeros_like(flags)
    for first, last in runs_of(flags):
        kept[first:last] = last - first >= _RESTING_S * fps
    return kept


def runs_of(flags: Bool[np.ndarray, "frame"]) -> list[tuple[int, int]]:
    """First frame and frame after the last of every run of true values."""
    padded = np.concatenate([[False], flags, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(padded))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def angle_to_vertical(vectors: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame"]:
    """Angles in degrees between vectors and the world's up axis."""
    cosine = vectors[:, 2] / np.maximum(np.linalg.norm(vectors, axis=-1), 1e-9)
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
