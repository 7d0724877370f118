"""Small videos that tests make: a textured room, and whatever moves in it."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np


def textured_room(width: int = 160, height: int = 120, seed: int = 0) -> np.ndarray:
    """A picture with structure everywhere, smooth enough to survive coding, `(height, width, 3)`."""
    noise = np.random.default_rng(seed).uniform(80, 170, (height // 20 + 2, width // 20 + 2, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def with_box(room: np.ndarray, x: int, y: int, width: int, height: int, colour: int = 250) -> np.ndarray:
    """The room with a plain box in front of it."""
    picture = room.copy()
    picture[y : y + height, x : x + width] = colour
    return picture


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    fps: int = 10,
    stamps_ms: Sequence[int] | None = None,
    gop: int = 250,
) -> Path:
    """Write pictures as an mp4, evenly or at the given milliseconds."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "15", "g": str(gop), "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.thread_count = 1
        stamps = stamps_ms or [round(1000 * index / fps) for index in range(len(pictures))]
        for picture, stamp in zip(pictures, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Write an mp4 that holds a second of noise and no picture."""
    noise = np.random.default_rng(0).normal(0, 0.1, (44, 1, 1024)).astype(np.float32)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        for number, samples in enumerate(noise):
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def turned_by_metadata(path: Path) -> Path:
    """Write into an mp4, in place, that players are to turn its pictures by a quarter, clockwise."""
    content = path.read_bytes()
    header = content.index(b"tkhd")
    # Version 0 of the track header keeps its matrix of nine 32-bit numbers 40 bytes behind its size's end.
    start = header + 4 + 4 + 36
    one, none, last = (1 << 16).to_bytes(4, "big"), bytes(4), (1 << 30).to_bytes(4, "big")
    minus = (-(1 << 16)).to_bytes(4, "big", signed=True)
    matrix = none + one + none + minus + none + none + none + none + last
    path.write_bytes(content[:start] + matrix + content[start + 36 :])
    return path
