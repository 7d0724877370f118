"""Key postures: joint angles in words a physiotherapist uses, and what the body touches while it holds them."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from carescene.humans.skeleton import JOINT, NUM_JOINTS
from carescene.simulation.anatomy import SIDES, Anatomy
from carescene.simulation.pose_solver import Balance, PointTargets, kinematics, solve_poses
from carescene.simulation.surfaces import Surface

# World rotation of somebody who stands and looks along +y: their left is -x.
STANDING: Final = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
# Trunk flexion is spread over the spine as in healthy people who bend (lumbar joints take more than thoracic ones).
_SPINE: Final = (("spine1", 0.38), ("spine2", 0.34), ("spine3", 0.28))
_NECK: Final = (("neck", 0.55), ("head", 0.45))
# Points that may be held, with the joint that carries each. A foot is held by three points, so that it cannot turn.
_POINTS: Final = {
    "left_foot": ("left_ankle", 3),
    "right_foot": ("right_ankle", 3),
    "left_hand": ("left_wrist", 1),
    "right_hand": ("right_wrist", 1),
    "left_knee": ("left_knee", 1),
    "right_knee": ("right_knee", 1),
    "left_elbow": ("left_elbow", 1),
    "right_elbow": ("right_elbow", 1),
    "left_toes": ("left_foot", 1),
    "right_toes": ("right_foot", 1),
    "pelvis": ("pelvis", 1),
    "chest": ("spine3", 1),
    "head": ("head", 1),
}
# What lies on a surface finds its place by itself: joints inside the body say only roughly where its skin rests.
_RESTING: Final = ("chest", "head", "left_elbow", "right_elbow")
_SOFT: Final = 0.004
POINT_COUNT: Final = sum(count for _, count in _POINTS.values())
# Half the width at which the third point of a foot lies beside the ankle.
_BESIDE: Final = 0.06


@dataclass(frozen=True)
class Limbs:
    """Angles in degrees, one number for both sides or a (left, right) pair.

    Flexion brings a limb forwards, abduction away from the middle, turning is outward. `wrist` bends the palm back.
    """

    hip: float | int | tuple = 0.0
    hip_out: float | int | tuple = 3.0
    hip_turn: float | int | tuple = 4.0
    knee: float | int | tuple = 4.0
    ankle: float | int | tuple = 0.0
    toes: float | int | tuple = 0.0
    arm: float | int | tuple = 4.0
    arm_out: float | int | tuple = 10.0
    arm_turn: float | int | tuple = 10.0
    elbow: float | int | tuple = 16.0
    wrist: float | int | tuple = 0.0
    shrug: float | int | tuple = 0.0


@dataclass(frozen=True)
class Posture:
    """A key posture before it is fitted to a body and its surroundings.

    Attributes:
        pelvis: its joint in the world, metres.
        yaw: where the person faces, radians; 0 along +y, counter-clockwise. Lying on the back: where the feet point.
        pitch, turn, roll: of the pelvis in degrees: forwards (-90 lies on the back), about the body's long axis to the
            left, and sideways to the left.
        trunk, neck: (flexion, side bend to the left, turn to the left) in degrees.
        limbs: angles of arms and legs.
        holds: name of a point -> where it is held: `(k, 3)` positions, NaN along axes that stay free.
        balanced: how strictly the centre of mass stays over the feet (0 to 1).
        weight_left: share of the weight on the left foot while balanced.
        soft: held points that may give way where skin, limits or other points ask for it.
    """

    pelvis: Float[np.ndarray, "3"]
    yaw: float | int = 0.0
    pitch: float | int = 0.0
    turn: float | int = 0.0
    roll: float | int = 0.0
    trunk: tuple = (0.0, 0.0, 0.0)
    neck: tuple = (0.0, 0.0, 0.0)
    limbs: Limbs = field(default_factory=Limbs)
    holds: dict[str, Float[np.ndarray, "held 3"]] = field(default_factory=dict)
    balanced: float | int = 0.0
    weight_left: float | int = 0.5
    soft: tuple[str, ...] = ()

    def holding(self, **points: Float[np.ndarray, "..."] | None) -> "Posture":
        """The same posture with other points held; None lets a point go."""
        holds = dict(self.holds)
        for name, where in points.items():
            holds.pop(name, None)
            if where is not None:
                holds[name] = np.atleast_2d(np.asarray(where, np.float64))
        return replace(self, holds=holds)


@dataclass(frozen=True)
class Solved:
    """Fitted postures: local rotations and pelvis positions, one of each per posture."""

    rotations: Float[np.ndarray, "frame 24 3 3"]
    trans: Float[np.ndarray, "frame 3"]


def posture_rotations(posture: Posture) -> Float[np.ndarray, "24 3 3"]:
    """Local rotations of all joints from the posture's angles; the pelvis' in the world."""
    turns = np.tile(np.eye(3), (NUM_JOINTS, 1, 1))
    turns[0] = (
        _about("z", np.degrees(posture.yaw))
        @ STANDING
        @ _about("x", posture.pitch)
        @ _about("y", posture.turn)
        @ _about("z", -posture.roll)
    )
    for chain, (bend, side, twist) in ((_SPINE, posture.trunk), (_NECK, posture.neck)):
        for name, share in chain:
            turns[JOINT[name]] = Rotation.from_rotvec(
                np.radians([bend * share, twist * share, -side * share])
            ).as_matrix()
    limbs = posture.limbs
    for index, (side, sign) in enumerate(zip(SIDES, (1.0, -1.0), strict=True)):

        def angle(name: str, index: int = index) -> float:
            value = getattr(limbs, name)
            return float(value[index] if isinstance(value, tuple) else value)

        turns[JOINT[f"{side}_hip"]] = (
            _about("x", -angle("hip")) @ _about("z", sign * angle("hip_out")) @ _about("y", sign * angle("hip_turn"))
        )
        turns[JOINT[f"{side}_knee"]] = _about("x", angle("knee"))
        turns[JOINT[f"{side}_ankle"]] = _about("x", -angle("ankle"))
        turns[JOINT[f"{side}_foot"]] = _about("x", -angle("toes"))
        shrug = angle("shrug")
        turns[JOINT[f"{side}_collar"]] = _about("z", sign * (shrug - 4.0))
        turns[JOINT[f"{side}_shoulder"]] = (
            _about("x", -angle("arm"))
            @ _about("z", -sign * (86.0 - angle("arm_out")))
            @ _about("x", -angle("arm_turn"))
        )
        turns[JOINT[f"{side}_elbow"]] = _about("y", -sign * angle("elbow"))
        turns[JOINT[f"{side}_wrist"]] = _about("z", sign * angle("wrist"))
    return turns


def solve_postures(anatomy: Anatomy, postures: list[Posture], surfaces: list[Surface]) -> Solved:
    """Fit key postures to a body: points held where they should be, joints within limits, skin out of furniture."""
    rotations = np.stack([posture_rotations(posture) for posture in postures])
    trans = np.stack([np.asarray(posture.pelvis, np.float64) for posture in postures])
    joints, offsets = point_carriers(anatomy)
    held = [held_points(posture) for posture in postures]
    targets = PointTargets(joints, offsets, np.stack([p for p, _ in held]), np.stack([w for _, w in held]))
    solved = solve_poses(anatomy, rotations, trans, targets, surfaces, balance_of(anatomy, postures), iterations=40)
    return Solved(*solved)


def point_carriers(anatomy: Anatomy) -> tuple[np.ndarray, Float[np.ndarray, "point 3"]]:
    """Joint and offset from it (rest frame, metres) of every point that may be held."""
    joints, offsets = [], []
    for name, (carrier, count) in _POINTS.items():
        joint = JOINT[carrier]
        side = name.split("_")[0]
        joints += [joint] * count
        if count == 3:
            toe = anatomy.rest[JOINT[f"{side}_foot"]] - anatomy.rest[joint]
            beside = np.array([_BESIDE if side == "left" else -_BESIDE, 0.0, 0.0])
            offsets += [np.zeros(3), toe, beside]
        elif name.endswith("hand"):
            # The middle of the palm, on its inner side.
            reach = anatomy.rest[JOINT[name]] - anatomy.rest[joint]
            offsets.append(0.8 * reach + np.array([0.0, -0.02, 0.0]))
        else:
            offsets.append(np.zeros(3))
    return np.array(joints), np.stack(offsets)


def held_points(posture: Posture) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, "point 3"]]:
    """Positions of all points that may be held (zero where free) and their weights (0 to 1) along x, y and z."""
    positions, weights = np.zeros((POINT_COUNT, 3)), np.zeros((POINT_COUNT, 3))
    for name, rows in point_rows().items():
        if name in posture.holds:
            where = posture.holds[name]
            weights[rows] = np.isfinite(where) * (_SOFT if name in _RESTING or name in posture.soft else 1.0)
            positions[rows] = np.nan_to_num(where)
    return positions, weights


def point_rows() -> dict[str, slice]:
    """Name of a point that may be held -> its rows among all of them."""
    rows, first = {}, 0
    for name, (_, count) in _POINTS.items():
        rows[name] = slice(first, first + count)
        first += count
    return rows


def balance_of(anatomy: Anatomy, postures: list[Posture]) -> Balance:
    """Where the centre of mass of each posture belongs: between its held feet, a little before the ankles."""
    centres, weights = np.zeros((len(postures), 2)), np.zeros(len(postures))
    for index, posture in enumerate(postures):
        feet = [posture.holds[f"{side}_foot"] for side in SIDES if f"{side}_foot" in posture.holds]
        if posture.balanced > 0 and feet:
            middles = [0.6 * foot[0, :2] + 0.4 * foot[1, :2] for foot in feet]
            share = [posture.weight_left, 1 - posture.weight_left] if len(feet) == 2 else [1.0]
            centres[index] = np.einsum("s,sa->a", np.array(share), np.stack(middles))
            weights[index] = posture.balanced
    return Balance(centres, weights)


def foot_points(
    anatomy: Anatomy,
    side: str,
    at: Float[np.ndarray, "2"],
    yaw: float | int,
    *,
    pitch: float | int = 0.0,
    up: float | int = 0.0,
) -> Float[np.ndarray, "3 3"]:
    """The three points of a foot whose ankle is above `at`, with its sole `up` metres above the floor.

    Args:
        yaw: where the toes point, radians as a posture's yaw.
        pitch: degrees by which the heel is lifted about the ball of the foot; the ball then keeps its height.
    """
    _, offsets = point_carriers(anatomy)
    rows = point_rows()[f"{side}_foot"]
    local = offsets[rows]
    turn = _about("z", np.degrees(yaw)) @ STANDING @ _about("x", pitch)
    points = local @ turn.T
    flat = local @ (_about("z", np.degrees(yaw)) @ STANDING).T
    # Height of the ball of the foot above the floor when the sole is flat.
    ball = anatomy.ankle_height + flat[1, 2]
    shift = np.array([at[0], at[1], up + ball - points[1, 2]])
    return points + shift


def point_positions(anatomy: Anatomy, solved: Solved) -> Float[np.ndarray, "frame point 3"]:
    """Where all points that may be held are, metres."""
    world, joints = kinematics(solved.rotations, solved.trans, anatomy.rest)
    carriers, offsets = point_carriers(anatomy)
    return joints[:, carriers] + np.einsum("fpab,pb->fpa", world[:, carriers], offsets)


def facing(yaw: float | int) -> Float[np.ndarray, "3"]:
    """Level unit vector in which somebody of this yaw looks."""
    return np.array([-np.sin(yaw), np.cos(yaw), 0.0])


def leftwards(yaw: float | int) -> Float[np.ndarray, "3"]:
    """Level unit vector to the left of somebody of this yaw."""
    return np.array([-np.cos(yaw), -np.sin(yaw), 0.0])


def _about(axis: str, degrees: float | int) -> Float[np.ndarray, "3 3"]:
    return Rotation.from_euler(axis, float(degrees), degrees=True).as_matrix()
