"""What every foreign motion format is read into: one skeleton moving in our world, before any retargeting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError

# Maps a y-up world onto ours: x stays, y becomes z, z becomes -y.
Y_UP_TO_Z_UP: Float[np.ndarray, "3 3"] = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class SourceMotion:
    """One recorded take on the skeleton it was recorded with, in metres, seconds and a z-up world.

    Attributes:
        name: what to call the take in messages.
        joint_names: the source's own joint names.
        parents: index of each joint's parent, smaller than the joint's own index; -1 for the root.
        rotations: `(T, J, 3, 3)`, each joint relative to its parent, the root relative to our z-up world.
        trans: `(T, 3)` position of the root joint in the world.
        offsets: `(J, 3)` position of each joint in its parent's frame (the root's entry is ignored).
        times: `(T,)` strictly increasing, starting at zero.
        betas: the body shape the file states, if any (AMASS).
    """

    name: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    rotations: Float[np.ndarray, "frame joint 3 3"]
    trans: Float[np.ndarray, "frame 3"]
    offsets: Float[np.ndarray, "joint 3"]
    times: Float[np.ndarray, "frame"]
    betas: Float[np.ndarray, "shape"] | None = None

    def __post_init__(self) -> None:
        if len(self.times) < 2:
            raise UserError(f"Expected at least 2 frames in {self.name}, but got {len(self.times)}. The take is empty.")
        if not (np.diff(self.times) > 0).all():
            frame = int(np.argmin(np.diff(self.times) > 0)) + 1
            raise UserError(
                f"Expected increasing frame times in {self.name}, but frame {frame} does not come after the one "
                "before. The file's frame durations are broken; leave the file out."
            )
        for what, values in (("rotations", self.rotations), ("root positions", self.trans), ("offsets", self.offsets)):
            finite = np.isfinite(values)
            if not finite.all():
                first = np.argwhere(~finite)[0]
                where = f"frame {first[0]}" if what != "offsets" else f"joint {self.joint_names[first[0]]}"
                raise UserError(
                    f"Expected finite {what} in {self.name}, but got NaN or infinity at {where}. "
                    "The recording is damaged there; cut those frames out or leave the file out."
                )

    def index(self, joint: str) -> int:
        """Index of a joint by name; a missing name is a user error that lists what the skeleton has."""
        if joint not in self.joint_names:
            raise UserError(
                f"Expected a joint called {joint!r} in {self.name}, but its skeleton has "
                f"{', '.join(self.joint_names)}. This skeleton is not one that is known here."
            )
        return self.joint_names.index(joint)


def source_kinematics(
    parents: Sequence[int],
    rotations: Float[np.ndarray, "frame joint 3 3"],
    trans: Float[np.ndarray, "frame 3"],
    offsets: Float[np.ndarray, "joint 3"],
) -> tuple[Float[np.ndarray, "frame joint 3"], Float[np.ndarray, "frame joint 3 3"]]:
    """Joint positions in the world (metres) and world rotations of any skeleton whose parents come first."""
    positions = np.empty((*rotations.shape[:2], 3))
    world = np.empty(rotations.shape)
    for joint, parent in enumerate(parents):
        if parent < 0:
            positions[:, joint], world[:, joint] = trans, rotations[:, joint]
        else:
            positions[:, joint] = positions[:, parent] + world[:, parent] @ offsets[joint]
            world[:, joint] = world[:, parent] @ rotations[:, joint]
    return positions, world
