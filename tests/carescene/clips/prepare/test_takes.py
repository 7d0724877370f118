"""Finding takes, and repeating cycles."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.formats import SourceMotion
from carescene.clips.prepare.takes import extend_cycle, find_takes, read_take, source_hash
from carescene.errors import UserError


def test_finds_every_kind_and_reports_what_cannot_be_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("data/dataset-2_walk_normal_001.bvh", "HIERARCHY")
        archive.writestr("README.md", "hello")
        archive.writestr("humanoid3d_walk.txt", "{}")
    (tmp_path / "mine.bvh").write_text("HIERARCHY")
    (tmp_path / "notes.txt").write_text("no motion")
    (tmp_path / "broken.zip").write_bytes(b"PK but not really")
    (tmp_path / "subject").mkdir()
    np.savez(tmp_path / "subject" / "walk_poses.npz", poses=np.zeros((2, 66)), trans=np.zeros((2, 3)))
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    takes, rejects = find_takes(tmp_path)
    assert {(take.dataset, take.original_id) for take in takes} == {
        ("bandai", "dataset-2_walk_normal_001"),
        ("deepmimic", "humanoid3d_walk"),
        ("bvh", "mine"),
        ("amass", "subject/walk_poses"),
    }
    assert [name for name, _ in rejects] == ["broken.zip"]
    assert next(take.id for take in takes if take.dataset == "amass") == "amass_subject_walk_poses"


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_takes(tmp_path / "nowhere")


def test_hashes_follow_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text("one")
    (tmp_path / "b.bvh").write_text("one")
    first, second = find_takes(tmp_path)[0]
    assert source_hash(first) == source_hash(second)
    (tmp_path / "b.bvh").write_text("two")
    assert source_hash(first) != source_hash(second)


def test_a_damaged_archive_member_is_a_user_error(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    text = json.dumps({"Frames": [list(range(44))] * 50})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("humanoid3d_walk.txt", text)
    content = bytearray(path.read_bytes())
    content[60:70] = bytes(10)
    path.write_bytes(bytes(content))
    (take,) = find_takes(tmp_path)[0]
    with pytest.raises(UserError, match=r"humanoid3d_walk.*damaged"):
        read_take(take)


def test_cycles_go_on_in_the_direction_they_turned_to() -> None:
    # One round: a metre forward, a step up and down, a quarter turn to the left.
    steps = np.linspace(0, 1, 11)
    rotations = np.tile(np.eye(3), (11, 2, 1, 1))
    rotations[:, 0] = Rotation.from_rotvec(np.outer(steps, [0.0, 0.0, np.pi / 2])).as_matrix()
    trans = np.stack((2 + steps, 3 + 0 * steps, 0.9 + 0.1 * np.sin(np.pi * steps)), -1)
    motion = SourceMotion("walk", ("a", "b"), (-1, 0), rotations, trans, np.zeros((2, 3)), steps * 0.8)
    longer = extend_cycle(motion, 3.2)
    assert longer.times[-1] == pytest.approx(3.2) and len(longer.times) == 41
    np.testing.assert_allclose(np.diff(longer.times), 0.08)
    corners = longer.trans[::10]
    expected = [[2, 3, 0.9], [3, 3, 0.9], [3, 4, 0.9], [2, 4, 0.9], [2, 3, 0.9]]
    np.testing.assert_allclose(corners, expected, atol=1e-9)
    np.testing.assert_allclose(longer.rotations[-1, 0], np.eye(3), atol=1e-9)
    np.testing.assert_array_equal(longer.rotations[:11], rotations)
