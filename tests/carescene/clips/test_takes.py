import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from carescene.clips._english import inflect
from carescene.clips.formats.samp_circle import read_samp_circle
from carescene.clips.mirror_text import mirror_text
from carescene.clips.takes import (
    _library,
    captions_for_window,
    has_timeline,
    segments_for,
    window_attributes,
    windows_for,
)
from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError

TAKES = sorted(_library())
ACTS = {"sit_down", "stand_up", "lie_down", "sit_up", "get_up"}


def duration(take_id: str) -> float:
    return _library()[take_id].duration_s


def test_all_watched_takes_have_timelines_without_gaps_and_with_known_labels() -> None:
    assert len(TAKES) == 78 + 29
    for name in TAKES:
        segments = _library()[name].segments
        assert segments[0].start_s == 0.0
        assert segments[-1].end_s == pytest.approx(duration(name), abs=0.02)
        for before, after in pairwise(segments):
            assert before.end_s == after.start_s, name
        for segment in segments:
            assert segment.end_s > segment.start_s, name
            assert segment.label is None or segment.label in OMNIFALL16
            assert segment.text
            for text in segment.text:
                assert "[" in text
                assert not re.search(r"[\[\]{}]", inflect(text, "third", "any", "slowly")), text


@pytest.mark.parametrize("family", ["armchair", "chair_mo", "lie_down", "locomotion", "run_", "s", "humanoid3d"])
def test_windows_stay_inside_cover_the_take_and_keep_acts_whole(family: str) -> None:
    for name in TAKES:
        if not name.startswith(family) or (family == "s" and "reaching" not in name):
            continue
        windows = windows_for(name, duration(name))
        segments = _library()[name].segments
        for start, end in windows:
            assert 0.0 <= start < end <= duration(name) + 1e-9
            assert end - start <= 10.0 + 1e-9
            assert end - start >= 2.0 - 1e-9 or len(windows) == 1
            for segment in segments:
                if segment.kind in ACTS:
                    inside = min(end, segment.end_s) - max(start, segment.start_s)
                    assert inside <= 0.0 or inside == pytest.approx(segment.end_s - segment.start_s), (name, start, end)
        opening = segments[0].end_s if segments[0].kind == "calibration" and len(segments) > 1 else 0.0
        times = np.arange(opening + 0.01, duration(name) - 0.01, 0.05)
        covered = np.any([(times >= start) & (times <= end) for start, end in windows], axis=0)
        assert covered.all(), name


def test_takes_without_timeline_are_cut_evenly() -> None:
    assert not has_timeline("dataset-1_dance-short_normal_001")
    windows = windows_for("dataset-1_dance-short_normal_001", 63.4)
    assert len(windows) == 7
    assert windows[0][0] == 0.0 and windows[-1][1] == pytest.approx(63.4)
    assert all(end - start <= 10.0 for start, end in windows)
    assert windows_for("x", 10.0) == [(0.0, 10.0)]


def test_captions_of_windows_are_several_different_and_the_same_for_one_seed() -> None:
    for name in TAKES[::9]:
        for start, end in windows_for(name, duration(name)):
            captions = captions_for_window(name, start, end, 1)
            assert captions == captions_for_window(name, start, end, 1)
            assert 3 <= len(captions) <= 6, captions
            assert len({caption.lower().rstrip(".") for caption in captions}) == len(captions)
            for caption in captions:
                assert not re.search(r"[\[\]{}]|  | ,|\ba [aeio]|\ban [^aeiouh]", caption), caption


def test_acts_of_a_window_are_named_in_their_order() -> None:
    words = {
        "sit_down": r"\bsits? down|sitting down|takes? a seat|taking a seat|lower(s|ing) \w+ (into|onto)",
        "stand_up": r"\b(stand|get|ris|push)\w* (up|from|\w+ up)|getting up|rises",
    }
    for name in ("armchair003", "chair_mo010", "chair_mo019"):
        segments = {segment.kind: segment for segment in _library()[name].segments}
        start = segments["sit_down"].start_s - 1.0
        for kind, first, last in (
            ("sit_down", start, segments["sit_down"].end_s + 1.0),
            ("stand_up", segments["stand_up"].start_s - 1.0, segments["stand_up"].end_s + 1.0),
        ):
            for caption in captions_for_window(name, first, last, 0):
                assert re.search(words[kind], caption, re.IGNORECASE), caption


