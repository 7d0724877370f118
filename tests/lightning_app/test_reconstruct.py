"""`lightning reconstruct`, from a small video and key points to everything it writes."""

import json
from pathlib import Path

import av
import cv2
import made_people as people
import made_videos as films
import numpy as np
import pytest
import torch
from made_networks import tiny_depth_anything

from carescene.clips import load_clip
from carescene.errors import UserError
from carescene.rendering.camera import Camera, camera_from_dict
from carescene.scenes import load_scene
from lightning_app.main import main
from reconstruction.formats import write_keypoints
from reconstruction.observations import Keypoints
from reconstruction.prohmr import ProHmr


@pytest.fixture(scope="module")
def walk() -> Keypoints:
    """One person on a short way, seen exactly, 10 pictures of 5 per second."""
    return people.seen(people.walks(1), people.ward_camera(), rate=5.0)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, walk: Keypoints) -> Path:
    """A room in which nothing is to be seen of that person: key points say where they are."""
    room = films.textured_room(320, 180)
    return films.write_film(tmp_path_factory.mktemp("video") / "walk.mp4", [room] * len(walk.times), fps=5)


@pytest.fixture(scope="module")
def keypoints(tmp_path_factory: pytest.TempPathFactory, walk: Keypoints) -> Path:
    path = tmp_path_factory.mktemp("keypoints") / "points.json"
    write_keypoints(path, walk, name="walk")
    return path


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, video: Path, keypoints: Path) -> Path:
    """What the command wrote."""
    out = tmp_path_factory.mktemp("out") / "walk"
    arguments = ["reconstruct", str(video), "--out", str(out), "--keypoints", str(keypoints)]
    assert main([*arguments, "--camera_height=2.4", "--no-pixels"]) == 0
    return out


@pytest.mark.slow
def test_everything_is_written_and_fits_together(result: Path, walk: Keypoints, capsys: pytest.CaptureFixture[str]):
    clip = load_clip(result / "clips" / "walk.json")
    assert clip.fps == 20.0 and clip.num_persons == 1
    assert clip.seconds == pytest.approx(walk.times[-1], abs=0.11)
    assert clip.pose_std is not None and (clip.pose_std[clip.valid] >= 0).all() and clip.pose_std.max() > 0
    assert clip.quality["reprojection"] < 0.05
    camera = camera_from_dict(json.loads((result / "camera.json").read_text()))
    assert (camera.width, camera.height) == (320, 180)
    assert camera.eye[2] == pytest.approx(2.4, rel=0.05)
    load_scene(result / "scene.json")
    report = json.loads((result / "report.json").read_text())
    assert report["scale"].startswith("The given height of the camera")
    assert {"people", "room", "film"} <= set(report["seconds_by_stage"])
    assert "<html" in (result / "report.html").read_text()
    with av.open(str(result / "overlay.mp4")) as film:
        assert film.streams.video[0].frames > 5
    # The person walked about four metres from the camera.
    assert np.linalg.norm(clip.trans[0][clip.valid[0]].mean(0)[:2] - [0.0, 4.5]) < 2.0


