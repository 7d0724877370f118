"""Mirrored captions."""

import pytest

from carescene.clips.mirror_text import mirror_text


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("a man turns left", "a man turns right"),
        ("Right arm up, LEFT foot back.", "Left arm up, RIGHT foot back."),
        ("she spins clockwise, then leftwards", "she spins counterclockwise, then rightwards"),
        ("a left-handed wave", "a right-handed wave"),
        ("from left to right", "from right to left"),
        ("stands upright and smiles brightly", "stands upright and smiles brightly"),
        ("he raises the right hand right away", "he raises the left hand right away"),
        ("the nurse has left the room", "the nurse has left the room"),
        ("", ""),
    ],
)
def test_sides_change_and_nothing_else(text: str, mirrored: str) -> None:
    assert mirror_text(text) == mirrored
    assert mirror_text(mirrored) == text
