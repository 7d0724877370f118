"""Building HumanML3D: from tiny AMASS files, an index and texts that the tests make, to a folder that is read back."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carescene.clips.formats.humanml3d import (
    JOINTS,
    TaggedCaption,
    decode_vectors,
    parse_caption,
    read_humanml3d,
    read_statistics,
)
from carescene.clips.formats.humanml3d.layout import SWAP_UP
from carescene.clips.formats.humanml3d.vectors import BONE_LENGTHS
from carescene.clips.prepare.humanml3d import clip_vectors, prepare_humanml3d
from carescene.clips.prepare.humanml3d_files import RecordingFinder
from carescene.clips.prepare.humanml3d_joints import Cut, cut_joints, mirrored_joints, open_recording
from carescene.clips.prepare.humanml3d_texts import mirrored_caption
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import rotvec_to_matrix
from lightning_app.main import main

# name, recording, rate, seconds of the recording, first and last frame of the clip at 20 per second
ROWS = (
    ("000000", "KIT/3/walk_poses", 100.0, 4.0, 5, 65),
    ("000001", "KIT/3/walk_poses", 100.0, 4.0, 10, 75),
    ("000002", "Eyes_Japan_Dataset/hamada/turn-hamada_poses", 120.0, 7.0, 3, 70),
    ("000003", "BioMotionLab_NTroje/rub110/0001_treadmill_poses", 60.0, 4.0, 0, 60),
    ("000004", "humanact12/humanact12/P11G01R02F1812T1847A0402", 20.0, 3.0, 0, -1),
)
TEXTS = {
    "000000": [
        "a bright upright person turns left#a/DET bright/ADJ upright/ADJ person/NOUN turn/VERB left/ADV#0.0#0.0"
    ],
    "000001": [
        "the man left the room#the/DET man/NOUN leave/VERB the/DET room/NOUN#0.0#0.0",
        "walks#walk/VERB#0.5#2.6",
    ],
    "000002": ["someone eats the leftover#someone/PRON eat/VERB the/DET leftover/NOUN#0.0#0.0"],
    "000003": ["walks counterclockwise#walk/VERB counterclockwise/ADV#0.0#0.0"],
    "000004": ["raises the right arm#raise/VERB the/DET right/ADJ arm/NOUN#nan#nan"],
}
SPLITS = {
    "train": ["000000", "000001", "M000000", "M000001"],
    "val": ["000002", "000003"],
    "test": ["M000004", "000004"],
}


def recording(fps: float, seconds: float, gender: str = "female") -> dict[str, Any]:
    """AMASS arrays of somebody who walks along +x, sways, and lifts an arm; z up."""
    time = np.arange(round(fps * seconds)) / fps
    poses = np.zeros((len(time), 156))
    poses[:, 0] = np.pi / 2
    poses[:, 3] = 0.4 * np.sin(5 * time)
    poses[:, 6] = -poses[:, 3]
    poses[:, 10] = 0.2 * np.sin(3 * time)
    poses[:, 48 + 2] = 0.3 * time / seconds
    trans = np.stack((0.5 * time, 0.1 * np.sin(2 * time), 1.1 + 0 * time), -1)
    return {
        "poses": poses,
        "trans": trans,
        "betas": np.linspace(-1, 1, 16),
        "gender": np.array(gender),
        "mocap_framerate": np.array(fps),
    }


def write_body(path: Path) -> None:
    """A model file in SMPL-H's layout: 60 vertices, 52 joints, the 22 first near the free body's."""
    rng = np.random.default_rng(0)
    rest = reference_rest_joints().numpy()[:22]
    regressor = np.zeros((52, 60))
    regressor[:, :52] = np.eye(52)
    vertices = np.concatenate((rest, rng.normal(size=(38, 3))))
    path.parent.mkdir(parents=True)
    np.savez(path, J_regressor=regressor, v_template=vertices, shapedirs=0.004 * rng.normal(size=(60, 3, 16)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Everything that a user fetches, tiny."""
    folder = tmp_path / "source"
    for _, name, fps, seconds, _, _ in ROWS:
        if name.startswith("humanact12"):
            continue
        # One data set lies under today's name.
        path = folder / "amass" / f"{name.replace('BioMotionLab_NTroje', 'BMLrub')}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **recording(fps, seconds, "male" if "KIT" in name else "female"))
    walk = recording(20.0, 3.0)
    joints, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(walk["poses"][:, :72].reshape(-1, 24, 3))),
        torch.from_numpy(walk["trans"]),
        reference_rest_joints().double(),
    )
    with (
        zipfile.ZipFile(folder / "humanact12.zip", "w") as archive,
        archive.open("humanact12/P11G01R02F1812T1847A0402.npy", "w") as file,
    ):
        np.save(file, (joints.numpy() @ SWAP_UP.T).astype(np.float32))
    for gender in ("male", "female"):
        write_body(folder / "smplh" / gender / "model.npz")
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source_path", "start_frame", "end_frame", "new_name"])
        writer.writerows(
            [f"./pose_data/{path}.npy", start, end, f"{name}.npy"] for name, path, _, _, start, end in ROWS
        )
    for split, ids in SPLITS.items():
        (folder / f"{split}.txt").write_text("\n".join(ids))
    with zipfile.ZipFile(folder / "texts.zip", "w") as archive:
        for name, lines in TEXTS.items():
            archive.writestr(f"texts/{name}.txt", "\n".join(lines))
    return folder


