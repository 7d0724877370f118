"""Video files: H.264 in mp4 for players and browsers, and GIF for places that take nothing else."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from carescene.errors import UserError
from carescene.files import atomic_path


def write_video(
    path: Path, frames: UInt8[np.ndarray, "frame height width 3"], fps: float, *, quality: int = 18
) -> None:
    """Write an mp4 (H.264, 4:2:0, index at the front so that it plays while loading), complete or not at all.

    Args:
        path: file to write; its folder is made when missing.
        frames: sRGB pictures. Odd sizes lose their last row or column, because 4:2:0 stores colour for 2 x 2 pixels.
        fps: pictures per second.
        quality: constant rate factor of x264; 18 looks the same as the original, larger is coarser and smaller.

    Raises:
        UserError: for no frames, pictures below 2 x 2, a rate that is not positive, or a folder that cannot be written.
    """
    count, height, width = frames.shape[:3]
    if count == 0 or height < 2 or width < 2 or not fps > 0:
        raise UserError(
            f"Expected frames of at least 2x2 pixels and a positive rate, but got {count} frames of {width}x{height} "
            f"at {fps} fps. Nothing was written to '{path}'."
        )
    # x264's index can only be moved to the front of a file that has a name, hence no in-memory stream here.
    with atomic_path(path) as temporary:
        _encode(temporary, frames[:, : height // 2 * 2, : width // 2 * 2], fps, quality)


def _encode(path: Path, frames: UInt8[np.ndarray, "frame height width 3"], fps: float, quality: int) -> None:
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=rate, options={"crf": str(quality), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for picture in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        file.mux(stream.encode())


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
