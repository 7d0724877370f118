"""Who a caption speaks of."""

import pytest

from carescene.humans.person_text import PersonHint, person_in_text


@pytest.mark.parametrize(
    ("text", "age", "sex"),
    [
        ("an old man walks slowly and turns left", 78.0, "male"),
        ("An ELDERLY woman sits down", 78.0, "female"),
        ("an 84-year-old woman falls", 84.0, "female"),
        ("a man aged 91 stumbles", 91.0, "male"),
        ("a patient, 67 years old, gets up", 67.0, None),
        ("a very old lady crawls", 86.0, "female"),
        ("a middle-aged man waves", 50.0, "male"),
        ("a young nurse helps the old man", 26.0, "male"),
        ("she helps him", None, "female"),
        ("he helps her", None, "male"),
        ("a person walks", None, None),
        ("somebody holds the manual", None, None),
        ("a person shelters the goldfish", None, None),
    ],
)
def test_hints(text, age, sex):
    assert person_in_text(text) == PersonHint(age, sex)
