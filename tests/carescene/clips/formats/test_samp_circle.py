"""The SAMP/CIRCLE archive: round trip of a written one, and damaged ones."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.formats import is_samp_circle, list_samp_circle, read_samp_circle
from carescene.errors import UserError


def arrays(frames: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    quats = Rotation.random(frames * 2, random_state=3).as_quat().reshape(frames, 2, 4)
    return {
        "clips": np.array(["sit"]),
        "joint_names": np.array(["pelvis", "torso"]),
        "parents": np.array([-1, 0]),
        "sit/local_quat_xyzw": quats,
        "sit/root_translation_m": rng.normal(size=(frames, 3)),
        "sit/local_translation_m": np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.24]]),
        "sit/fps": np.array(30.0),
    }


def save(path: Path, **changes: np.ndarray | None) -> Path:
    content = {key: value for key, value in (arrays() | changes).items() if value is not None}
    np.savez(path, **content)
    return path


def test_reads_what_was_written(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz")
    assert is_samp_circle(path) and list_samp_circle(path) == ["sit"]
    motion = read_samp_circle(path, "sit")
    expected = arrays()
    quats = Rotation.from_quat(expected["sit/local_quat_xyzw"].reshape(-1, 4)).as_matrix().reshape(4, 2, 3, 3)
    np.testing.assert_allclose(motion.rotations, quats, atol=1e-12)
    np.testing.assert_allclose(motion.trans, expected["sit/root_translation_m"])
    np.testing.assert_allclose(motion.times, np.arange(4) / 30)


def test_half_precision_quaternions_become_proper_rotations(tmp_path: Path) -> None:
    half = arrays()["sit/local_quat_xyzw"].astype(np.float16)
    motion = read_samp_circle(save(tmp_path / "a.npz", **{"sit/local_quat_xyzw": half}), "sit")
    np.testing.assert_allclose(np.linalg.det(motion.rotations), 1.0, atol=1e-12)


def test_damage(tmp_path: Path) -> None:
    broken = arrays()["sit/local_quat_xyzw"].copy()
    broken[2, 1, 0] = np.nan
    with pytest.raises(UserError, match="frame 2"):
        read_samp_circle(save(tmp_path / "nan.npz", **{"sit/local_quat_xyzw": broken}), "sit")
    with pytest.raises(UserError, match=r"sit/root_translation_m.*not there"):
        read_samp_circle(save(tmp_path / "less.npz", **{"sit/root_translation_m": None}), "sit")
    with pytest.raises(UserError, match="shape"):
        read_samp_circle(save(tmp_path / "shape.npz", **{"sit/root_translation_m": np.zeros((3, 3))}), "sit")
    with pytest.raises(UserError, match="frame rate"):
        read_samp_circle(save(tmp_path / "fps.npz", **{"sit/fps": np.array(0.0)}), "sit")


def test_truncated_files(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut\.npz.*truncated"):
        list_samp_circle(cut)
    # A flipped byte inside an array leaves the directory readable and the array not.
    start = whole.index(arrays()["sit/root_translation_m"].tobytes())
    flipped = tmp_path / "flipped.npz"
    flipped.write_bytes(whole[:start] + bytes([whole[start] ^ 255]) + whole[start + 1 :])
    with pytest.raises(UserError, match="damaged"):
        read_samp_circle(flipped, "sit")
