"""The plain view: bodies cover the pixels that geometry says, and shadows fall away from the lamp."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from carescene import UserError
from carescene.clips import Clip, PersonInfo
from carescene.rendering.camera import look_at
from carescene.rendering.floor import cast_shadow, draw_floor, floor_points, lay_shadow
from carescene.rendering.mesh import Painter, cast, interpolate, join_surfaces, vertex_normals
from carescene.rendering.outfit import Look
from carescene.rendering.people import Topology
from carescene.rendering.raycast import build_caster, pixel_grid
from carescene.rendering.view import facing, render_clip, render_frame, set_stage, shown_frames
from carescene.rendering.wardrobe import Drape


def fine_box() -> tuple[np.ndarray, np.ndarray]:
    """Vertices (metres) and triangles of a box of 0.4 x 0.6 x 1.6 m on the floor, in squares of at most 0.2 m."""
    low, high, squares = np.array([-0.2, -0.3, 0.0]), np.array([0.2, 0.3, 1.6]), 8
    vertices, faces = [], []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for end in (0, 1):
            u, v = np.meshgrid(np.linspace(0, 1, squares + 1), np.linspace(0, 1, squares + 1), indexing="ij")
            side = np.zeros((squares + 1, squares + 1, 3))
            side[..., axis], side[..., first], side[..., second] = end, u, v
            index = np.arange((squares + 1) ** 2).reshape(squares + 1, -1) + sum(len(part) for part in vertices)
            a, b, c, d = (corner.ravel() for corner in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
            sides = [np.stack([a, b, c], -1), np.stack([a, c, d], -1)]
            faces += [part if end else part[:, ::-1] for part in sides]
            vertices.append(side.reshape(-1, 3))
    return low + np.concatenate(vertices) * (high - low), np.concatenate(faces)


BOX, BOX_FACES = fine_box()


def plain(color: tuple[float, float, float]) -> Painter:
    """One colour all over."""

    def paint(points: np.ndarray) -> Look:
        count = len(points)
        return Look(np.tile(np.array(color), (count, 1)), np.zeros(count), np.zeros(count, np.int64))

    return paint


def box_stage(persons: int = 1):
    """A red box per person; nothing else in the picture is red."""
    surface = join_surfaces(BOX_FACES, np.stack([BOX] * persons), [plain((0.6, 0.02, 0.02))] * persons)
    camera = look_at(np.array([4.0, -3.0, 2.0]), np.array([0.0, 0.0, 0.8]), width=160, height=128)
    return set_stage(camera, surface)


def is_red(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0].astype(int) > 1.5 * picture[..., 1] + 10


def silhouette(points: np.ndarray, camera) -> np.ndarray:
    """Pixels whose centre lies in the convex hull of the projected points."""
    corners, _ = camera.project(points)
    return Delaunay(corners).find_simplex(pixel_grid(camera)) >= 0


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (-1.0, 0.4, 0.2), (0.5, 0.9, 0.0)])
def test_body_covers_the_pixels_of_its_projection(place):
    stage, box = box_stage(), BOX + place
    covered = is_red(render_frame(box[None].astype(np.float32), np.array([True]), stage))
    expected = silhouette(box, stage.camera)
    assert expected.sum() > 500
    # Smoothed outlines may tip over by half a pixel.
    assert (covered != expected).sum() < 0.06 * expected.sum()


def test_body_outside_the_picture_leaves_no_red():
    picture = render_frame((BOX + np.array([0.0, 40.0, 0.0]))[None].astype(np.float32), np.array([True]), box_stage())
    assert not is_red(picture).any()


def test_body_behind_the_eye_leaves_no_red():
    picture = render_frame((BOX + np.array([8.0, -6.0, 0.0]))[None].astype(np.float32), np.array([True]), box_stage())
    assert not is_red(picture).any()


def test_shadow_falls_away_from_the_lamp():
    stage = box_stage()
    raycaster = build_caster(BOX, BOX_FACES)
    shadow = cast_shadow(BOX, raycaster, stage.lighting)
    picture = lay_shadow(stage.floor, shadow).mean(axis=-1)
    key = stage.lighting.key_direction
    # Half-way up the box's middle line, thrown along the light onto the floor, and its mirror image towards the lamp.
    thrown = -0.8 * key[:2] / key[2]
    places = np.array([[*thrown, 0.0], [*-thrown, 0.0]])
    columns, rows = np.floor(stage.camera.project(places)[0]).astype(int).T
    bright = stage.floor.bright.mean(axis=-1)
    assert picture[rows[0], columns[0]] < 0.75 * bright[rows[0], columns[0]]
    assert picture[rows[1], columns[1]] == pytest.approx(bright[rows[1], columns[1]], rel=0.02)


def test_shadow_is_softer_further_from_what_throws_it():
    stage = box_stage()
    post = BOX * [0.5, 0.3, 1.0]
    shadow = cast_shadow(post, build_caster(post, BOX_FACES), stage.lighting)
    key = stage.lighting.key_direction

    def half_lit_cells(height: float) -> int:
        ahead = -key[:2] / np.linalg.norm(key[:2])
        middle = -height * key[:2] / key[2]
        across = middle + np.linspace(-0.5, 0.5, 41)[:, None] * np.array([-ahead[1], ahead[0]])
        column, row = np.floor((across - shadow.corner) / 0.025).astype(int).T
        inside = (row >= 0) & (column >= 0) & (row < shadow.lit.shape[0]) & (column < shadow.lit.shape[1])
        lit = shadow.lit[row[inside], column[inside]]
        return int(((lit > 0.15) & (lit < 0.85)).sum())

    assert half_lit_cells(1.3) > half_lit_cells(0.3)


def test_floor_is_dark_under_the_feet_only():
    stage = box_stage()
    standing = cast_shadow(BOX, build_caster(BOX, BOX_FACES), stage.lighting)
    hovering = cast_shadow(
        BOX + np.array([0, 0, 0.5]), build_caster(BOX + np.array([0, 0, 0.5]), BOX_FACES), stage.lighting
    )
    assert standing.contact.min() < 0.97
    assert hovering.contact.min() == pytest.approx(1)


def test_floor_points_are_where_the_camera_sees_them():
    camera = look_at(np.array([1.0, -3.0, 2.0]), np.zeros(3), width=32, height=24)
    points = floor_points(camera, pixel_grid(camera))
    pixels, _ = camera.project(np.concatenate([points, np.zeros_like(points[..., :1])], axis=-1))
    np.testing.assert_allclose(pixels, pixel_grid(camera), atol=1e-9)
    level = look_at(np.array([0.0, 0.0, 2.0]), np.array([0.0, 5.0, 2.0]), width=32, height=24)
    above = floor_points(level, pixel_grid(level))
    assert np.isnan(above[:12]).all()
    assert np.isfinite(above[12:]).all()


def test_grid_lines_lie_on_whole_metres():
    camera = look_at(np.array([0.3, -2.0, 3.0]), np.array([0.3, 0.1, 0.0]), width=400, height=400)
    floor = draw_floor(camera, box_stage().lighting)
    away = np.abs(floor.points - np.round(floor.points)).min(axis=-1)
    brightness = floor.bright.mean(axis=-1)
    assert brightness[away < 0.002].mean() < 0.9 * brightness[away > 0.05].mean()


def test_rays_hit_where_the_triangle_is():
    triangle = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    faces = np.array([[0, 1, 2]])
    camera = look_at(np.array([0.2, -3.0, 0.3]), np.array([0.2, 0.0, 0.3]), width=50, height=50)
    targets = np.array([[0.25, 0.0, 0.5], [0.7, 0.0, 0.1], [0.8, 0.0, 0.8]])
    hits = cast(build_caster(triangle, faces), camera, camera.project(targets)[0])
    assert hits.found.tolist() == [True, True, False]
    surface = join_surfaces(faces, triangle[None], [plain((0.0, 0.0, 0.0))])
    np.testing.assert_allclose(interpolate(triangle, surface, hits), targets[:2], atol=1e-5)


def make_ball() -> tuple[np.ndarray, np.ndarray]:
    """A unit ball, open at the poles."""
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, 40, endpoint=False), np.linspace(0.1, np.pi - 0.1, 20))
    ball = np.stack([np.sin(rise) * np.cos(turn), np.sin(rise) * np.sin(turn), np.cos(rise)], axis=-1).reshape(-1, 3)
    here = (np.arange(19)[:, None] * 40 + np.arange(40)).ravel()
    right = (np.arange(19)[:, None] * 40 + (np.arange(40) + 1) % 40).ravel()
    faces = np.concatenate([np.stack([here, here + 40, right], -1), np.stack([right, here + 40, right + 40], -1)])
    return ball, faces


def test_normals_of_a_ball_point_outwards():
    ball, faces = make_ball()
    surface = join_surfaces(faces, ball[None], [plain((0.0, 0.0, 0.0))])
    alignment = (vertex_normals(ball, surface) * ball).sum(axis=-1)
    assert alignment[80:-80].min() > 0.99


def dressed(ball: np.ndarray, faces: np.ndarray, thickness: np.ndarray, smoothness: np.ndarray) -> np.ndarray:
    topology = Topology.of(faces, np.zeros(len(ball), np.int64))
    drape = Drape.of(faces, thickness.astype(np.float32), smoothness.astype(np.float32))
    return drape.put_on(ball[None].astype(np.float32), topology)[0]


def test_clothes_stand_off_the_skin_by_their_thickness():
    ball, faces = make_ball()
    radius = np.linalg.norm(dressed(ball, faces, np.full(len(ball), 0.05), np.zeros(len(ball))), axis=-1)
    np.testing.assert_allclose(radius[80:-80], 1.05, atol=1e-3)


def test_clothes_hide_small_bumps_and_leave_bare_skin_alone():
    ball, faces = make_ball()
    bumpy = ball * (1 + 0.05 * (np.arange(len(ball)) % 2))[:, None]
    smoothness = np.where(ball[:, 0] > 0, 1.0, 0.0)
    radius = np.linalg.norm(dressed(bumpy, faces, np.zeros(len(ball)), smoothness), axis=-1)
    inner = np.abs(ball[:, 2]) < 0.7
    assert radius[inner & (ball[:, 0] > 0.3)].std() < 0.01
    np.testing.assert_allclose(radius[ball[:, 0] <= 0], np.linalg.norm(bumpy[ball[:, 0] <= 0], axis=-1), rtol=1e-5)


def test_floor_hides_what_is_under_it():
    stage = box_stage()
    sunk = BOX + np.array([0.0, 0.0, -1.0])
    covered = is_red(render_frame(sunk[None].astype(np.float32), np.array([True]), stage))
    expected = silhouette(np.concatenate([sunk[sunk[:, 2] > 0], BOX[BOX[:, 2] == 0]]), stage.camera)
    assert (covered != expected).sum() < 0.08 * expected.sum()


def test_people_who_are_not_there_are_not_drawn():
    stage = box_stage(persons=2)
    boxes = np.stack([BOX + np.array([0, -0.8, 0]), BOX + np.array([0, 0.8, 0])]).astype(np.float32)
    nobody = render_frame(boxes, np.array([False, False]), stage)
    second = is_red(render_frame(boxes, np.array([False, True]), stage))
    assert not is_red(nobody).any()
    expected = silhouette(boxes[1], stage.camera)
    assert (second != expected).sum() < 0.06 * expected.sum()


def standing_clip(frames: int = 3, persons: int = 1, fps: float = 20.0) -> Clip:
    """People in SMPL's T-pose, upright, facing world -y, 2 m apart."""
    poses = np.zeros((persons, frames, 24, 3), np.float32)
    poses[:, :, 0, 0] = np.pi / 2
    trans = np.zeros((persons, frames, 3), np.float32)
    trans[..., 0] = 2.0 * np.arange(persons)[:, None]
    trans[..., 2] = 0.95
    return Clip(
        id="standing",
        fps=fps,
        poses=poses,
        trans=trans,
        betas=np.zeros((persons, 10), np.float32),
        frame_label=np.full((persons, frames), 8, np.int8),
        valid=np.ones((persons, frames), bool),
        persons=[PersonInfo(age_years=80.0)] * persons,
    )


