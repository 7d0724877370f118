"""Whether a controlled motion may be shown: contacts kept, joints within limits, nothing through floor or furniture."""

from typing import Final

import numpy as np

from carescene.simulation.anatomy import Anatomy
from carescene.simulation.keyframing import FPS, Motion
from carescene.simulation.pose_solver import attached_points, joint_limit_excess, kinematics, skin_points
from carescene.simulation.surfaces import Surface, penetration

# A contact may miss its place by so much before it is seen, metres.
CONTACT_M: Final = 0.004
# Beyond the anatomical ranges by more than this a joint looks broken, degrees.
LIMIT_DEG: Final = 6.0
# Skin deeper than this below the floor or inside furniture (beyond what flesh and foam give), metres.
DEEP_M: Final = 0.03
# Joints of people who do things on purpose stay below 4 m/s; hands and heads of fast ones below 6 m/s.
JUMP_M: Final = 0.20
FAST_JUMP_M: Final = 0.30


def review(
    anatomy: Anatomy, motion: Motion, surfaces: list[Surface], *, fast: bool = False
) -> tuple[dict[str, float], list[str]]:
    """Measures of a solved motion and the reasons for which it is refused (none: it is kept).

    Returns:
        `contact` (m, worst miss of a held point), `limit` (degrees), `depth` (m into floor or furniture beyond what
        gives), `jump` (m of a joint between frames), `skate` (m/s of planted points), `jerk` (m/s3 of the joints),
        `penetration` (m of skin under the floor, mean over frames of the deepest point).
    """
    world, joints = kinematics(motion.rotations, motion.trans, anatomy.rest)
    targets = motion.targets
    points = attached_points(world, joints, targets.joints, targets.offsets)
    held = targets.weights > 0.95
    skin = skin_points(anatomy, world, joints)
    moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    # A held point whose place does not change is planted.
    planted = held[1:] & held[:-1] & (np.abs(np.diff(targets.positions, axis=0)) < 1e-6)
    slid = np.abs(np.diff(points, axis=0)) * planted
    values = {
        "contact": float((np.abs(points - targets.positions) * held).max()),
        "limit": float(np.degrees(joint_limit_excess(motion.rotations).max())),
        "depth": max(float(penetration(surface, skin)[0].max()) for surface in surfaces),
        "jump": float(moved.max()),
        "skate": float(slid.sum() / max(planted.any(axis=-1).sum(), 1) * FPS),
        "jerk": float(np.linalg.norm(np.diff(joints, 3, axis=0), axis=-1).mean() * FPS**3),
        "penetration": float(np.maximum(-skin[..., 2], 0).max(axis=1).mean()),
    }
    limits = {
        "contact": CONTACT_M,
        "limit": LIMIT_DEG,
        "depth": DEEP_M,
        "jump": FAST_JUMP_M if fast else JUMP_M,
    }
    reasons = [name for name, most in limits.items() if not values[name] <= most]
    return {name: round(value, 5) for name, value in values.items()}, reasons
