"""Depth that a sensor recorded with the video: 16-bit pictures, a 16-bit video, or a grey view beside the colours.

Grey views of the UR Fall data are 8 bits of a Kinect's depth, brighter is farther, black is unknown. Its authors give
the 16-bit originals as depth = 6000 mm x value / 65535 for falls seen by camera 0 (7000 mm for daily activities), so
that 255 is 6 m. Kwolek and Kepski, "Human fall detection on embedded platform using depth maps and wireless
accelerometer", Computer Methods and Programs in Biomedicine 117 (2014), and the data's page.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.error import FFmpegError
from jaxtyping import Bool, Float, Int

from carescene.errors import UserError
from reconstruction.depth_align import align_depth, warp_depth
from reconstruction.depth_anything import sparse_frames
from reconstruction.footage import Footage
from reconstruction.observations import DepthLabels, Keypoints

# Metres per grey level of an 8-bit view, as above, and per unit of a 16-bit one: millimetres, as most recorders write.
GREY_UNIT: Final = 6.0 / 255
MILLIMETRE: Final = 0.001
# A structured-light or time-of-flight camera is right to 1 or 2 %; coarse grey levels and a guessed unit to less.
_SENSOR_SIGMA, _GREY_SIGMA = 0.02, 0.05
# Coded black is not exactly 0, and coding spreads it by a pixel or two.
_BLACK: Final = 12
_PLATE_PICTURES: Final = 61
# People stay in front of the room: of the known depths at a pixel the room's is among the larger ones.
_ROOM_QUANTILE: Final = 0.7


def read_recorded_depth(
    source: Path | None,
    footage: Footage,
    keypoints: Keypoints,
    *,
    unit: float | None = None,
    every: float | int = 1.0,
    align: bool = True,
) -> DepthLabels:
    """Depth labels from a recording.

    Args:
        source: folder of 16-bit PNG files, one per frame of the video in the order of their numbers; or a 16-bit grey
            video with a frame for each of the video's; or None for a grey view beside the colours in the same frame.
        footage: the colour video.
        keypoints: of the colour video; says which frames there are.
        unit: metres per unit of the stored values; by default millimetres, and 6 m / 255 for grey views.
        every: seconds between maps.
        align: whether to find from moving people how the sensor's picture lies on the colour picture.

    Raises:
        UserError: if there is no such recording, it is not 16-bit, or its frames are not those of the video.
    """
    shown = sparse_frames(keypoints.times, every)
    spread = np.unique(np.linspace(0, len(footage.times) - 1, _PLATE_PICTURES).round().astype(np.int64))
    wanted = np.union1d(spread, keypoints.frames[shown])
    if source is None:
        grey = [view for view in footage.others if not view.colour]
        if not grey:
            raise UserError(
                f"Expected a grey depth picture beside the colours in '{footage.path}', but there is none. "
                "Give the recording's folder or file, or go without depth."
            )
        maps = _from_view(footage.see(grey[0]), wanted, unit or GREY_UNIT)
    elif source.is_dir():
        maps = _from_folder(source, wanted, len(footage.times), unit or MILLIMETRE)
    else:
        maps = _from_video(source, wanted, len(footage.times), unit or MILLIMETRE)
    found = dict(maps)
    at = [index for index in shown if int(keypoints.frames[index]) in found]
    if not found or not any(np.isfinite(one).any() for one in found.values()):
        raise UserError(
            "Expected depth in the recording, but every value is unknown (0). "
            "It may be a video of something else. Give the sensor's own files, or go without depth."
        )
    sparse = np.stack([found[int(keypoints.frames[index])] for index in at]) if at else None
    plate = room_depth(np.stack([found[int(frame)] for frame in spread if int(frame) in found]))
    if align:
        warp = align_depth(found, plate, footage)
        plate = warp_depth(plate, warp)
        sparse = None if sparse is None else np.stack([warp_depth(one, warp) for one in sparse])
    return DepthLabels(
        plate=plate,
        kind="metres",
        source="recorded",
        frames=np.array(at, np.int64),
        maps=np.zeros((0, *plate.shape), np.float32) if sparse is None else sparse,
        metric=True,
        scale_sigma=_GREY_SIGMA if source is None else _SENSOR_SIGMA,
    )


def room_depth(maps: Float[np.ndarray, "map row column"]) -> Float[np.ndarray, "row column"]:
    """Depth of the room behind people who move: a high quantile over time of what is known, NaN where nothing is."""
    known = np.isfinite(maps).any(axis=0)
    plate = np.full(maps.shape[1:], np.nan, np.float32)
    plate[known] = np.nanquantile(maps[:, known], _ROOM_QUANTILE, axis=0)
    return plate


def _from_view(
    footage: Footage, wanted: Int[np.ndarray, "frame"], unit: float
) -> Iterator[tuple[int, Float[np.ndarray, "row column"]]]:
    for index, picture in footage.pictures(wanted):
        grey = picture[..., 1]
        black = cv2.dilate((grey < _BLACK).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        yield index, _in_metres(grey, ~black, unit)


def _from_folder(
    folder: Path, wanted: Int[np.ndarray, "frame"], length: int, unit: float
) -> Iterator[tuple[int, Float[np.ndarray, "row column"]]]:
    files = sorted(folder.glob("*.png"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)])
    _check_length(len(files), length, folder)
    for index in wanted[wanted < len(files)]:
        values = cv2.imread(str(files[index]), cv2.IMREAD_UNCHANGED)
        if values is None or values.dtype != np.uint16 or values.ndim != 2:
            what = "cannot be read" if values is None else f"is {values.dtype} with shape {values.shape}"
            raise UserError(
                f"Expected 16-bit grey PNG files in {folder}, but {files[index].name} {what}. "
                "Export the sensor's depth without colours and without scaling."
            )
        yield int(index), _in_metres(values, values > 0, unit)


def _from_video(
    path: Path, wanted: Int[np.ndarray, "frame"], length: int, unit: float
) -> Iterator[tuple[int, Float[np.ndarray, "row column"]]]:
    chosen = {int(index) for index in wanted}
    number = 0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if "gray1" not in frame.format.name:
                    raise UserError(
                        f"Expected a 16-bit grey video at {path}, but its pictures are {frame.format.name}. "
                        "Eight bits or colours have lost the depth. Export it as gray16 (FFV1 in mkv keeps it)."
                    )
                if number in chosen:
                    values = frame.to_ndarray(format="gray16le")
                    yield number, _in_metres(values, values > 0, unit)
                number += 1
    except (FFmpegError, OSError, IndexError) as error:
        raise UserError(
            f"Expected a folder of 16-bit PNG files or a 16-bit video at {path}, but could not read it ({error}). "
            "Check the path."
        ) from error
    _check_length(number, length, path)


def _check_length(came: int, expected: int, path: Path) -> None:
    # Recorders drop or add a frame or two at the ends.
    if came == 0 or abs(came - expected) > max(3, 0.02 * expected):
        raise UserError(
            f"Expected {expected} depth pictures in {path}, one for each frame of the video, but got {came}. "
            "They belong to another recording, or run at another rate. Resample them to the video's frames."
        )


def _in_metres(
    values: np.ndarray, known: Bool[np.ndarray, "row column"], unit: float
) -> Float[np.ndarray, "row column"]:
    return np.where(known, values.astype(np.float32) * np.float32(unit), np.float32(np.nan))
