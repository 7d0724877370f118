"""Preparing folders: what is written, what is left out, and how it goes on after a stop."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import list_clips, load_clip
from carescene.clips.prepare import Prepared, prepare_mocap
from carescene.clips.prepare.calibrate import calibrate
from carescene.clips.prepare.fidelity import measure_fidelity
from carescene.clips.prepare.run import _body_functions
from carescene.clips.prepare.takes import find_takes, read_take
from carescene.clips.resample import resample_motion
from carescene.errors import UserError
from carescene.humans import forward_kinematics, rotvec_to_matrix
from carescene.humans.body import load_body
from carescene.humans.floor import estimate_floor, stance_heights
from carescene.humans.retarget import retarget, settle_feet


def record(path: Path, seconds: float, seed: int, height: float = 0.9) -> None:
    """A DeepMimic file of somebody who stands in place and moves the arms."""
    rng = np.random.default_rng(seed)
    still = [1.0, 0.0, 0.0, 0.0]
    rows = []
    for k in range(round(seconds * 30)):
        swing = 0.5 * np.sin(k / 10 + rng.uniform(0, 0.01))
        shoulder = [float(np.cos(swing / 2)), 0.0, 0.0, float(np.sin(swing / 2))]
        arms = [*shoulder, 0.4 + 0.2 * float(np.sin(k / 10))]
        row = [1 / 30, 0.0, height, 0.0, *still, *still, *still, *still, 0.0, *still, *arms, *still, 0.0, *still, *arms]
        rows.append(row)
    path.write_text(json.dumps({"Loop": "none", "Frames": rows}))


def write_recordings(folder: Path) -> Path:
    folder.mkdir()
    for number in range(3):
        record(folder / f"humanoid3d_fixture{number}.txt", 2.0, number)
    record(folder / "humanoid3d_long.txt", 14.0, 7)
    record(folder / "humanoid3d_short.txt", 0.7, 8)
    whole = (folder / "humanoid3d_fixture0.txt").read_text()
    (folder / "humanoid3d_cut.txt").write_text(whole[: len(whole) // 2])
    (folder / "humanoid3d_nan.txt").write_text(whole.replace("0.9,", "NaN,", 1))
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared]:
    """One preparation that the tests which only look share."""
    folder = tmp_path_factory.mktemp("prepare")
    return folder / "out", prepare_mocap(write_recordings(folder / "in"), folder / "out", workers=1, progress=False)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return write_recordings(tmp_path / "recordings")


def files_of(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}


def test_good_takes_become_clips_and_bad_ones_are_named(prepared: tuple[Path, Prepared]) -> None:
    out, done = prepared
    assert [take for take, _ in done.rejects] == [f"deepmimic_humanoid3d_{name}" for name in ("cut", "nan", "short")]
    reasons = dict(done.rejects)
    assert "does not parse" in reasons["deepmimic_humanoid3d_cut"]
    assert "NaN" in reasons["deepmimic_humanoid3d_nan"]
    assert "at least 1 s" in reasons["deepmimic_humanoid3d_short"]
    assert done.clips == 5
    for name, reason in done.rejects:
        assert f"`{name}`: {reason}" in (out / "report.md").read_text()
    clips = [load_clip(path) for path in list_clips(out / "clips")]
    assert sum(clip.num_frames for clip in clips) == pytest.approx(20 * 20, abs=5)
    for clip in clips:
        assert clip.fps == 20 and clip.num_persons == 1 and clip.seconds <= 10
        assert len(set(clip.text)) >= 3 and clip.attributes["class"]
        assert clip.source is not None and clip.source.dataset == "deepmimic"
    listed = [name for split in ("train", "val", "test") for name in (out / f"splits/{split}.txt").read_text().split()]
    assert sorted(listed) == sorted(clip.id for clip in clips)
    assert not list(out.rglob("*.part"))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["clips"] == 5 and len(manifest["data_hash"]) == 32


def test_people_stand_on_the_floor_with_their_mesh(prepared: tuple[Path, Prepared]) -> None:
    body = load_body()
    clip = load_clip(prepared[0] / "clips" / "deepmimic_humanoid3d_fixture1.json")
    with torch.no_grad():
        mesh = body.pose(
            torch.from_numpy(clip.poses[0]), torch.from_numpy(clip.trans[0]), torch.from_numpy(clip.betas[0])
        )
    assert mesh.vertices[..., 2].min().abs() < 0.01
    assert mesh.vertices[..., 2].max() > 1.4


def test_a_second_run_makes_only_what_is_missing_or_changed(
    recordings: Path, prepared: tuple[Path, Prepared], tmp_path: Path
) -> None:
    out = shutil.copytree(prepared[0], tmp_path / "out")
    before = files_of(out)
    prepare_mocap(recordings, out, workers=1, progress=False)
    assert files_of(out) == before
    (out / "clips" / "deepmimic_humanoid3d_fixture2.npz").unlink()
    record(recordings / "humanoid3d_long.txt", 8.0, 7)
    done = prepare_mocap(recordings, out, workers=1, progress=False)
    after = files_of(out)
    assert done.clips == 4
    # The long take has become short: its second window is gone.
    assert "deepmimic_humanoid3d_long_01.npz" in before and "deepmimic_humanoid3d_long_01.npz" not in after
    assert "deepmimic_humanoid3d_long.npz" in after
    assert after["deepmimic_humanoid3d_fixture0.npz"] == before["deepmimic_humanoid3d_fixture0.npz"]
    assert "deepmimic_humanoid3d_fixture2.npz" in after


@pytest.mark.slow
def test_processes_give_what_one_gives(recordings: Path, prepared: tuple[Path, Prepared], tmp_path: Path) -> None:
    prepare_mocap(recordings, tmp_path / "two", workers=2, progress=False)
    names = sorted(files_of(prepared[0]))
    assert names == sorted(files_of(tmp_path / "two"))
    for name in names:
        if name.endswith(".npz"):
            with np.load(prepared[0] / "clips" / name) as one, np.load(tmp_path / "two" / "clips" / name) as two:
                for key in one.files:
                    np.testing.assert_array_equal(one[key], two[key])


def test_amass_takes_keep_their_rotations(tmp_path: Path) -> None:
    folder = tmp_path / "amass" / "subject"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    poses = np.zeros((240, 66))
    # Upright as AMASS has it, with slow arms and a turned head.
    poses[:, 0] = np.pi / 2
    poses[:, 3 * 16 + 2] = -1.2 + 0.2 * np.sin(np.arange(240) / 40)
    poses[:, 3 * 15 + 1] = rng.uniform(0.2, 0.4)
    trans = np.tile([1.0, 2.0, 1.1], (240, 1))
    np.savez(folder / "stand_poses.npz", poses=poses, trans=trans, mocap_framerate=np.array(120.0), betas=np.zeros(16))
    prepare_mocap(tmp_path / "amass", tmp_path / "out", workers=1, progress=False)
    (path,) = list_clips(tmp_path / "out" / "clips")
    clip = load_clip(path)
    assert clip.num_frames == 40
    np.testing.assert_allclose(clip.poses[0, :, :22].reshape(40, 66), poses[::6], atol=1e-5)
    joints, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(clip.poses[0])),
        torch.from_numpy(clip.trans[0]),
        load_body().rest_joints(torch.from_numpy(clip.betas[0])).detach(),
    )
    # Our soles are on the floor: ankles some centimetres above it.
    assert 0.04 < joints[:, 7:9, 2].mean() < 0.13


def test_user_errors(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        prepare_mocap(tmp_path / "nowhere", tmp_path / "out", progress=False)
    with pytest.raises(UserError, match="found none"):
        prepare_mocap(recordings, tmp_path / "out", ["bandai"], progress=False)
    with pytest.raises(UserError, match="bandy"):
        prepare_mocap(recordings, tmp_path / "out", ["bandy"], progress=False)
    with pytest.raises(UserError, match="at least 1 worker"):
        prepare_mocap(recordings, tmp_path / "out", workers=0, progress=False)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="write"):
        prepare_mocap(recordings, tmp_path / "file" / "out", workers=1, progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["bandai", "samp_circle", "deepmimic"])
def test_fidelity_on_real_recordings(shared_data: Path, dataset: str) -> None:
    takes = [take for take in find_takes(shared_data / "mocap")[0] if take.dataset == dataset]
    motions = [resample_motion(read_take(take)[0], 20.0) for take in takes[:: max(1, len(takes) // 12)]]
    setting = calibrate(motions, 20.0, _body_functions())
    results = []
    for motion in motions:
        ours = retarget(motion, setting.retargeting)
        heights = stance_heights(ours.joints, ours.world, setting.soles, 20.0)
        floor, _ = estimate_floor(heights, 20.0, setting.floor)
        ours = settle_feet(motion, ours, setting.retargeting, setting.soles, floor)
        results.append(measure_fidelity(motion, ours, setting.retargeting, 20.0))
    assert sum(r.error_m for r in results) / sum(r.frames for r in results) < 0.03
    assert sum(r.our_slide for r in results) < 1.1 * sum(r.source_slide for r in results)
