"""The evaluation of situations: tables in closed form, and the command on a small prepared folder."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips import Clip, Event, save_clip
from carescene.errors import UserError
from carescene.evaluation.ward_samples import WardSample
from carescene.scenes import Scene, contact_report, default_object, scene_to_dict
from lightning_app.evaluation.situation_scores import (
    ClipScore,
    EventScore,
    requested_of,
    score_clip,
    score_events,
    touched_room,
)
from lightning_app.evaluation.situation_tables import (
    OnsetDetector,
    choose_detectors,
    clip_table,
    distance_table,
    event_table,
    fall_table,
    onset_table,
    promises,
)
from lightning_app.main import main

SAMPLE = WardSample(torch.zeros(4, 22, 3), torch.zeros(4, 7), torch.zeros(4, dtype=torch.long), "x", -1, -1, "x")


def _event(**changes: object) -> EventScore:
    plain = EventScore(
        clip="a", person=0, event="fall_trip", attempt=1, geometry=True, why="", recognised_as="fall_trip",
        is_known=True, asked_onset_s=None, geometry_onset_s=None, recogniser_onset_s=None, asked_direction=None,
        geometry_direction=None, recogniser_direction=None, asked_side=None, side=None, place_error_m=None,
        sample=SAMPLE,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def _clip_score(**changes: object) -> ClipScore:
    plain = ClipScore("a", 0.0, 0.0, 0.0, None, None, (1.0, 10.0), (), 0.0, None, False, None)
    return dataclasses.replace(plain, **changes)


def test_events_are_seen_by_either_judge():
    rows = [
        _event(),
        _event(geometry=False),
        _event(geometry=False, recognised_as="walk_free"),
        _event(attempt=2),
        _event(event="object_drop", geometry=None, recognised_as="", is_known=False),
    ]
    table = event_table(rows)
    assert table["fall_trip"]["geometry"] == 0.5
    assert table["fall_trip"]["recogniser"] == 0.75
    assert table["fall_trip"]["either"] == 0.75
    assert table["fall_trip"]["first_try"] == 0.5
    assert table["object_drop"] | {"interval": None} == {
        "clips": 1, "geometry": None, "recogniser": None, "either": 0.0, "first_try": 0.0, "interval": None
    }  # fmt: skip


def test_onset_errors_count_what_was_not_found_as_infinite():
    rows = [
        _event(asked_onset_s=1.0, geometry_onset_s=1.0 + error, recogniser_onset_s=1.5)
        for error in (0.1, 0.2, 0.3, 0.35, 0.05)
    ]
    detectors = choose_detectors(rows)
    assert detectors["fall"] == OnsetDetector("recogniser", 0.5)
    rows = [dataclasses.replace(row, recogniser_onset_s=None) for row in rows]
    detectors = choose_detectors(rows)
    assert detectors["fall"] == OnsetDetector("geometry", 0.2)
    table = onset_table([*rows, _event(asked_onset_s=2.0)], detectors)
    assert table["fall"]["clips"] == 6
    assert table["fall"]["median_s"] == pytest.approx(0.15)
    assert math.isinf(table["fall"]["p95_s"])
    assert table["fall"]["not_found"] == 1
    assert choose_detectors([])["bed_exit"] == OnsetDetector("geometry", 0.0)


def test_knobs_count_only_where_they_were_asked_for():
    rows = [
        _event(asked_direction="left", geometry_direction="left", asked_side="left", side="front"),
        _event(asked_direction="left", geometry_direction="down", place_error_m=0.4),
        _event(place_error_m=math.inf),
    ]
    table = fall_table(rows)
    assert table["direction"] == {"clips": 2, "share": 0.5}
    assert table["side"] == {"clips": 1, "share": 0.0}
    assert table["place"] == {"clips": 2, "share": 0.5}
    assert fall_table([_event()]) == {}


def test_clips_are_pooled():
    rows = [
        _clip_score(scene_mean_m=0.02, constraints_m=(0.001, 0.003), skate=(2.0, 10.0), room_sampled=True),
        _clip_score(people_mean_m=0.01, people_deep=0.0, skate=(0.0, 30.0), room_sampled=True, room_fault="x"),
    ]
    table = clip_table(rows)
    assert table["scene_mean_m"] == pytest.approx(0.01)
    assert (table["pairs"], table["people_mean_m"]) == (1, 0.01)
    assert table["skate"] == pytest.approx(2 / 40)
    assert table["skate_constrained"] == pytest.approx(0.2)
    assert table["constraints_max_mm"] == pytest.approx(3.0)
    assert (table["rooms_sampled"], table["rooms_valid"]) == (2, 0.5)
    kept = {row["measure"]: row for row in promises({}, {}, {}, table, 0.1)}
    assert kept["skating, constrained over unconstrained"]["value"] == pytest.approx(2.0)
    assert kept["skating, constrained over unconstrained"]["passed"] is False
    assert kept["penetration of people, mean, m"]["passed"] is True
    assert kept["event recognised, worst event"]["passed"] is None


def test_distances_need_enough_clips():
    generator = torch.Generator().manual_seed(0)
    real = {name: torch.randn(40, 4, generator=generator) for name in ("few", "many")}
    made = {"few": torch.randn(4, 4, generator=generator), "many": torch.randn(20, 4, generator=generator)}
    table = distance_table(real, made)
    assert list(table) == ["many"]
    assert table["many"]["frechet_floor"] > 0
    assert 0 <= table["many"]["tail_coverage"] <= 1


def test_what_was_asked_for_comes_from_the_clip():
    clip = _fallen("a", "left")
    assert requested_of(clip)["events"][0]["direction"] == "left"
    asked = {"events": [{"person": 0, "ward_event": "walk_free"}], "attempt": 2}
    made = dataclasses.replace(clip, attributes={"requested": json.dumps(asked)})
    assert requested_of(made) == asked
    named = dataclasses.replace(clip, events=[], attributes={"action": "fall_bump"})
    assert requested_of(named)["events"] == [{"person": 0, "ward_event": "fall_bump"}]
    with pytest.raises(UserError, match="requested"):
        requested_of(dataclasses.replace(clip, attributes={"requested": "{"}))


def test_a_fall_is_scored_with_its_place_and_side():
    asked = {
        "events": [
            {"person": 0, "label": "fall", "cause": "bump", "ward_event": None, "onset_s": 1.5, "direction": "left",
             "side": "left", "place": [0.6, 0.1]},
            {"person": 5, "ward_event": "walk_free"},
        ],
        "constraints": [{"person": 0, "kind": "pelvis_xy", "time_s": 1.0, "value": [0.0, 0.0]}],
        "seconds": 2.5,
    }  # fmt: skip
    clip = dataclasses.replace(_fallen("a", "left"), attributes={"requested": json.dumps(asked)})
    (score,) = score_events(clip, None)
    assert (score.event, score.geometry, score.geometry_direction, score.side) == ("fall_bump", True, "left", "left")
    assert score.place_error_m == pytest.approx(0.1, abs=0.08)
    assert score.geometry_onset_s == pytest.approx(1.5, abs=0.2)
    whole = score_clip(clip)
    assert whole.constraints_m == pytest.approx((0.0,), abs=1e-6)
    assert whole.seconds == 2.5
    assert whole.people_mean_m is None
    assert whole.room_fault is None


def test_sides_of_a_bare_square_are_walls_for_generated_clips_alone():
    square = [(-0.3, -0.6), (0.3, -0.6), (0.3, 0.6), (-0.3, 0.6)]
    bare = Scene("bare", square, objects=[default_object("chair", "chair-1", x=0.0, y=-0.3)])
    recorded = dataclasses.replace(_fallen("a", "left"), scene=scene_to_dict(bare))
    made = dataclasses.replace(recorded, attributes={"requested": json.dumps({"events": []})})
    assert touched_room(made).polygon == square
    assert contact_report(made, touched_room(made), every=8).deepest == "wall"
    assert contact_report(recorded, touched_room(recorded), every=8).deepest != "wall"
    assert not touched_room(dataclasses.replace(recorded, scene=None)).objects


def _fallen(name: str, side: str, onset: float = 1.5) -> Clip:
    """Somebody who stands and then tips over to one side."""
    frames, sign = 81, 1.0 if side == "left" else -1.0
    share = np.clip((np.arange(frames) / 20 - onset) / 0.7, 0, 1)
    turn = Rotation.from_euler("y", 90 * sign * share[:, None], degrees=True) * Rotation.from_euler(
        "x", 90, degrees=True
    )
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0] = turn.as_rotvec()
    trans = np.stack([0.55 * sign * share, 0 * share, 0.95 - 0.78 * share], axis=-1)[None].astype(np.float32)
    return Clip(
        id=name, fps=20.0, poses=poses, trans=trans, betas=np.zeros((1, 10), np.float32),
        frame_label=np.where(share > 0, 1, 8).astype(np.int8)[None], valid=np.ones((1, frames), bool),
        events=[Event(0, "fall", onset, 3.0, ward_event="fall_bump", cause="bump", direction=side)],
    )  # fmt: skip


def _stands(name: str, turn: float) -> Clip:
    clip = _fallen(name, "left", onset=50.0)
    clip.poses[0, :, 16, 2] = turn
    clip.events = [Event(0, "standing", 0.0, 4.0, ward_event="turn_reach")]
    return clip


def _prepared(folder):
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 3), ("test", 7)):
        names = []
        for number in range(count):
            side = "left" if number % 2 else "right"
            clips = (
                _fallen(f"{split}-fall-{number}", side, float(rng.uniform(0.8, 2.0))),
                _stands(f"{split}-stand-{number}", float(rng.uniform(-1, 1))),
            )
            for clip in clips:
                save_clip(clip, folder / "clips")
                names.append(clip.id)
        (folder / "splits").mkdir(exist_ok=True)
        (folder / "splits" / f"{split}.txt").write_text("\n".join(names))


@pytest.mark.slow
def test_the_command_writes_the_whole_report(tmp_path, capsys):
    _prepared(tmp_path / "data")
    for number in range(8):
        clip = _fallen(f"made-{number}", "left", 1.0 + 0.1 * number)
        asked = {"events": [{"person": 0, "ward_event": "fall_bump", "onset_s": 1.0 + 0.1 * number}]}
        save_clip(
            dataclasses.replace(clip, events=[], attributes={"requested": json.dumps(asked)}),
            tmp_path / "made" / f"folder-{number % 2}",
        )
    arguments = [
        "evaluate", "situations", f"--dir={tmp_path / 'made'}", f"--data={tmp_path / 'data'}",
        f"--out={tmp_path / 'out'}", "--recogniser_epochs=3", "--every=20",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "8 clips, 1 events" in capsys.readouterr().out
    numbers = json.loads((tmp_path / "out" / "situations.json").read_text())
    assert numbers["generated"]["events"]["fall_bump"]["geometry"] == 1.0
    assert numbers["generated"]["onsets"]["fall"]["clips"] == 8
    assert numbers["held_out"]["events"]["fall_bump"]["clips"] == 7
    assert (tmp_path / "out" / "situations_events.png").is_file()
    assert "Distance to the held-out clips" in (tmp_path / "out" / "situations.md").read_text()
    again = [*arguments, f"--recogniser={tmp_path / 'out' / 'ward_recogniser.safetensors'}"]
    assert main(again) == 0


def test_refuses_folders_without_requests(tmp_path, capsys):
    _prepared(tmp_path / "data")
    assert main(["evaluate", "situations", f"--dir={tmp_path}/no", f"--data={tmp_path / 'data'}", "--out=x"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["evaluate", "situations", f"--dir={tmp_path}", "--data=,", "--out=x"]) == 2
    assert "joined by commas" in capsys.readouterr().err
