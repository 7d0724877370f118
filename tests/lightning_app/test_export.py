"""`lightning export` from the command line: one line on success, one sentence and exit code 2 on mistakes."""

from pathlib import Path

import numpy as np
import pytest

from carescene.clips import Clip, save_clip
from carescene.clips.formats import read_amass, read_coco, read_mmaction, read_omnifall, read_shard_index
from carescene.clips.rendered import load_item
from lightning_app.main import main


def two_clips(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("stands", "walks"):
        clip = Clip(
            id=name,
            fps=20.0,
            poses=rng.normal(0, 0.1, (1, 6, 24, 3)).astype(np.float32),
            trans=rng.normal(0, 1, (1, 6, 3)).astype(np.float32),
            betas=np.zeros((1, 10), np.float32),
            frame_label=np.zeros((1, 6), np.int8),
            valid=np.ones((1, 6), dtype=bool),
        )
        save_clip(clip, folder)
    return folder


def test_exports_and_says_what_is_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(two_clips(tmp_path / "in")), "--format", "amass", "--out", str(tmp_path / "out")]
    assert main([*command, "--workers", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"amass: 2 clips written to {tmp_path / 'out'}\n" and "export" in shown.err
    assert len(read_amass(tmp_path / "out" / "walks.npz").times) == 6
    assert main([*command, "--workers", "1"]) == 0
    assert f"amass: 0 clips written to {tmp_path / 'out'}, 2 were there already" in capsys.readouterr().out


def test_what_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = two_clips(tmp_path / "in")
    with np.load(folder / "walks.npz") as file:
        content = {key: value for key, value in file.items() if key != "betas"}
    np.savez(folder / "walks.npz", **content)
    assert main(["export", str(folder), "--format", "bvh", "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"bvh: 1 clip written to {tmp_path / 'out'}"
    assert lines[1].startswith("left out walks: ") and "betas" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/in", "--format", "fbx"], "kinetics, omnifall, coco, mmaction, webdataset, amass, bvh, gltf"),
        (["{tmp}/in", "--format", "kinetics"], "Run `lightning render"),
        (["{tmp}/nowhere", "--format", "bvh"], "does not exist"),
        (["{tmp}", "--format", "gltf"], "found none"),
        (["{tmp}/in", "--format", "bvh", "--split", "0.8,0.2"], "three numbers"),
        (["{tmp}/in", "--format", "bvh", "--split", "0.8,0.2,0.2"], "sum to 1"),
        (["{tmp}/in", "--format", "bvh", "--workers", "0"], "at least 1 worker"),
        (["{tmp}/in", "--format", "bvh", "--body", "{tmp}/smpl.npz"], "SMPL body file"),
        (["{tmp}/in"], "format"),
        (["--format", "bvh"], "clips"),
    ],
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_clips(tmp_path / "in")
    words = [word.replace("{tmp}", str(tmp_path)) for word in arguments]
    assert main(["export", *words, "--out", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and message in shown.err and "Traceback" not in shown.err
    assert shown.err.splitlines()[-1].startswith("error: ")
    assert not list(tmp_path.rglob("*.bvh"))


@pytest.mark.slow
def test_what_render_writes_can_be_exported(tmp_path: Path) -> None:
    poses = np.zeros((1, 6, 24, 3), np.float32)
    poses[0, :, 0, 0] = np.pi / 2
    clip = Clip(
        id="stands",
        fps=20.0,
        poses=poses,
        trans=np.tile(np.array([0, 0, 0.95], np.float32), (1, 6, 1)),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, 6), 8, np.int8),
        valid=np.ones((1, 6), dtype=bool),
    )
    save_clip(clip, tmp_path / "clips")
    camera = ["--scene", "corridor", "--camera", "wall", "--size", "64x48", "--fps", "10", "--workers", "1"]
    modalities = ["--modalities", "rgb,depth,instances,keypoints"]
    films, out = tmp_path / "films", tmp_path / "out"
    assert main(["render", str(tmp_path / "clips"), *camera, *modalities, "--out", str(films)]) == 0
    for kind in ("kinetics", "omnifall", "coco", "mmaction", "webdataset", "gltf"):
        target = ["--format", kind, "--out", str(out / kind), "--workers", "1", "--rate", "10"]
        assert main(["export", str(films), *target]) == 0
    item = load_item(films / "stands.wall")
    video = out / "kinetics/train/standing/stands_wall.mp4"
    assert video.read_bytes() == item.file("rgb").read_bytes()
    rows = read_omnifall(out / "omnifall/labels/carescene.csv")
    assert [(row.label, row.start, row.end) for row in rows] == [(8, 0.0, item.card.frames / 10)]
    images, people = read_coco(out / "coco/annotations/person_keypoints_train.json")
    assert len(images) == len(people) == item.card.frames and images[0].width == 64
    # Visible pixels lie in the box.
    assert all(0 < person.area <= person.box[2] * person.box[3] for person in people)
    samples, _ = read_mmaction(out / "mmaction/carescene.pkl")
    np.testing.assert_array_equal(samples[0].keypoint, item.labels.keypoints[..., :2])
    assert [entry.nsamples for entry in read_shard_index(out / "webdataset/train.json")] == [1]
    assert (out / "gltf/stands.glb").is_file()