def build(source: Path, out: Path, **options: Any) -> Any:
    return prepare_humanml3d(source, out, **({"workers": 1, "progress": False} | options))


def test_one_command_builds_a_folder_that_the_reader_reads(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["prepare", "humanml3d", "--source", str(source), "--out", str(out), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "8 clips (4 train, 2 val, 2 test)" in said and "none left out" in said
    train = read_humanml3d(out, "train")
    assert [item.id for item in train.items] == ["000000", "000001", "000001-2", "M000000", "M000001", "M000001-2"]
    assert [item.length for item in train.items] == [59, 64, 42, 59, 64, 42]
    vectors = train.items[0].features()
    joints = np.load(out / "new_joints" / "000000.npy")
    assert np.allclose(decode_vectors(torch.from_numpy(vectors)).numpy(), joints, atol=1e-6)
    assert np.isclose(joints[..., 1].min(), 0, atol=1e-3)
    legs = np.linalg.norm(joints[:, 4] - joints[:, 1], axis=-1)
    assert np.allclose(legs, BONE_LENGTHS[4], atol=1e-4)  # one skeleton, whatever the betas
    assert len(np.unique(read_statistics(out).std)) == 7
    manifest = json.loads((out / "manifest.json").read_text())
    assert all(file["licence"] and file["source"] for file in manifest["files"])
    states = {file["path"]: file["state"] for file in manifest["files"]}
    assert states["index.csv"] == "found, but not the published file"  # it is the test's own
    assert states["smplh/male/model.npz"] == "found" and states["amass/KIT"] == "found"


def test_frames_are_the_published_ones(source: Path) -> None:
    """Every n-th frame after the head of the data set, on the body of the file, against kinematics written out here."""
    path = source / "amass" / "Eyes_Japan_Dataset" / "hamada" / "turn-hamada_poses.npz"
    made = cut_joints(open_recording(path, "Eyes_Japan_Dataset", source), Cut(3, 70), "published")
    arrays = recording(120.0, 7.0)
    frames = np.arange(0, 840, 6)[60 + 3 : 60 + 70]
    with np.load(source / "smplh" / "female" / "model.npz") as model:
        shaped = model["v_template"] + model["shapedirs"][..., :10] @ arrays["betas"][:10]
    rest = np.concatenate((shaped[:22], shaped[[20, 21]]))
    poses = arrays["poses"][frames, :72].reshape(-1, 24, 3)
    wanted, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(poses)),
        torch.from_numpy(arrays["trans"][frames] + rest[0]),
        torch.from_numpy(rest),
    )
    x, y, z = wanted[:, :JOINTS].numpy().transpose(2, 0, 1)
    assert np.allclose(made, np.stack((-x, z, y), -1), atol=1e-9)


@pytest.mark.parametrize(("fps", "speed"), [(250.0, 250 / 12 / 20), (100.0, 1.0), (59.94, 29.97 / 20), (30.0, 1.5)])
def test_published_rates_are_rounded_and_corrected_ones_are_true(tmp_path: Path, fps: float, speed: float) -> None:
    np.savez(tmp_path / "a_poses.npz", **recording(fps, 4.0))
    opened = open_recording(tmp_path / "a_poses.npz", "KIT", None)
    published = cut_joints(opened, Cut(10, 50), "published")
    corrected = cut_joints(opened, Cut(10, 50), "corrected")
    # The walker covers half a metre per true second.
    way = np.abs(published[-1, 0, 0] - published[0, 0, 0]) / (len(published) - 1) * 20
    assert np.isclose(way, 0.5 / speed, rtol=1e-3)
    assert np.isclose(np.abs(corrected[-1, 0, 0] - corrected[0, 0, 0]) / (len(corrected) - 1) * 20, 0.5, rtol=1e-3)
    assert np.allclose(published[0], corrected[0], atol=1e-6)
    # The same stretch of time: as many seconds as the published frames really take.
    assert abs(len(corrected) / 20 - 40 * opened.step / fps) <= 0.05
    assert np.isclose(opened.time_scale, 1 / speed, rtol=1e-3)


