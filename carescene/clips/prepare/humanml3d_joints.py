"""Joint positions of HumanML3D's clips from AMASS recordings and HumanAct12, cut by the published rules."""

import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float

from carescene.clips.formats._npz import open_npz, read_array
from carescene.clips.formats.amass import PELVIS_AT_REST, read_amass
from carescene.clips.formats.humanml3d import FPS, JOINTS
from carescene.clips.formats.humanml3d.layout import SWAP_UP
from carescene.clips.prepare.humanml3d_files import body_file
from carescene.clips.resample import resample_positions, resample_rotations
from carescene.errors import UserError
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.skeleton import MIRROR, NUM_JOINTS

Rules = Literal["published", "corrected"]

# Seconds at the head of every recording of a data set (calibration poses) that are cut before the index' frames count.
_HEAD_S: Final[dict[str, float]] = {
    "Eyes_Japan_Dataset": 3.0,
    "MPI_HDM05": 3.0,
    "TotalCapture": 1.0,
    "MPI_Limits": 1.0,
    "Transitions_mocap": 0.5,
}
_BETAS: Final = 10


@dataclass(frozen=True)
class Cut:
    """Frames of the thinned-out recording that make a clip: `start` to `end` after the head was cut."""

    start: int
    end: int


@dataclass(frozen=True)
class Recording:
    """A recording ready to be cut.

    Attributes:
        rotations, pelvis: of all frames, z up, metres.
        rest: rest joints of its body, y up.
        fps: true rate.
        head: frames after thinning out that are cut off first.
    """

    rotations: Float[np.ndarray, "frame 24 3 3"]
    pelvis: Float[np.ndarray, "frame 3"]
    rest: Float[np.ndarray, "24 3"]
    fps: float
    head: int

    @property
    def step(self) -> int:
        """Every how many frames one is taken by the published rule: the rate over 20, rounded down."""
        return max(1, int(self.fps / FPS))

    @property
    def time_scale(self) -> float:
        """True seconds in a second of the published clips: 1 where the rate is a multiple of 20, 0.96 for 250."""
        return FPS * self.step / self.fps


def open_recording(path: Path, dataset: str, bodies: Path | None) -> Recording:
    """Read an AMASS recording and the rest joints of its body.

    Args:
        path: AMASS npz.
        dataset: its name in the index, for the head that is cut.
        bodies: folder with `smplh/male/model.npz` and so on; None for the free body, whose joints lie elsewhere by
            centimetres.

    Raises:
        UserError: the recording or the body cannot be read.
    """
    motion = read_amass(path)
    if bodies is None:
        rest, pelvis = reference_rest_joints().numpy().astype(np.float64), motion.trans
    else:
        with open_npz(path) as archive:
            gender = str(read_array(archive, "gender", path.name)) if "gender" in archive.files else ""
        # Everything that is not male is female in the published set. Bytes read as text keep their b''.
        rest = smplh_rest(bodies, "male" if gender.strip("b'") == "male" else "female", motion.betas)
        pelvis = motion.trans - np.array(PELVIS_AT_REST) + rest[0]
    fps = 1.0 / float(motion.times[1] - motion.times[0])
    # Rates are numbers such as 59.94; a sum of floats is not.
    return Recording(motion.rotations, pelvis, rest, round(fps, 4), int(_HEAD_S.get(dataset, 0.0) * FPS))


