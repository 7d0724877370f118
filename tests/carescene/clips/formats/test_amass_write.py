"""AMASS as we write it: read back exactly, and laid out as SMPL-H users expect."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips import Clip, PersonInfo
from carescene.clips.formats import is_amass, read_amass, write_amass
from carescene.errors import UserError

# Published rest position of the pelvis in SMPL's mean shape, metres, y up.
SMPL_PELVIS = (-0.0018, -0.2233, 0.0282)


def clip(frames: int = 12) -> Clip:
    rng = np.random.default_rng(1)
    return Clip(
        id="walk",
        fps=60.0,
        poses=rng.normal(0, 0.6, (2, frames, 24, 3)).astype(np.float32),
        trans=rng.normal(0, 2, (2, frames, 3)).astype(np.float32),
        betas=rng.normal(0, 1, (2, 10)).astype(np.float32),
        frame_label=np.zeros((2, frames), np.int8),
        valid=np.ones((2, frames), dtype=bool),
        persons=[PersonInfo(sex="female"), PersonInfo()],
    )


@pytest.mark.parametrize("person", [0, 1])
def test_round_trip_is_exact(tmp_path: Path, person: int) -> None:
    original = clip()
    write_amass(original, person, tmp_path / "walk.npz")
    assert is_amass(tmp_path / "walk.npz")
    motion = read_amass(tmp_path / "walk.npz")
    # Adding and taking away the pelvis' rest position may cost the last bit.
    np.testing.assert_allclose(motion.trans, original.trans[person], rtol=0, atol=1e-15)
    expected = Rotation.from_rotvec(original.poses[person, :, :22].astype(np.float64).reshape(-1, 3)).as_matrix()
    np.testing.assert_array_equal(motion.rotations[:, :22], expected.reshape(-1, 22, 3, 3))
    np.testing.assert_array_equal(motion.betas, original.betas[person].astype(np.float64))
    np.testing.assert_array_equal(motion.times, np.arange(12) / 60)


def test_layout_of_smplh(tmp_path: Path) -> None:
    original = clip()
    write_amass(original, 0, tmp_path / "walk.npz")
    with np.load(tmp_path / "walk.npz", allow_pickle=False) as file:
        content = dict(file)
    assert content["poses"].shape == (12, 156) and content["dmpls"].shape == (12, 8)
    np.testing.assert_array_equal(content["poses"][:, 66:], 0)
    # SMPL-H puts its origin at trans; a mean body's pelvis then comes where ours is.
    np.testing.assert_allclose(content["trans"] + SMPL_PELVIS, original.trans[0], atol=1e-7)
    assert str(content["gender"]) == "female" and float(content["mocap_framerate"]) == 60.0
    # Betas of our body would give a wrong shape on SMPL's.
    np.testing.assert_array_equal(content["betas"], np.zeros(16))
    write_amass(original, 1, tmp_path / "smpl.npz", smpl_betas=True)
    with np.load(tmp_path / "smpl.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["betas"][:10], original.betas[1])
        assert str(file["gender"]) == "neutral"


def test_people_who_are_away(tmp_path: Path) -> None:
    late = clip()
    late.valid[0, :4] = False
    late.trans[0, :4] = np.nan
    write_amass(late, 0, tmp_path / "late.npz")
    np.testing.assert_allclose(read_amass(tmp_path / "late.npz").trans, late.trans[0, 4:], atol=1e-15)
    late.valid[0, 8] = False
    with pytest.raises(UserError, match="away in frame 8"):
        write_amass(late, 0, tmp_path / "gap.npz")
    assert not (tmp_path / "gap.npz").exists()