def test_rotations_resampled_at_the_frames_themselves_are_kept(tmp_path: Path) -> None:
    np.savez(tmp_path / "a_poses.npz", **recording(100.0, 4.0))
    opened = open_recording(tmp_path / "a_poses.npz", "KIT", None)
    published, corrected = (cut_joints(opened, Cut(3, 60), rules) for rules in ("published", "corrected"))
    assert published.shape == corrected.shape
    assert np.abs(published - corrected).max() < 1e-6


def test_the_free_body_is_an_approximation(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "exact")
    build(source, tmp_path / "free", free_body=True)
    exact, free = (np.load(tmp_path / name / "new_joints" / "000003.npy") for name in ("exact", "free"))
    miss = np.linalg.norm(exact - free, axis=-1)
    assert 0.0005 < miss.mean() < 0.05


def test_mirror_images_are_mirrored(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(source, out)
    joints, twin = (np.load(out / "new_joints" / f"{name}.npy") for name in ("000000", "M000000"))
    # Not exactly: the one skeleton is longer on one side.
    assert np.abs(mirrored_joints(joints) - twin).max() < 0.04
    assert np.abs(joints - twin).max() > 0.1
    rows = np.random.default_rng(0).normal(size=(5, 22, 3))
    assert np.array_equal(mirrored_joints(mirrored_joints(rows)), rows)
    assert np.array_equal(mirrored_joints(rows)[:, 1], rows[:, 2] * [-1, 1, 1])


def test_mirrored_captions_swap_whole_words_only(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "out")
    texts = {name: (tmp_path / "out" / "texts" / f"M{name}.txt").read_text().splitlines()[0] for name in TEXTS}
    assert texts["000000"] == (
        "a bright upright person turns right#a/DET bright/ADJ upright/ADJ person/NOUN turn/VERB right/ADV#0.0#0.0"
    )
    assert texts["000001"].startswith("the man left the room#")
    assert texts["000002"].startswith("someone eats the leftover#")
    assert texts["000003"] == "walks clockwise#walk/VERB clockwise/ADV#0.0#0.0"
    assert texts["000004"] == "raises the left arm#raise/VERB the/DET left/ADJ arm/NOUN#0.0#0.0"


@pytest.mark.parametrize("word", ["bright", "leftover", "upright", "rightly", "copyright"])
def test_words_that_only_contain_a_side_stay(word: str) -> None:
    caption = parse_caption(f"a {word} thing on the left#a/DET {word}/ADJ thing/NOUN left/NOUN#0.0#0.0", "x", 1)
    twin = mirrored_caption(caption)
    assert twin.text == f"a {word} thing on the right"
    assert twin.tokens == ("a/DET", f"{word}/ADJ", "thing/NOUN", "right/NOUN")
    assert mirrored_caption(twin) == caption


def test_a_verb_in_the_tokens_is_no_side() -> None:
    caption = TaggedCaption("he left and turned right", ("he/PRON", "left/VERB", "turn/VERB", "right/ADV"), 0.0, 0.0, 1)
    assert mirrored_caption(caption).tokens == ("he/PRON", "left/VERB", "turn/VERB", "left/ADV")


def test_published_mirrored_texts_are_taken_where_they_exist(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(source / "texts.zip", "a") as archive:
        archive.writestr("texts/M000000.txt", "as published#as/ADP publish/VERB#0.0#0.0\n")
    build(source, tmp_path / "out")
    assert (tmp_path / "out" / "texts" / "M000000.txt").read_text() == "as published#as/ADP publish/VERB#0.0#0.0\n"


def test_a_second_run_builds_what_is_missing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = build(source, out)
    (out / "texts" / "M000001.txt").unlink()
    (out / "new_joint_vecs" / "000001.npy").write_bytes(b"cut off by a kill")
    before = (out / "new_joint_vecs" / "000000.npy").stat().st_mtime_ns
    assert build(source, out).splits == first.splits
    assert len(np.load(out / "new_joint_vecs" / "000001.npy")) == 64
    assert (out / "new_joint_vecs" / "000000.npy").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="another build"):
        build(source, out, rules="corrected")


def test_corrected_captions_speak_of_true_seconds(source: Path, tmp_path: Path) -> None:
    path = source / "amass" / "KIT" / "3" / "walk_poses.npz"
    np.savez(path, **recording(59.94, 6.0, "male"))
    build(source, tmp_path / "out", rules="corrected")
    line = (tmp_path / "out" / "texts" / "000001.txt").read_text().splitlines()[1]
    scale = 20 * 2 / 59.94
    assert np.allclose([float(part) for part in line.split("#")[2:]], [0.5 * scale, 2.6 * scale], atol=1e-4)


def test_the_manifest_says_what_to_fetch_before_anything_is_there(tmp_path: Path, source: Path) -> None:
    for path in (source / "amass" / "KIT" / "3" / "walk_poses.npz", source / "humanact12.zip"):
        path.unlink()
    (source / "smplh" / "male" / "model.npz").unlink()
    out = tmp_path / "out"
    with pytest.raises(UserError, match=r"smplh/male/model\.npz.*2 clips from KIT.*1 clips from humanact12.*manifest"):
        build(source, out)
    files = {file["path"]: file for file in json.loads((out / "manifest.json").read_text())["files"]}
    kit = files["amass/KIT"]
    assert (kit["state"], kit["clips"]) == ("missing", 2)
    assert "amass.is.tue.mpg.de" in kit["source"] and "non-commercial" in kit["licence"]
    assert "mano.is.tue.mpg.de" in files["smplh/male/model.npz"]["source"]
    assert files["humanact12.zip"]["checksum"].startswith("git:")
    assert files["index.csv"]["checksum"].startswith("sha256:")
    # Without a body nothing can be built, even if missing recordings may be skipped.
    with pytest.raises(UserError, match="smplh/male"):
        build(source, out, on_bad="skip")
    done = build(source, out, on_bad="skip", free_body=True)
    assert done.splits == {"train": 0, "val": 2, "test": 0}
    assert done.report.counts == {"KIT missing": 2, "humanact12 missing": 1}


def test_checksums_of_the_published_lists(shared_data: Path, source: Path, tmp_path: Path) -> None:
    for name in ("index.csv", "train.txt", "val.txt", "test.txt"):
        (source / name).write_bytes((shared_data / "humanml3d" / name).read_bytes())
    with pytest.raises(UserError, match="recordings of 4648 clips from KIT"):
        build(source, tmp_path / "out")
    files = {file["path"]: file for file in json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]}
    assert all(files[name]["state"] == "found, checksum right" for name in ("index.csv", "train.txt", "test.txt"))
    assert sum(file.get("clips", 0) for file in files.values()) == 14616
    assert len([file for file in files if file.startswith("amass/")]) == 17


