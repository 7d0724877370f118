"""Video files: H.264 in mp4 for players and networks, lossless FFV1 in mkv for depth and masks, and GIF.

Writers take one picture at a time, so a film need never be in memory as a whole; a file that exists under its final
name is complete.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from jaxtyping import Float, UInt8, UInt16
from PIL import Image

from carescene.errors import UserError
from carescene.files import atomic_path

# x264's own names, from coarse and quick to fine and slow.
PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
# A depth of 0 means that the camera has no reading there; 16 bits of millimetres reach 65.5 m.
NO_READING: Final = 0
LONGEST_DEPTH_M: Final = 65.535


@dataclass(frozen=True)
class Coding:
    """How pictures are stored: the codec, its pixel format, and the arrays that go in (`numpy` dtype, PyAV format)."""

    codec: str
    stored: str
    array: str
    dtype: type
    channels: int
    codec_options: tuple[tuple[str, str], ...] = ()
    file_options: tuple[tuple[str, str], ...] = ()


# Every picture on its own, with a checksum per slice: any frame can be read alone, and damage is noticed.
_INTRA: Final = (("level", "3"), ("g", "1"), ("slicecrc", "1"))
# No random identifiers in the file: the same pictures give the same bytes.
_EXACT: Final = (("fflags", "bitexact"),)
DEPTH: Final = Coding("ffv1", "gray16le", "gray16le", np.uint16, 1, _INTRA, _EXACT)
GRAY: Final = Coding("ffv1", "gray", "gray", np.uint8, 1, _INTRA, _EXACT)
RGB: Final = Coding("ffv1", "bgr0", "rgb24", np.uint8, 3, _INTRA, _EXACT)


def h264(*, crf: int = 18, preset: str = "veryfast", gop: int = 15) -> Coding:
    """Lossy coding that everything plays: H.264, 4:2:0, index at the front so that it plays while loading.

    Args:
        crf: constant rate factor of x264, 0 to 51; 18 looks the same as the original, ward recorders use 28 to 35.
        preset: one of `PRESETS`; slower ones make smaller files.
        gop: at most so many pictures from one self-contained picture to the next. Training reads clips from anywhere
            in a file and must decode from the last self-contained picture on, so it should be short.

    Raises:
        UserError: for values outside these ranges.
    """
    if not 0 <= crf <= 51 or preset not in PRESETS or not 1 <= gop <= 250:
        raise UserError(
            f"Expected a crf from 0 to 51, a preset of {', '.join(PRESETS)}, and a gop from 1 to 250, "
            f"but got crf {crf}, preset {preset!r}, gop {gop}. Change the value that is out of range."
        )
    # Small pictures are shown with the colour matrix of standard television unless a file says otherwise; it says so.
    television = tuple((name, "smpte170m") for name in ("colorspace", "color_primaries", "color_trc"))
    options = (("crf", str(crf)), ("preset", preset), ("g", str(gop)), *television)
    return Coding("libx264", "yuv420p", "rgb24", np.uint8, 3, options, (*_EXACT, ("movflags", "faststart")))


class FrameWriter:
    """Takes the pictures of one film in order; made by `open_video`."""

    def __init__(self, file: Any, stream: Any, coding: Coding, shape: tuple[int, int], path: Path) -> None:
        self._file, self._stream, self._coding, self._shape, self._path = file, stream, coding, shape, path
        self.frames = 0

    def write(self, picture: UInt8[np.ndarray, "height width *rgb"] | UInt16[np.ndarray, "height width"]) -> None:
        """Append one picture of the film's size and kind. Odd sizes lose a row or column under 4:2:0."""
        wanted = (*self._shape, 3) if self._coding.channels == 3 else self._shape
        if picture.shape != wanted or picture.dtype != self._coding.dtype:
            raise UserError(
                f"Expected pictures of shape {wanted} and type {np.dtype(self._coding.dtype)} for '{self._path}', "
                f"but got {picture.shape} of {picture.dtype}. All pictures of a film have one size and kind."
            )
        cut = np.ascontiguousarray(picture[: self._stream.height, : self._stream.width])
        self._file.mux(self._stream.encode(av.VideoFrame.from_ndarray(cut, format=self._coding.array)))
        self.frames += 1


@contextmanager
def open_video(path: Path, fps: float | int, width: int, height: int, coding: Coding) -> Iterator[FrameWriter]:
    """A writer whose file appears under `path` when the block ends without an error and at least one picture.

    Args:
        path: file to write; its folder is made when missing.
        fps: pictures per second.
        width, height: of every picture, pixels.
        coding: `h264(...)` (name the file .mp4), `DEPTH`, `GRAY` or `RGB` (name it .mkv).

    Raises:
        UserError: for no pictures, an empty size, a rate that is not positive, a folder that cannot be written, or a
            full disk. Nothing is left then.
    """
    # 4:2:0 stores colour for 2 x 2 pixels, so the size must be even.
    step = 2 if coding.stored == "yuv420p" else 1
    size = width // step * step, height // step * step
    if min(size) < 1 or not fps > 0:
        raise UserError(
            f"Expected frames of at least {step}x{step} pixels and a positive rate, but got {width}x{height} at "
            f"{fps} fps. Nothing was written to '{path}'."
        )
    rate = Fraction(fps).limit_denominator(1001)
    # x264's index can only be moved to the front of a file that has a name, hence no in-memory stream here.
    with atomic_path(path) as temporary, av.open(str(temporary), "w", options=dict(coding.file_options)) as file:
        stream: Any = file.add_stream(coding.codec, rate=rate, options=dict(coding.codec_options))
        stream.width, stream.height = size
        stream.pix_fmt = coding.stored
        # One thread: films are made in parallel processes, and the bytes must not depend on the machine's cores.
        stream.codec_context.thread_count = 1
        writer = FrameWriter(file, stream, coding, (height, width), path)
        yield writer
        if writer.frames == 0:
            raise UserError(f"Expected at least one frame, but got none. Nothing was written to '{path}'.")
        file.mux(stream.encode())


