"""Single pictures out of films."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from carescene.errors import UserError
from carescene.files import atomic_path
from carescene.rendering.video import iterate_video


def chosen_frames(frames: int, fps: float, rate: float) -> list[int]:
    """Indices of `rate` pictures per second, the first one first; all pictures if the film has fewer."""
    step = max(fps / rate, 1.0)
    return sorted({int(k * step) for k in range(int(np.ceil(frames / step))) if int(k * step) < frames})


def film_frames(path: Path, wanted: list[int], gray: bool = False) -> Iterator[tuple[int, UInt8[np.ndarray, "..."]]]:
    """Chosen pictures of a film with their numbers: sRGB `(height, width, 3)`, or gray values `(height, width)`.

    One picture is in memory at a time.

    Raises:
        UserError: the film cannot be decoded or ends too early.
    """
    missing = set(wanted)
    for number, picture in enumerate(iterate_video(path, "gray" if gray else "rgb24")):
        if number in missing:
            missing.remove(number)
            yield number, picture
        if not missing:
            return
    if missing:
        raise UserError(
            f"Expected {max(wanted) + 1} pictures in '{path}', but it ends before number {min(missing)}. "
            "It is truncated; render the item again."
        )


def save_jpeg(path: Path, picture: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a JPEG of a quality at which the film's own compression is what is seen.

    Raises:
        UserError: if the folder cannot be written.
    """
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, "JPEG", quality=95)
