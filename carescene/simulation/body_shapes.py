"""Simple solids that stand for the body's parts in contact: capsules and balls fitted to the body's own mesh."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from carescene.humans.skeleton import JOINT, JOINT_NAMES
from carescene.simulation.segments import SIMULATED_JOINTS

# Collars have no skin of their own: the chest's capsule covers them. They get a small core that carries their mass.
_CORE_RADIUS: Final = 0.04

_THUMB_RADIUS: Final = 0.012


@dataclass(frozen=True)
class Capsule:
    """A capsule in the rest frame (y up), metres: a ball where start and end agree.

    `share` is its part of the mass of its joint; `touches` says whether it collides.
    """

    joint: int
    start: Float[np.ndarray, "3"]
    end: Float[np.ndarray, "3"]
    radius: float
    share: float = 1.0
    touches: bool = True


def body_capsules(
    vertices: Float[np.ndarray, "vertex 3"], owner: Int[np.ndarray, "vertex"], joints: Float[np.ndarray, "24 3"]
) -> list[Capsule]:
    """Capsules for the 22 simulated joints of a body in the T-pose (rest frame, y up, metres).

    Args:
        vertices: of the rest pose.
        owner: the joint that moves each vertex most.
        joints: rest joints.
    """
    skin = {joint: vertices[owner == joint] for joint in range(SIMULATED_JOINTS)}
    for side in ("left", "right"):
        wrist, hand = JOINT[f"{side}_wrist"], JOINT[f"{side}_hand"]
        skin[wrist] = np.concatenate((skin[wrist], vertices[owner == hand]))
    found: list[Capsule] = []
    for joint in range(SIMULATED_JOINTS):
        kind = JOINT_NAMES[joint].split("_")[-1]
        if kind in ("pelvis", "spine1", "spine2", "spine3"):
            found.append(_across(joint, skin[joint]))
        elif kind == "collar":
            middle = (joints[joint] + joints[joint + 3]) / 2
            found.append(Capsule(joint, middle, middle, _CORE_RADIUS, touches=False))
        elif kind == "neck":
            found.append(_along(joint, skin[joint], joints[joint], joints[JOINT["head"]]))
        elif kind == "head":
            found.append(_head(joint, skin[joint]))
        elif kind in ("ankle", "foot"):
            found.extend(_foot(joint, kind, skin[joint]))
        elif kind == "wrist":
            found.extend(_hand(joint, skin[joint], joints[joint]))
        else:
            found.append(_limb(joint, skin[joint], joints[joint], joints[_next(joint)]))
    return found


def _next(joint: int) -> int:
    """The joint at the lower end of a limb's bone."""
    return {"hip": joint + 3, "knee": joint + 3, "shoulder": joint + 2, "elbow": joint + 2}[
        JOINT_NAMES[joint].split("_")[-1]
    ]


def _across(joint: int, skin: Float[np.ndarray, "vertex 3"]) -> Capsule:
    """A lying capsule from flank to flank, as deep as the trunk; its front and back touch where the skin does."""
    low, high = np.percentile(skin, 2, axis=0), np.percentile(skin, 98, axis=0)
    middle = (low + high) / 2
    # Seen from above a trunk is an oval: the round ends of the capsule stand for its flanks.
    radius = (high[2] - low[2]) / 2
    reach = np.array([max((high[0] - low[0]) / 2 - radius, 0.01), 0.0, 0.0])
    return Capsule(joint, middle - reach, middle + reach, float(radius))