def test_damages_are_refused_or_skipped(source: Path, tmp_path: Path) -> None:
    arrays = recording(60.0, 4.0)
    arrays["poses"][7] = np.nan
    np.savez(source / "amass" / "BMLrub" / "rub110" / "0001_treadmill_poses.npz", **arrays)
    with (source / "index.csv").open("a") as file:
        file.write("./pose_data/KIT/3/walk_poses.npy,900,960,000005.npy\n")
    with zipfile.ZipFile(source / "texts.zip", "a") as archive:
        archive.writestr("texts/000005.txt", "walks#walk/VERB#0.0#0.0")
    with pytest.raises(UserError):
        build(source, tmp_path / "refused")
    done = build(source, tmp_path / "out", on_bad="skip")
    assert done.report.counts == {"recording damaged": 1, "cannot be cut out": 1}
    assert "frame 7" in done.report.reasons["000003"] and "another release" in done.report.reasons["000005"]
    assert done.splits == {"train": 4, "val": 1, "test": 2}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("index.csv", "a,b\n1,2\n", "columns"),
        ("index.csv", "source_path,start_frame,end_frame,new_name\n./pose_data/K/a.npy,x,3,0.npy\n", "line 2"),
        ("index.csv", "source_path,start_frame,end_frame,new_name\nK/a.npy,0,3,0.npy\n", "pose_data"),
        ("texts.zip", "no zip", "cannot be read"),
        ("humanact12.zip", "no zip", "cannot be read"),
    ],
)
def test_foreign_files_are_named(source: Path, tmp_path: Path, name: str, content: str, says: str) -> None:
    (source / name).write_text(content)
    with pytest.raises(UserError, match=says):
        build(source, tmp_path / "out")


def test_recordings_are_found_under_both_names(tmp_path: Path) -> None:
    path = tmp_path / "amass_data" / "MPI_HDM05" / "MPI_HDM05" / "bd" / "x_poses.npz"
    path.parent.mkdir(parents=True)
    path.touch()
    finder = RecordingFinder(tmp_path)
    assert finder.find("./pose_data/MPI_HDM05/bd/x_poses.npy") == path
    assert finder.find("./pose_data/MPI_HDM05/bd/y_poses.npy") is None
    assert finder.find("./pose_data/humanact12/humanact12/x.npy") is None


def test_vectors_are_the_same_for_any_place_and_size() -> None:
    walk = recording(20.0, 3.0)
    joints, _ = forward_kinematics(
        rotvec_to_matrix(torch.from_numpy(walk["poses"][:, :72].reshape(-1, 24, 3))),
        torch.from_numpy(walk["trans"]),
        load_body().rest_joints(torch.zeros(10)).double(),
    )
    plain = joints[:, :22].numpy() @ SWAP_UP.T
    vectors = clip_vectors(plain, "published")
    assert np.abs(clip_vectors(1.3 * plain + [4.0, -2.0, 1.0], "published") - vectors).max() < 1e-5
