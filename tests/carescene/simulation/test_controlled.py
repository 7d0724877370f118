"""Ward events from key postures: labels, contacts, words, determinism, bad input."""

from itertools import groupby

import numpy as np
import pytest

from carescene.clips.clip import Clip, validate_clip
from carescene.clips.taxonomy import OMNIFALL16, OMNIFALL_ID, WARD_EVENTS
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT
from carescene.scenes import scene_from_dict, validate_scene
from carescene.scenes.resting import clip_joints
from carescene.simulation.cast import cast_person
from carescene.simulation.controlled import CONTROLLED_EVENTS, STAFF_ACTIONS, make_controlled, make_staff_action
from carescene.simulation.controlled_quality import CONTACT_M, DEEP_M, review
from carescene.simulation.controlled_script import (
    LONGEST_S,
    SHORTEST_S,
    Script,
    age_band,
    fit_length,
    make_clip,
)
from carescene.simulation.key_postures import squat, stand
from carescene.simulation.keyframing import Key
from carescene.simulation.surfaces import floor


def _sequence(clip: Clip) -> list[str]:
    return [OMNIFALL16[label] for label, _ in groupby(clip.frame_label[0].tolist())]


def _holds_in_order(found: list[str], wanted: tuple[str, ...]) -> bool:
    rest = iter(found)
    return all(label in rest for label in wanted)


def _check(clip: Clip, ward_event: str | None) -> None:
    validate_clip(clip)
    assert SHORTEST_S - 0.11 <= clip.seconds <= LONGEST_S + 0.11 and clip.fps == 20
    assert clip.events[0].ward_event == ward_event
    assert 2 <= len(clip.text) <= 4 and all(text[0].isupper() and text.endswith(".") for text in clip.text)
    assert not any("{" in text or "}" in text for text in clip.text)
    assert isinstance(clip.scene, dict)
    validate_scene(scene_from_dict(clip.scene))
    assert clip.quality["contact"] <= CONTACT_M and clip.quality["depth"] <= DEEP_M
    assert all(isinstance(value, str) for value in clip.attributes.values())


@pytest.mark.parametrize("name", ["pick_up_floor", "chair_rise", "seated_bed_edge"])
def test_an_event_is_a_labelled_clip(name):
    clip = make_controlled(name, 11)
    _check(clip, name)
    assert _holds_in_order(_sequence(clip), WARD_EVENTS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CONTROLLED_EVENTS if name != "tie_shoes"])
def test_labels_run_in_the_order_of_the_taxonomy(name):
    clip = make_controlled(name, 12)
    _check(clip, name)
    assert _holds_in_order(_sequence(clip), WARD_EVENTS[name]), _sequence(clip)


@pytest.mark.slow
def test_shoes_are_tied_crouching_or_sitting():
    for seed in (1, 2, 3, 4, 5, 6):
        labels = _sequence(make_controlled("tie_shoes", seed))
        assert "squat_down" in labels or set(labels) == {"sitting"}


def test_staff_actions_need_no_ward_event():
    clip = make_staff_action("hand_over", 3)
    _check(clip, None)
    assert clip.persons[0].role == "staff" and clip.attributes["action"] == "hand_over"


def test_the_same_seed_gives_the_same_clip():
    one, two, other = (
        make_controlled("object_drop", 4),
        make_controlled("object_drop", 4),
        make_controlled("object_drop", 5),
    )
    np.testing.assert_array_equal(one.poses, two.poses)
    assert one.text == two.text and one.scene == two.scene and one.persons == two.persons
    assert one.poses.shape != other.poses.shape or not np.array_equal(one.poses, other.poses)


def test_planted_feet_do_not_slide_and_nothing_jumps():
    clip = make_controlled("staff_bend_over_bed", 6)
    joints = clip_joints(clip)[0]
    for side in ("left", "right"):
        ankle = joints[:, JOINT[f"{side}_ankle"]]
        assert np.linalg.norm(ankle - ankle[0], axis=-1).max() < 0.01
    assert np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1).max() < 0.05


