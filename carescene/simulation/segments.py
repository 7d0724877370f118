"""What the simulated person is made of: how heavy each part is, how far each joint turns, how strong it is.

Axes are those of SMPL's rest pose: x to the person's left, y up, z ahead; arms stretched out sideways. Angles of
rotation about them have signs by the right hand: a hip bends with negative x, a knee with positive x, a left elbow with
negative y. Rows are written for the left side; the right side mirrors them (y and z change sign).
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from carescene.humans.anthropometry import Sex
from carescene.humans.skeleton import JOINT, JOINT_NAMES

# Joints of the simulated person: the two hands of SMPL are one piece with their wrists.
SIMULATED_JOINTS: Final = 22

# Share of the body's mass by part, men and women: de Leva 1996, "Adjustments to Zatsiorsky-Seluyanov's segment inertia
# parameters", J. Biomechanics 29(9), table 4.
_SHARES: Final[dict[str, tuple[float, float]]] = {
    "head": (0.0694, 0.0668),
    "upper_trunk": (0.1596, 0.1545),
    "middle_trunk": (0.1633, 0.1465),
    "lower_trunk": (0.1117, 0.1247),
    "upper_arm": (0.0271, 0.0255),
    "forearm": (0.0162, 0.0138),
    "hand": (0.0061, 0.0056),
    "thigh": (0.1416, 0.1478),
    "shank": (0.0433, 0.0481),
    "foot": (0.0137, 0.0129),
}

# Part and share of it that moves with each SMPL joint. The table's parts end at other places than SMPL's bones, so the
# middle trunk is shared by two joints, the neck takes a fifth of the head, and the shoulder girdle some of the chest.
_PARTS: Final[dict[str, tuple[str, float]]] = {
    "pelvis": ("lower_trunk", 1.0),
    "spine1": ("middle_trunk", 0.5),
    "spine2": ("middle_trunk", 0.5),
    "spine3": ("upper_trunk", 0.84),
    "neck": ("head", 0.2),
    "head": ("head", 0.8),
    "collar": ("upper_trunk", 0.08),
    "shoulder": ("upper_arm", 1.0),
    "elbow": ("forearm", 1.0),
    "wrist": ("hand", 1.0),
    "hip": ("thigh", 1.0),
    "knee": ("shank", 1.0),
    "ankle": ("foot", 0.85),
    "foot": ("foot", 0.15),
}


@dataclass(frozen=True)
class JointSpec:
    """How one joint turns.

    Attributes:
        axes: three hinges, outermost first; the middle one turns least, so that the angles are never singular. None
            for the shoulder, which is a ball, as it turns too far about all three.
        limits_deg: of the three hinges in the order of `axes`; of a ball, the largest turn from its middle.
        stiffness: of the controller, newton metres per radian and kilogram of body mass.
        strength: largest torque of a young man, newton metres per kilogram of body mass.
    """

    axes: Literal["xzy", "xyz", "yzx", "zyx", "yxz"] | None
    limits_deg: tuple[tuple[float | int, float | int], ...]
    stiffness: float
    strength: float


# Ranges of motion: Roaas and Andersson 1982 (hip, knee, ankle), Boone and Azen 1979 (shoulder, elbow, wrist), White
# and Panjabi 1990 (spine, shared among SMPL's joints), each with some degrees of slack, because SMPL's joints are not
# where the anatomical ones are. Strength: rounded from Anderson, Madigan and Nussbaum 2007 (hip, knee, ankle) and
# Danneskiold-Samsoe et al. 2009 (trunk, shoulder, elbow, wrist).
_SPECS: Final[dict[str, JointSpec]] = {
    "hip": JointSpec("xzy", ((-130, 30), (-35, 55), (-50, 50)), 8.0, 3.0),
    "knee": JointSpec("xyz", ((-4, 150), (-15, 15), (-10, 10)), 8.0, 3.0),
    "ankle": JointSpec("xyz", ((-30, 55), (-35, 35), (-30, 30)), 5.0, 2.0),
    "foot": JointSpec("xyz", ((-60, 35), (-10, 10), (-10, 10)), 0.6, 0.4),
    "spine": JointSpec("xzy", ((-15, 35), (-18, 18), (-20, 20)), 12.0, 4.0),
    "neck": JointSpec("xzy", ((-35, 35), (-25, 25), (-40, 40)), 2.0, 0.7),
    "head": JointSpec("xzy", ((-35, 35), (-25, 25), (-45, 45)), 2.0, 0.7),
    "collar": JointSpec("yxz", ((-30, 25), (-20, 20), (-40, 40)), 5.0, 2.0),
    "shoulder": JointSpec(None, ((0, 125),), 4.0, 1.0),
    "elbow": JointSpec("yzx", ((-152, 4), (-15, 15), (-90, 90)), 3.0, 0.9),
    "wrist": JointSpec("zyx", ((-80, 75), (-35, 35), (-40, 40)), 0.6, 0.25),
}

# Where the left upper arm points in the middle of the shoulder's range: ahead, out to the side and a little down.
SHOULDER_MIDDLE: Final = (0.62, -0.35, 0.70)

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "all": JOINT_NAMES[1:SIMULATED_JOINTS],
    "trunk": ("spine1", "spine2", "spine3"),
    "neck": ("neck", "head"),
    **{
        f"{side}_{limb}": tuple(f"{side}_{joint}" for joint in joints)
        for side in ("left", "right")
        for limb, joints in {
            "leg": ("hip", "knee", "ankle", "foot"),
            "arm": ("collar", "shoulder", "elbow", "wrist"),
        }.items()
    },
    "legs": tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle", "foot")),
    "arms": tuple(f"{side}_{j}" for side in ("left", "right") for j in ("collar", "shoulder", "elbow", "wrist")),
}


def joint_spec(joint: int) -> JointSpec:
    """How one of the SMPL joints 1 to 21 turns, with the limits of its own side."""
    name = JOINT_NAMES[joint]
    spec = _SPECS[_kind(name)]
    if not name.startswith("right_") or spec.axes is None:
        return spec
    mirrored = tuple(
        (low, high) if axis == "x" else (-high, -low)
        for axis, (low, high) in zip(spec.axes, spec.limits_deg, strict=True)
    )
    return JointSpec(spec.axes, mirrored, spec.stiffness, spec.strength)


def segment_masses(weight_kg: float | int, sex: Sex) -> Float[np.ndarray, "22"]:
    """Mass in kilograms of what moves with each of the first 22 SMPL joints (de Leva 1996); they sum to the weight."""
    column = 0 if sex == "male" else 1
    shares = np.zeros(SIMULATED_JOINTS)
    for name in JOINT_NAMES[:SIMULATED_JOINTS]:
        kind = name.split("_")[-1]
        part, fraction = _PARTS[kind]
        shares[JOINT[name]] = _SHARES[part][column] * fraction
    # The published shares of women add up to 1 within rounding only.
    return weight_kg * shares / shares.sum()


def strength_factor(age_years: float | int, sex: Sex) -> float:
    """Strength as a share of a young man's.

    Muscle strength holds until about 40 and then falls by 10 % of the young value per decade (rounded from Lindle et
    al. 1997 and Danneskiold-Samsoe et al. 2009); women reach about 70 % of men's torque per kilogram.
    """
    aged = float(np.clip(1.0 - 0.01 * (age_years - 40.0), 0.3, 1.0))
    return aged * (1.0 if sex == "male" else 0.7)


def reaction_delay(age_years: float | int) -> float:
    """Seconds from the loss of balance to the first movement of the arms.

    0.15 s in the young and 0.25 s at 80: the range of arm reactions to a moving platform (Maki and McIlroy 2006) and
    of the delays of older people in fall arrest (DeGoede, Ashton-Miller and Schultz 2003).
    """
    return float(np.interp(age_years, (30.0, 80.0), (0.15, 0.25)))


def joints_named(*names: str) -> tuple[int, ...]:
    """Indices of SMPL joints from names of joints and of `GROUPS`; raises KeyError for other names."""
    found = {JOINT[joint] for name in names for joint in GROUPS.get(name, (name,))}
    return tuple(sorted(found))


def _kind(name: str) -> str:
    kind = name.split("_")[-1]
    return "spine" if kind.startswith("spine") else kind
