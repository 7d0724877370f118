"""How far each kind of observation may be off: standard deviations in physical units, and the widths of kernels."""

from dataclasses import dataclass
from typing import Final

from carescene.humans.skeleton import JOINT

# Joints whose paths are smooth, with their share of `acceleration`: hands and feet are thrown about, the trunk is not.
# Twelve of the 24: neighbours on a chain accelerate together, and each copy would count once more.
SMOOTH_JOINTS: Final[dict[int, float]] = {
    JOINT[name]: share
    for name, share in {
        "pelvis": 0.7, "spine3": 0.7, "head": 0.8, "left_shoulder": 1.0, "right_shoulder": 1.0,
        "left_elbow": 1.3, "right_elbow": 1.3, "left_wrist": 1.8, "right_wrist": 1.8,
        "left_knee": 1.2, "right_knee": 1.2, "left_ankle": 1.6, "right_ankle": 1.6,
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class Sigmas:
    """Standard deviations of the terms of the energy. Per-frame terms of motion count as at 20 frames per second.

    Attributes:
        repeats: how many times over frames say the same about what they share (camera, shapes, offsets): errors of
            detectors, labels and of the body itself hardly change within a second or two. Priors count so much more.
        hips: factor on the key points' own sigma at the hips, which detectors place a hand's breadth off.
        kernel: of the key points, in their sigmas: what is much further off counts as an outlier (Geman-McClure).
        kernel_start: the kernel's width at first; so wide that nothing is an outlier yet.
        kernel_shrink: factor on the width from one iteration to the next.
        label_memory: labels this near in time share their error (seconds): together they count as one.
        label_freedom: degrees of freedom of the labels' Student t distribution; few make a wrong label harmless.
        acceleration: of a joint, m/s^2. Too small a value pulls people towards the camera instead of smoothing them.
        acceleration_kernel: of the same, in sigmas: beyond it costs grow linearly (falls end in a blow).
        turning: angular acceleration of each joint relative to its parent, rad/s^2.
        limit: of joint angles beyond their range, radians.
        lean: of upright people from the vertical, ankles to neck, radians: stoops and how somebody carries a load last
            a whole video, so that all upright frames of a person count as `lean_count` independent ones.
        lean_count: see there.
        shape: of each beta; they are standard scores of a population.
        offset: of the constant offset between a detector's landmark and the body's, metres.
        depth_kernel: of depth readings, in their sigmas.
        slip: speed of skin that rests on something, m/s.
        touch: distance of skin that rests on something from it, metres. Weak: the floor is where the camera's prior has
            it, and people who are pulled to a wrong floor bend focal length, pitch and height to get there.
        soft_start: factor on the sigmas of touch, floor and furniture when contacts begin.
        soft_shrink: factor on it from one iteration to the next, down to 1.
        floor: depth of skin in the floor, metres.
        furniture: depth of skin in furniture and walls, metres: mattresses give way, and boxes are not the furniture.
        people: depth of overlap of two people's bodies, metres.
    """

    repeats: float = 10.0
    hips: float = 2.0
    kernel: float = 4.0
    kernel_start: float = 20.0
    kernel_shrink: float = 0.55
    label_memory: float = 0.4
    label_freedom: float = 66.0
    acceleration: float = 6.0
    acceleration_kernel: float = 3.0
    turning: float = 30.0
    limit: float = 0.1
    lean: float = 0.08
    lean_count: float = 1.5
    shape: float = 1.0
    offset: float = 0.015
    depth_kernel: float = 3.0
    slip: float = 0.15
    touch: float = 0.1
    soft_start: float = 16.0
    soft_shrink: float = 0.6
    floor: float = 0.015
    furniture: float = 0.04
    people: float = 0.04