def test_who_sits_is_on_the_seat_and_who_stands_above_the_feet():
    clip = make_controlled("chair_sit", 8)
    thing = scene_from_dict(clip.scene).objects[0] if isinstance(clip.scene, dict) else None
    assert thing is not None
    joints = clip_joints(clip)[0]
    seat = float(thing.params["seat_height_m"])
    assert 0.05 < joints[-1, 0, 2] - seat < 0.2
    assert np.linalg.norm(joints[-1, 0, :2] - np.array(thing.center[:2])) < 0.45
    feet = joints[0, [JOINT["left_ankle"], JOINT["right_ankle"]], :2].mean(axis=0)
    assert np.linalg.norm(joints[0, 0, :2] - feet) < 0.15


def test_right_is_the_mirror_image_of_left():
    rng = [np.random.default_rng(2) for _ in range(3)]
    cast = cast_person(rng[0], "patient")
    keys = [
        Key(stand(cast, np.zeros(2), 0.0), 0, "standing", hold=1),
        Key(squat(cast, np.zeros(2), 0.0, depth=0.4), 1, "squat_down", hold=1),
    ]
    says = ["{who} on the {side}", "{who} not on the {other}"]
    left, _ = make_clip(Script(keys, says, side="left"), cast, None, "x", 1, rng[1])
    right, _ = make_clip(Script(keys, says, side="right"), cast, None, "x", 1, rng[2])
    a, b = clip_joints(left)[0], clip_joints(right)[0]
    # Distances between joints of a mirror image, its sides exchanged, are those of the original.
    first = np.linalg.norm(a[:, JOINT["left_wrist"]] - a[:, JOINT["right_ankle"]], axis=-1)
    second = np.linalg.norm(b[:, JOINT["right_wrist"]] - b[:, JOINT["left_ankle"]], axis=-1)
    np.testing.assert_allclose(first, second, atol=0.01)
    assert any("left" in text for text in left.text)


def test_the_review_names_what_is_wrong():
    rng = np.random.default_rng(2)
    cast = cast_person(rng, "patient")
    keys = [Key(stand(cast, np.zeros(2), 0.0), 0, "standing", hold=3)]
    keys.append(Key(stand(cast, np.zeros(2), 0.0), 0.2, "standing"))
    _, motion = make_clip(Script(keys, ["a", "b"]), cast, None, "x", 1, rng)
    assert review(cast.anatomy, motion, [floor()])[1] == []
    motion.trans[30:, 2] -= 0.3
    assert set(review(cast.anatomy, motion, [floor()])[1]) == {"contact", "depth", "jump"}


def test_scripts_are_fitted_to_the_longest_and_shortest_clip():
    cast = cast_person(np.random.default_rng(2), "patient")
    posture = stand(cast, np.zeros(2), 0.0)
    long = fit_length([Key(posture, 0, "standing", hold=9), Key(posture, 6, "other", hold=4)])
    assert sum(key.hold for key in long) + long[1].seconds == pytest.approx(LONGEST_S)
    short = fit_length([Key(posture, 0, "standing", hold=0.2), Key(posture, 1, "other")])
    assert sum(key.hold for key in short) + short[1].seconds == pytest.approx(SHORTEST_S)


def test_age_bands():
    assert [age_band(age) for age in (22, 40, 64.9, 65, 80)] == ["young", "middle", "middle", "old", "very_old"]


def test_every_event_is_of_the_taxonomy_and_none_is_a_staff_action():
    assert set(CONTROLLED_EVENTS) <= set(WARD_EVENTS)
    assert not set(STAFF_ACTIONS) & set(WARD_EVENTS)
    assert all(label in OMNIFALL_ID for name in CONTROLLED_EVENTS for label in WARD_EVENTS[name])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_controlled("fall_trip", 1), "falls from physics"),
        (lambda: make_controlled("bed_exit", -1), "seed of 0 or more"),
        (lambda: make_staff_action("bed_exit", 1), "make_controlled"),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
