"""Films of three panels: what is drawn where, and that no pixel of the video gets in when it must not."""

from pathlib import Path

import made_rooms as made
import numpy as np
import pytest

from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.rendering.people import pose_people
from carescene.rendering.video import read_video
from carescene.scenes import Scene
from reconstruction.observations import LANDMARKS, Keypoints
from reconstruction.overlay import PLAIN, film_length, shrunk, write_overlay
from reconstruction.overlay_map import FloorMap, floor_in_view, recent
from reconstruction.overlay_mesh import draw_people, draw_room_edges

CAMERA = made.ward_camera(160, 120)
CLIP = made.walking_clip((0.0, 2.2), (0.3, 2.6), frames=16)
ROOM = Scene("made", [(-2.0, -0.4), (2.0, -0.4), (2.0, 4.0), (-2.0, 4.0)], 2.7, made.ward_room().objects[2:])


def _green(count: int = 10):
    return [(number / 12, np.full((90, 120, 3), (0, 200, 0), np.uint8)) for number in range(count)]


def test_a_smaller_camera_sees_the_same() -> None:
    small = shrunk(CAMERA, 80, 90)
    points = np.array([[0.2, 2.0, 0.3], [-0.7, 3.0, 1.2]])
    assert np.allclose(small.project(points)[0], CAMERA.project(points)[0] * [80 / 160, 90 / 120])


def test_bodies_are_drawn_where_they_are_and_the_nearer_hides_the_farther() -> None:
    people = pose_people(CLIP, load_body())
    vertices, topology = people.vertices[:, 0], people.topology
    plain = np.full((120, 160, 3), 255, np.uint8)
    yes = np.ones(1, bool)
    drawn = draw_people(plain, CAMERA, vertices, topology, yes, yes)
    changed = (drawn != 255).any(axis=-1)
    pixels, _ = CAMERA.project(vertices[0].astype(np.float64))
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    rows, columns = np.nonzero(changed)
    assert np.allclose([columns.min(), rows.min()], low, atol=1.5)
    assert np.allclose([columns.max() + 1, rows.max() + 1], high, atol=1.5)
    assert not (draw_people(plain, CAMERA, vertices, topology, ~yes, yes) != 255).any()
    # A second person right behind the first, seen from the eye, is hidden: only the first one's colours are there.
    away = CAMERA.eye + 1.3 * (vertices - CAMERA.eye)
    both = np.concatenate([vertices, away.astype(np.float32)])
    two = draw_people(plain, CAMERA, both, topology, np.ones(2, bool), np.ones(2, bool))
    assert np.mean((two == drawn).all(axis=-1)[changed]) > 0.9
    turned = draw_people(plain, CAMERA, both[::-1], topology, np.ones(2, bool), np.ones(2, bool))
    assert np.mean((turned[changed] != drawn[changed]).any(axis=-1)) > 0.9


def test_doubted_bodies_are_red() -> None:
    people = pose_people(CLIP, load_body())
    plain = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_people(plain, CAMERA, people.vertices[:, 0], people.topology, np.ones(1, bool), np.zeros(1, bool))
    body = drawn[(drawn > 0).any(axis=-1)].astype(int)
    assert (body[:, 0] > 3 * body[:, 2]).mean() > 0.9


def test_a_body_behind_the_camera_is_left_out() -> None:
    people = pose_people(made.walking_clip((0.0, -3.0), (0.0, -3.2), frames=2), load_body())
    plain = np.full((120, 160, 3), 9, np.uint8)
    yes = np.ones(1, bool)
    assert (draw_people(plain, CAMERA, people.vertices[:, 0], people.topology, yes, yes) == 9).all()


def test_edges_of_things_run_through_their_corners() -> None:
    plain = np.zeros((120, 160, 3), np.uint8)
    drawn = draw_room_edges(plain, CAMERA, ROOM)
    table = ROOM.objects[0]
    corner = np.array(table.center) + np.array(table.size) / 2
    x, y = np.floor(CAMERA.project(corner[None])[0][0]).astype(int)
    assert drawn[y - 1 : y + 2, x - 1 : x + 2].any()


def test_the_film_has_three_panels_of_the_asked_size(tmp_path: Path) -> None:
    seen: list[float] = []
    told: list[int] = []

    def blur(picture: np.ndarray, time: float) -> np.ndarray:
        seen.append(time)
        return picture

    path = write_overlay(
        tmp_path / "a.mp4", CLIP, CAMERA, ROOM, _green(), panel_height=90, blur=blur, progress=lambda: told.append(1)
    )
    film = read_video(path)
    assert film.fps == 10.0 and film.frames.shape == (8, 90, 3 * 120 + 2 * 4, 3)
    assert len(told) == film_length(CLIP) == 8
    # Every picture that is shown was given to be blurred first, and those between were not.
    assert seen == sorted(set(seen)) and len(seen) == 8
    left, middle = film.frames[3, 30:, :120].astype(int), film.frames[3, 30:, 124:244].astype(int)
    assert (left[..., 1] > 150).mean() > 0.95
    assert 0.03 < (middle[..., 2] > 60).mean() < 0.5