@pytest.mark.slow
def test_no_pixel_of_the_video_is_written(result: Path, video: Path):
    with av.open(str(result / "overlay.mp4")) as film:
        shown = next(film.decode(video=0)).to_ndarray(format="rgb24")
    with av.open(str(video)) as film:
        room = next(film.decode(video=0)).to_ndarray(format="rgb24")
    first = cv2.resize(shown[:, : shown.shape[1] // 3], (room.shape[1], room.shape[0]))
    structure = np.corrcoef(first.mean(-1).ravel(), room.mean(-1).ravel())[0, 1]
    assert abs(structure) < 0.5
    kept = {path.suffix for path in result.rglob("*") if path.is_file()}
    assert kept <= {".npz", ".json", ".html", ".mp4", ".txt"}


@pytest.mark.slow
def test_a_second_run_goes_on_from_what_is_kept(
    result: Path, video: Path, keypoints: Path, capsys: pytest.CaptureFixture[str]
):
    before = load_clip(result / "clips" / "walk.json")
    times = {path: path.stat().st_mtime_ns for path in (result / "work").glob("*.npz") if "observ" not in path.name}
    arguments = ["reconstruct", str(video), "--out", str(result), "--keypoints", str(keypoints)]
    assert main([*arguments, "--camera_height=2.4", "--no-pixels"]) == 0
    line = capsys.readouterr().out.strip()
    assert line.count("\n") == 0 and "clips/walk.npz" in line and str(result) in line
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert np.array_equal(load_clip(result / "clips" / "walk.json").poses, before.poses)


def test_mistakes_are_told_in_one_sentence(
    tmp_path: Path, video: Path, keypoints: Path, capsys: pytest.CaptureFixture[str]
):
    out = ["--out", str(tmp_path / "out")]

    def told(*arguments: str) -> str:
        assert main(["reconstruct", *arguments, *out]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    assert "no video" in told(str(keypoints)) or "Expected a video" in told(str(keypoints))
    assert "Expected a video file" in told(str(tmp_path / "nothing.mp4"))
    assert "--known_distance" in told(str(video), "--known_distance=1,2,3")
    assert "--keypoints_size" in told(str(video), "--keypoints_size=big")
    assert "--rate" in told(str(video), "--rate=0")
    assert "camera file" in told(str(video), "--camera", str(tmp_path / "none.json"))
    other = tmp_path / "other.json"
    values = json.loads(keypoints.read_text())
    for image in values["images"]:
        image["width"] = 700
    other.write_text(json.dumps(values))
    assert "another video" in told(str(video), "--keypoints", str(other))
    square = tmp_path / "camera.json"
    square.write_text(json.dumps({"K": [[500, 0, 320], [0, 500, 320], [0, 0, 1]], "width": 640, "height": 640}))
    assert "another video" in told(str(video), "--keypoints", str(keypoints), "--camera", str(square))


def test_nobody_in_view_is_refused(tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch):
    from reconstruction.observations import LANDMARKS
    from reconstruction.pipeline import reconstruct
    from reconstruction.request import Request

    def nobody(footage, plate, *, frames, **_) -> Keypoints:
        shape = (0, len(frames), len(LANDMARKS))
        return Keypoints(
            footage.times[frames], frames, footage.width, footage.height, np.zeros((*shape, 2)), np.zeros(shape),
            np.zeros(shape), (), "mediapipe",
        )  # fmt: skip

    monkeypatch.setattr("reconstruction.part.detect_people", nobody)
    with pytest.raises(UserError, match="nobody was found"):
        reconstruct(Request(video, tmp_path / "out", show_progress=False))


def empty_floor(camera: Camera, width: int, height: int) -> np.ndarray:
    """Depth of a floor up to a wall 9 m away, `(height, width)`."""
    x, y = np.meshgrid(
        (np.arange(width) + 0.5) * camera.width / width, (np.arange(height) + 0.5) * camera.height / height
    )
    rays = camera.rays(np.stack([x, y], axis=-1))
    with np.errstate(divide="ignore"):
        to_floor = np.where(rays[..., 2] < 0, -camera.eye[2] / rays[..., 2], np.inf)
    to_wall = 9.0 / rays[..., 1]
    return np.minimum(to_floor, to_wall) * (rays @ camera.rotation[2])


@pytest.mark.slow
def test_networks_that_the_user_has_are_used(
    tmp_path: Path, video: Path, keypoints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """ProHMR with random weights, Depth Anything that sees the floor: what they say is taken and told in the report."""

    class Quick(ProHmr):
        def features(self, crops: torch.Tensor) -> torch.Tensor:
            return crops.reshape(len(crops), -1)[:, :: 3 * 224 * 224 // 2048][:, :2048]

    torch.manual_seed(0)
    weights = tmp_path / "checkpoint.pt"
    weights.write_bytes(b"some")
    monkeypatch.setattr("reconstruction.part.load_prohmr", lambda path: Quick().eval())
    monkeypatch.setattr("reconstruction.label_chunks.CHUNK", 2)
    # Its own answer is the same everywhere, of which no scale can be told.
    floor = empty_floor(people.ward_camera(), 98, 56)
    monkeypatch.setattr("reconstruction.depth_anything.DepthAnything.predict", lambda self, picture: floor)
    depth = tiny_depth_anything(tmp_path / "depth", "metric")
    arguments = ["reconstruct", str(video), "--out", str(tmp_path / "out"), "--keypoints", str(keypoints)]
    # Four pictures are enough: people who contradict their labels take many iterations.
    assert main([*arguments, "--rate=2", "--prohmr", str(weights), "--depth", str(depth)]) == 0
    notes = json.loads((tmp_path / "out" / "report.json").read_text())["notes"]
    assert any("Pose labels: ProHMR. Depth: depth." in note for note in notes)
    kept = {path.name for path in (tmp_path / "out" / "work").iterdir()}
    assert {"depth.npz", "pose labels.npz"} <= kept
    assert not any((tmp_path / "out" / "work" / name).is_dir() for name in kept)
    assert (tmp_path / "out" / "scan.ply").is_file()
    # Another network is refused before any work.
    capsys.readouterr()
    assert main([*arguments[:3], str(tmp_path / "new"), "--depth", str(tmp_path)]) == 2
    assert "Expected a Depth Anything network" in capsys.readouterr().err
    assert not list((tmp_path / "new").rglob("*.npz"))


@pytest.mark.slow
@pytest.mark.usefixtures("letter_encoder")
def test_what_was_written_is_trained_on(
    result: Path, prepared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    config = Path(__file__).resolve().parents[2] / "configs" / "diffusion" / "world_debug.yaml"
    small = [f"--model.denoiser.{name}" for name in ("dim=32", "depth=1", "heads=2", "hidden=32")]
    folders = f"--data.data_dirs=[{prepared_folder},{result / 'training'}]"
    options = [folders, "--data.batch_size=4", "--trainer.fast_dev_run=true", "--trainer.accelerator=cpu"]
    assert main(["fit", "--config", str(config), *small, *options]) == 0
    packed = json.loads(next((prepared_folder / "packs").glob("world-*/pack.json")).read_text())
    assert "walk_00000" in {sequence["id"] for sequence in packed["sequences"]}


@pytest.mark.slow
def test_a_cut_makes_two_parts(tmp_path: Path, walk: Keypoints):
    from reconstruction.pipeline import reconstruct
    from reconstruction.request import Request

    rooms = [films.textured_room(320, 180, seed) for seed in (1, 2)]
    video = films.write_film(tmp_path / "cut.mp4", [rooms[0]] * 10 + [rooms[1]] * 10, fps=5)
    # Points for the first room alone.
    points = tmp_path / "points.json"
    write_keypoints(points, walk, name="cut")
    outcome = reconstruct(Request(video, tmp_path / "out", keypoints=points, show_progress=False))
    assert [part.folder.name for part in outcome.parts] == ["part_1"]
    assert len(outcome.failures) == 1 and "Part 2" in outcome.failures[0]
    assert (tmp_path / "out" / "part_1" / "report.html").is_file()