def _write_all(path: Path, frames: np.ndarray, fps: float | int, coding: Coding) -> None:
    with open_video(path, fps, frames.shape[2], frames.shape[1], coding) as writer:
        for picture in frames:
            writer.write(picture)


def write_video(
    path: Path,
    frames: UInt8[np.ndarray, "frame height width 3"],
    fps: float | int,
    *,
    crf: int = 18,
    preset: str = "veryfast",
    gop: int = 15,
) -> None:
    """Write sRGB pictures as mp4, complete or not at all; see `h264` for the options.

    Raises:
        UserError: as `open_video` and `h264` do.
    """
    _write_all(path, frames, fps, h264(crf=crf, preset=preset, gop=gop))


def write_depth_video(path: Path, millimetres: UInt16[np.ndarray, "frame height width"], fps: float | int) -> None:
    """Write depth in millimetres (0: no reading) as lossless mkv. Raises UserError as `open_video` does."""
    _write_all(path, millimetres, fps, DEPTH)


def write_gray_video(path: Path, frames: UInt8[np.ndarray, "frame height width"], fps: float | int) -> None:
    """Write masks, ids or any 8-bit grey pictures as lossless mkv. Raises UserError as `open_video` does."""
    _write_all(path, frames, fps, GRAY)


def write_rgb_video(path: Path, frames: UInt8[np.ndarray, "frame height width 3"], fps: float | int) -> None:
    """Write three 8-bit channels, such as normals, as lossless mkv. Raises UserError as `open_video` does."""
    _write_all(path, frames, fps, RGB)


def depth_to_millimetres(depth: Float[np.ndarray, "*batch"]) -> UInt16[np.ndarray, "*batch"]:
    """Depth in metres as 16-bit millimetres; infinite, NaN, not positive or beyond 65.535 m is 0: no reading."""
    seen = np.isfinite(depth) & (depth > 0) & (depth <= LONGEST_DEPTH_M)
    return np.where(seen, np.round(np.where(seen, depth, 0.0) * 1000), NO_READING).astype(np.uint16)


class Film(NamedTuple):
    """Pictures read from a file, and their rate per second."""

    frames: np.ndarray
    fps: float


def read_video(path: Path) -> Film:
    """All pictures of a colour film as `(frame, height, width, 3)` of 8 bits, and its rate.

    Raises:
        UserError: if the file is missing, is no video, or was cut off.
    """
    return _read(path, "rgb24")


def read_depth_video(path: Path) -> Film:
    """All pictures of a depth film as `(frame, height, width)` of 16 bits, millimetres, and its rate.

    Raises UserError as `read_video` does, and for a file that is not a depth film.
    """
    return _read(path, "gray16le")


def read_gray_video(path: Path) -> Film:
    """All pictures of a lossless grey film as `(frame, height, width)` of 8 bits, and its rate.

    Raises UserError as `read_video` does, and for a file that is not such a film.
    """
    return _read(path, "gray")


def _read(path: Path, array: str) -> Film:
    pictures = list(iterate_video(path, array))
    with av.open(str(path)) as file:
        return Film(np.stack(pictures), float(file.streams.video[0].average_rate or 0))


def iterate_video(path: Path, array: str = "rgb24") -> Iterable[np.ndarray]:
    """The pictures of a film one at a time, as PyAV format `array` ("rgb24", "gray", "gray16le").

    Raises:
        UserError: if the file is missing, is no video, is of another kind than a grey `array`, or was cut off.
    """
    if not path.is_file():
        raise UserError(f"Expected a video file, but there is none at '{path}'. Check the path, or render it first.")
    count = 0
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            stored = stream.codec_context.pix_fmt
            # Depth or ids must never be converted: a mask read from a colour film would hold made-up numbers.
            if array != "rgb24" and stored != array:
                raise UserError(f"Expected a film of kind {array}, but '{path}' holds {stored}. Give the right file.")
            expected = _expected_frames(file, stream)
            for frame in file.decode(stream):
                yield frame.to_ndarray(format=array)
                count += 1
    except (FFmpegError, IndexError) as error:
        raise UserError(
            f"Expected a readable video, but '{path}' cannot be decoded ({error}). It is damaged or no video. "
            "Make it again."
        ) from error
    if count < expected:
        raise UserError(
            f"Expected {expected} frames in '{path}', but got {count}. The file was cut off. Make it again."
        )


def _expected_frames(file: Any, stream: Any) -> int:
    """How many pictures the file says it holds: mp4 counts them, mkv knows the film's length."""
    if stream.frames:
        return int(stream.frames)
    if file.duration and stream.average_rate:
        return round(file.duration / av.time_base * stream.average_rate)
    return 1


def gif_bytes(frames: UInt8[np.ndarray, "frame height width 3"], fps: float) -> bytes:
    """The frames as an endlessly looping GIF with one palette of 128 colours, without dithering noise.

    Raises UserError for no frames or a rate that is not positive. GIF counts time in hundredths of a second.
    """
    if len(frames) == 0 or not fps > 0:
        raise UserError(f"Expected frames and a positive rate, but got {len(frames)} frames at {fps} fps.")
    middle = Image.fromarray(frames[len(frames) // 2]).quantize(128)
    pictures = [Image.fromarray(frame).quantize(palette=middle, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=round(100 / fps) * 10,
        loop=0,
    )
    return buffer.getvalue()
