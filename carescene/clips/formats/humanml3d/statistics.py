"""Mean.npy and Std.npy: how the published ones are made, and how those of another data set are told apart."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.clips.formats._npy import read_npy
from carescene.clips.formats.humanml3d.layout import BLOCKS, WIDTH
from carescene.errors import UserError

# Std of each block in files that people have, in the order of BLOCKS. The evaluator of Guo et al. divides the root's
# blocks and the contacts by 5 twice, the VQ stages that copy its training loader once; MDM uses the plain file.
_ROOT_AND_CONTACTS: Final = np.array([1, 1, 1, 0, 0, 0, 1], dtype=bool)
_PUBLISHED: Final = np.array([0.012826, 0.016927, 0.15377, 0.12224, 0.29969, 0.01947, 0.35593])
_EVALUATOR: Final = np.array([0.000515, 0.000677, 0.006121, 0.12256, 0.30039, 0.01954, 0.014095])
_KNOWN: Final[dict[str, np.ndarray]] = {
    "humanml3d": _PUBLISHED,
    "evaluator": _EVALUATOR,
    "vq": np.where(_ROOT_AND_CONTACTS, _PUBLISHED / 5, _PUBLISHED),
}
_WHAT: Final[dict[str, str]] = {
    "evaluator": "the evaluator's own t2m_mean and t2m_std, whose root is 25 times smaller",
    "vq": "those of a VQ stage, whose root is 5 times smaller (feat_bias)",
}
# Rebuilt data differ by a few percent; the known sets by factors of 5.
_SAME: Final = 1.2
# Subsets of a data set move the spread of a block by less; a wrong block is off by 5 or 25.
_WIDEST: Final = 3.5


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of every number, for `(vectors - mean) / std`."""

    mean: Float[np.ndarray, "263"]
    std: Float[np.ndarray, "263"]

    def normalise(self, vectors: Float[np.ndarray, "*batch 263"]) -> Float[np.ndarray, "*batch 263"]:
        """Raw vectors in units of standard deviations, float32."""
        return ((vectors - self.mean) / self.std).astype(np.float32)

    def denormalise(self, vectors: Float[np.ndarray, "*batch 263"]) -> Float[np.ndarray, "*batch 263"]:
        """The inverse of `normalise`."""
        return (vectors * self.std + self.mean).astype(np.float32)


def block_statistics(vectors: Float[np.ndarray, "frame 263"]) -> Statistics:
    """Mean of every number, and standard deviations averaged over each of the seven blocks, as in the published files.

    Args:
        vectors: frames of all clips of the data set, mirror images included.
    """
    mean, std = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    for block in BLOCKS.values():
        std[block] = std[block].mean()
    return Statistics(mean.astype(np.float32), std.astype(np.float32))


def block_spreads(std: Float[np.ndarray, "263"]) -> Float[np.ndarray, "7"]:
    """Mean standard deviation of each block."""
    return np.array([float(np.mean(std[block])) for block in BLOCKS.values()])


def name_statistics(std: Float[np.ndarray, "263"]) -> str:
    """Which known file a Std is by its values: `humanml3d`, `evaluator`, `vq`, or `unknown`."""
    spreads = block_spreads(std)
    for name, known in _KNOWN.items():
        if (np.abs(np.log(spreads / known)) < np.log(_SAME)).all():
            return name
    return "unknown"


def read_statistics(folder: Path, mean: str = "Mean.npy", std: str = "Std.npy") -> Statistics:
    """Read and check a pair of files: a folder's `Mean.npy` and `Std.npy`, or `t2m_mean.npy` and `t2m_std.npy`.

    Raises:
        UserError: missing, of another width (named where it is known), not finite, or a spread that is not above 0.
    """
    return Statistics(_vector(folder / mean), _positive(_vector(folder / std), folder / std))


def check_against(statistics: Statistics, clips: list[Float[np.ndarray, "_ 263"]], folder: Path) -> None:
    """Refuse Mean and Std that are not those of these clips, by the spread that every block has after normalising.

    Raises:
        UserError: naming the block that is furthest off, and the data set whose files these are where it is known.
    """
    named = name_statistics(statistics.std)
    if named in _WHAT:
        raise UserError(
            f"Expected the data set's own Mean.npy and Std.npy in '{folder}', but got {_WHAT[named]}. "
            "Put HumanML3D's own files there; the evaluator's belong to the evaluator."
        )
    if not clips:
        return
    frames = np.concatenate(clips).astype(np.float64)
    scaled = (frames - statistics.mean) / statistics.std
    # By the rule that makes Std, so that it is 1 for the data's own; and how far the mean is off.
    spreads = np.array([scaled[:, block].std(axis=0).mean() for block in BLOCKS.values()])
    shifts = np.array([np.abs(scaled[:, block].mean(axis=0)).mean() for block in BLOCKS.values()])
    # Few clips may hardly move at all, so that only what is too large counts.
    worst = int(np.argmax(np.maximum(spreads, shifts)))
    if max(spreads[worst], shifts[worst]) > _WIDEST:
        raise UserError(
            f"Expected Mean.npy and Std.npy of the data in '{folder}', but after normalising the "
            f"{list(BLOCKS)[worst]} have a spread of {spreads[worst]:.3g} and a mean of {shifts[worst]:.3g} instead of "
            "about 1 and 0. They are of another data set; put the right files there."
        )


def _vector(path: Path) -> Float[np.ndarray, "263"]:
    array = np.squeeze(read_npy(path, "It is part of the official folder."))
    if array.shape != (WIDTH,):
        others = {251: "KIT-ML", 262: "InterHuman", 67: "MARDM's evaluator", 272: "the 272 numbers"}
        whose = f" That is the width of {others[array.size]}." if array.ndim == 1 and array.size in others else ""
        raise UserError(
            f"Expected {WIDTH} numbers in '{path}', but got shape {array.shape}.{whose} Put HumanML3D's own file there."
        )
    if not np.isfinite(array).all():
        raise UserError(f"Expected finite numbers in '{path}', but got NaN or infinity. Copy the file again.")
    return array


def _positive(std: Float[np.ndarray, "263"], path: Path) -> Float[np.ndarray, "263"]:
    if not (std > 0).all():
        raise UserError(
            f"Expected numbers above 0 in '{path}', but number {int(np.argmin(std > 0))} is {std.min():.3g}. "
            "This is not a file of standard deviations."
        )
    return std
