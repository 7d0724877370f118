import random
import re

import pytest

from carescene.clips._caption_phrases import ACTION_TAGS, ACTIONS, STYLE_NAMES, STYLES
from carescene.clips._english import gerund, inflect, join_actions, third_person
from carescene.clips.captions import action_class, captions_for, phrase_key, take_attributes
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError

SET_1 = "bow bye byebye call dance-short dash guide kick punch respond run slash walk walk-back walk-left walk-right"
SET_2 = (
    "raise-up-both-hands raise-up-left-hand raise-up-right-hand run walk walk-turn-left walk-turn-right "
    "wave-both-hands wave-left-hand wave-right-hand"
)
STYLES_1 = (
    "active angry childish chimpira feminine giant happy masculinity musical normal not-confident old proud sad tired"
)
STYLES_2 = "active elderly exhausted feminine masculine normal youthful"
ACTIONS_OF = {"dataset-1": SET_1.split(), "dataset-2": SET_2.split()}
# One test for each style of each set; it goes through all actions.
CASES = [("dataset-1", style) for style in STYLES_1.split()] + [("dataset-2", style) for style in STYLES_2.split()]


def names_of(dataset: str, style: str) -> list[str]:
    return [f"{dataset}_{action}_{style}_001" for action in ACTIONS_OF[dataset]]


# Words that say the opposite of a style, beside the words of all other styles.
CONTRADICTIONS = {
    "old": ("young", "youth", "child", "energ", "vigo", "fast", "quick", "brisk"),
    "tired": ("energ", "lively", "vigo", "quick", "brisk"),
    "active": ("slow", "unhurried", "weary", "frail"),
    "youthful": ("old", "elder", "frail", "stoop"),
    "feminine": ("man", "boy", "he", "his", "him", "mascul", "thug", "gentleman", "guy"),
    "masculine": ("woman", "girl", "lady", "she", "her", "femin"),
    "sad": ("happ", "cheer", "joy"),
    "happy": ("sad", "gloom", "depress", "sorrow"),
    "proud": ("timid", "shy", "nervous", "insecure"),
    "not-confident": ("proud", "pride"),
}


def has_stem(text: str, stems: tuple[str, ...]) -> bool:
    # Pronouns and sexes are whole words; the other stems open a word.
    whole = {"man", "he", "his", "him", "she", "her", "old", "boy"}
    return any(re.search(rf"\b{stem}{'s?' if stem in whole else '[a-z-]*'}\b", text.lower()) for stem in stems)


def styles_told(text: str) -> set[str]:
    return {name for name, style in STYLES.items() if has_stem(text, style.words)}


def test_names_of_both_sets_are_read() -> None:
    attributes = take_attributes("bandai", "folder/dataset-2_walk-turn-left_elderly_012.bvh")
    assert attributes == {
        "action": "walk-turn-left",
        "style": "elderly",
        "age": "elderly",
        "pace": "slow",
        "side": "left",
    }
    assert take_attributes("bandai", "dataset-1_walk-back_not-confident_001")["action"] == "walk-back"
    assert take_attributes("bandai", "dataset-2_wave-both-hands_normal_003")["side"] == "both"
    assert take_attributes("bandai", "dataset-1_dash_happy_001")["pace"] == "fast"
    assert "side" not in take_attributes("bandai", "dataset-2_run_active_003")


def test_takes_known_to_show_something_else_than_their_names_say_are_corrected() -> None:
    attributes = take_attributes("bandai", "dataset-2_walk-turn-left_masculine_006")
    assert attributes["action"] == "walk-turn-right"
    assert attributes["named_action"] == "walk-turn-left"
    assert attributes["side"] == "right"
    assert all("left" not in caption for caption in captions_for(attributes, 0))
    again = take_attributes("bandai", "dataset-2_walk-turn-right_normal_032")
    assert action_class(again) == "walk_about"
    assert any("around" in caption for caption in captions_for(again, 0))


def test_takes_of_other_sets_have_an_unknown_action_and_still_captions() -> None:
    attributes = take_attributes("amass", "KIT/3/walk_poses")
    assert attributes["action"] == "unknown"
    assert len(captions_for(attributes, 1)) >= 3


@pytest.mark.parametrize("name", ["walk_elderly_012", "dataset-2_moonwalk_normal_001", "dataset-3_walk_normal_001"])
def test_names_outside_the_scheme_are_refused_with_advice(name: str) -> None:
    with pytest.raises(UserError, match=r"Expected .* but got '.*"):
        take_attributes("bandai", name)
    with pytest.raises(UserError, match="moonwalk"):
        captions_for({"action": "moonwalk"}, 0)


