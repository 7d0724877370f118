"""Captions of mirrored clips: left and right exchanged, word by word."""

import re
from typing import Final

_PAIRS: Final[tuple[tuple[str, str], ...]] = (
    ("left", "right"),
    ("leftward", "rightward"),
    ("leftwards", "rightwards"),
    ("counterclockwise", "clockwise"),
    ("anticlockwise", "clockwise"),
    ("anti-clockwise", "clockwise"),
    ("counter-clockwise", "clockwise"),
)
_SWAP: Final[dict[str, str]] = {b: a for a, b in reversed(_PAIRS)} | dict(_PAIRS)
_SIDES: Final = re.compile(
    r"(?<!\w)(" + "|".join(sorted(_SWAP, key=len, reverse=True)) + r")(?=-handed|-footed|(?![\w]))", re.IGNORECASE
)
# Words that read like a side and are none: "upright", "all right", "right away", "has left the room".
_NO_SIDE: Final = re.compile(
    r"\b(all right|right away|right now|right after|right before|right angles?|right there|right here"
    r"|(?:has|have|had|having|is|was|are|were) left(?= (?:the|a|an|behind|alone|over)\b)"
    r"|left (?:over|behind|alone)|(?:he|she|they|who) left)\b",
    re.IGNORECASE,
)


def mirror_text(text: str) -> str:
    """Exchange left and right (and clockwise and counterclockwise) in a caption, keeping capitals.

    Only whole words count, so that "upright" and "brightly" stay; phrases in which the word is no side ("right away",
    "has left the room") stay as well.
    """
    kept = [match.span() for match in _NO_SIDE.finditer(text)]

    def swap(match: re.Match[str]) -> str:
        if any(start <= match.start() and match.end() <= end for start, end in kept):
            return match.group(0)
        word = match.group(0)
        other = _SWAP[word.lower()]
        if word.isupper():
            return other.upper()
        return other.capitalize() if word[0].isupper() else other

    return _SIDES.sub(swap, text)
