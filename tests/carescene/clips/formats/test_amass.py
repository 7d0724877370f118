"""AMASS: joint counts, frame rates, the pelvis, and damaged files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.formats import is_amass, read_amass
from carescene.errors import UserError


def save(path: Path, joints: int = 52, **changes: np.ndarray | None) -> Path:
    rng = np.random.default_rng(5)
    content: dict[str, np.ndarray | None] = {
        "poses": rng.normal(scale=0.5, size=(4, joints * 3)),
        "trans": rng.normal(size=(4, 3)),
        "betas": np.zeros(16),
        "mocap_framerate": np.array(120.0),
    }
    np.savez(path, **{key: value for key, value in (content | changes).items() if value is not None})
    return path


@pytest.mark.parametrize("joints", [22, 24, 52, 55])
def test_body_joints_of_every_model(tmp_path: Path, joints: int) -> None:
    path = save(tmp_path / "walk_poses.npz", joints)
    assert is_amass(path)
    motion = read_amass(path)
    poses = np.load(path)["poses"][:, :66].reshape(4, 22, 3)
    got = Rotation.from_matrix(motion.rotations[:, :22].reshape(-1, 3, 3)).as_matrix().reshape(4, 22, 3, 3)
    expected = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(4, 22, 3, 3)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    np.testing.assert_array_equal(motion.rotations[:, 22:], np.tile(np.eye(3), (4, 2, 1, 1)))
    np.testing.assert_allclose(motion.times, np.arange(4) / 120)


def test_the_pelvis_moves_with_trans_and_not_with_the_turn(tmp_path: Path) -> None:
    still = np.zeros((4, 156))
    still[2:, 2] = 1.0
    motion = read_amass(save(tmp_path / "turn.npz", poses=still, trans=np.tile([1.0, 2.0, 0.9], (4, 1))))
    # SMPL turns its body about the pelvis joint, which therefore stays.
    np.testing.assert_allclose(np.ptp(motion.trans, axis=0), 0.0, atol=1e-15)
    assert np.linalg.norm(motion.trans[0] - [1.0, 2.0, 0.9]) == pytest.approx(0.225, abs=0.01)


def test_both_names_of_the_frame_rate(tmp_path: Path) -> None:
    path = save(tmp_path / "x.npz", mocap_framerate=None, mocap_frame_rate=np.array(60.0))
    assert read_amass(path).times[1] == pytest.approx(1 / 60)
    with pytest.raises(UserError, match="mocap_framerate"):
        read_amass(save(tmp_path / "y.npz", mocap_framerate=None))


def test_damage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\(4, 60\)"):
        read_amass(save(tmp_path / "a.npz", poses=np.zeros((4, 60))))
    bad = np.zeros((4, 156))
    bad[3, 7] = np.inf
    with pytest.raises(UserError, match="frame 3"):
        read_amass(save(tmp_path / "b.npz", poses=bad))
    with pytest.raises(UserError, match=r"root positions.*frame 1"):
        read_amass(save(tmp_path / "c.npz", trans=np.array([[0.0] * 3, [np.nan] * 3, [0.0] * 3, [0.0] * 3])))
