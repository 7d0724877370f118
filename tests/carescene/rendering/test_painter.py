"""Painted pictures of a small room with stand-in people: range, repeatability, and pixels that nobody can reach."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from carescene.errors import UserError
from carescene.rendering.camera import Camera, look_at
from carescene.rendering.draw import Cloth, Drawn, draw_buffer
from carescene.rendering.gbuffer import CLOTH_BASE, PERSON_BASE
from carescene.rendering.lights import LIGHTS
from carescene.rendering.occlusion import OCCLUSION_REACH
from carescene.rendering.outlines import edges, find_outlines, rays_beside
from carescene.rendering.painter import Painter, measure_light
from carescene.rendering.people import PeopleFrame, Topology
from carescene.rendering.people_light import enclose
from carescene.rendering.room_view import RoomView
from carescene.scenes.furniture import default_object
from carescene.scenes.mesh import SceneMesh
from carescene.scenes.room_mesh import scene_mesh
from carescene.scenes.scene import Scene


@dataclass
class Plain:
    """One albedo for everybody."""

    color: np.ndarray
    infrared: np.ndarray
    garment: np.ndarray


class Looks:
    """Person 0 is red, everybody else blue."""

    def look(self, person, corners, weights) -> Plain:
        color = (0.5, 0.05, 0.05) if person == 0 else (0.05, 0.05, 0.5)
        count = len(corners)
        return Plain(np.tile(color, (count, 1)), np.full(count, 0.6), np.zeros(count, int))


def pillar(x: float, y: float, radius: float = 0.25, tall: float = 1.7) -> tuple[np.ndarray, np.ndarray]:
    """A long egg that stands on the floor: vertices and triangles."""
    rows, columns = 20, 20
    polar, turn = np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns, endpoint=False)
    polar, turn = np.meshgrid(polar, turn, indexing="ij")
    unit = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=-1)
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1)
    quads = np.stack([index[:-1], index[1:], right[1:], right[:-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    place = np.array([x, y, tall / 2])
    return (place + unit.reshape(-1, 3) * [radius, radius, tall / 2]).astype(np.float32), faces


def crowd(*places: tuple[float, float], visible: bool = True, tall: float = 1.7) -> PeopleFrame:
    vertices = [pillar(*place, tall=tall)[0] for place in places]
    faces = pillar(0, 0)[1]
    return PeopleFrame(
        time_s=0.0,
        vertices=np.stack(vertices),
        joints=np.zeros((len(places), 24, 3), np.float32),
        visible=np.full(len(places), visible),
        topology=Topology.of(faces, np.zeros(len(vertices[0]), int)),
    )


@dataclass(frozen=True)
class Stage:
    scene: Scene
    mesh: SceneMesh
    camera: Camera
    view: RoomView

    def painter(self, light: str = "day", **more) -> Painter:
        return Painter(self.scene, self.mesh, self.view, Looks(), light, 1, **more)

    def draw(self, people: PeopleFrame, *cloths: Cloth) -> Drawn:
        return draw_buffer(self.view, people, cloths)


@pytest.fixture(scope="module")
def stage() -> Stage:
    """A room of 5 m x 4 m with a window, a door and a cupboard, seen from a corner."""
    things = [
        default_object("window", "window-1", x=2.5, y=3.95, yaw=np.pi),
        default_object("door", "door-1", x=1.0, y=0.07, yaw=0.0),
        default_object("cabinet", "cupboard-1", x=4.5, y=2.0, yaw=np.pi / 2),
    ]
    scene = Scene("room", [(0.0, 0.0), (5.0, 0.0), (5.0, 4.0), (0.0, 4.0)], objects=things)
    mesh = scene_mesh(scene)
    camera = look_at(np.array([0.2, 0.2, 2.5]), np.array([3.0, 2.4, 0.6]), width=64, height=48, field_of_view=1.3)
    return Stage(scene, mesh, camera, RoomView.cast(mesh, camera))


@pytest.fixture(scope="module")
def painters(stage) -> dict[str, Painter]:
    return {light: stage.painter(light) for light in LIGHTS}


@pytest.mark.parametrize("light", LIGHTS)
def test_pictures_are_finite_and_in_range(stage, painters, light):
    people = crowd((2.5, 2.0), (3.4, 2.6))
    drawn = stage.draw(people)
    color, infrared = painters[light].rgb(drawn, people), painters[light].infrared(drawn, people)
    assert color.shape == (48, 64, 3)
    assert infrared.shape == (48, 64)
    for picture in (color, infrared):
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert picture.std() > 0.005
    assert color.dtype == np.float32


def test_day_is_bright_and_night_is_dark(painters):
    means = [painters[light].empty().mean() for light in ("night", "dim", "day")]
    assert means[0] < 0.08
    assert means[0] < 0.5 * means[1] < 0.8 * means[2]


@pytest.mark.parametrize("light", LIGHTS)
def test_same_seed_same_picture(stage, painters, light):
    people = crowd((2.5, 2.0))
    drawn = stage.draw(people)
    fresh = stage.painter(light)
    np.testing.assert_array_equal(fresh.empty(), painters[light].empty())
    first = painters[light].rgb(drawn, people)
    np.testing.assert_array_equal(painters[light].rgb(drawn, people), first)
    np.testing.assert_array_equal(fresh.rgb(drawn, people), first)
    np.testing.assert_array_equal(fresh.infrared(drawn, people), painters[light].infrared(drawn, people))


def test_order_of_pictures_does_not_matter(stage, painters):
    """Colour and infrared share work; neither may leave traces in the other, or in the next moment."""
    here, there = crowd((2.5, 2.0)), crowd((3.2, 1.4))
    drawn, other = stage.draw(here), stage.draw(there)
    painter = painters["day"]
    colour, infrared = painter.rgb(drawn, here), painter.infrared(drawn, here)
    painter.rgb(other, there)
    fresh = stage.painter("day")
    np.testing.assert_array_equal(fresh.infrared(drawn, here), infrared)
    np.testing.assert_array_equal(fresh.rgb(drawn, here), colour)
    np.testing.assert_array_equal(painter.rgb(drawn, here), colour)


def test_shared_light_field_gives_the_same_picture(stage, painters):
    field = measure_light(stage.scene, stage.mesh, stage.view, "day", 1)
    np.testing.assert_array_equal(stage.painter("day", field=field).empty(), painters["day"].empty())
    with pytest.raises(UserError, match=r"'night'.*'day'"):
        stage.painter("night", field=field)


def test_room_without_people_is_the_still_room(stage, painters):
    nobody = crowd((2.5, 2.0), visible=False)
    drawn = stage.draw(nobody)
    for painter in painters.values():
        np.testing.assert_array_equal(painter.rgb(drawn, nobody), painter.empty())


@pytest.mark.parametrize("light", LIGHTS)
def test_pixels_that_nobody_can_reach_keep_their_light_exactly(stage, light):
    """A pixel is out of reach if it is far from the person and no way from it to any lamp passes near the person; what
    is added to both is how far the smoothing reaches in such a picture."""
    camera = dataclasses.replace(stage.camera, focal=2.5 * stage.camera.focal, width=160, height=120)
    large = Stage(stage.scene, stage.mesh, camera, RoomView.cast(stage.mesh, camera))
    painter, people = large.painter(light), crowd((4.4, 3.4), tall=0.6)
    drawn = large.draw(people)
    body, lamps = people.vertices[0], measure_light(large.scene, large.mesh, large.view, light, 1).light
    points = large.view.points.reshape(-1, 3)
    apart = np.min(np.linalg.norm(points[:, None] - body[None, ::20], axis=2), axis=1)
    free = apart > OCCLUSION_REACH + 0.6
    sun = [points[0] + 50 * lamps.sun_direction] if lamps.sun.any() else []
    for target in [*lamps.points, *sun]:
        way, middle = target - points, body.mean(axis=0)
        share = np.clip(np.einsum("pc,pc->p", middle - points, way) / np.einsum("pc,pc->p", way, way), 0, 1)
        free &= np.linalg.norm(points + share[:, None] * way - middle, axis=1) > 1.2
    changed = (painter.rgb(drawn, people) != painter.empty()).any(axis=2).ravel()
    assert free.sum() > 1000
    assert not changed[free].any()
    # And those that show the person have changed.
    assert changed[(drawn.buffer.instance == PERSON_BASE).ravel()].all()


def test_people_never_brighten_the_room(stage, painters):
    people = crowd((2.5, 2.0), (3.4, 2.6))
    drawn = stage.draw(people)
    for painter in painters.values():
        room = (drawn.buffer.instance < CLOTH_BASE) & ~edges(
            drawn.buffer.instance, drawn.buffer.depth, np.zeros((48, 64), int)
        )
        change = painter.rgb(drawn, people)[room] - painter.empty()[room]
        assert change.max() < 1e-5
        assert change.min() < -0.01 * painter.empty().mean()


def test_feet_darken_the_floor_around_them(stage, painters):
    people = crowd((2.5, 2.0))
    drawn = stage.draw(people)
    share = painters["dim"].rgb(drawn, people).sum(axis=2) / painters["dim"].empty().sum(axis=2)
    floor = (drawn.buffer.instance == 0) & (stage.view.points[..., 2] < 0.01)
    away = np.linalg.norm(stage.view.points[..., :2] - [2.5, 2.0], axis=2)
    assert share[floor & (away < 0.35)].mean() < share[floor & (away > 0.8) & (away < 1.2)].mean() - 0.03


def test_people_have_their_colour_in_daylight_and_glow_in_infrared(stage, painters):
    people = crowd((2.0, 1.6), (3.4, 2.6))
    drawn = stage.draw(people)
    color, infrared = painters["day"].rgb(drawn, people), painters["night"].infrared(drawn, people)
    first, second = (drawn.buffer.instance == PERSON_BASE + number for number in (0, 1))
    assert color[first][:, 0].mean() > 3 * color[first][:, 2].mean()
    assert color[second][:, 2].mean() > 3 * color[second][:, 0].mean()
    # The nearer of two equal people is brighter: the lamp is at the camera.
    assert infrared[first].mean() > 1.3 * infrared[second].mean()


def test_blanket_is_painted_in_the_rooms_colour(stage, painters):
    sheet = np.array([[1.5, 1.5, 0.6], [2.5, 1.5, 0.6], [2.5, 2.5, 0.6], [1.5, 2.5, 0.6]], np.float32)
    cloth = Cloth(sheet, Topology.of(np.array([[0, 1, 2], [0, 2, 3]]), np.zeros(4, int)))
    nobody = crowd((2.5, 2.0), visible=False)
    drawn = stage.draw(nobody, cloth)
    shown = drawn.buffer.instance == CLOTH_BASE
    assert shown.sum() > 30
    color = painters["day"].rgb(drawn, nobody)
    assert np.isfinite(color).all()
    mean = color[shown].mean(axis=0)
    assert mean[2] > mean[0]
    assert np.isfinite(painters["night"].infrared(drawn, nobody)).all()


def test_style_recolours_the_room(stage, painters):
    red = Scene("room", stage.scene.polygon, objects=stage.scene.objects, style={"wall": (0.7, 0.1, 0.1)})
    picture = Painter(red, stage.mesh, stage.view, None, "day", 1).empty()
    wall = stage.view.buffer.material == stage.mesh.materials.index("wall")
    ratio, plain = (image[wall][:, 0].mean() / image[wall][:, 2].mean() for image in (picture, painters["day"].empty()))
    assert ratio > 2 * plain


def test_unknown_light_is_refused(stage):
    with pytest.raises(UserError, match="'noon'"):
        stage.painter("noon")


def test_outline_samples_cover_what_they_must(stage):
    """Over all pixels, centre and samples together cover the person as finely sampled rays do."""
    people = crowd((2.5, 2.0))
    drawn = stage.draw(people)
    outline = find_outlines(drawn, stage.view, np.zeros((48, 64), int))
    covered = (drawn.buffer.instance == PERSON_BASE).astype(float).ravel()
    inner = (outline.instance == PERSON_BASE).sum(axis=1)
    covered[outline.pixel] = (covered[outline.pixel] + inner) / 5
    fine = RoomView.cast(
        stage.mesh, dataclasses.replace(stage.camera, focal=4 * stage.camera.focal, width=256, height=192)
    )
    exact = (draw_buffer(fine, people).buffer.instance == PERSON_BASE).reshape(48, 4, 64, 4).mean(axis=(1, 3)).ravel()
    assert np.abs(covered - exact).mean() < 0.004
    plain = (drawn.buffer.instance == PERSON_BASE).ravel()
    assert np.abs(covered - exact).sum() < 0.5 * np.abs(plain - exact).sum()
    assert ((outline.instance == PERSON_BASE) == (outline.face >= 0)).all()


def test_rays_beside_pixels_are_the_cameras(stage):
    pixel = np.array([0, 63, 64 * 20 + 31, 64 * 48 - 1])
    rows, columns = np.divmod(pixel, 64)
    offset = np.array([[0.25, -0.4]])
    exact = stage.camera.rays(np.stack([columns + 0.75, rows + 0.1], axis=-1))
    np.testing.assert_allclose(rays_beside(stage.view, pixel, offset)[:, 0], exact, atol=1e-5)


def test_balls_enclose_a_body():
    vertices, _ = pillar(1.0, 2.0)
    centers, radius = enclose(vertices)
    apart = np.linalg.norm(vertices[:, None] - centers, axis=2) - radius
    assert apart.min(axis=1).max() < 0
    assert radius.max() < 0.6


def test_room_with_holes_is_black_where_nothing_is_seen(stage):
    """A scan of a floor alone: no walls send light back, and most views end nowhere."""
    corners = np.array([[0.0, 0.0, 0.0], [5.0, 0.0, 0.0], [5.0, 4.0, 0.0], [0.0, 4.0, 0.0]])
    ground = SceneMesh(
        vertices=corners,
        normals=np.tile([0.0, 0.0, 1.0], (4, 1)),
        faces=np.array([[0, 1, 2], [0, 2, 3]]),
        face_material=np.zeros(2, int),
        face_object=np.full(2, -1),
        materials=("own",),
    )
    scene = Scene("scan", stage.scene.polygon)
    view = RoomView.cast(ground, stage.camera)
    people = crowd((2.5, 2.0))
    drawn = draw_buffer(view, people)
    for light in LIGHTS:
        painter = Painter(scene, ground, view, Looks(), light, 0)
        color, infrared = painter.rgb(drawn, people), painter.infrared(drawn, people)
        assert np.isfinite(color).all()
        assert np.isfinite(infrared).all()
        nothing = (drawn.buffer.instance < 0) & ~edges(
            drawn.buffer.instance, drawn.buffer.depth, np.zeros((48, 64), int)
        )
        assert nothing.sum() > 100
        assert (painter.empty()[nothing] == 0).mean() > 0.9
        assert color[drawn.buffer.instance == PERSON_BASE].mean() > 0
