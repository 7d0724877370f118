"""Whose part of a sentence is whose."""

import pytest

from carescene.clips.clip import PersonInfo
from carescene.situations import parse_situation
from carescene.situations.clauses import clauses_of, own_texts
from carescene.situations.wording import text_for, texts_for

OLD_MAN = PersonInfo(role="patient", age_years=80.0, sex="male")
NURSE = PersonInfo(role="staff", age_years=40.0, sex="female")
PAIR = """
persons:
  - {role: patient, start: {state: standing}}
  - {role: staff, enter: door}
events:
  - {person: 0, ward_event: fall_trip, direction: left, onset_s: 2}
scene: ward_single
"""


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("an old man falls on his left side while a nurse walks in", ["patient", "staff"]),
        ("a nurse walks beside an old man", ["staff"]),
        ("an old man is lowered by a nurse", ["patient"]),
        ("a woman lies in bed; a visitor sits, and a nurse walks past", ["patient", "visitor", "staff"]),
        ("An old man falls. A carer comes.", ["patient", "staff"]),
        ("a man walks and sits down", ["patient"]),
    ],
)
def test_parts_of_a_sentence_have_the_role_of_their_subject(text, roles):
    assert [role for role, _ in clauses_of(text)] == roles


def test_without_a_text_everybody_hears_their_own_words():
    situation = parse_situation(PAIR)
    mine, hers = own_texts(situation, [OLD_MAN, NURSE])
    assert [mine, hers] == texts_for(situation, [OLD_MAN, NURSE])
    assert "trips" in mine and "to the left" in mine and "nurse" not in mine
    assert hers == "a nurse walks in from the door"
    assert text_for(situation, [OLD_MAN, NURSE]) == f"{mine}; {hers}"


def test_parts_of_the_users_text_go_by_role_in_any_order():
    situation = parse_situation("text: a carer runs in while an old man stumbles\n" + PAIR)
    assert own_texts(situation, [OLD_MAN, NURSE]) == ["an old man stumbles", "a carer runs in"]


def test_who_has_no_part_hears_what_the_situation_says():
    situation = parse_situation("text: an old man stumbles\n" + PAIR)
    assert own_texts(situation, [OLD_MAN, NURSE]) == ["an old man stumbles", "a nurse walks in from the door"]


def test_who_is_not_described_hears_the_whole_text():
    situation = parse_situation("text: two people talk\npersons:\n  - {role: patient}\n  - {role: patient}\n")
    assert own_texts(situation, [OLD_MAN, OLD_MAN]) == ["two people talk", "two people talk"]
