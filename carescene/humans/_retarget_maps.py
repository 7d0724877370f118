"""Which source joint drives which of ours, and how their frames lie in the bones, for each skeleton known here."""

from dataclasses import dataclass
from typing import Final

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT_NAMES

Axis = tuple[float, float, float]

# In our rest frame (T-pose, y up, facing +z, left +x). A knee bends about +x; an elbow bends forward.
_UP: Final[Axis] = (0.0, 1.0, 0.0)
_LEFT: Final[Axis] = (1.0, 0.0, 0.0)
_DOWN: Final[Axis] = (0.0, -1.0, 0.0)
_KNEE: Final[Axis] = (1.0, 0.0, 0.0)
_ELBOW: Final[dict[str, Axis]] = {"left": (0.0, -1.0, 0.0), "right": (0.0, 1.0, 0.0)}


@dataclass(frozen=True)
class JointAlignment:
    """Two axes of one joint in the source's joint frame and the same anatomical axes in our rest frame.

    `primary` is matched exactly, `secondary` as well as it can be. `child` names the joint of ours whose rest direction
    replaces `our_primary` (a bone), so that the direction follows the body's shape.
    """

    source: str
    primary: Axis
    secondary: Axis
    our_primary: Axis
    our_secondary: Axis
    child: str | None = None


@dataclass(frozen=True)
class SkeletonMap:
    """How one source skeleton drives ours.

    Attributes:
        joints: our joint -> alignment.
        blends: our joint -> (our joint, our joint, fraction): a rotation between two joints that are driven.
        feet: (our joint, source joint, forward axis in the source frame): soles, whose upward axis is measured.
        compared: our joint -> source joint whose positions mean the same point of the body.
        lengths: pairs of our joints whose distance should agree with the source after one scale; a joint named
            "hips" or "shoulders" is the middle of the two.
    """

    name: str
    joints: dict[str, JointAlignment]
    blends: dict[str, tuple[str, str, float]]
    feet: tuple[tuple[str, str, Axis], ...]
    compared: dict[str, str]
    lengths: tuple[tuple[str, str], ...]


_LIMBS: Final = (
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_hip", "right_hip"),
    ("left_shoulder", "right_shoulder"),
)


def _limb(source: str, bone: Axis, hinge: Axis, child: str, our_hinge: Axis) -> JointAlignment:
    return JointAlignment(source, bone, hinge, _UP, our_hinge, child)


def _bandai() -> SkeletonMap:
    # Bones lie along local x (left +x, right -x), hinges along local y; the trunk's x points up, its z forward.
    joints = {
        "pelvis": JointAlignment("Hips", (1.0, 0.0, 0.0), (0.0, -1.0, 0.0), _UP, _LEFT),
        "spine2": JointAlignment("Spine", (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), _UP, _LEFT),
        "spine3": JointAlignment("Chest", (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), _UP, _LEFT),
        "neck": JointAlignment("Neck", (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), _UP, _LEFT),
        "head": JointAlignment("Head", (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), _UP, _LEFT),
    }
    compared = {}
    feet = []
    for side, letter, sign in (("left", "L", 1.0), ("right", "R", -1.0)):
        bone, elbow = (sign, 0.0, 0.0), (0.0, -1.0, 0.0)
        arm = _ELBOW[side]
        joints[f"{side}_collar"] = _limb(f"Shoulder_{letter}", bone, elbow, f"{side}_shoulder", arm)
        joints[f"{side}_shoulder"] = _limb(f"UpperArm_{letter}", bone, elbow, f"{side}_elbow", arm)
        joints[f"{side}_elbow"] = _limb(f"LowerArm_{letter}", bone, elbow, f"{side}_wrist", arm)
        joints[f"{side}_wrist"] = _limb(f"Hand_{letter}", bone, elbow, f"{side}_hand", arm)
        joints[f"{side}_hip"] = _limb(f"UpperLeg_{letter}", bone, (0.0, 1.0, 0.0), f"{side}_knee", _KNEE)
        joints[f"{side}_knee"] = _limb(f"LowerLeg_{letter}", bone, (0.0, 1.0, 0.0), f"{side}_ankle", _KNEE)
        feet += [(f"{side}_ankle", f"Foot_{letter}", bone), (f"{side}_foot", f"Toes_{letter}", bone)]
        compared |= {
            f"{side}_shoulder": f"UpperArm_{letter}",
            f"{side}_elbow": f"LowerArm_{letter}",
            f"{side}_wrist": f"Hand_{letter}",
            f"{side}_hip": f"UpperLeg_{letter}",
            f"{side}_knee": f"LowerLeg_{letter}",
            f"{side}_ankle": f"Foot_{letter}",
            f"{side}_foot": f"Toes_{letter}",
        }
    return SkeletonMap(
        name="bandai",
        joints=joints,
        blends={"spine1": ("pelvis", "spine2", 0.5)},
        feet=tuple(feet),
        compared=compared,
        lengths=(*_LIMBS, ("hips", "shoulders")),
    )


