"""Takes of Captury Studio: 3D joints of a person with the cameras that saw them and the joints in their pictures."""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from carescene.humans.source_motion import Y_UP_TO_Z_UP

_MM: Final = 1e-3
# Pictures of the kind of camera that is named in the calibrations; coordinates are shares of the picture's width.
_WIDTH: Final = 1920


@dataclass(frozen=True)
class CapturyCamera:
    """A camera of a take in our world (z up, metres) and the joints in its picture.

    Attributes:
        matrix: OpenCV's K in pixels. The joints were projected without the lens' distortion, so that none applies.
        rotation: world to camera (right, down, forward).
        eye: position in the world.
        width, height: of the picture in pixels.
        pixels: of the points that `names` lists, `(frame, point, 2)`.
    """

    matrix: Float[np.ndarray, "3 3"]
    rotation: Float[np.ndarray, "3 3"]
    eye: Float[np.ndarray, "3"]
    width: int
    height: int
    names: tuple[str, ...]
    pixels: Float[np.ndarray, "frame point 2"]


@dataclass(frozen=True)
class CapturyTake:
    """One person's joints in our world, metres, `(frame, joint, 3)`, at `times` in seconds, and the cameras."""

    name: str
    times: Float[np.ndarray, "frame"]
    joint_names: tuple[str, ...]
    joints: Float[np.ndarray, "frame joint 3"]
    cameras: tuple[CapturyCamera, ...]


def read_captury(path: Path) -> CapturyTake:
    """Read a take: a folder, or a zip of one, with `camera.calib`, `*.projected00.csv` and `*.3Dprojected00.csv`.

    The joints are those that the first camera's file holds in its own frame (x left, y away from the eye, z down,
    millimetres), put into the world by its calibration; the world's y is up there, ours z.

    Raises:
        UserError: a file is missing or is not what its name says.
    """
    files = _files(path)
    calibration = _one(files, path, r"camera\.calib$")().decode("utf-8", "replace")
    blocks = re.split(r"(?m)^camera\t", calibration)[1:]
    if not blocks:
        raise UserError(f"Expected cameras in camera.calib of '{path}', but got none. Export the calibration again.")
    cameras, times = [], np.zeros(0)
    for index, block in enumerate(blocks):
        name, rows = _table(_one(files, path, rf"(?<!3D)projected{index:02d}\.csv$")(), 2, path)
        times = rows[0] * _MM
        cameras.append(_camera(block, path, name, rows[1]))
    names, (_, points) = _table(_one(files, path, r"3Dprojected00\.csv$")(), 3, path)
    own = np.stack([-points[..., 0], points[..., 2], points[..., 1]], axis=-1) * _MM
    joints = own @ cameras[0].rotation + cameras[0].eye
    if len(joints) != len(times) or any(len(camera.pixels) != len(times) for camera in cameras):
        raise UserError(
            f"Expected the same frames in all files of '{path}', but got different numbers. Export it again."
        )
    return CapturyTake(path.stem, times, names, joints, tuple(cameras))


def _camera(block: str, path: Path, names: tuple[str, ...], pixels: np.ndarray) -> CapturyCamera:
    try:
        size = [float(word) for word in re.findall(r"sensorSize\s+(\S+)\s+(\S+)", block)[0]]
        extrinsics, intrinsics = re.findall(r"(?s)#\s+(?:ex|in)trinsics\n((?:#[^\n]*\n){3})", block)
        pose = np.array([line[1:].split() for line in extrinsics.splitlines()], np.float64)
        shares = np.array([line[1:].split() for line in intrinsics.splitlines()], np.float64)
    except (IndexError, ValueError) as error:
        raise UserError(
            f"Expected sensorSize, extrinsics and intrinsics of every camera in camera.calib of '{path}', but got "
            f"something else ({error}). Export the calibration again."
        ) from error
    matrix = shares * [[_WIDTH], [_WIDTH], [1.0]]
    rotation, shift = pose[:, :3], pose[:, 3] * _MM
    # Six digits in the file; the rows are made unit and square again.
    left, _, right = np.linalg.svd(rotation)
    rotation = np.asarray(left @ right, np.float64)
    eye = -(Y_UP_TO_Z_UP @ rotation.T @ shift)
    height = round(_WIDTH * size[1] / size[0])
    return CapturyCamera(matrix, rotation @ Y_UP_TO_Z_UP.T, eye, _WIDTH, height, names, pixels * _WIDTH)


def _table(content: bytes, width: int, path: Path) -> tuple[tuple[str, ...], tuple[np.ndarray, np.ndarray]]:
    """Names of the points, times, and `(frame, point, width)` numbers; columns beyond the named ones are left out."""
    lines = content.decode("utf-8", "replace").splitlines()
    names = tuple(name for name in lines[0].split(",")[1::width] if name) if lines else ()
    try:
        columns = 1 + width * len(names)
        rows = np.array([line.split(",")[:columns] for line in lines[1:] if line], np.float64)
        return names, (rows[:, 0], rows[:, 1:].reshape(len(rows), len(names), width))
    except (ValueError, IndexError) as error:
        raise UserError(
            f"Expected rows of a time and {width} numbers per joint in '{path}', but got something else ({error}). "
            "The file is damaged or of another program."
        ) from error


def _files(path: Path) -> dict[str, Callable[[], bytes]]:
    if path.is_dir():
        return {file.name: file.read_bytes for file in sorted(path.iterdir()) if file.is_file()}
    try:
        content = path.read_bytes()
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"Expected a folder or a zip of a Captury take at '{path}', but got: {error}.") from error
    return {name.split("/")[-1]: lambda name=name: archive.read(name) for name in archive.namelist()}


def _one(files: dict[str, Callable[[], bytes]], path: Path, pattern: str) -> Callable[[], bytes]:
    for name, read in files.items():
        if re.search(pattern, name):
            return read
    raise UserError(
        f"Expected a file like '{pattern}' in the Captury take '{path}', but there is none. Export it with projections."
    )
