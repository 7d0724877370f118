"""What goes into a simulation and what comes out of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from carescene.humans.skeleton import JOINT, NUM_JOINTS

FRAMES_PER_SECOND: Final = 20.0

# Joints whose contact means that the body itself, not an outstretched limb, has come down.
TRUNK: Final[tuple[int, ...]] = tuple(JOINT[name] for name in ("pelvis", "spine1", "spine2", "spine3", "head"))


@dataclass(frozen=True)
class ReferenceMotion:
    """The motion to follow: axis-angle poses, pelvis positions in the world (metres, z up) and frames per second.

    It starts with the simulation; its last frame holds on where it is shorter.
    """

    poses: Float[np.ndarray, "frame 24 3"]
    trans: Float[np.ndarray, "positions 3"]
    fps: float | int = FRAMES_PER_SECOND

    def checked(self) -> "ReferenceMotion":
        """The same motion; raises UserError for wrong shapes, no frames, or numbers that are not finite."""
        if self.poses.ndim != 3 or self.poses.shape[1:] != (NUM_JOINTS, 3) or len(self.poses) == 0:
            raise UserError(f"Expected poses of shape (frame, 24, 3), but got {self.poses.shape}. Give one person.")
        if self.trans.shape != (len(self.poses), 3):
            raise UserError(
                f"Expected one pelvis position per frame, ({len(self.poses)}, 3), but got {self.trans.shape}."
            )
        if not (np.isfinite(self.poses).all() and np.isfinite(self.trans).all()):
            raise UserError("Expected finite numbers in the reference motion, but got NaN. Cut invalid frames off.")
        if not self.fps > 0:
            raise UserError(f"Expected a positive frame rate, but got {self.fps}. Set the clip's rate.")
        return self


@dataclass(frozen=True)
class SimulatedMotion:
    """A simulated person, frame by frame at 20 fps (world frame, metres, seconds, newtons).

    Attributes:
        poses, trans: as in `Clip`, of one person; the hands keep the reference's pose.
        floor_force: largest normal force between each simulated joint's part and the floor within the frame's 0.05 s.
        furniture_force: the same with furniture; `object_force` says with which piece.
        pelvis_velocity, head_velocity: of the joints.
        center_of_mass: of the whole body.
        floor_depth, furniture_depth: how deep the deepest contact goes within the frame, metres.
        saturation: share of the servos that are at the limit of the person's strength.
        energy: kinetic and potential energy (from z = 0), joules.
        limit_violation: how far the worst joint is outside its range, radians.
        object_ids: furniture in the order of `object_force`.
        impact_s: when the trunk, pelvis or head first came down after a `Settle`'s `not_before_s`; None if never.
    """

    poses: Float[np.ndarray, "frame 24 3"]
    trans: Float[np.ndarray, "frame 3"]
    floor_force: Float[np.ndarray, "frame 22"]
    furniture_force: Float[np.ndarray, "frame 22"]
    object_force: Float[np.ndarray, "frame object"]
    pelvis_velocity: Float[np.ndarray, "frame 3"]
    head_velocity: Float[np.ndarray, "frame 3"]
    center_of_mass: Float[np.ndarray, "frame 3"]
    floor_depth: Float[np.ndarray, "frame"]
    furniture_depth: Float[np.ndarray, "frame"]
    saturation: Float[np.ndarray, "frame"]
    energy: Float[np.ndarray, "frame 2"]
    limit_violation: Float[np.ndarray, "frame"]
    object_ids: tuple[str, ...] = ()
    impact_s: float | None = None
    fps: float = FRAMES_PER_SECOND

    @property
    def penetration(self) -> Float[np.ndarray, "frame"]:
        """How deep the deepest contact with anything goes within each frame, metres."""
        return np.maximum(self.floor_depth, self.furniture_depth)