def test_without_pixels_the_video_does_not_get_in(tmp_path: Path) -> None:
    path = write_overlay(tmp_path / "a.mp4", CLIP, CAMERA, ROOM, None, panel_height=64)
    frames = read_video(path).frames.astype(int)
    assert len(frames) == 8
    assert np.abs(frames[:, 30:60, :80] - PLAIN).max() < 12


def test_key_points_are_drawn_and_cut_off_pictures_end_the_film(tmp_path: Path) -> None:
    pixels = np.full((1, 2, len(LANDMARKS), 2), np.nan)
    pixels[0, :, :17] = np.column_stack([np.linspace(20, 140, 17), np.linspace(30, 110, 17)])
    sure = np.where(np.isfinite(pixels[..., 0]), 0.9, 0.0)
    points = Keypoints(np.array([0.0, 0.75]), np.arange(2), 160, 120, pixels, sure, 3.0 * sure, ("1",), "made")
    dark = [(0.0, np.zeros((120, 160, 3), np.uint8))]
    frames = read_video(write_overlay(tmp_path / "a.mp4", CLIP, CAMERA, ROOM, dark, keypoints=points)).frames
    assert len(frames) == 8
    x, y = (pixels[0, 0, 5] * 2).astype(int)
    assert frames[0, y - 4 : y + 5, x - 4 : x + 5].max() > 180
    with pytest.raises(UserError, match="at least one frame"):
        write_overlay(tmp_path / "b.mp4", CLIP, CAMERA, ROOM, [])
    with pytest.raises(UserError, match="positive rate"):
        write_overlay(tmp_path / "b.mp4", CLIP, CAMERA, ROOM, None, fps=0.0)
    assert not (tmp_path / "b.mp4").exists()


def test_the_map_shows_people_in_their_places() -> None:
    plan = FloorMap.of(ROOM, CAMERA, 120, 100)
    corners = np.array(plan.places(np.array(ROOM.polygon))) / 2
    assert (corners > 0).all() and (corners < [120, 100]).all()
    # Up on the map is away from the camera.
    assert corners[2, 1] < corners[1, 1]
    joints = np.full((2, 24, 3), np.nan)
    joints[0] = [0.5, 1.0, 0.9]
    trails = [np.array([[0.5, 0.5], [0.5, 1.0]]), np.full((2, 2), np.nan)]
    empty = plan.draw(np.full((2, 24, 3), np.nan), [np.zeros((0, 2))] * 2, None, np.ones(2, bool))
    drawn = plan.draw(joints, trails, np.full((2, 2), 0.1), np.ones(2, bool))
    rows, columns = np.nonzero((drawn != empty).any(axis=-1))
    x, y = np.array(plan.places(np.array([[0.5, 1.0]]))[0]) / 2
    # Head, ellipse of two standard deviations and trail, nothing else.
    reach = 0.2 * plan.scale / 2 + 2
    assert np.abs(columns + 0.5 - x).max() < reach
    assert rows.min() > y - reach and rows.max() < y + 0.5 * plan.scale / 2 + 2


def test_the_floor_in_view_is_what_projects_into_the_picture() -> None:
    outline = floor_in_view(CAMERA)
    near = outline[np.linalg.norm(outline - CAMERA.eye[:2], axis=1) < 13.9]
    pixels, depth = CAMERA.project(np.column_stack([near, np.zeros(len(near))]))
    assert (depth > 0).all()
    border = np.minimum(np.minimum(pixels, [160, 120] - pixels).min(axis=1), 1.0)
    assert np.allclose(border, 0.0, atol=1e-6)


def test_trails_end_at_the_frame() -> None:
    path = np.arange(400, dtype=np.float64).reshape(200, 2)
    assert np.array_equal(recent(path, 10, 20.0), path[:11])
    assert np.array_equal(recent(path, 150, 20), path[71:151])


def test_frames_without_the_person_may_hold_nan(tmp_path: Path) -> None:
    clip = made.walking_clip((0.0, 2.2), (0.3, 2.6), frames=16)
    clip.valid[0, 8:] = False
    clip.poses[0, 8:], clip.trans[0, 8:] = np.nan, np.nan
    frames = read_video(write_overlay(tmp_path / "a.mp4", clip, CAMERA, ROOM, None, panel_height=64)).frames
    middle = frames[:, :, 90:174].astype(int)
    # Blue, but not the light blue of the floor's edge.
    blue = ((middle[..., 2] > 110) & (middle[..., 0] < 60)).sum(axis=(1, 2))
    assert blue[0] > 50 and blue[-1] == 0