def test_classes_of_windows_follow_their_acts() -> None:
    segments = {segment.kind: segment for segment in _library()["lie_down_10"].segments}
    lying = segments["lie"]
    action = {
        "lie_down": (segments["sit_down"].start_s - 1, segments["lie_down"].end_s + 1),
        "lying": (lying.start_s + 1, lying.end_s - 1),
        "get_up": (lying.end_s - 1, segments["stand_up"].end_s + 1),
        "sit_down": (segments["sit_down"].start_s - 1, segments["sit_down"].end_s),
    }
    for expected, (start, end) in action.items():
        assert window_attributes("lie_down_10", start, end)["action"] == expected
    assert window_attributes("run_circular", 2.5, 7.5)["action"] == "run"
    assert window_attributes("humanoid3d_long_zombie", 0.0, 3.0)["style"] == "zombie"
    assert window_attributes("humanoid3d_getup_facedown", 0.0, 3.0)["action"] == "get_up"


def test_mirrored_takes_mirror_the_sides_of_their_timelines() -> None:
    for name in ("humanoid3d_long_walk1", "humanoid3d_long_walk2", "humanoid3d_long_walk3"):
        ours, theirs = _library()[name].segments, _library()[name + "_mirror"].segments
        assert [mirror_text(segment.kind.replace("_", " ")) for segment in ours] == [
            segment.kind.replace("_", " ") for segment in theirs
        ]


def test_timelines_agree_with_the_recordings(shared_data: Path) -> None:
    archive = shared_data / "mocap" / "samp_circle.npz"
    if not archive.is_file():
        pytest.skip("the SAMP and CIRCLE recordings are not beside this checkout")
    for name in ("armchair004", "armchair013", "chair_mo006", "chair_mo018", "lie_down", "lie_down_16"):
        motion = read_samp_circle(archive, name)
        turn = motion.rotations[:, 0] @ motion.rotations[0, 0].T
        heading = np.unwrap(np.arctan2(turn[:, 1, 0] - turn[:, 0, 1], turn[:, 0, 0] + turn[:, 1, 1]))
        for segment in _library()[name].segments:
            first, last = np.searchsorted(motion.times, (segment.start_s, segment.end_s - 0.05))
            turned = np.degrees(heading[last] - heading[first])
            risen = motion.trans[last, 2] - motion.trans[first, 2]
            if "turn_left" in segment.kind:
                assert turned > 30.0, (name, segment)
            elif "turn_right" in segment.kind:
                assert turned < -30.0, (name, segment)
            elif segment.kind == "sit_down":
                assert risen < -0.25, (name, segment)
            elif segment.kind == "stand_up":
                assert risen > 0.25, (name, segment)
            elif segment.kind in ("sit", "lie"):
                assert motion.trans[first:last, 2].max() < 0.62, (name, segment)


def test_segments_are_cut_to_the_window_and_the_last_goes_on() -> None:
    segments = segments_for("armchair", 9.0, 13.0)
    assert segments[0].start_s == 0.0 and segments[-1].end_s == pytest.approx(4.0)
    assert {segment.kind for segment in segments} == {"turn_left", "sit_down", "sit"}
    # A repeated cycle lasts longer than its recording.
    assert segments_for("humanoid3d_walk", 0.0, 8.0)[-1].end_s == 8.0


def test_bad_input_gets_one_clear_sentence() -> None:
    with pytest.raises(UserError, match="watched timeline"):
        captions_for_window("dataset-2_walk_normal_001", 0.0, 2.0, 0)
    with pytest.raises(UserError, match="start < end"):
        captions_for_window("armchair", 5.0, 5.0, 0)
    with pytest.raises(UserError, match="positive duration"):
        windows_for("armchair", 0.0)
