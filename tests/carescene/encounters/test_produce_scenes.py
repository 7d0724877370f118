"""A folder of clips in rooms: splits without leakage, the same again from the same seed, resumed, refusals counted."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from jsonargparse import Namespace

from carescene.clips import load_clip, save_clip
from carescene.clips.prepare.splits import SPLITS
from carescene.encounters.produce import clip_id, produce_scenes, reason_of
from carescene.encounters.sources import read_sources
from carescene.errors import UserError
from lightning_app.commands.prepare import run


@pytest.fixture
def prepared(people: SimpleNamespace, tmp_path: Path) -> Path:
    """For every split one walk (the gait of others) and two people who stand."""
    folder = tmp_path / "prepared"
    for split in SPLITS:
        clips = [people.walker(3.0, name=f"{split}-walk"), *(people.stander(0, 0, 60, f"{split}-{n}") for n in "ab")]
        for clip in clips:
            save_clip(clip, folder / "clips")
        (folder / "splits").mkdir(exist_ok=True)
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{clip.id}\n" for clip in clips))
    return folder


def names(folder: Path, split: str) -> set[str]:
    return set((folder / "splits" / f"{split}.txt").read_text().split())


@pytest.mark.slow
def test_scenes_keep_to_their_split_and_can_be_continued(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "scenes"
    options: dict[str, Any] = {
        "seed": 3,
        "two_share": 0.6,
        "three_share": 0.0,
        "rooms": 1,
        "workers": 1,
        "progress": False,
    }
    first = produce_scenes([prepared], out, count=2, **options)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}
    made = produce_scenes([prepared], out, count=5, **options)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert sum(first.splits.values()) <= 2 and sum(made.splits.values()) <= 5
    assert made.persons.get(2, 0) >= 1
    for split in SPLITS:
        for name in names(out, split):
            clip = load_clip(out / "clips" / f"{name}.json")
            assert clip.attributes["sources"] in names(prepared, split) and clip.attributes["split"] == split
            assert clip.num_persons == len(clip.persons) and len(clip.text) >= 2 and clip.fps == 20.0
            assert isinstance(clip.scene, dict) and clip.persons[0].role == "patient"
            assert clip.quality["scene_depth_mean_m"] <= 0.01 and clip.quality["scene_deep_share"] <= 0.02
            assert 2.4 <= clip.seconds <= 9.5
    report = json.loads((out / "report.json").read_text())
    assert report["splits"] == made.splits and "Refused attempts" in (out / "report.md").read_text()
    again = produce_scenes([prepared], tmp_path / "again", count=1, **options)
    assert sum(again.splits.values()) <= 1
    for path in sorted((tmp_path / "again" / "clips").glob("*.json")):
        one, other = load_clip(path), load_clip(out / "clips" / path.name)
        assert one.text == other.text and np.array_equal(one.trans, other.trans) and one.scene == other.scene


def test_sources_are_drawn_by_action_and_split(prepared: Path) -> None:
    sources, rng = read_sources([prepared]), np.random.default_rng(0)
    drawn = [sources.draw("val", rng) for _ in range(40)]
    assert {clip.split for clip in drawn if clip} == {"val"}
    # One walk, two that stand: drawn by action, each is half.
    share = np.mean([clip is not None and clip.action == "walk" for clip in drawn])
    assert 0.25 < share < 0.75
    assert sources.draw("val", rng, actions=["fall_trip"]) is None
    assert [clip.path.stem for clip in sources.of("test", "walk")] == ["test-walk"]


def test_short_clips_and_what_nobody_does_on_a_ward_are_left_out(prepared: Path, people: SimpleNamespace) -> None:
    short, kick = people.stander(0, 0, 20, "short"), people.stander(0, 0, 60, "kick")
    kick.attributes["class"] = "kick"
    for clip in (short, kick):
        save_clip(clip, prepared / "clips")
    with (prepared / "splits" / "train.txt").open("a") as file:
        file.write("short\nkick\n")
    stems = {clip.path.stem for clip in read_sources([prepared]).of("train", "standing", "walk", "kick")}
    assert stems == {"train-walk", "train-a", "train-b"}


def test_bad_input_is_refused(prepared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UserError, match="prepared folder"):
        produce_scenes([tmp_path / "nothing"], out, count=1)
    with pytest.raises(UserError, match="sum to at most 1"):
        produce_scenes([prepared], out, count=1, two_share=0.8, three_share=0.3)
    for name, value in (("count", 0), ("seed", -1), ("rooms", 0)):
        options: dict[str, Any] = {"count": 1, name: value}
        with pytest.raises(UserError, match=f"--{name}"):
            produce_scenes([prepared], out, **options)
    (prepared / "clips" / "train-a.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="train-a"):
        read_sources([prepared])


def test_a_folder_without_usable_clips_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty" / "clips").mkdir(parents=True)
    (tmp_path / "empty" / "splits").mkdir()
    for split in SPLITS:
        (tmp_path / "empty" / "splits" / f"{split}.txt").write_text("")
    with pytest.raises(UserError, match="usable clips"):
        read_sources([tmp_path / "empty"])


def test_refusals_count_together_whatever_their_names_and_numbers() -> None:
    one = reason_of("Expected room 'a-1' to have 2.5 m, but got 3. Try again.")
    assert one == reason_of("Expected room 'b' to have 17 m, but got 1.25. Try again.") and "a-1" not in one
    assert clip_id(1, 23) == "scene_1_000023"


def test_the_command_passes_its_options_on(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def fake(sources: list[Path], out: Path, **options: object) -> SimpleNamespace:
        seen.update(options, sources=sources, out=out)
        return SimpleNamespace(splits={"train": 2}, persons={1: 1, 2: 1}, refusals={"x": 3})

    monkeypatch.setattr("carescene.encounters.produce.produce_scenes", fake)
    args = Namespace(
        kind="scenes",
        video=None,
        out=str(tmp_path / "o"),
        sources=f"{prepared},b",
        count=5,
        seed=2,
        two_share=0.3,
        three_share=0.1,
        workers=1,
    )
    said = run(args)
    assert seen["sources"] == [prepared, Path("b")] and seen["count"] == 5 and seen["two_share"] == 0.3
    assert "2 clips" in said and "3 attempts were refused" in said
