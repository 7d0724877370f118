"""Encounters: right distance, right side, right time, nobody in anybody, and a caption that says so."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from carescene.clips import Clip, Event
from carescene.encounters.actor import can_wait, held, joined, lengthened
from carescene.encounters.alone import Placed
from carescene.encounters.company import add_company, require_apart
from carescene.encounters.kinds import (
    KINDS,
    bend_over,
    give_hands,
    hurry_to,
    kneel_beside,
    stand_by,
    visitor_sits,
    walk_beside,
    walk_past,
)
from carescene.encounters.places import bed_side, place_words
from carescene.encounters.sources import SourceClip
from carescene.encounters.stage import Stage
from carescene.encounters.words import clause, is_sentence, sentence, them, who
from carescene.errors import UserError
from carescene.evaluation.people_contact import people_contact
from carescene.humans.skeleton import JOINT
from carescene.scenes import Scene, contact_report, default_object, fit_clip
from carescene.scenes.resting import clip_joints


def meet(people: SimpleNamespace, make, clip: Clip, scene: Scene, seed: int = 1) -> tuple[Clip, Scene, list[str]]:
    rng = np.random.default_rng(seed)
    stage = Stage.of(clip, scene, rng)
    found = make(stage, people.made_gait(), rng)
    whole = joined(stage.clip, found.actors, rng)
    if found.sits:
        whole, _ = fit_clip(whole, found.scene)
    return whole, found.scene, found.clauses


def facing(joints: np.ndarray) -> np.ndarray:
    left = joints[:, JOINT["left_hip"], :2] - joints[:, JOINT["right_hip"], :2]
    front = np.stack([left[:, 1], -left[:, 0]], axis=1)
    return front / np.linalg.norm(front, axis=1, keepdims=True)


def looks_at(clip: Clip, target: np.ndarray) -> float:
    """Cosine between where person 1 faces at the end and the way to a target."""
    joints = clip_joints(clip)[1][-1:]
    way = target - joints[0, 0, :2]
    return float(facing(joints)[0] @ way / np.linalg.norm(way))


def test_staff_walk_in_and_kneel_by_the_fallen_after_the_fall(people: SimpleNamespace) -> None:
    clip, scene, clauses = meet(people, kneel_beside, people.lier(3.2, 2.6), people.hall())
    body, nurse = clip_joints(clip)[0][-1], clip_joints(clip)[1][-1]
    knees = nurse[[JOINT["left_knee"], JOINT["right_knee"]]]
    assert knees[:, 2].min() < 0.12
    assert 0.1 < np.linalg.norm(body[:, None, :2] - nurse[None, :1, :2], axis=-1).min() < 1.0
    # A hand is on the body or as near as the arm reaches.
    hands = nurse[[JOINT["left_wrist"], JOINT["right_wrist"]]]
    assert np.linalg.norm(body[:, None] - hands[None], axis=-1).min() < 0.35
    assert looks_at(clip, body[9, :2]) > 0.8
    kneel = next(event for event in clip.events if event.ward_event == "staff_kneel")
    assert kneel.person == 1 and kneel.start_s >= 1.0
    assert clip.persons[1].role == "staff" and any("kneels" in text for text in clauses)
    require_apart(clip)
    assert people_contact(clip).mean_m <= 0.01
    assert contact_report(clip, scene).share_deep <= 0.02


def test_people_who_come_in_exist_from_the_door_on(people: SimpleNamespace) -> None:
    clip, scene, _ = meet(people, kneel_beside, people.lier(3.2, 2.6), people.hall())
    first = int(np.argmax(clip.valid[1]))
    assert clip.valid[1, first:].all() and not clip.valid[1, :first].any()
    door = scene.of_kind("door")[0]
    assert np.linalg.norm(clip.trans[1, first, :2] - np.array([1.5, 0.45])) < 0.35
    assert float(door.params["open_deg"]) > 60
    walk = next(event for event in clip.events if event.person == 1 and event.label == "walk")
    assert walk.start_s == pytest.approx(first / 20, abs=0.01)


def test_whoever_is_in_the_room_moves_only_after_the_impact(people: SimpleNamespace) -> None:
    fallen = people.lier(3.2, 2.6)
    fallen.attributes["impact_s"] = "0.8"
    clip, _, clauses = meet(people, hurry_to, fallen, people.hall(), seed=3)
    moved = np.linalg.norm(clip.trans[1] - clip.trans[1, 0], axis=1)
    start = int(np.argmax(moved > 0.02)) / 20
    assert clip.valid[1].all() and 0.8 + 0.4 < start < 0.8 + 2.2
    assert any("hurries" in text for text in clauses)
    speed = np.linalg.norm(np.diff(clip.trans[1, :, :2], axis=0), axis=1) * 20
    assert speed.max() > 1.2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_who_stops_to_talk_keeps_personal_distance_and_faces(people: SimpleNamespace, seed: int) -> None:
    clip, _, clauses = meet(people, stand_by, people.stander(3.0, 2.5), people.hall(), seed)
    near = np.linalg.norm(clip.trans[0, -1, :2] - clip.trans[1, -1, :2])
    # Hall: 0.45 to 1.2 m, of the bodies' middles here.
    assert 0.55 < near < 1.3
    assert looks_at(clip, clip.trans[0, -1, :2]) > 0.9
    assert all(text.split()[0] in ("a", "an") for text in clauses)
    require_apart(clip)


def test_staff_bend_over_the_bed_from_the_side_that_is_told(people: SimpleNamespace) -> None:
    scene, lying = people.bed_and_lier()
    clip, _, clauses = meet(people, bend_over, lying, scene)
    side = bed_side(scene.of_kind("bed")[0], clip.trans[1, -1, :2])
    assert all(f"{side} side" in text for text in clauses)
    bent = next(event for event in clip.events if event.ward_event == "staff_bend_over_bed")
    middle = int(20 * (bent.start_s + bent.end_s) / 2)
    joints = clip_joints(clip)[1]
    # Bent over: the head is well in front of the pelvis and lower than upright.
    assert joints[middle, JOINT["head"], 2] < joints[-1, JOINT["head"], 2] - 0.1
    assert contact_report(clip, scene).mean_m <= 0.01


def test_visitors_sit_by_the_bed_on_a_chair_that_is_there(people: SimpleNamespace) -> None:
    scene, lying = people.bed_and_lier()
    clip, furnished, clauses = meet(people, visitor_sits, lying, scene)
    chairs = furnished.of_kind("chair")
    assert len(chairs) == 1 and clip.persons[1].role == "visitor"
    side = bed_side(scene.of_kind("bed")[0], np.array(chairs[0].center[:2]))
    assert (side in clauses[0] and "visitor" in clauses[0]) or "relative" in clauses[0]
    assert looks_at(clip, clip_joints(clip)[0][-1, JOINT["head"], :2]) > 0.7
    require_apart(clip)


def test_who_walks_past_keeps_away(people: SimpleNamespace) -> None:
    clip, _, _ = meet(people, walk_past, people.stander(4.5, 3.5), people.hall(), seed=5)
    frames = clip.valid[1]
    near = np.linalg.norm(clip.trans[0, frames, :2] - clip.trans[1, frames, :2], axis=1)
    assert near.min() > 0.45 and np.ptp(clip.trans[1, frames, :2], axis=0).max() > 1.0


def test_who_walks_beside_keeps_pace_and_side(people: SimpleNamespace) -> None:
    clip, scene, clauses = meet(people, walk_beside, people.walker(), people.hall())
    apart = clip.trans[1, :, :2] - clip.trans[0, :, :2]
    # The first walks along +x.
    side = "left" if apart[:, 1].mean() > 0 else "right"
    assert np.abs(apart[:, 1]).min() > 0.45 and np.abs(apart[:, 1]).max() < 0.85
    assert np.abs(apart[:, 0]).max() < 0.35
    assert clauses[0].endswith(side)
    require_apart(clip)
    assert contact_report(clip, scene).share_deep <= 0.02


def test_nobody_can_join_where_there_is_no_door_way_or_bed(people: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    closed = dataclasses.replace(people.hall(), objects=[])
    with pytest.raises(UserError, match="a door"):
        stand_by(Stage.of(people.stander(3.0, 2.5), closed, rng), people.made_gait(), rng)
    wall = default_object("wall", "wall-1", x=3.0, y=1.6, size=(6.0, 0.1, 2.5))
    with pytest.raises(UserError, match="none"):
        stand_by(Stage.of(people.stander(3.0, 3.5), people.hall(wall), rng), people.made_gait(), rng)
    with pytest.raises(UserError, match="to be in bed"):
        bend_over(Stage.of(people.lier(3.0, 2.5), people.hall(), rng), people.made_gait(), rng)
    with pytest.raises(UserError, match="walks on"):
        walk_beside(Stage.of(people.stander(3.0, 2.5), people.hall(), rng), people.made_gait(), rng)
    with pytest.raises(UserError, match=r"helper|hands"):
        give_hands(Stage.of(people.stander(5.7, 2.5), people.hall(), rng), people.made_gait(), rng)


def test_people_in_each_other_are_refused(people: SimpleNamespace) -> None:
    clip = people.stander(3.0, 2.5)
    both = dataclasses.replace(
        clip,
        poses=np.repeat(clip.poses, 2, axis=0),
        trans=np.concatenate([clip.trans, clip.trans + np.float32(0.05)]),
        betas=np.repeat(clip.betas, 2, axis=0),
        frame_label=np.repeat(clip.frame_label, 2, axis=0),
        valid=np.repeat(clip.valid, 2, axis=0),
        persons=clip.persons * 2,
    )
    with pytest.raises(UserError, match="inside each other"):
        require_apart(both)


def test_waiting_people_keep_their_pose_and_breathe(people: SimpleNamespace) -> None:
    clip, rng = people.stander(1.0, 1.0, frames=20), np.random.default_rng(0)
    clip.events = [Event(0, "standing", 0.0, 1.0)]
    assert can_wait(clip) and not can_wait(people.walker())
    longer = lengthened(clip, 60, rng)
    assert longer.num_frames == 60 and longer.events[0].end_s == 3.0
    assert np.allclose(longer.trans[0, 20:], clip.trans[0, -1])
    change = np.abs(longer.poses[0, 20:] - clip.poses[0, -1])
    assert 0.002 < change.max() < 0.15 and lengthened(clip, 5, rng) is clip
    still, _ = held(np.tile(np.eye(3), (24, 1, 1)), np.zeros(3), 40, rng)
    assert np.allclose(still[0], np.eye(3), atol=1e-6)


def test_the_same_seed_tells_the_same_story(people: SimpleNamespace) -> None:
    stories = []
    for _ in range(2):
        scene = people.hall()
        source = SourceClip(Path("x"), "fall_slip", "train", 3.0, "normal")
        placed = Placed(people.lier(3.2, 2.6), scene, "in the middle of the room")
        stories.append(add_company(source, placed, [people.made_gait()], 1, np.random.default_rng(4)))
    assert stories[0].clip.text == stories[1].clip.text and np.array_equal(stories[0].clip.trans, stories[1].clip.trans)
    story = stories[0]
    assert story.kinds[0] in [name for name, _, _ in KINDS["fallen"]]
    assert len(story.clip.text) >= 2 and len(set(story.clip.text)) == len(story.clip.text)
    roles = ("nurse", "carer", "caregiver", "staff member")
    for text in story.clip.text:
        assert text.endswith(".") and any(role in text for role in roles) and "falls" in text


def test_a_third_person_walks_past(people: SimpleNamespace) -> None:
    source = SourceClip(Path("x"), "standing", "train", 3.0, "normal")
    placed = Placed(people.stander(3.0, 3.2), people.hall(), "in the middle of the room")
    story = add_company(source, placed, [people.made_gait()], 2, np.random.default_rng(2))
    assert story.clip.num_persons == 3 and story.kinds[1] == "walk_past"
    require_apart(story.clip)


def test_places_are_named_by_what_is_near(people: SimpleNamespace) -> None:
    bed = default_object("bed", "bed-1", x=3.0, y=1.2)
    cabinet = default_object("cabinet", "cabinet-1", x=4.6, y=1.2)
    room = people.hall(bed, cabinet)
    assert place_words(room, np.array([4.05, 1.2])) == "between the bed and the cabinet"
    assert place_words(room, np.array([2.2, 1.5])) == "beside the bed, on its left"
    assert place_words(room, np.array([3.0, 2.6])) == "at the foot of the bed"
    assert place_words(room, np.array([1.5, 0.5])) == "at the door"
    assert place_words(room, np.array([1.0, 4.0])) == "in the middle of the room"
    assert place_words(room, np.array([3.0, 1.2]), "bed") == "in bed"
    assert place_words(dataclasses.replace(room, preset="corridor"), np.array([1.0, 4.0])) == "in the corridor"
    turned = dataclasses.replace(bed, yaw=np.pi)
    assert bed_side(bed, np.array([2.2, 1.5])) == "left" and bed_side(turned, np.array([2.2, 1.5])) == "right"


def test_words(people: SimpleNamespace) -> None:
    info, rng = people.stander(0, 0).persons[0], np.random.default_rng(0)
    names = {who(info, rng) for _ in range(30)}
    assert all(name.startswith(("an old", "an elderly")) for name in names) and them(info) == "him"
    assert who(dataclasses.replace(info, role="visitor"), rng) in ("a visitor", "a relative")
    assert sentence("a nurse", "walks  in", "") == "A nurse walks in."
    assert (
        clause("A man falls.") == "a man falls" and is_sentence("An old man falls.") and not is_sentence("fall, slip")
    )
