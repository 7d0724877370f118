"""Checks of situations on people whose postures are written down, in open space and on a bed."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.taxonomy import WARD_EVENTS
from carescene.errors import UserError
from carescene.evaluation.situation_checks import CHECKS, STATES, UNSEEN, check_event, check_seen, seen_in
from carescene.evaluation.tracks import runs_of, steady, tracks_of
from carescene.scenes import Scene, bed_surface, default_object, object_to_world, scene_to_dict

SQUARE = [(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)]

SHOWN = {
    "standing": (),
    "walking": ("walk_free",),
    "falls backward": ("fall_slip", "fall_weight_shift", "fall_collapse"),
    "falls forward": ("fall_trip", "fall_bump"),
    "collapses": ("fall_collapse",),
    "sits down": ("chair_sit",),
    "drops into a chair": ("chair_sit", "plop_sit"),
    "stands up": ("chair_rise",),
    "kneels down": ("kneel_task", "staff_kneel"),
    "bends": ("staff_bend_over_bed",),
    "gets up from the floor": ("rise_alone",),
}
TESTED = ("walk_free", "fall_trip", "fall_collapse", "chair_sit", "plop_sit", "chair_rise", "kneel_task", "rise_alone")


@pytest.mark.parametrize("script", SHOWN)
def test_sees_what_is_done_and_nothing_else(play, script):
    seen = seen_in(play(script))
    for name in SHOWN[script]:
        assert check_seen(seen, name), f"{name} in '{script}': {check_seen(seen, name).why}"
    falls = script.startswith("falls") or script == "collapses"
    for name in TESTED:
        if name not in SHOWN[script] and not (falls and name.startswith("fall_")):
            assert not check_seen(seen, name), f"{name} in '{script}': {check_seen(seen, name).why}"


def test_lying_down_slowly_is_no_fall(play):
    clip = play("lies down on the floor slowly")
    assert not check_event(clip, "fall_collapse")
    assert not check_event(clip, "fall_trip")


def _on_bed(key, leaves: bool):
    bed = default_object("bed", "bed-1", x=0.0, y=0.0, head_angle_deg=0.0)
    surface = bed_surface(bed)
    x, y, z = object_to_world(bed, tuple(surface.hinge))
    lying = key(0.0, (x, y, z + 0.12), pitch=0.0, yaw=180.0)
    keys = [lying, dataclasses.replace(lying, time_s=1.5)]
    if leaves:
        edge = (x + surface.width / 2 - 0.1, y, z + 0.13)
        away = (x + surface.width / 2 + 0.6, y, 0.95)
        keys += [
            key(3.0, edge, yaw=90.0, hips=90.0, knees=90.0),
            key(3.6, edge, yaw=90.0, hips=90.0, knees=90.0),
            key(5.0, away, yaw=90.0),
            key(6.0, away, yaw=90.0),
        ]
    else:
        keys.append(dataclasses.replace(lying, time_s=4.0))
    return keys, scene_to_dict(Scene("room", SQUARE, objects=[bed]))


def test_bed_exit_is_seen_with_its_times(play, key):
    keys, scene = _on_bed(key, leaves=True)
    found = check_event(play(keys, scene), "bed_exit")
    assert found, found.why
    assert found.times["begin"] == pytest.approx(1.5, abs=0.2)
    assert found.times["begin"] < found.times["leaves"] < found.times["stands"] <= 5.0
    assert not check_event(play(keys, scene), "in_bed_still")


def test_states_are_judged_between_the_times_asked_for(play, key):
    keys, scene = _on_bed(key, leaves=True)
    clip = play(keys, scene)
    assert check_event(clip, "in_bed_still", span_s=(0.0, 1.4))
    assert not check_event(clip, "in_bed_still", span_s=(3.0, None))
    assert check_event(clip, "seated_bed_edge", span_s=(3.0, 3.6))


def test_lying_in_bed_is_rest_and_not_a_fall(play, key):
    keys, scene = _on_bed(key, leaves=False)
    clip = play(keys, scene)
    assert check_event(clip, "in_bed_still")
    assert not check_event(clip, "fallen_still")
    assert not check_event(clip, "bed_exit")
    # The same pose without the bed and on the floor is somebody who has fallen.
    low = dataclasses.replace(clip, scene=None, trans=clip.trans - np.float32([0, 0, clip.trans[0, 0, 2] - 0.14]))
    assert check_event(low, "fallen_still")
    assert not check_event(low, "in_bed_still")


def test_helpers_are_asked_for_where_the_event_names_them(play):
    clip = play("gets up from the floor")
    # A clip of one person leaves the helper out.
    assert check_event(clip, "raised_by_staff")
    for away, helps in ((0.5, True), (3.0, False)):
        both = dataclasses.replace(
            clip,
            **{name: np.concatenate([getattr(clip, name)] * 2) for name in ("poses", "betas", "frame_label", "valid")},
            trans=np.concatenate([clip.trans, clip.trans + np.float32([away, 0, 0])]),
        )
        assert check_event(both, "raised_by_staff").ok is helps


def test_every_ward_event_has_a_check_or_is_named_as_unseen():
    assert set(CHECKS) | UNSEEN == set(WARD_EVENTS)
    assert {"object_drop"} == UNSEEN
    assert set(CHECKS) > STATES


def test_refuses_unknown_events_and_people(play):
    clip = play("standing")
    with pytest.raises(UserError, match="object_drop"):
        check_event(clip, "object_drop")
    with pytest.raises(UserError, match="person 3"):
        check_event(clip, "walk_free", person=3)
    nobody = dataclasses.replace(clip, valid=np.zeros_like(clip.valid))
    with pytest.raises(UserError, match="at least 4 frames"):
        check_event(nobody, "walk_free")


def test_people_who_come_later_are_timed_in_the_clip(play):
    clip = play("falls backward")
    late = dataclasses.replace(clip, valid=np.arange(clip.num_frames)[None] >= 10)
    track = tracks_of(late)[0]
    assert track.start_s == pytest.approx(0.5)
    assert check_event(late, "fall_slip").times["impact"] == check_event(clip, "fall_slip").times["impact"]


def test_heading_and_place_do_not_matter(play):
    clip = play("falls left")
    turned = dataclasses.replace(clip, poses=clip.poses.copy(), trans=clip.trans.copy())
    turn = Rotation.from_euler("z", 130, degrees=True)
    turned.poses[0, :, 0] = (turn * Rotation.from_rotvec(clip.poses[0, :, 0])).as_rotvec()
    turned.trans[0] = turn.apply(clip.trans[0]) + np.array([1.0, 2.0, 0.0])
    one, two = check_event(clip, "fall_bump"), check_event(turned, "fall_bump")
    assert one.ok
    assert one.times == two.times


def test_runs_and_steady_names():
    assert runs_of(np.array([1, 1, 0, 1], bool)) == [(0, 2), (3, 4)]
    names = np.array(["a"] * 6 + ["b"] + ["a"] * 6)
    assert (steady(names, 5) == "a").all()
    kept = np.array(["a"] * 6 + ["b"] * 6)
    assert (steady(kept, 5) == kept).all()
