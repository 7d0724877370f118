"""What stages leave behind, and what it is kept under."""

from pathlib import Path

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.rendering.camera import Camera, look_rotation
from reconstruction.calibration import Calibration
from reconstruction.observations import Keypoints
from reconstruction.people import keep_stage
from reconstruction.stage_progress import Report
from reconstruction.work_files import WorkFolder, from_arrays, to_arrays, work_key


def keypoints(shift: float = 0.0) -> Keypoints:
    rng = np.random.default_rng(0)
    shape = (2, 3, 26)
    return Keypoints(
        np.arange(3) / 10, np.arange(3), 640, 480, rng.uniform(0, 480, (*shape, 2)) + shift, np.ones(shape),
        np.ones(shape), ("a", "b"), "made",
    )  # fmt: skip


def test_dataclasses_come_back_as_they_were(tmp_path: Path):
    work = WorkFolder(tmp_path)
    eye = np.array([0.0, 0.0, 2.0])
    camera = Camera(eye, look_rotation(np.array([0.0, 1.0, -0.3])), 500.25, 640, 480, (-0.02, 0.0, 0.0, 0.0, 0.0))
    found = Calibration(camera, np.eye(5), "The floor.", np.ones(2), np.ones(2), np.ones((2, 3), bool), ("one", "two"))
    for name, value in (("points", keypoints()), ("camera", found)):
        work.keep(name, "k", to_arrays(value))
        arrays = work.kept(name, "k")
        assert arrays is not None
        assert work_key(from_arrays(type(value), arrays)) == work_key(value)
    again = from_arrays(Calibration, work.kept("camera", "k") or {})
    assert again.camera.focal == 500.25 and again.notes == ("one", "two")


def test_a_key_changes_with_what_it_names(tmp_path: Path):
    assert work_key(keypoints()) == work_key(keypoints())
    assert work_key(keypoints()) != work_key(keypoints(0.5))
    assert work_key(1.0, None) != work_key(None, 1.0)
    file = tmp_path / "weights.pt"
    missing = work_key(file)
    file.write_bytes(b"abc")
    assert work_key(file) != missing


def test_results_count_for_their_own_key_only(tmp_path: Path):
    work = WorkFolder(tmp_path)
    made: list[str] = []

    def make(report: Report) -> Keypoints:
        made.append("made")
        report(0.5)
        return keypoints()

    for key in ("one", "one", "two", "one"):
        found = keep_stage("points", key, Keypoints, make, work=work)
        assert np.array_equal(found.pixels, keypoints().pixels)
    assert len(made) == 3
    assert keep_stage("points", "one", Keypoints, make).names == ("a", "b")


def test_what_is_unfinished_counts_for_its_own_key_only(tmp_path: Path):
    work = WorkFolder(tmp_path)
    for key in ("one", "two"):
        WorkFolder(work.unfinished("points", key)).keep("chunk", "", to_arrays(keypoints()))
    work.keep("points beside", "k", to_arrays(keypoints()))
    assert [path.name for path in tmp_path.glob("points-*")] == ["points-two"]
    assert WorkFolder(work.unfinished("points", "two")).kept("chunk", "") is not None
    keep_stage("points", "two", Keypoints, lambda _: keypoints(), work=work)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["points beside.npz", "points.npz"]


def test_a_damaged_result_is_told(tmp_path: Path):
    work = WorkFolder(tmp_path)
    assert work.kept("points", "k") is None
    work.path("points").write_bytes(b"not an archive")
    with pytest.raises(UserError, match="earlier run"):
        work.kept("points", "k")