def test_facing_is_the_pelvis_forward_axis():
    assert facing(standing_clip()) == pytest.approx(-np.pi / 2)


def test_clip_is_drawn_whole_with_head_arms_and_feet():
    frames = render_clip(standing_clip(), width=120, height=96)
    assert frames.shape == (3, 96, 120, 3)
    assert frames.dtype == np.uint8
    figure = np.abs(frames[0].astype(int) - np.median(frames[0], axis=1, keepdims=True)).max(axis=-1) > 40
    rows = np.flatnonzero(figure.any(axis=1))
    assert 2 < rows.min() < 0.3 * 96
    assert 0.7 * 96 < rows.max() < 94
    assert not figure[:, [0, -1]].any()


def test_same_clip_gives_the_same_pictures_whatever_the_workers():
    clip = standing_clip()
    one = render_clip(clip, width=64, height=64, workers=1)
    np.testing.assert_array_equal(one, render_clip(clip, width=64, height=64, workers=2))
    np.testing.assert_array_equal(one[0], one[2])


def test_progress_is_told_once_per_picture():
    calls = []
    render_clip(standing_clip(frames=5), width=32, height=32, on_frame=lambda: calls.append(1))
    assert len(calls) == 5


def test_pictures_follow_time_not_frame_numbers():
    clip = standing_clip(frames=40, fps=20.0)
    assert shown_frames(clip, None).tolist() == list(range(40))
    assert shown_frames(clip, 10.0).tolist() == list(range(0, 40, 2))
    assert shown_frames(clip, 30.0).tolist()[:4] == [0, 1, 1, 2]
    assert len(shown_frames(clip, 30.0)) == 60
    assert shown_frames(clip, 30.0).max() == 39


def test_clip_without_anybody_is_refused():
    clip = standing_clip()
    clip.valid[:] = False
    with pytest.raises(UserError, match="at least one person"):
        render_clip(clip)


def test_tiny_pictures_are_refused():
    with pytest.raises(UserError, match="16x16"):
        render_clip(standing_clip(), width=8, height=100)
