"""Faces: where a head is, that nothing of it is left, and that nothing else is touched."""

import numpy as np
import pytest

from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.privacy import blur_faces, face_hider, head_circle

NAMES = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_hip",
    "right_hip",
)
# Somebody 200 px tall who faces the camera, the head 25 px high around (100, 40).
PLACES = np.array(
    [[100, 42], [104, 38], [96, 38], [109, 40], [91, 40], [122, 65], [78, 65], [113, 122], [87, 122]], float
)


def person(*without: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.full((26, 2), np.nan)
    for name, place in zip(NAMES, PLACES, strict=True):
        if not any(word in name for word in without):
            pixels[LANDMARK[name]] = place
    return pixels, np.isfinite(pixels).all(-1).astype(float)


@pytest.mark.parametrize("without", [(), ("eye", "ear"), ("hip",), ("nose", "eye", "ear"), ("left_shoulder", "hip")])
def test_the_head_is_covered_with_whatever_is_seen(without: tuple[str, ...]) -> None:
    circle = head_circle(*person(*without))
    assert circle is not None
    x, y, radius = circle
    # Chin, crown and both sides of a head of 25 x 18 px around (100, 40).
    for across, down in ((100, 53), (100, 28), (91, 40), (109, 40)):
        assert np.hypot(across - x, down - y) < radius
    assert radius < 40


def test_nobody_has_no_head() -> None:
    assert head_circle(*person("nose", "eye", "ear", "shoulder")) is None
    assert head_circle(np.full((26, 2), np.nan), np.zeros(26)) is None


def test_a_face_becomes_a_few_blocks_and_nothing_else_changes() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (240, 200, 3)).astype(np.uint8)
    pixels, confidence = person()
    hidden = blur_faces(picture, pixels[None], confidence[None])
    changed = (hidden != picture).any(-1)
    face = hidden[28:54, 88:113].reshape(-1, 3)
    assert len(np.unique(face, axis=0)) <= 16 and changed[30:52, 92:109].mean() > 0.95
    rows, columns = np.nonzero(changed)
    assert rows.max() < 80 and columns.min() > 60 and columns.max() < 140
    assert (picture == np.random.default_rng(0).integers(0, 255, (240, 200, 3))).all()


def test_heads_at_and_beyond_the_edge() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (240, 200, 3)).astype(np.uint8)
    pixels, confidence = person()
    assert (blur_faces(picture, pixels[None] - [100, 40], confidence[None])[:8, :8] != picture[:8, :8]).any()
    np.testing.assert_array_equal(blur_faces(picture, pixels[None] + [900, 0], confidence[None]), picture)
    np.testing.assert_array_equal(blur_faces(picture, np.full((0, 26, 2), np.nan), np.zeros((0, 26))), picture)


def test_a_head_stays_hidden_while_its_owner_is_not_found() -> None:
    pixels, confidence = person()
    there = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    points = np.where(there[:, None, None] > 0, pixels, np.nan)
    trust = there[:, None] * confidence
    times = 5.0 + np.arange(20) / 10
    keypoints = Keypoints(times, np.arange(20), 200, 240, points[None], trust[None], trust[None], ("a",), "mediapipe")
    hide = face_hider(keypoints)
    picture = np.random.default_rng(0).integers(0, 255, (480, 400, 3)).astype(np.uint8)
    for time in (0.0, 0.1, 0.25, 0.4, 1.3):
        assert (hide(picture, time) != picture)[60:104, 184:218].any(-1).mean() > 0.9
    np.testing.assert_array_equal(hide(picture, 1.6), picture)
