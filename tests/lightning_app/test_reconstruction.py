"""The joint optimisation under Lightning's trainer: every energy logged, resumed as if it had never stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips import load_clip
from carescene.simulation.pose_limits import NEUTRAL
from datamodules import ObservationsDataModule
from lightning_app.main import main
from lightning_app.reconstruction import ReconstructionModule
from reconstruction.camera_parameters import camera_of, plain_camera
from reconstruction.chains import landmark_points
from reconstruction.landmarks import free_landmarks
from reconstruction.observations import Keypoints, PoseLabels
from reconstruction.posed import place_points, pose_body
from reconstruction.problem import Problem
from reconstruction.problem_files import save_problem

CONFIG = Path(__file__).resolve().parents[2] / "configs/reconstruction/default.yaml"
SHORT = [
    *(f"--model.init_args.options.{stage}_iterations=2" for stage in ("root", "pose", "contact")),
    *("--model.init_args.options.tolerance=0", "--trainer.enable_progress_bar=false"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def observations(tmp_path: Path) -> Path:
    """Somebody who stands still for five frames, seen exactly."""
    model, points = free_landmarks(), landmark_points(free_landmarks())
    camera = camera_of(np.array([np.log(900.0), 0.3, 0.0, np.log(2.4), 0.0]), plain_camera(1280, 720, 900))
    pose = np.tile(NEUTRAL, (5, 1, 1, 1))
    pose[:, 0] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    posed = pose_body(model, pose, np.tile([0.0, 5.0, 0.95], (5, 1)), np.zeros(10))
    pixels, _ = camera.project(place_points(posed, points.carrier, points.offsets))
    seen = np.ones((1, 5, len(points.carrier)))
    keypoints = Keypoints(np.arange(5) / 20, np.arange(5), 1280, 720, pixels[None], seen, 2 * seen, ("one",), "truth")
    pose[:, 0] = camera.rotation @ pose[:, 0]
    covariance = np.tile(0.05 * np.eye(72), (1, 5, 1, 1))
    labels = PoseLabels(pose[None], covariance, np.ones((1, 5), bool), "truth")
    spread = np.diag([0.05, 0.02, 0.01, 0.04, 0.02]) ** 2
    path = tmp_path / "observations.npz"
    save_problem(Problem(keypoints, camera, spread, np.array([1.7]), np.array([0.08]), labels=labels), path)
    return path


def fit(observations: Path, *options: str) -> int:
    return main(["fit", "--config", str(CONFIG), f"--data.init_args.observations={observations}", *SHORT, *options])


def test_fast_dev_run(observations: Path) -> None:
    assert fit(observations, "--trainer.fast_dev_run=true") == 0
    assert not Path("runs/reconstruction/clips").exists(), "a trial leaves nothing behind"


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")  # as it should be
def test_stopped_and_resumed(
    observations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three iterations, then the rest in another run: the same people as in one run."""
    assert fit(observations) == 0
    assert "trained to step 6" in capsys.readouterr().out
    whole = load_clip(Path("runs/reconstruction/clips/reconstructed"))
    assert whole.pose_std is not None and whole.num_frames == 5
    events = b"".join(path.read_bytes() for path in Path("runs/reconstruction").rglob("events.out.tfevents.*"))
    for name in ("total", "keypoints", "labels", "acceleration", "shape", "camera"):
        assert f"energy/{name}".encode() in events
    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.chdir(again)
    assert fit(observations, "--trainer.max_steps=3") == 0
    assert not Path("runs/reconstruction/clips").exists()
    checkpoint = torch.load("runs/reconstruction/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["optimisation"]["progress"].tolist() == [1, 1]
    assert fit(observations, "--ckpt_path=last") == 0
    clip = load_clip(Path("runs/reconstruction/clips/reconstructed"))
    np.testing.assert_array_equal(clip.poses, whole.poses)
    np.testing.assert_array_equal(clip.trans_std, whole.trans_std)


def test_bad_input(observations: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(observations.with_name("missing.npz")) == 2
    assert "Expected the observations of a video" in capsys.readouterr().err


def test_modules_by_hand(observations: Path) -> None:
    """Without the command: defaults fit together."""
    assert ObservationsDataModule(observations).problem.persons == 1
    assert ReconstructionModule().automatic_optimization is False
