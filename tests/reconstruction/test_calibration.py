"""The camera from people: against exact truth, with what users give, and where there is nothing to see."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import made_people as made
import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.calibration import calibrate
from reconstruction.calibration_fit import Fit, move_camera, parameter_covariance, tilt_axes
from reconstruction.calibration_priors import (
    CameraPriors,
    GivenCamera,
    KnownDistance,
    floor_distance,
    lens_camera,
    read_camera,
)
from reconstruction.camera_parameters import camera_of, parameters_of, plain_camera
from reconstruction.floor_reading import FloorReading, floor_slope
from reconstruction.gravity import bent_bodies, read_gravity
from reconstruction.observations import Keypoints, PoseLabels
from reconstruction.upright import steady_points


def _off(found: Any, truth: Any) -> np.ndarray:
    return parameters_of(found.camera) - parameters_of(truth)


@pytest.mark.parametrize(("pitch", "height", "focal"), [(15.0, 2.1, 760.0), (38.0, 2.8, 560.0)])
def test_people_who_walk_through_a_room_give_the_camera(pitch: float, height: float, focal: float) -> None:
    truth = made.ward_camera(pitch, height, focal)
    keypoints = made.seen(made.walks(count=6, centre=(0.0, 4.0)), truth, noise=2.0)

    found = calibrate(keypoints)

    off = _off(found, truth)
    assert abs(off[0]) < 0.15
    assert np.rad2deg(abs(off[1])) < 3
    assert np.rad2deg(abs(off[2])) < 1.5
    assert abs(off[3]) < 0.06
    assert (np.abs(off) < 3 * found.sigma).all()
    assert found.statures[0] == pytest.approx(1.68, abs=0.06)
    assert found.upright.mean() > 0.8
    assert "stature of one person" in found.scale_source


def test_the_scale_follows_the_stature_prior_and_says_how_well() -> None:
    truth = made.ward_camera()
    keypoints = made.seen(made.walks(count=4, stature=1.85), truth)

    found = calibrate(keypoints)

    # A tall person cannot be told from a camera that hangs lower: both come out 9 % short, which two deviations hold.
    assert _off(found, truth)[3] < -0.03
    assert abs(_off(found, truth)[3]) < 3 * found.sigma[3]
    assert 0.03 < found.sigma[3] < 0.12


def test_frames_on_the_floor_do_not_spoil_the_camera() -> None:
    truth = made.ward_camera()
    walks = made.walks(count=5)
    fallen = np.stack([made.turned(made.lying(made.body()), angle, 0.4, 4.0) for angle in np.linspace(0.7, 0.9, 40)])
    keypoints = made.seen(np.concatenate([walks, fallen[None]], axis=1), truth, noise=2.0)

    found = calibrate(keypoints)

    off = _off(found, truth)
    assert abs(off[0]) < 0.2
    assert np.rad2deg(abs(off[1])) < 4
    assert abs(off[3]) < 0.08
    assert found.upright[0, :50].mean() > 0.7
    assert found.upright[0, 50:].mean() < 0.1


def test_a_camera_that_looks_straight_down_is_recognised() -> None:
    truth = made.ward_camera(pitch=88.5, height=2.8, focal=520.0)
    keypoints = made.seen(made.walks(count=5, centre=(0.0, 0.0)), truth, noise=2.0)

    found = calibrate(keypoints)

    lean = np.rad2deg(np.arccos(np.clip(found.camera.rotation[:, 2] @ truth.rotation[:, 2], -1, 1)))
    assert lean < 4
    assert abs(_off(found, truth)[3]) < 0.15
    assert abs(_off(found, truth)[0]) < 0.25


def test_with_nobody_upright_the_priors_decide_and_it_is_said() -> None:
    truth = made.ward_camera()
    people = np.stack([made.turned(made.lying(made.body()), 0.8, 0.3, 4.0)] * 20)[None]

    found = calibrate(made.seen(people, truth))

    assert not found.upright.any()
    assert "Nobody was seen upright" in found.scale_source
    assert any("Give the camera" in note for note in found.notes)
    assert found.sigma[0] > 0.15
    assert found.sigma[3] > 0.1
    assert (np.abs(_off(found, truth)) < 3 * found.sigma).all()


def test_with_nobody_at_all_the_camera_is_the_prior() -> None:
    priors = CameraPriors()
    empty = Keypoints(
        np.arange(4) / 10, np.arange(4), 1280, 720, np.full((0, 4, 26, 2), np.nan), np.zeros((0, 4, 26)),
        np.ones((0, 4, 26)), (), "made",
    )  # fmt: skip

    found = calibrate(empty)

    assert found.camera.eye[2] == pytest.approx(priors.height, rel=1e-3)
    assert found.sigma[0] == pytest.approx(priors.log_focal_sd, rel=0.1)
    assert found.statures.shape == (0,)


def test_a_known_distance_fixes_the_scale() -> None:
    truth = made.ward_camera()
    keypoints = made.seen(made.walks(count=4, stature=1.85), truth, noise=2.0)
    spots = np.array([[-1.2, 3.2, 0.0], [1.3, 5.6, 0.0]])
    pixels, _ = truth.project(spots)

    found = calibrate(keypoints, given=GivenCamera(distance=KnownDistance(pixels, float(np.hypot(2.5, 2.4)))))

    assert floor_distance(found.camera, pixels) == pytest.approx(np.hypot(2.5, 2.4), rel=0.03)
    assert abs(_off(found, truth)[3]) < 0.05
    assert found.sigma[3] < 0.07
    assert found.statures[0] == pytest.approx(1.85, abs=0.1)
    assert "given distance" in found.scale_source


def test_a_given_lens_height_or_camera_is_kept() -> None:
    truth = made.ward_camera()
    keypoints = made.seen(made.walks(count=3), truth, noise=2.0)
    lens = lens_camera(truth.matrix, np.array(truth.distortion[:1]), 1280, 720)

    by_lens = calibrate(keypoints, given=GivenCamera(lens=lens, height=2.4))
    whole = calibrate(keypoints, given=GivenCamera(camera=truth))

    assert by_lens.camera.focal == pytest.approx(truth.focal, rel=0.01)
    assert by_lens.camera.eye[2] == pytest.approx(2.4, rel=0.02)
    assert np.rad2deg(abs(_off(by_lens, truth)[1])) < 2.5
    assert np.allclose(parameters_of(whole.camera), parameters_of(truth))
    assert whole.sigma[3] < 0.02
    assert "was given" in whole.scale_source


def test_a_given_camera_of_larger_pictures_is_scaled_and_one_of_another_shape_refused() -> None:
    small = dataclasses.replace(made.ward_camera(), focal=310.0, width=640, height=360)

    fitted = GivenCamera(camera=small).check(1280, 720).camera

    assert fitted is not None
    assert fitted.focal == pytest.approx(620)
    assert np.allclose(fitted.principal, [640, 360])
    with pytest.raises(UserError, match="another video"):
        GivenCamera(camera=small).check(720, 1280)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GivenCamera(height=240.0), "metres above the floor"),
        (GivenCamera(distance=KnownDistance(np.array([[10.0, 10.0], [12.0, 11.0]]), 2.0)), "far apart"),
        (GivenCamera(distance=KnownDistance(np.array([[10.0, 10.0], [400.0, 300.0]]), 0.0)), "metres"),
        (GivenCamera(distance=KnownDistance(np.array([[10.0, 10.0], [4000.0, 300.0]]), 2.0)), "in the picture"),
    ],
)
def test_impossible_knowledge_is_refused(given: GivenCamera, message: str) -> None:
    with pytest.raises(UserError, match=message):
        given.check(1280, 720)


def test_poses_tell_the_tilt_of_somebody_in_one_place() -> None:
    truth = made.ward_camera(pitch=12.0)
    keypoints = made.seen(np.stack([made.turned(made.body(), 0.3, 0.2, 4.0)] * 8)[None], truth, noise=2.0)
    # The rest pose in the camera's frame: y up and z forward of the body to the world's, then to the camera's.
    standing = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    rotations = np.tile(np.eye(3), (1, 8, 24, 1, 1))
    rotations[:, :, 0] = truth.rotation @ standing
    labels = PoseLabels(rotations, np.tile(np.eye(72), (1, 8, 1, 1)), np.ones((1, 8), bool), "made")

    without, found = calibrate(keypoints), calibrate(keypoints, labels=labels)

    assert abs(_off(found, truth)[1]) < abs(_off(without, truth)[1])
    assert np.rad2deg(abs(_off(found, truth)[1])) < 4
    assert found.sigma[1] < 0.7 * without.sigma[1]


def test_labels_tell_who_is_bent() -> None:
    rotations = np.tile(np.eye(3), (1, 3, 24, 1, 1))
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    # Hips bent by a right angle, as on a chair, in the second frame; the third has no label.
    rotations[0, 1, 1:3] = turn
    labels = PoseLabels(rotations, np.tile(np.eye(72), (1, 3, 1, 1)), np.array([[True, True, False]]), "made")

    assert bent_bodies(labels).tolist() == [[False, True, False]]
    assert len(read_gravity(labels).up) == 1
    assert np.allclose(read_gravity(labels).up[0], [0, 1, 0], atol=0.06)


def test_a_measured_floor_and_a_known_lens_fix_height_and_tilt() -> None:
    truth = made.ward_camera(height=2.9)
    keypoints = made.seen(made.walks(count=2, stature=1.8), truth, noise=2.0)
    floor = FloorReading(floor_slope(truth), 1e-12 * np.eye(3), True, 0.02, 0.3, measured=True)

    lens = lens_camera(truth.matrix, np.array(truth.distortion[:1]), 1280, 720)

    found = calibrate(keypoints, floor=floor, given=GivenCamera(lens=lens))

    assert abs(_off(found, truth)[3]) < 0.04
    assert np.rad2deg(abs(_off(found, truth)[1])) < 1.5
    assert "recorded depth" in found.scale_source


def test_tilting_a_camera_leaves_its_compass_direction_and_keeps_a_rotation() -> None:
    for pitch in (10.0, 60.0, 89.9):
        camera = made.ward_camera(pitch)
        axes = tilt_axes(camera.rotation)
        assert np.allclose(axes.T @ axes, np.eye(2), atol=1e-12)
        assert np.allclose(axes.T @ camera.rotation[:, 2], 0, atol=1e-12)

        moved = move_camera(camera, np.array([0.1, 0.02, -0.03, 0.05, 0.01]))

        assert np.allclose(moved.rotation @ moved.rotation.T, np.eye(3), atol=1e-12)
        angle = np.arccos(moved.rotation[:, 2] @ camera.rotation[:, 2])
        assert angle == pytest.approx(np.hypot(0.02, 0.03), rel=1e-6)
        assert moved.focal == pytest.approx(camera.focal * np.exp(0.1))


@pytest.mark.parametrize("pitch", [0.3, 0.7, 1.5])
def test_the_covariance_is_that_of_the_five_parameters(pitch: float) -> None:
    """The fit tilts about axes of its own: what it leaves open of them comes out as pitch and roll, with the sign."""
    rng = np.random.default_rng(0)
    camera = camera_of(np.array([np.log(900.0), pitch, 0.04, np.log(2.4), 0.0]), plain_camera(1280, 720, 900))
    root = 1e-3 * (np.eye(5) + 0.4 * rng.standard_normal((5, 5)))
    fit = Fit(camera, np.zeros((0, 6)), np.linalg.inv(root @ root.T), 0.0, np.zeros(0))
    drawn = [parameters_of(move_camera(camera, root @ rng.standard_normal(5))) for _ in range(4000)]
    expected = np.cov(np.array(drawn).T)
    deviations = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        parameter_covariance(fit) / np.outer(deviations, deviations),
        expected / np.outer(deviations, deviations),
        atol=0.08,
    )


def test_a_camera_file_is_read_back_and_other_files_are_refused(tmp_path: Path) -> None:
    camera = made.ward_camera()
    (tmp_path / "camera.json").write_text(json.dumps(camera.to_dict()))
    (tmp_path / "clip.json").write_text(json.dumps({"cameras": [camera.to_dict()]}))
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "text.json").write_text("no json")

    for name in ("camera.json", "clip.json"):
        assert np.allclose(parameters_of(read_camera(tmp_path / name)), parameters_of(camera))
    for name in ("list.json", "text.json", "missing.json"):
        with pytest.raises(UserError, match=r"camera"):
            read_camera(tmp_path / name)


def test_key_points_that_jump_are_left_out_and_people_who_run_are_not() -> None:
    running = np.stack([made.turned(made.body(), 0.0, -2.0 + 0.25 * step, 4.5) for step in range(16)])[None]
    keypoints = made.seen(running, made.ward_camera(), rate=20.0)
    keypoints.pixels[0, 7, 15] += 150

    steady = steady_points(keypoints)

    assert not steady[0, 7, 15]
    assert steady.sum() == keypoints.seen.sum() - 1


def test_priors_are_centred_on_their_own_camera() -> None:
    priors = CameraPriors()
    for mode in priors.modes:
        focal = mode.focal(1280, 720)
        camera = made.ward_camera(float(np.rad2deg(mode.pitch)), priors.height, focal, 0.0)
        bent = priors.barrel / (np.hypot(1280, 720) / 2 / focal) ** 2
        camera = dataclasses.replace(camera, distortion=(bent, 0.0, 0.0, 0.0, 0.0))
        assert np.allclose(priors.evidence(mode)(camera, np.zeros(0)), 0, atol=1e-9)
