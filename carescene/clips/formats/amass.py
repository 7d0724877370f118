"""AMASS npz files: SMPL, SMPL-H or SMPL-X pose parameters (Mahmood et al. 2019)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip
from carescene.clips.formats._npz import open_npz, read_array
from carescene.clips.formats._people import person_span
from carescene.errors import UserError
from carescene.files import write_npz
from carescene.humans.skeleton import JOINT_NAMES, PARENTS
from carescene.humans.source_motion import SourceMotion

# Joints of the pose vectors that occur: SMPL 24, SMPL-H 52, SMPL-X 55 (AMASS "stageii"), body only 22.
_JOINT_COUNTS: Final = (22, 24, 52, 55)

# Where SMPL-H's neutral mean shape has its pelvis before posing, relative to the model's origin, in metres. `trans`
# moves that origin, while our clips store the pelvis joint itself; the shape moves it by millimetres only.
PELVIS_AT_REST: Final = (-0.0018, -0.2233, 0.0282)

# What we write: SMPL-H's 22 body joints and twice 15 finger joints; 16 betas and 8 DMPLs as in every AMASS file.
_BODY_JOINTS: Final = 22
_SMPLH_JOINTS: Final = 52
_AMASS_BETAS: Final = 16
_AMASS_DMPLS: Final = 8
# Shape on a body that is not SMPL's; under AMASS' own name it would give SMPL users a wrong body.
_OWN_BETAS: Final = "carescene_betas"
_GENDERS: Final[Mapping[str, str]] = {"female": "female", "male": "male", "unknown": "neutral"}


def is_amass(path: Path) -> bool:
    """Whether the npz has AMASS' arrays."""
    with open_npz(path) as archive:
        return {"poses", "trans"} <= set(archive.files)


def read_amass(path: Path) -> SourceMotion:
    """Read an AMASS file onto the first 22 SMPL joints; hands follow their wrists.

    The world is AMASS' own (z up, metres). Offsets are left zero: rotations are SMPL's already, so that no other
    skeleton's bones are needed; `trans` is the pelvis joint.

    Raises:
        UserError: arrays missing or of another shape, no frame rate, or values that are not finite.
    """
    name = path.name
    with open_npz(path) as archive:
        poses = read_array(archive, "poses", name).astype(np.float64)
        trans = read_array(archive, "trans", name).astype(np.float64)
        shapes = [key for key in (_OWN_BETAS, "betas") if key in archive.files]
        betas = read_array(archive, shapes[0], name).astype(np.float64) if shapes else None
        rates = [key for key in ("mocap_framerate", "mocap_frame_rate") if key in archive.files]
        if not rates:
            raise UserError(
                f"Expected mocap_framerate or mocap_frame_rate in {name}, but got neither. "
                "Files without a rate (such as shape.npz) hold no motion."
            )
        fps = float(read_array(archive, rates[0], name))
    frames = len(poses)
    joints = poses.shape[1] // 3 if poses.ndim == 2 and poses.shape[1] % 3 == 0 else -1
    if joints not in _JOINT_COUNTS or trans.shape != (frames, 3):
        raise UserError(
            f"Expected poses (T, 3 x 22, 24, 52 or 55) and trans (T, 3) in {name}, but got {poses.shape} and "
            f"{trans.shape}. The file is damaged or of another body model."
        )
    if not np.isfinite(poses).all():
        frame = int(np.argwhere(~np.isfinite(poses))[0, 0])
        raise UserError(f"Expected finite poses in {name}, but frame {frame} has NaN or infinity. Cut it out.")
    if not 1.0 <= fps <= 1000.0:
        raise UserError(f"Expected a frame rate between 1 and 1000 in {name}, but got {fps}. The file is damaged.")
    rotations = np.tile(np.eye(3), (frames, len(JOINT_NAMES), 1, 1))
    body = poses[:, :66].reshape(-1, 3)
    rotations[:, :22] = Rotation.from_rotvec(body).as_matrix().reshape(frames, 22, 3, 3)
    return SourceMotion(
        name=name,
        joint_names=JOINT_NAMES,
        parents=PARENTS,
        rotations=rotations,
        # SMPL turns about the pelvis joint, so the model's origin does not: pelvis = trans + rest pelvis.
        trans=trans + np.array(PELVIS_AT_REST),
        offsets=np.zeros((len(JOINT_NAMES), 3)),
        times=np.arange(frames) / fps,
        betas=betas,
    )


def write_amass(clip: Clip, person: int, path: Path, *, smpl_betas: bool = False) -> None:
    """Write one person of a clip as an AMASS file, complete or not at all.

    Arrays: `poses (T, 156)` axis-angle of SMPL-H with resting fingers (SMPL's two hand joints have no place there),
    `trans (T, 3)` of the model's origin in metres and a z-up world, `betas (16)`, `dmpls (T, 8)` zero, `gender`,
    `mocap_framerate`; beside them `carescene_betas (10)`. Frames in which the person does not exist are left out at
    both ends.

    Args:
        clip: metres, z up; its `trans` is the pelvis joint.
        person: which.
        path: file to write, ending in .npz.
        smpl_betas: whether the clip's betas are SMPL's. Those of the bundled body mean nothing to SMPL; then `betas`
            is the mean shape.

    Raises:
        UserError: the person never exists or exists with a break, or the file cannot be written.
    """
    span = person_span(clip, person)
    frames = span.stop - span.start
    poses = np.zeros((frames, _SMPLH_JOINTS, 3))
    poses[:, :_BODY_JOINTS] = clip.poses[person, span, :_BODY_JOINTS]
    betas = np.zeros(_AMASS_BETAS)
    if smpl_betas:
        betas[: clip.betas.shape[1]] = clip.betas[person]
    arrays = {
        "poses": poses.reshape(frames, -1),
        "trans": clip.trans[person, span].astype(np.float64) - np.array(PELVIS_AT_REST),
        "betas": betas,
        "dmpls": np.zeros((frames, _AMASS_DMPLS)),
        "gender": np.array(_GENDERS[clip.persons[person].sex if clip.persons else "unknown"]),
        "mocap_framerate": np.array(float(clip.fps)),
        _OWN_BETAS: clip.betas[person].astype(np.float64),
    }
    write_npz(path, arrays)
