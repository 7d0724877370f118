"""The published mean and spread of InterHuman's numbers, and how those of another data set are told from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.clips.formats._npy import read_npy
from carescene.clips.formats.interhuman import CONTACTS, PAIR_FEATURES, POSITIONS, ROTATIONS, VELOCITIES
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT, MIRROR, MODEL_JOINTS

# Widths of statistics that lie about under the same kind of name.
_OTHER_WIDTHS: Final = {
    263: "HumanML3D",
    251: "KIT-ML",
    259: "HumanML3D without contacts",
    67: "MARDM's 67 numbers",
    272: "MotionStreamer's 272 numbers",
    258: "InterHuman without contacts",
    217: "this project's own features",
}
# Training data holds every clip and its mirror image, so that sides agree to rounding.
_SIDES_DIFFER: Final = 1e-3


@dataclass(frozen=True)
class PairStatistics:
    """Mean and spread that InterHuman's published models and this set's users normalise both people by."""

    mean: Float[np.ndarray, "262"]
    std: Float[np.ndarray, "262"]

    def normalise(self, features: Float[np.ndarray, "*batch 262"]) -> Float[np.ndarray, "*batch 262"]:
        """(features - mean) / std."""
        return (features - self.mean) / self.std

    def denormalise(self, features: Float[np.ndarray, "*batch 262"]) -> Float[np.ndarray, "*batch 262"]:
        """The inverse of `normalise`."""
        return features * self.std + self.mean


def load_pair_statistics(folder: Path) -> PairStatistics:
    """Read `global_mean.npy` and `global_std.npy`, as published with InterGen.

    Raises:
        UserError: a file is missing or damaged, or the numbers are another data set's; the message says by what it
            was told.
    """
    mean, std = (_vector(folder / name) for name in ("global_mean.npy", "global_std.npy"))
    problem = _foreign(mean, std)
    if problem:
        raise UserError(
            f"Expected InterHuman's published mean and std in '{folder}', but {problem}. They are probably those of "
            "another data set or exchanged; take the two files from InterGen's repository."
        )
    return PairStatistics(mean, std)


def _vector(path: Path) -> np.ndarray:
    values = read_npy(path, "Put InterGen's global_mean.npy and global_std.npy there.")
    if values.shape != (PAIR_FEATURES,):
        width = values.shape[-1] if values.ndim else 0
        whose = f" These are the statistics of {_OTHER_WIDTHS[width]}." if width in _OTHER_WIDTHS else ""
        raise UserError(
            f"Expected {PAIR_FEATURES} numbers in '{path}', but got an array of shape {values.shape}.{whose} "
            "Take InterGen's own files."
        )
    if not np.isfinite(values).all():
        raise UserError(f"Expected finite numbers in '{path}', but got NaN or infinity. Copy the file again.")
    return values.astype(np.float32)


def _foreign(mean: np.ndarray, std: np.ndarray) -> str | None:
    """What shows that these are not the statistics of mirrored people on two feet, 30 times a second."""
    if (std <= 0).any():
        return f"the std has {int((std <= 0).sum())} entries that are not positive"
    joints = mean[POSITIONS].reshape(MODEL_JOINTS, 3)
    head, pelvis, toes = joints[JOINT["head"], 1], joints[0, 1], joints[JOINT["left_foot"], 1]
    if not (toes < pelvis < head and 0.6 < pelvis < 1.2 and 1.1 < head < 1.9):
        return f"mean heights of toe, pelvis and head are {toes:.2f}, {pelvis:.2f} and {head:.2f} m"
    six = mean[ROTATIONS].reshape(-1, 6)
    if not (six[:, [0, 3]].mean() > 0.5 and np.abs(six[:, [1, 2, 4, 5]]).mean() < 0.3):
        return "mean rotations are not written row by row (r00 r01 r10 r11 r20 r21)"
    fastest = float(std[VELOCITIES].max())
    if not 0.002 < fastest < 0.1:
        return f"velocities spread by up to {fastest:.4f} m per frame, not by some centimetres"
    contacts = mean[CONTACTS]
    if (contacts < 0).any() or (contacts > 1).any():
        return f"mean contacts are {np.round(contacts, 2).tolist()}, not shares of time"
    spread = std[POSITIONS].reshape(MODEL_JOINTS, 3)
    sides = float(np.abs(spread - spread[list(MIRROR[:MODEL_JOINTS])]).max())
    if sides > _SIDES_DIFFER:
        return f"left and right joints spread differently by up to {sides:.3f} m, as without mirrored clips"
    return None