@pytest.mark.parametrize(("dataset", "style"), CASES)
def test_captions_are_several_different_and_the_same_for_one_seed(dataset: str, style: str) -> None:
    for name in names_of(dataset, style):
        attributes = take_attributes("bandai", name)
        captions = captions_for(attributes, 3)
        assert captions == captions_for(attributes, 3)
        assert captions != captions_for(attributes, 4)
        assert 4 <= len(captions) <= 6
        assert len({caption.lower().rstrip(".") for caption in captions}) == len(captions)
        for caption in captions:
            assert not re.search(r"[\[\]{}]|  | ,|\ba [aeio]|\ban [^aeiouh]", caption), caption


@pytest.mark.parametrize(("dataset", "style_name"), CASES)
def test_every_caption_but_one_tells_the_style_and_none_contradicts_it(dataset: str, style_name: str) -> None:
    style = STYLE_NAMES.get(style_name)
    for name in names_of(dataset, style_name):
        for seed in range(3):
            captions = captions_for(take_attributes("bandai", name), seed)
            if style is None:
                assert all(not (styles_told(caption) - {"masculine", "feminine"}) for caption in captions)
                continue
            silent = [caption for caption in captions if not has_stem(caption, STYLES[style].words)]
            assert len(silent) <= 1, silent
            for caption in captions:
                assert not has_stem(caption, CONTRADICTIONS.get(style, ())), caption
                # Sexes go with every style; all other styles exclude one another.
                assert styles_told(caption) - {style, "masculine", "feminine"} == set(), caption


@pytest.mark.parametrize(("dataset", "style"), CASES)
def test_sides_are_told_and_never_mixed_up(dataset: str, style: str) -> None:
    for name in names_of(dataset, style):
        attributes = take_attributes("bandai", name)
        shown = {"bye": "right", "byebye": "both", "guide": "right", "respond": "left"}
        side = shown.get(attributes["action"]) or attributes.get("side")
        if side is None:
            continue
        other = {"left": "right", "right": "left", "both": "left|right"}[side]
        for caption in captions_for(attributes, 1):
            assert not re.search(rf"\b({other})\b", caption), caption
            if side != "both":
                assert re.search(rf"\b{side}\b", caption), caption


def test_mirrored_captions_are_captions_of_the_mirrored_action() -> None:
    left = {mirror_text(inflect(phrase, "third")) for phrase in ACTIONS["walk_turn_left"]}
    assert left == {inflect(phrase, "third") for phrase in ACTIONS["walk_turn_right"]}


def test_classes_merge_what_only_names_tell_apart() -> None:
    classes = {action: action_class({"action": action}) for action in (SET_1 + " " + SET_2).split()}
    assert classes["dash"] == classes["run"] == "run"
    assert classes["bye"] == classes["wave-right-hand"] != classes["wave-left-hand"]
    assert classes["walk-left"] == classes["walk"] != classes["walk-turn-left"]
    assert len({classes[f"raise-up-{side}"] for side in ("left-hand", "right-hand", "both-hands")}) == 3
    assert len({classes["walk-turn-left"], classes["walk-turn-right"], classes["walk-back"], classes["walk"]}) == 4


def test_every_action_has_a_tag_and_a_phrase_that_needs_no_style() -> None:
    assert set(ACTIONS) == set(ACTION_TAGS)
    for action in (SET_1 + " " + SET_2).split():
        assert phrase_key(action) in ACTIONS
    for phrases in ACTIONS.values():
        for phrase in phrases:
            assert "[" in phrase and not styles_told(inflect(phrase, "third")), phrase


@pytest.mark.parametrize(
    ("verb", "third", "ing"),
    [
        ("walk", "walks", "walking"),
        ("carry", "carries", "carrying"),
        ("stay", "stays", "staying"),
        ("reach", "reaches", "reaching"),
        ("do", "does", "doing"),
        ("run", "runs", "running"),
        ("raise", "raises", "raising"),
        ("lie", "lies", "lying"),
        ("sit", "sits", "sitting"),
        ("side-step", "side-steps", "side-stepping"),
    ],
)
def test_verbs_are_inflected_as_english_does(verb: str, third: str, ing: str) -> None:
    assert third_person(verb) == third
    assert gerund(verb) == ing


def test_adverbs_of_one_word_go_inside_and_longer_ones_to_the_end() -> None:
    phrase = "[walk]{adv} and [turn] {his} head"
    assert inflect(phrase, "third", "female", "slowly") == "walks slowly and turns her head"
    assert inflect(phrase, "gerund", "any", "at a slow pace") == "walking and turning their head at a slow pace"
    assert inflect(phrase, "progressive", "male") == "is walking and turning his head"


def test_actions_are_joined_in_their_order() -> None:
    for seed in range(30):
        text = join_actions(["first", "second", "third", "fourth"], random.Random(seed))
        assert [text.index(word) for word in ("first", "second", "third", "fourth")] == sorted(
            text.index(word) for word in ("first", "second", "third", "fourth")
        )
