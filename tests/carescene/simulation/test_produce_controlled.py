"""The library of controlled motions, and recorded walks in it."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.clip import Clip, validate_clip
from carescene.clips.files import save_clip
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.errors import UserError
from carescene.scenes.resting import clip_joints
from carescene.simulation.anatomy import measure_body
from carescene.simulation.cast import cast_person
from carescene.simulation.controlled import make_controlled
from carescene.simulation.controlled_walking import WALKING, make_walking
from carescene.simulation.key_postures import feet_at, stand
from carescene.simulation.keyframing import Key, Liveliness, perform
from carescene.simulation.pose_solver import kinematics
from carescene.simulation.produce_controlled import clip_id, event_round, produce_controlled
from carescene.simulation.real_walks import continue_into_walk, find_walks, walk_on
from carescene.simulation.surfaces import floor


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder with one walk of eight steps, made of steps of this project."""
    folder = tmp_path_factory.mktemp("walks")
    (folder / "clips").mkdir()
    cast = cast_person(np.random.default_rng(1), "visitor")
    keys = [Key(stand(cast, np.zeros(2), 0.0), 0, "standing", hold=0.2)]
    placed = feet_at(cast.anatomy, np.zeros(2), 0.0)
    for number in range(8):
        side = ("left", "right")[number % 2]
        placed = {**placed, f"{side}_foot": placed[f"{side}_foot"] + np.array([0.0, 0.25 if number == 0 else 0.5, 0.0])}
        middle = 0.5 * (placed["left_foot"][0] + placed["right_foot"][0])[:2]
        keys.append(Key(stand(cast, middle, 0.0).holding(**placed), 0.55, "walk", via=number < 7))
    motion = perform(cast.anatomy, keys, [floor()], np.random.default_rng(0), Liveliness())
    frames = len(motion.trans)
    poses = Rotation.from_matrix(motion.rotations.reshape(-1, 3, 3)).as_rotvec().reshape(1, frames, 24, 3)
    for style in ("elderly", "normal"):
        name = f"bandai_dataset-2_walk_{style}_001"
        clip = Clip(
            id=name,
            fps=20.0,
            poses=poses.astype(np.float32),
            trans=motion.trans[None].astype(np.float32),
            betas=cast.anatomy.betas[None].astype(np.float32),
            frame_label=np.array([[OMNIFALL_ID[label] for label in motion.labels]], dtype=np.int8),
            valid=np.ones((1, frames), dtype=bool),
            attributes={"action": "walk"},
        )
        save_clip(clip, folder / "clips")
    (folder / "splits").mkdir()
    (folder / "splits" / "train.txt").write_text(
        "bandai_dataset-2_walk_elderly_001\nbandai_dataset-2_walk_normal_001\n", encoding="utf-8"
    )
    return folder


def test_a_walk_on_another_body_keeps_its_feet_on_the_floor(walks):
    small = measure_body(cast_person(np.random.default_rng(9), "patient").anatomy.betas)
    walk = walk_on(small, find_walks(walks, old=True)[0])
    clip_frames = len(walk.motion.trans)
    assert len(walk.labels) == clip_frames and len(walk.first(10).labels) == 10
    _, joints = kinematics(walk.motion.rotations, walk.motion.trans, small.rest)
    ankles = joints[:, [7, 8], 2].min(axis=1)
    assert np.abs(ankles - small.ankle_height).max() < 0.02


@pytest.mark.parametrize("action", WALKING)
def test_hands_hold_while_recorded_legs_walk(walks, action):
    clip = make_walking(action, 2, walks)
    validate_clip(clip)
    labels = set(clip.frame_label[0].tolist())
    assert (OMNIFALL_ID["walk"] in labels) == (action != "walk_aid")
    joints = clip_joints(clip)[0]
    apart = np.linalg.norm(joints[:, 20] - joints[:, 21], axis=-1)
    if action == "walk_aid":
        assert apart.std() < 0.02 and clip.persons[0].aid == "walker"
    assert clip.quality["contact"] < 0.004


def test_a_walk_follows_without_a_jump_and_the_feet_stay_until_they_step(walks):
    clip = make_controlled("pick_up_floor", 3)
    anatomy = measure_body(clip.betas[0].astype(np.float64))
    longer = continue_into_walk(clip, anatomy, walk_on(anatomy, find_walks(walks, old=False)[0]))
    validate_clip(longer)
    joints = clip_joints(longer)[0]
    end = clip.num_frames
    assert np.linalg.norm(np.diff(joints[end - 2 : end + 12], axis=0), axis=-1).max() < 0.15
    still = np.linalg.norm(joints[end : end + 5, 8] - joints[end - 1, 8], axis=-1)
    assert still.max() < 0.02
    assert np.linalg.norm(joints[-1, 0, :2] - joints[end - 1, 0, :2]) > 0.8
    assert longer.text[0].endswith("then walks away.")


def test_only_who_ends_standing_walks_away(walks):
    clip = make_controlled("chair_sit", 3)
    anatomy = measure_body(clip.betas[0].astype(np.float64))
    with pytest.raises(UserError, match="ends standing"):
        continue_into_walk(clip, anatomy, walk_on(anatomy, find_walks(walks, old=False)[0]))


def test_a_library_is_continued_and_reported(tmp_path, monkeypatch):
    rounds = ["object_drop", "hand_over", "pick_up_floor"]
    monkeypatch.setattr("carescene.simulation.produce_controlled.event_round", lambda *, walking: rounds)
    done = produce_controlled(tmp_path / "lib", count=2, seed=3, workers=1, progress=False)
    assert sum(done.splits.values()) == 2
    first = tmp_path / "lib" / "clips" / f"{clip_id('object_drop', 300_000)}.json"
    written = first.stat().st_mtime_ns
    produce_controlled(tmp_path / "lib", count=3, seed=3, workers=1, progress=False)
    assert first.stat().st_mtime_ns == written
    listed = [
        line for split in ("train", "val", "test") for line in _lines(tmp_path / "lib" / "splits" / f"{split}.txt")
    ]
    assert sorted(listed) == sorted(clip_id(name, 300_000 + index) for index, name in enumerate(rounds))
    report = json.loads((tmp_path / "lib" / "report.json").read_text())
    assert {row["event"] for row in report["events"]} == set(rounds)
    assert "| hand_over | 1 |" in (tmp_path / "lib" / "report.md").read_text()


def test_a_round_holds_every_event_and_walks_only_with_walks():
    assert set(WALKING) <= set(event_round()) and not set(WALKING) & set(event_round(walking=False))
    assert event_round().count("bed_exit") == 3


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(UserError, match="at least one clip"):
        produce_controlled(tmp_path, count=0, progress=False)
    with pytest.raises(UserError, match="splits"):
        produce_controlled(tmp_path, count=1, walks=tmp_path / "nothing", progress=False)
    with pytest.raises(UserError, match="walk_aid"):
        make_walking("run", 1, tmp_path)


def _lines(path: Path) -> list[str]:
    return path.read_text().split()
