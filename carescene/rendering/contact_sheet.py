"""Contact sheets: a clip's story on one PNG, so that a motion can be judged without a player."""

import io
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, ImageDraw, ImageFont

from carescene.errors import UserError
from carescene.files import write_atomically

_PAPER, _INK, _FAINT = (250, 249, 247), (32, 34, 38), (110, 112, 118)


@dataclass(frozen=True)
class Strip:
    """One row of a contact sheet: a clip's frames, their rate, and what is written above them."""

    frames: UInt8[np.ndarray, "frame height width 3"]
    fps: float
    caption: str


def spread(frames: int, count: int) -> Int[np.ndarray, "shown"]:
    """Indices of at most `count` frames spread evenly from the first to the last."""
    return np.unique(np.round(np.linspace(0, frames - 1, min(count, frames))).astype(int))


def contact_sheet(strips: list[Strip], *, columns: int = 8, tile_width: int = 192) -> Image.Image:
    """Picture with one row per strip: `columns` frames spread over the clip, each with its time, and the caption above.

    Raises UserError when there is no strip or a strip has no frames.
    """
    if not strips or any(len(strip.frames) == 0 for strip in strips):
        raise UserError(f"Expected at least one clip with frames, but got {[len(strip.frames) for strip in strips]}.")
    gap = max(4, tile_width // 32)
    letters = max(12, tile_width // 12)
    title, small = ImageFont.load_default(letters), ImageFont.load_default(max(10, tile_width // 16))
    line = round(letters * 1.35)
    sheet_width = gap + columns * (tile_width + gap)
    per_line = max(8, int((sheet_width - 2 * gap) / (0.52 * letters)))
    captions = [textwrap.wrap(" ".join(strip.caption.split()), per_line) for strip in strips]
    tile_heights = [round(tile_width * strip.frames.shape[1] / strip.frames.shape[2]) for strip in strips]
    tops = np.cumsum(
        [gap] + [len(text) * line + high + 3 * gap for text, high in zip(captions, tile_heights, strict=True)]
    )
    sheet = Image.new("RGB", (sheet_width, int(tops[-1])), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for strip, text, high, top in zip(strips, captions, tile_heights, tops[:-1].tolist(), strict=True):
        for row, words in enumerate(text):
            pen.text((gap, top + row * line), words, fill=_INK, font=title)
        below = top + len(text) * line + gap
        for column, index in enumerate(spread(len(strip.frames), columns)):
            left = gap + column * (tile_width + gap)
            tile = Image.fromarray(strip.frames[index]).resize((tile_width, high), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left, below))
            pen.text((left + gap, below + gap), f"{index / strip.fps:.1f} s", fill=_FAINT, font=small)
    return sheet


def write_contact_sheet(path: Path, strips: list[Strip], *, columns: int = 8, tile_width: int = 192) -> None:
    """Write `contact_sheet` as PNG, complete or not at all; raises UserError as that does, or if writing fails."""
    buffer = io.BytesIO()
    contact_sheet(strips, columns=columns, tile_width=tile_width).save(buffer, "PNG", optimize=True)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))