def _amp() -> SkeletonMap:
    # Joint frames face +x with left +y and up +z where the figure stands with hanging arms and straight legs.
    up, left, down = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)
    joints = {
        "pelvis": JointAlignment("pelvis", up, left, _UP, _LEFT),
        "spine3": JointAlignment("torso", up, left, _UP, _LEFT),
        "head": JointAlignment("head", up, left, _UP, _LEFT),
    }
    compared: dict[str, str] = {}
    feet = []
    for side in ("left", "right"):
        # Elbows bend about -y, knees about +y; both axes point to the left there.
        arm = _ELBOW[side]
        joints[f"{side}_shoulder"] = _limb(f"{side}_upper_arm", down, (0.0, -1.0, 0.0), f"{side}_elbow", arm)
        joints[f"{side}_elbow"] = _limb(f"{side}_lower_arm", down, (0.0, -1.0, 0.0), f"{side}_wrist", arm)
        joints[f"{side}_wrist"] = _limb(f"{side}_hand", down, (0.0, -1.0, 0.0), f"{side}_hand", arm)
        joints[f"{side}_hip"] = _limb(f"{side}_thigh", down, left, f"{side}_knee", _KNEE)
        joints[f"{side}_knee"] = _limb(f"{side}_shin", down, left, f"{side}_ankle", _KNEE)
        feet.append((f"{side}_ankle", f"{side}_foot", (1.0, 0.0, 0.0)))
        compared |= {
            f"{side}_shoulder": f"{side}_upper_arm",
            f"{side}_elbow": f"{side}_lower_arm",
            f"{side}_wrist": f"{side}_hand",
            f"{side}_hip": f"{side}_thigh",
            f"{side}_knee": f"{side}_shin",
            f"{side}_ankle": f"{side}_foot",
        }
    return SkeletonMap(
        name="amp",
        joints=joints,
        blends={
            "spine1": ("pelvis", "spine3", 1 / 3),
            "spine2": ("pelvis", "spine3", 2 / 3),
            "neck": ("spine3", "head", 0.5),
        },
        feet=tuple(feet),
        compared=compared,
        lengths=(*_LIMBS, ("hips", "shoulders")),
    )


# SMPL's rotations are ours; see `retarget`.
SMPL_MAP: Final = SkeletonMap("smpl", {}, {}, (), {name: name for name in JOINT_NAMES}, ())

SKELETON_MAPS: Final[tuple[SkeletonMap, ...]] = (_bandai(), _amp(), SMPL_MAP)


def find_skeleton_map(joint_names: tuple[str, ...], name: str) -> SkeletonMap:
    """The map whose source joints are all in a skeleton.

    Raises:
        UserError: no map fits; the message names the closest one and what is missing for it.
    """
    missing: dict[str, list[str]] = {}
    for candidate in SKELETON_MAPS:
        needed = {alignment.source for alignment in candidate.joints.values()}
        needed |= {source for _, source, _ in candidate.feet} | set(candidate.compared.values())
        missing[candidate.name] = sorted(needed - set(joint_names))
        if not missing[candidate.name]:
            return candidate
    closest = min(missing, key=lambda key: len(missing[key]))
    raise UserError(
        f"Expected a skeleton that is known here ({', '.join(missing)}) in {name}, but for the closest, {closest}, "
        f"the joints {', '.join(missing[closest][:6])} are missing. Rename the joints, or add a skeleton map."
    )
