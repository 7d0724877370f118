"""Captions of HumanML3D's clips, from the folder or the zip of the published texts, and those of mirrored clips."""

import re
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from carescene.clips.formats.humanml3d import TaggedCaption, parse_caption, read_captions
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError

# Of "leave"; what is a side has another tag.
_NO_SIDE_TAGS: Final = ("VERB", "AUX")
_LEAVING: Final = re.compile(r"\b(?:left|leave|leaves|leaving)\b", re.IGNORECASE)
# Stands for a word that stays; no caption holds it.
_HIDDEN: Final = "\0"


def load_texts(source: Path, clip_ids: Iterable[str]) -> dict[str, list[TaggedCaption] | UserError]:
    """Captions of clips by id: from `texts/<id>.txt`, else from `texts.zip`; what is wrong where they cannot be read.

    Ids without a file are missing from the result.

    Raises:
        UserError: neither folder nor zip, or the zip is damaged.
    """
    folder, packed = source / "texts", source / "texts.zip"
    out: dict[str, list[TaggedCaption] | UserError] = {}
    if folder.is_dir():
        for clip_id in clip_ids:
            path = folder / f"{clip_id}.txt"
            if path.is_file():
                try:
                    out[clip_id] = read_captions(path)
                except UserError as error:
                    out[clip_id] = error
        return out
    if not packed.is_file():
        raise UserError(f"Expected captions in '{packed}' or '{folder}', but found neither. See manifest.json.")
    try:
        with zipfile.ZipFile(packed) as archive:
            members = {PurePosixPath(name).name: name for name in archive.namelist() if name.endswith(".txt")}
            for clip_id in clip_ids:
                if f"{clip_id}.txt" in members:
                    out[clip_id] = _parse(archive.read(members[f"{clip_id}.txt"]), f"{clip_id}.txt")
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"Expected a zip in '{packed}', but it cannot be read ({error}). Download it again.") from error
    return out


def mirrored_caption(caption: TaggedCaption) -> TaggedCaption:
    """The caption of the mirror image: sides exchanged in text and tokens, on word boundaries only.

    A "left" that the tokens call a verb ("the man left the room") is no side.
    """
    kept = iter(_is_leaving(caption))
    hidden = _LEAVING.sub(lambda match: _HIDDEN if next(kept, False) else match.group(0), caption.text)
    text = mirror_text(hidden).replace(_HIDDEN, "left")
    if text == caption.text:
        return caption
    return replace(caption, text=text, tokens=tuple(_mirrored_token(token) for token in caption.tokens))


def _is_leaving(caption: TaggedCaption) -> list[bool]:
    """For every form of "leave" and every "left" in the text: whether it is a "left" and a verb."""
    words = [match.group(0).lower() for match in _LEAVING.finditer(caption.text)]
    tags = [tag for word, _, tag in (token.rpartition("/") for token in caption.tokens) if _LEAVING.fullmatch(word)]
    # Tokens are lemmas of the caption in its order; where they do not fit each other, the text alone decides.
    if len(tags) != len(words):
        return []
    return [word == "left" and tag in _NO_SIDE_TAGS for word, tag in zip(words, tags, strict=True)]


def slower(caption: TaggedCaption, scale: float | int) -> TaggedCaption:
    """The caption of the same motion when its seconds count `scale` each."""
    return replace(caption, start_s=caption.start_s * scale, end_s=caption.end_s * scale)


def _mirrored_token(token: str) -> str:
    word, slash, tag = token.rpartition("/")
    return token if tag in _NO_SIDE_TAGS else f"{mirror_text(word)}{slash}{tag}"


def _parse(content: bytes, name: str) -> list[TaggedCaption] | UserError:
    try:
        lines = content.decode("utf-8").splitlines()
        captions = [parse_caption(line, name, number) for number, line in enumerate(lines, start=1) if line.strip()]
    except UnicodeDecodeError as error:
        return UserError(f"Expected to read captions in {name}, but got: {error}. Download texts.zip again.")
    except UserError as error:
        return error
    return captions or UserError(f"Expected at least one caption in {name}, but got none. Download texts.zip again.")
