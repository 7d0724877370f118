"""Skeleton pickles: what networks find in them, what old files look like, and files that would run code."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips.formats import SkeletonSample, read_mmaction, skeleton_sample, write_mmaction
from carescene.errors import UserError


def keypoints(persons: int = 3, frames: int = 5) -> np.ndarray:
    points = np.random.default_rng(0).uniform(0, 200, (persons, frames, 17, 3)).astype(np.float32)
    points[..., 2] = 2
    points[0, :, 4, 2] = 1
    points[0, :, 5] = 0
    points[1:2] = 0  # never in the picture
    return points


def test_visibility_becomes_trust() -> None:
    sample = skeleton_sample("a", 1, (240, 320), keypoints())
    assert sample.keypoint.shape == (2, 5, 17, 2) and sample.keypoint_score is not None
    assert sample.keypoint_score[0, 0, 3:6].tolist() == [1.0, 0.5, 0.0]
    np.testing.assert_array_equal(sample.keypoint[1], keypoints()[2, ..., :2])
    nobody = skeleton_sample("b", 0, (240, 320), np.zeros((2, 5, 17, 3), np.float32))
    assert nobody.keypoint.shape == (1, 5, 17, 2) and not np.any(nobody.keypoint_score)


def test_plain_pickle_shows_the_layout_that_networks_expect(tmp_path: Path) -> None:
    samples = [skeleton_sample("a", 1, (240, 320), keypoints()), skeleton_sample("b", 0, (240, 320), keypoints(1, 8))]
    write_mmaction(tmp_path / "x.pkl", samples, {"train": ["a"], "val": ["b"]})
    content = pickle.loads((tmp_path / "x.pkl").read_bytes())  # noqa: S301 - our own file
    assert content["split"] == {"train": ["a"], "val": ["b"]}
    first = content["annotations"][0]
    assert (first["frame_dir"], first["label"], first["total_frames"]) == ("a", 1, 5)
    assert first["img_shape"] == first["original_shape"] == (240, 320)
    assert first["keypoint"].dtype == first["keypoint_score"].dtype == np.float32
    assert first["keypoint"].shape == (2, 5, 17, 2) and first["keypoint_score"].shape == (2, 5, 17)
    assert type(first["label"]) is int and type(first["frame_dir"]) is str


def test_round_trip(tmp_path: Path) -> None:
    samples = [skeleton_sample("a", 1, (240, 320), keypoints())]
    write_mmaction(tmp_path / "x.pkl", samples, {"train": ["a"]})
    back, splits = read_mmaction(tmp_path / "x.pkl")
    assert splits == {"train": ["a"]}
    for name, value in vars(samples[0]).items():
        np.testing.assert_array_equal(getattr(back[0], name), value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_older_files(tmp_path: Path, protocol: int) -> None:
    entry = {
        "frame_dir": "S001",
        "label": np.int64(7),
        "total_frames": 5,
        "keypoint": np.zeros((1, 5, 25, 3), np.float16),
    }
    (tmp_path / "ntu.pkl").write_bytes(pickle.dumps([entry], protocol=protocol))
    samples, splits = read_mmaction(tmp_path / "ntu.pkl")
    assert splits == {} and samples[0].label == 7 and samples[0].keypoint_score is None
    assert samples[0].keypoint.shape == (1, 5, 25, 3)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("inside", ["top", "annotation", "array"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, inside: str) -> None:
    evil: Any = _Evil(tmp_path / "made-by-the-file")
    if inside == "annotation":
        evil = {"split": {}, "annotations": [{"keypoint": evil, "label": 0}]}
    elif inside == "array":
        evil = [{"keypoint": np.array([evil], dtype=object), "label": 0}]
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(evil))
    with pytest.raises(UserError, match=r"asks for \w+\.mkdir"):
        read_mmaction(tmp_path / "evil.pkl")
    assert not (tmp_path / "made-by-the-file").exists()


@pytest.mark.parametrize("name", ["builtins.eval", "builtins.getattr", "os.system", "numpy.load", "functools.partial"])
def test_no_other_name_is_found(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    (tmp_path / "x.pkl").write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(UserError, match=f"asks for {name}"):
        read_mmaction(tmp_path / "x.pkl")


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    with pytest.raises(UserError, match="Check the path"):
        read_mmaction(path)
    write_mmaction(path, [skeleton_sample("a", 1, (240, 320), keypoints())], {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        read_mmaction(path)
    for content, message in (
        ({"split": {}}, "list of annotations"),
        ([{"label": 1}], "keypoint"),
        ([{"label": 1, "keypoint": np.zeros((2, 3))}], r"got \(2, 3\)"),
        (["a"], "annotation 0"),
    ):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(UserError, match=message):
            read_mmaction(path)


def test_refusals(tmp_path: Path) -> None:
    sample = SkeletonSample("a", 0, (4, 4), np.zeros((1, 2, 17, 2), np.float32), np.zeros((1, 2, 17), np.float32))
    with pytest.raises(UserError, match=r"\.pkl"):
        write_mmaction(tmp_path / "x.pickle", [sample], {})
    with pytest.raises(UserError, match="got 'b'"):
        write_mmaction(tmp_path / "x.pkl", [sample], {"train": ["a", "b"]})
