"""The npz archive of SAMP and CIRCLE takes on the AMP humanoid, as UniHSI published them."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from carescene.clips.formats._npz import open_npz, read_array
from carescene.errors import UserError
from carescene.humans.source_motion import SourceMotion


def list_samp_circle(path: Path) -> list[str]:
    """Names of the takes in the archive."""
    with open_npz(path) as archive:
        return [str(clip) for clip in read_array(archive, "clips", path.name)]


def read_samp_circle(path: Path, take: str) -> SourceMotion:
    """Read one take: z up, metres, quaternions xyzw relative to the parent, joint frames facing +x with left at +y.

    Raises:
        UserError: the take or one of its arrays is missing, damaged, of the wrong shape or not finite.
    """
    name = f"{path.name}:{take}"
    with open_npz(path) as archive:
        joint_names = tuple(str(joint) for joint in read_array(archive, "joint_names", name))
        parents = tuple(int(parent) for parent in read_array(archive, "parents", name))
        quats = read_array(archive, f"{take}/local_quat_xyzw", name).astype(np.float64)
        trans = read_array(archive, f"{take}/root_translation_m", name).astype(np.float64)
        offsets = read_array(archive, f"{take}/local_translation_m", name).astype(np.float64)
        fps = float(read_array(archive, f"{take}/fps", name))
    frames, joints = len(quats), len(joint_names)
    if quats.shape != (frames, joints, 4) or trans.shape != (frames, 3) or offsets.shape != (joints, 3):
        raise UserError(
            f"Expected {joints} quaternions and one root position per frame in {name}, but got arrays of shape "
            f"{quats.shape}, {trans.shape} and {offsets.shape}. The take is damaged."
        )
    if not np.isfinite(quats).all() or (np.linalg.norm(quats, axis=-1) < 0.5).any():
        bad = ~np.isfinite(quats).all(-1) | ~(np.linalg.norm(quats, axis=-1) >= 0.5)
        frame = int(np.argwhere(bad)[0, 0])
        raise UserError(f"Expected unit quaternions in {name}, but frame {frame} has none. Cut that frame out.")
    if not 1.0 <= fps <= 1000.0:
        raise UserError(f"Expected a frame rate between 1 and 1000 in {name}, but got {fps}. The take is damaged.")
    return SourceMotion(
        name=name,
        joint_names=joint_names,
        parents=parents,
        rotations=Rotation.from_quat(quats.reshape(-1, 4)).as_matrix().reshape(frames, joints, 3, 3),
        trans=trans,
        offsets=offsets,
        times=np.arange(frames) / fps,
    )


def is_samp_circle(path: Path) -> bool:
    """Whether the npz has the archive's keys."""
    with open_npz(path) as archive:
        return {"clips", "joint_names", "parents"} <= set(archive.files)
