"""Crops against OpenCV and closed forms; what is said of a crop, told of the full picture, against exact projection."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.rendering.camera import Camera, look_rotation
from reconstruction.crops import (
    MARGIN,
    crop_people,
    crop_ray_rotation,
    full_frame_translation,
    person_boxes,
)
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints


def ward_camera(k1: float = 0.0, aspect: float = 1.0) -> Camera:
    """High in a corner, looking down, with a principal point beside the middle."""
    rotation = look_rotation(np.array([0.1, 1.0, -0.6]))
    lens = (k1, 0.0, 0.0, 0.0, 0.0)
    return Camera(np.array([0.0, 0.0, 2.6]), rotation, 620.0, 960, 720, lens, aspect=aspect, shift=(12.0, -9.0))


def keypoints_of(pixels: np.ndarray, confidence: np.ndarray) -> Keypoints:
    times = np.arange(pixels.shape[1]) / 20
    return Keypoints(
        times, np.arange(pixels.shape[1]), 960, 720, pixels, confidence, np.ones_like(confidence), ("a",), "coco"
    )


# ------------------------------------------------------------------------------------------ boxes


def test_box_is_a_square_around_what_is_seen() -> None:
    pixels = np.full((1, 3, len(LANDMARKS), 2), np.nan)
    confidence = np.zeros((1, 3, len(LANDMARKS)))
    pixels[0, 0, 5:13] = np.random.default_rng(0).uniform((200, 300), (260, 500), (8, 2))
    pixels[0, 0, 5], pixels[0, 0, 6] = (200, 300), (260, 500)
    # The top of the head is not part of OpenPose's points, so it does not make the published box larger.
    pixels[0, 0, LANDMARK["head_top"]] = (230, 10)
    pixels[0, 1, :3] = [(1, 1), (100, 100), (50, 90)]
    pixels[0, 2, :6] = 7 + np.random.default_rng(1).uniform(0, 5, (6, 2))
    confidence[np.isfinite(pixels).all(-1)] = 0.5
    boxes = person_boxes(keypoints_of(pixels, confidence))
    np.testing.assert_allclose(boxes.centre[0, 0], (230, 400))
    assert boxes.side[0, 0] == pytest.approx(MARGIN * 200)
    # Three points say too little, and twelve pixels are no person.
    assert boxes.valid.tolist() == [[True, False, False]]
    assert np.isnan(boxes.centre[0, 1:]).all()


# ------------------------------------------------------------------------------------------ crops


@pytest.mark.parametrize(("centre", "side"), [((100.0, 80.0), 96.0), ((31.3, 44.9), 224.0), ((190.0, 20.5), 301.7)])
def test_crop_is_the_published_one(centre: tuple[float, float], side: float) -> None:
    """The published recipe: three corners, OpenCV's affine map and warp, ImageNet's statistics channel by channel."""
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (160, 200, 3), np.uint8), (0, 0), 2)
    corners = np.float32([centre, (centre[0], centre[1] + side / 2), (centre[0] + side / 2, centre[1])]) - 0.5  # type: ignore[arg-type]
    warp = cv2.getAffineTransform(np.float32(corners), np.float32([(112, 112), (112, 224), (224, 112)]))  # type: ignore[arg-type]
    expected = cv2.warpAffine(picture, warp, (224, 224), flags=cv2.INTER_LINEAR).astype(np.float64)
    (found,) = crop_people(picture, np.array([centre]), np.array([side])).double().numpy()
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        # OpenCV steps by 1/32 of a pixel: a corner of the map may fall on the other side of a step.
        np.testing.assert_allclose(found[channel] * std * 255 + mean * 255, expected[..., channel], atol=3)


def test_crop_shows_the_box() -> None:
    """On a ramp a pixel's value is its place; the middle of the box is the crop's pixel 112; beyond lies black."""
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (160, 200, 3))
    (crop,) = crop_people(np.ascontiguousarray(ramp), np.array([[60.5, 80.5]]), np.array([112.0])).numpy()
    values = crop[0] * 0.229 * 255 + 0.485 * 255
    inside = np.arange(20, 220)
    np.testing.assert_allclose(values[112, inside], 60 + (inside - 112) / 2, atol=0.51)
    (corner,) = crop_people(np.ascontiguousarray(ramp) + 30, np.array([[0.0, 0.0]]), np.array([100.0])).numpy()
    np.testing.assert_allclose(corner[:, :100, :100], -np.array([0.485 / 0.229, 0.456 / 0.224, 0.406 / 0.225])[
        :, None, None] + np.zeros((3, 100, 100)), atol=1e-5)  # fmt: skip


# ------------------------------------------------------------------------------------------ full picture


@pytest.mark.parametrize("pixel", [(480.0, 360.0), (60.0, 90.0), (900.0, 640.0)])
def test_ray_rotation_turns_no_crop_about_its_middle(pixel: tuple[float, float]) -> None:
    """Seen by a camera turned onto the ray, small things keep their upright; they are only less stretched outwards.

    So the map from the turned camera's picture to the real one is symmetric, with the known stretch of flat pictures.
    """
    camera = ward_camera()
    turn = crop_ray_rotation(camera, np.array(pixel))
    ray = camera.rays(np.array(pixel)) @ camera.rotation.T
    np.testing.assert_allclose(turn @ [0, 0, 1], ray / np.linalg.norm(ray), atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    along = ray / np.linalg.norm(ray)
    step = 1e-6 * turn[:, :2].T
    slope = ((along + step)[:, :2] / (along + step)[:, 2:] - along[:2] / along[2]).T / 1e-6
    np.testing.assert_allclose(slope, slope.T, atol=1e-5)
    cosine = along[2]
    np.testing.assert_allclose(sorted(np.linalg.eigvalsh(slope)), sorted((1 / cosine, 1 / cosine**2)), rtol=1e-4)


def test_what_a_turned_camera_sees_of_a_body_is_found_again() -> None:
    """A body's orientation before the full camera, from that before an ideal camera on the crop's ray."""
    camera = ward_camera(k1=-0.15)
    middles = np.random.default_rng(0).uniform(50, 670, (5, 2))
    body = Rotation.random(5, rng=1).as_matrix()
    turn = crop_ray_rotation(camera, middles)
    before_crop = turn.swapaxes(-1, -2) @ body
    # A camera on the ray: the same eye, its rows turned with the ray.
    for middle, one, seen, truth in zip(middles, turn, before_crop, body, strict=True):
        rows = one.T @ camera.rotation
        np.testing.assert_allclose(rows[2], camera.directions(middle), atol=1e-12)
        np.testing.assert_allclose(rows.T @ seen, camera.rotation.T @ truth, atol=1e-12)


@pytest.mark.parametrize("k1", [0.0, -0.2])
def test_full_frame_translation_reprojects(k1: float) -> None:
    """The origin lands where the crop's camera puts it, at the depth that makes a metre as long as in the crop."""
    camera = ward_camera(k1)
    rng = np.random.default_rng(2)
    centres, sides = rng.uniform((200, 150), (760, 570), (6, 2)), rng.uniform(90, 400, 6)
    cam = np.concatenate([rng.uniform(0.6, 1.1, (6, 1)), rng.uniform(-0.2, 0.3, (6, 2))], axis=1)
    found = full_frame_translation(cam, centres, sides, camera)
    pixels, depth = camera.project(found @ camera.rotation + camera.eye)
    # In the crop, by the published camera: focal length 5000 at 2 * 5000 / (224 s), from the middle of 224 pixels.
    crop = 112 + 5000 * cam[:, 1:] / (2 * 5000 / (224 * cam[:, :1]))
    np.testing.assert_allclose(pixels, centres + (crop - 112) * sides[:, None] / 224, atol=1e-6)
    np.testing.assert_allclose(depth, found[:, 2])
    # A metre across is s / 2 of the crop, hence side s / 2 pixels here.
    np.testing.assert_allclose(camera.focal / depth, sides * cam[:, 0] / 2, rtol=1e-9)


def test_full_frame_translation_is_the_published_formula() -> None:
    camera = Camera(np.zeros(3), np.eye(3), 5000.0, 640, 480)
    cam, centre, side = np.array([0.9, 0.1, -0.2]), np.array([400.0, 100.0]), 180.0
    depth = 2 * 5000 / (side * 0.9)
    expected = [0.1 + (400 - 320) * depth / 5000, -0.2 + (100 - 240) * depth / 5000, depth]
    np.testing.assert_allclose(full_frame_translation(cam, centre, np.array(side), camera), expected)
    assert np.isnan(full_frame_translation(np.array([-0.1, 0.0, 0.0]), centre, np.array(side), camera)).all()