def cut_joints(recording: Recording, cut: Cut, rules: Rules) -> Float[np.ndarray, "frame 22 3"]:
    """Joint positions of one clip, metres, y up.

    `published` takes every n-th frame and calls the result 20 fps, which is true for 60, 100 and 120 and wrong for 250
    (4 % fast) and 59.94 (which then runs at 29.97). `corrected` resamples the same stretch of time at 20 fps.

    Raises:
        UserError: the recording ends before the clip begins.
    """
    first, last = recording.head + cut.start, recording.head + cut.end
    if rules == "published":
        rotations = recording.rotations[:: recording.step][first:last]
        pelvis = recording.pelvis[:: recording.step][first:last]
    else:
        times = np.arange(len(recording.pelvis)) / recording.fps
        start, end = (frame * recording.step / recording.fps for frame in (first, last))
        # As many whole frames as the stretch has, the last one still inside of the recording.
        at = start + np.arange(int((min(end, times[-1] + 1 / recording.fps) - start) * FPS + 1e-6)) / FPS
        if len(at) == 0:
            rotations, pelvis = recording.rotations[:0], recording.pelvis[:0]
        else:
            rotations = resample_rotations(times, recording.rotations, at)
            pelvis = resample_positions(times, recording.pelvis, at)
    if len(pelvis) < 2:
        seconds = len(recording.pelvis) / recording.fps
        raise UserError(
            f"Expected frames {first} to {last} at 20 per second, but the recording has {seconds:.1f} s. It is of "
            "another release of AMASS."
        )
    positions, _ = forward_kinematics(
        torch.from_numpy(rotations), torch.from_numpy(pelvis), torch.from_numpy(recording.rest)
    )
    return positions[:, :JOINTS].numpy() @ SWAP_UP.T


def humanact12_joints(place: Path | tuple[Path, str]) -> Float[np.ndarray, "frame 22 3"]:
    """Joints of a HumanAct12 clip as published: 20 fps, y up, metres, uncut.

    Args:
        place: an npy file, or a zip and the name in it.

    Raises:
        UserError: damaged or of another shape.
    """
    name = place.name if isinstance(place, Path) else place[1]
    try:
        if isinstance(place, Path):
            content = place.read_bytes()
        else:
            with zipfile.ZipFile(place[0]) as archive:
                content = archive.read(place[1])
        array = np.load(io.BytesIO(content), allow_pickle=False)
        joints = array.reshape(len(array), -1, 3)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"Expected joints in {name}, but they cannot be read ({error}). Unpack it again.") from error
    if joints.shape[1] < JOINTS or not np.isfinite(joints).all():
        raise UserError(f"Expected (T, 22 or more, 3) finite joints in {name}, but got {array.shape}. Unpack it again.")
    return joints[:, :JOINTS].astype(np.float64)


def mirrored_joints(joints: Float[np.ndarray, "frame 22 3"]) -> Float[np.ndarray, "frame 22 3"]:
    """The left-right mirror image of joint positions, y up."""
    return joints[:, list(MIRROR[:JOINTS])] * np.array([-1.0, 1.0, 1.0])


def smplh_rest(bodies: Path, gender: str, betas: Float[np.ndarray, "shape"] | None) -> Float[np.ndarray, "24 3"]:
    """Rest joints of a SMPL-H body, metres, y up; the two hand joints, which no clip uses, lie in the wrists.

    Raises:
        UserError: the model file is missing or of another layout.
    """
    template, directions = _smplh_joints(bodies, gender)
    shape = np.zeros(_BETAS)
    if betas is not None:
        shape[: min(_BETAS, len(betas))] = betas[:_BETAS]
    rest = template + directions @ shape
    return np.concatenate((rest[:JOINTS], rest[[20, 21]]))[:NUM_JOINTS]


@lru_cache(maxsize=2)
def _smplh_joints(bodies: Path, gender: str) -> tuple[np.ndarray, np.ndarray]:
    """Joints of the mean body `(52, 3)` and what each beta adds to them `(52, 3, 10)`."""
    needed = body_file(gender)
    path = bodies / needed.path
    if not path.is_file():
        raise UserError(
            f"Expected the SMPL-H model at '{path}', but it does not exist. Get it from {needed.source}, or build "
            "with --free_body true, which is off by some centimetres."
        )
    with open_npz(path) as archive:
        regressor = read_array(archive, "J_regressor", path.name).astype(np.float64)
        vertices = read_array(archive, "v_template", path.name).astype(np.float64)
        shapes = read_array(archive, "shapedirs", path.name).astype(np.float64)
    if regressor.ndim != 2 or regressor.shape[1] != len(vertices) or shapes.shape[:2] != vertices.shape:
        raise UserError(
            f"Expected J_regressor (J, V), v_template (V, 3) and shapedirs (V, 3, B) in '{path}', but got "
            f"{regressor.shape}, {vertices.shape} and {shapes.shape}. Take the extended SMPL+H model."
        )
    return regressor @ vertices, np.einsum("jv,vcb->jcb", regressor, shapes[..., :_BETAS])