def _along(
    joint: int, skin: Float[np.ndarray, "vertex 3"], start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> Capsule:
    """A capsule along a bone, moved sideways to the middle of its flesh and as thick as that is on average."""
    axis = (end - start) / np.linalg.norm(end - start)
    flat = skin - np.outer((skin - start) @ axis, axis)
    shift = (flat.min(0) + flat.max(0)) / 2 - start
    shift -= axis * (shift @ axis)
    radius = float(np.mean(np.linalg.norm(flat - (start + shift), axis=1)))
    return Capsule(joint, start + shift, end + shift, radius)


def _limb(
    joint: int, skin: Float[np.ndarray, "vertex 3"], start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> Capsule:
    whole = _along(joint, skin, start, end)
    axis = (end - start) / np.linalg.norm(end - start)
    # The round ends stay inside the bone's length, so that neighbours do not bulge at the joint.
    inset = min(whole.radius * 0.5, float(np.linalg.norm(end - start)) / 3)
    return Capsule(joint, whole.start + axis * inset, whole.end - axis * inset, whole.radius)


def _hand(joint: int, skin: Float[np.ndarray, "vertex 3"], wrist: Float[np.ndarray, "3"]) -> list[Capsule]:
    """Two bars side by side from the wrist to the finger tips, as a hand is flat, and a third for the thumb."""
    out = 1.0 if skin[:, 0].mean() > wrist[0] else -1.0
    reach = float((out * skin[:, 0]).max()) - out * float(wrist[0])
    radius = max(0.016, float(np.ptp(np.percentile(skin[:, 1], [10, 90]))) / 2)
    height = float(np.median(skin[:, 1]))
    # The thumb sticks out: most of the hand's width counts.
    low, high = np.percentile(skin[:, 2], [4, 90])
    sides = (float(low) + radius, max(float(high) - radius, float(low) + radius + 0.01))
    starts = [np.array([wrist[0] + out * radius, height, z]) for z in sides]
    ends = [np.array([wrist[0] + out * (reach - radius), height, z]) for z in sides]
    tip = skin[skin[:, 2].argmax()]
    starts.append(np.array([wrist[0] + out * 0.03, height, sides[1]]))
    ends.append(np.array([tip[0], tip[1], tip[2] - _THUMB_RADIUS]))
    radii, shares = (radius, radius, _THUMB_RADIUS), (0.45, 0.45, 0.1)
    return [Capsule(joint, *each) for each in zip(starts, ends, radii, shares, strict=True)]


def _head(joint: int, skin: Float[np.ndarray, "vertex 3"]) -> Capsule:
    """From chin to crown. The nose is left out: the skull's front and back count."""
    upper = skin[skin[:, 1] > np.percentile(skin[:, 1], 55)]
    radius = float(np.percentile(upper[:, 0], 97) - np.percentile(upper[:, 0], 3)) / 2 * 1.06
    back = float(np.percentile(upper[:, 2], 2))
    x, z = float(np.median(skin[:, 0])), back + radius
    top = np.array([x, float(skin[:, 1].max()) - radius, z])
    chin = np.array([x, float(np.percentile(skin[:, 1], 3)) + radius * 0.75, z + radius * 0.3])
    return Capsule(joint, chin, top, radius)


def _foot(joint: int, kind: str, skin: Float[np.ndarray, "vertex 3"]) -> list[Capsule]:
    """Heel (a ball) and ball of the foot (a bar across), or the toes (a bar across); their undersides are the sole."""
    sole = float(skin[:, 1].min())
    if kind == "foot":
        radius = max(0.012, float(np.ptp(skin[:, 1]) / 2))
        low, high = skin.min(0), skin.max(0)
        reach = np.array([max((high[0] - low[0]) / 2 - radius, 0.005), 0.0, 0.0])
        middle = np.array([(low[0] + high[0]) / 2, sole + radius, high[2] - radius])
        return [Capsule(joint, middle - reach, middle + reach, radius)]
    low_part = skin[skin[:, 1] < sole + 0.03]
    back, front = float(low_part[:, 2].min()), float(low_part[:, 2].max())
    heel = low_part[low_part[:, 2] < back + 0.06]
    ball = low_part[low_part[:, 2] > front - 0.05]
    heel_radius = float(np.ptp(heel[:, 0]) / 2)
    x = float(heel[:, 0].mean())
    heel_middle = np.array([x, sole + heel_radius, back + heel_radius])
    ball_radius = 0.025
    reach = np.array([max(float(np.ptp(ball[:, 0])) / 2 - ball_radius, 0.005), 0.0, 0.0])
    ball_middle = np.array([float(ball[:, 0].mean()), sole + ball_radius, front - ball_radius])
    return [
        Capsule(joint, heel_middle, heel_middle, heel_radius, share=0.6),
        Capsule(joint, ball_middle - reach, ball_middle + reach, ball_radius, share=0.4),
    ]
