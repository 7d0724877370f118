"""Takes of Captury Studio: a written fixture against its own truth, and the recordings at hand."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.formats.captury import read_captury
from carescene.errors import UserError

NAMES = ("Hips", "LeftLeg", "Head")


def write_take(folder: Path, frames: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two cameras around three joints, as Captury Studio exports them; returns world (y up, mm), R and t of both."""
    rng = np.random.default_rng(0)
    world = rng.uniform(-500, 500, size=(frames, 3, 3)) + np.array([0.0, 900.0, 0.0])
    rotations = Rotation.from_euler("yxz", [[0.3, 0.2, np.pi], [-0.8, 0.25, np.pi]]).as_matrix()
    shifts = np.array([[50.0, 800.0, 4000.0], [-100.0, 900.0, 3500.0]])
    text = "tc camera calibration v0.3\n"
    folder.mkdir()
    for index, (rotation, shift) in enumerate(zip(rotations, shifts, strict=True)):
        own = world @ rotation.T + shift
        flat = own[..., :2] / own[..., 2:] * 0.58 + [0.51, 0.283]
        rows = np.column_stack([np.arange(frames) * 20, flat.reshape(frames, -1)])
        header = "Timestamps [ms]," + "".join(f"{name},," for name in NAMES)
        body = "\n".join(",".join(f"{value:.9g}" for value in row) + "," for row in rows)
        (folder / f"unknown.projected0{index}.csv").write_text(f"{header}\n{body}\n")
        turned = np.stack([-own[..., 0], own[..., 2], own[..., 1]], axis=-1)
        rows = np.column_stack([np.arange(frames) * 20, turned.reshape(frames, -1)])
        header = "Timestamps [ms]," + "".join(f"{name},,," for name in NAMES)
        body = "\n".join(",".join(f"{value:.9g}" for value in row) + "," for row in rows)
        (folder / f"unknown.3Dprojected0{index}.csv").write_text(f"{header}\n{body}\n")
        lines = np.column_stack([rotation, shift])
        pose = "".join(f"#  {' '.join(f'{value:.9f}' for value in line)}\n" for line in lines)
        text += (
            f"camera\t{index}\tCamera\n\tframe\t0\n\t\tsensorSize\t 10.56 5.984\t# in mm\n#    extrinsics\n{pose}"
            "#    intrinsics\n#  0.58 0 0.51\n#  0 0.58 0.283\n#  0 0 1\n\t\torientation\t1\n"
        )
    (folder / "camera.calib").write_text(text)
    return world, rotations, shifts


def test_joints_and_cameras_come_into_our_world(tmp_path: Path):
    world, _, _ = write_take(tmp_path / "take")
    take = read_captury(tmp_path / "take")
    assert take.joint_names == NAMES and take.name == "take"
    assert np.allclose(take.times, [0.0, 0.02, 0.04, 0.06])
    # y is up there; x stays and z comes towards us.
    assert np.allclose(take.joints, np.stack([world[..., 0], -world[..., 2], world[..., 1]], axis=-1) / 1000, atol=1e-5)
    for camera in take.cameras:
        assert (camera.width, camera.height) == (1920, 1088)
        assert np.linalg.det(camera.rotation) == pytest.approx(1.0)
        own = (take.joints - camera.eye) @ camera.rotation.T
        pixels = (own / own[..., 2:]) @ camera.matrix.T
        assert np.allclose(pixels[..., :2], camera.pixels, atol=1e-2)


def test_a_zip_is_read_as_its_folder(tmp_path: Path):
    write_take(tmp_path / "take")
    with zipfile.ZipFile(tmp_path / "take.zip", "w") as archive:
        for file in (tmp_path / "take").iterdir():
            archive.write(file, f"take/{file.name}")
    assert np.array_equal(read_captury(tmp_path / "take.zip").joints, read_captury(tmp_path / "take").joints)


def test_what_is_no_take_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="folder or a zip"):
        read_captury(tmp_path / "nothing.zip")
    write_take(tmp_path / "take")
    (tmp_path / "take" / "unknown.projected01.csv").write_text("Timestamps [ms],Hips,,\n0,a,b,\n")
    with pytest.raises(UserError, match="2 numbers per joint"):
        read_captury(tmp_path / "take")
    (tmp_path / "take" / "unknown.projected01.csv").unlink()
    with pytest.raises(UserError, match="Export it with projections"):
        read_captury(tmp_path / "take")
    (tmp_path / "take" / "camera.calib").write_text("camera\t0\n")
    with pytest.raises(UserError, match=r"sensorSize|Export"):
        read_captury(tmp_path / "take")


def test_recorded_takes_agree_with_their_own_pictures(shared_data: Path):
    path = shared_data / "mocap" / "captury" / "video-04-short-fall-standing-up-try.zip"
    if not path.is_file():
        pytest.skip("the Captury takes are not beside this checkout")
    take = read_captury(path)
    assert take.joints.shape[0] == 500 and len(take.cameras) == 4
    assert np.allclose(np.diff(take.times), 0.02)
    for camera in take.cameras:
        own = (take.joints - camera.eye) @ camera.rotation.T
        pixels = ((own / own[..., 2:]) @ camera.matrix.T)[..., :2]
        shown = camera.pixels[:, [camera.names.index(name) for name in take.joint_names]]
        # The calibration's digits leave some micrometres.
        assert np.abs(pixels - shown).max() < 0.2
        assert 1.0 < camera.eye[2] < 2.5
    # A person on the floor at the end, standing at the start.
    head = take.joints[:, take.joint_names.index("Head"), 2]
    assert head[0] > 1.2 and take.joints[:, take.joint_names.index("LeftToeBase"), 2].min() > -0.1
