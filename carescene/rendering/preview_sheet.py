"""A sheet of previews: a few moments of each rendered item on one PNG, so that a folder can be judged at a glance."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from carescene.clips.rendered import load_item
from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.rendering.contact_sheet import spread
from carescene.rendering.overlay import row_width
from carescene.rendering.video import iterate_video

_PAPER: Final = (250, 249, 247)
_INK: Final = (32, 34, 38)
_GAP: Final = 8
# Narrower tiles would make the labels in the pictures unreadable, wider ones the sheet too large to look at.
_TILE_WIDTH: Final = 288


def write_preview_sheet(path: Path, folders: Sequence[Path], *, moments: int = 5) -> None:
    """Write a PNG with one block per item: so many moments from left to right, colour above depth above labels.

    Args:
        folders: complete items with a `preview`.

    Raises:
        UserError: for no items, an item without a preview, or a file that cannot be read or written.
    """
    if not folders:
        raise UserError("Expected at least one item with a preview for the sheet, but got none. Render some.")
    blocks = [_block(folder, moments) for folder in folders]
    width = max(block.width for block in blocks) + 2 * _GAP
    sheet = Image.new("RGB", (width, sum(block.height + _GAP for block in blocks) + _GAP), _PAPER)
    top = _GAP
    for block in blocks:
        sheet.paste(block, (_GAP, top))
        top += block.height + _GAP
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_atomically(path, lambda file: file.write(buffer.getvalue()))


def unrolled(row: UInt8[np.ndarray, "height total 3"], width: int) -> UInt8[np.ndarray, "column width 3"]:
    """The pictures of `side_by_side`, each `width` pixels wide, one above the other."""
    starts = [row_width(count + 1, width) - width for count in range((row.shape[1] + width) // width)]
    return np.concatenate([row[:, left : left + width] for left in starts if left + width <= row.shape[1]])


def _block(folder: Path, moments: int) -> Image.Image:
    item = load_item(folder)
    card, width = item.card, int(item.card.camera["width"])
    chosen = set(spread(card.frames, moments).tolist())
    rows = [row for index, row in enumerate(iterate_video(item.file("preview"))) if index in chosen]
    high = round(_TILE_WIDTH * len(unrolled(rows[0], width)) / width)
    tiles = [
        Image.fromarray(unrolled(row, width)).resize((_TILE_WIDTH, high), Image.Resampling.LANCZOS) for row in rows
    ]
    total = len(tiles) * (_TILE_WIDTH + _GAP) - _GAP
    font = ImageFont.load_default(15)
    text = next(iter(item.load_clip().text), card.clip)
    words = f"{text}   ({card.scene['preset'] or card.scene['id']}, {card.camera['name']}, {card.light}: {card.label})"
    lines = textwrap.wrap(words, max(20, total // 8))
    block = Image.new("RGB", (total, 20 * len(lines) + 4 + high), _PAPER)
    pen = ImageDraw.Draw(block)
    for number, line in enumerate(lines):
        pen.text((0, 20 * number), line, fill=_INK, font=font)
    for column, tile in enumerate(tiles):
        block.paste(tile, (column * (_TILE_WIDTH + _GAP), 20 * len(lines) + 4))
    return block
