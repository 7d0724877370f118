"""Where ward cameras hang, and the proof that one does not hang inside a wall or a cupboard.

Places, angles and lenses follow fixed cameras in use (ceiling corners: LookDeep; high on the wall: SafelyYou; above the
bed: Ocuvera; straight down: UR Fall's second camera). A preset draws several cameras by chance and keeps the one that
sees most of the beds and of the floor that people can stand on.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from carescene.errors import UserError
from carescene.rendering.camera import Camera, look_rotation
from carescene.rendering.camera_sight import RoomSight, clearance, worth_seeing
from carescene.rendering.lens import Distortion
from carescene.scenes.geometry import SceneGeometry
from carescene.scenes.room_mesh import scene_mesh
from carescene.scenes.scene import Scene, object_to_world

CAMERA_PRESETS: Final = ("ceiling_corner", "wall", "over_bed", "overhead")

# Degrees across the picture, drawn evenly. Looking straight down from a usual ceiling needs the widest lens.
_VIEW: Final = {"ceiling_corner": (70, 110), "wall": (62, 105), "over_bed": (70, 105), "overhead": (100, 120)}
# Metres above the floor; a low ceiling cuts it to what is below the ceiling by `_HANGING`.
_HEIGHT: Final = {"ceiling_corner": (2.3, 3.0), "wall": (2.0, 2.6), "over_bed": (2.0, 2.7), "overhead": (2.5, 3.0)}
_HANGING: Final = 0.08
# Room around the eye in metres: half a camera's case.
_CLEARANCE: Final = 0.06
# What is nearer than this, a curtain's rail for one, fills much of the picture; avoided where the room allows.
_IN_THE_WAY: Final = 0.35
# A camera above a seat sees people up to about this far from it, metres.
_NEARBY: Final = 2.5
_CANDIDATES: Final = 24
# Share of the corner's distance from the middle by which a lens pulls it inwards: mild barrel, as of cheap wide lenses.
_BARREL: Final = (0.01, 0.10)

Place = Float[np.ndarray, "3"] | None
Pose = tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]


def place_camera(
    preset: str,
    scene: Scene,
    *,
    seed: int,
    width: int,
    height: int,
    people: Float[np.ndarray, "point 3"] | None = None,
    folder: Path | None = None,
    sight: RoomSight | None = None,
) -> Camera:
    """A camera as `preset` hangs it in this room; the same arguments give the same camera.

    Args:
        preset: one of `CAMERA_PRESETS`. `over_bed` without a bed takes a seat or else the middle of the room.
        width, height: of the picture in pixels.
        people: where people will be, such as all joints of a clip, in the world, metres: of the places drawn by chance
            the one from which they are seen best is taken. Without them, the one that sees most of beds and floor.
        folder: where the scene's file lies, to which the names of its meshes are relative.
        sight: in this room, where there is one already.

    Raises:
        UserError: for an unknown preset, an empty picture, or a room in which no such camera has room.
    """
    if preset not in CAMERA_PRESETS:
        raise UserError(
            f"Expected a camera preset out of {', '.join(CAMERA_PRESETS)}, but got '{preset}'. Choose one of them."
        )
    if width < 1 or height < 1:
        raise UserError(f"Expected a picture of at least 1x1 pixels, but got {width}x{height}. Ask for a larger one.")
    rng = np.random.default_rng([seed, CAMERA_PRESETS.index(preset)])
    people = None if people is None or len(people) == 0 else np.asarray(people, np.float64)
    middle = None if people is None else people.mean(axis=0)
    geometry = SceneGeometry.of([scene], folder=folder)
    shown = _one_resting_place(scene, middle, rng) if preset == "over_bed" else scene
    lens = _draw_lens(preset, rng, width, height)
    cameras = []
    for _ in range(_CANDIDATES):
        eye, rotation = _POSES[preset](shown, middle, rng)
        if middle is not None:
            # Large rooms get narrower views, as a fitter would choose; of a room alone, wide ones would always win.
            lens = _draw_lens(preset, rng, width, height)
        cameras.append(Camera(eye, rotation, lens[0], width, height, lens[1], preset))
    cameras = _in_free_space(cameras, scene, geometry)
    if not cameras:
        raise UserError(
            f"Scene '{scene.id}': expected room for a camera of preset '{preset}', but all {_CANDIDATES} tried places "
            "are in walls or furniture. Take another preset or seed, or give the camera's place yourself."
        )
    sight = sight or RoomSight.of(scene_mesh(scene, folder))
    wanted, worth = worth_seeing(shown, geometry, cameras[0].eye if preset == "over_bed" else None)

    def score(camera: Camera) -> float:
        of_room = float(worth @ sight.sees(camera, wanted)) / 2
        whole = of_room if people is None else 0.2 * of_room + 0.8 * sight.people_worth(camera, people)
        return whole - 2 * sight.hidden_before(camera)

    return max(cameras, key=score)


def check_camera(camera: Camera, scene: Scene, *, folder: Path | None = None) -> Camera:
    """The camera, if its eye is inside the room and outside everything in it.

    Raises:
        UserError: that says where the eye is, where the room is, and what to do.
    """
    geometry = SceneGeometry.of([scene], folder=folder, dtype=torch.float64)
    eye = torch.from_numpy(np.asarray(camera.eye, np.float64))[None, None]
    at = "(" + ", ".join(f"{value:.2f}" for value in camera.eye) + ")"
    if float(geometry.shell_distance(eye).min()) <= 0:
        (left, front), (right, back) = np.min(scene.polygon, axis=0), np.max(scene.polygon, axis=0)
        raise UserError(
            f"Scene '{scene.id}': expected the camera '{camera.name}' inside the room (x {left:.2f} to {right:.2f}, "
            f"y {front:.2f} to {back:.2f}, z 0 to {scene.height:.2f} m, within its walls), but its eye is at {at}. "
            "It would see the walls from behind. Move it into the room."
        )
    if float(geometry.signed_distance(eye).min()) > 0:
        return camera
    what = "a part of the room's own mesh"
    if scene.objects:
        distances = geometry.signed_distance(eye, per="object")[0, 0]
        thing = scene.objects[int(distances.argmin())]
        if float(distances.min()) <= 0:
            where = ", ".join(f"{value:.2f}" for value in thing.center)
            what = f"the {thing.kind} '{thing.id}' around ({where})"
    raise UserError(
        f"Scene '{scene.id}': expected the camera '{camera.name}' in free space, but its eye at {at} is inside {what}. "
        "It would see nothing but that. Move the camera or the thing."
    )


def _in_free_space(cameras: list[Camera], scene: Scene, geometry: SceneGeometry) -> list[Camera]:
    """The cameras that fit where they are; of these, those with nothing in their way, if there are any."""
    eyes = np.stack([camera.eye for camera in cameras])
    fits = clearance(geometry, eyes) > _CLEARANCE
    open_view = fits
    if scene.objects:
        asked = torch.from_numpy(eyes.astype(np.float32))[None]
        open_view = fits & (geometry.signed_distance(asked, per="object")[0] > _IN_THE_WAY).all(dim=1).numpy()
    chosen = open_view if open_view.any() else fits
    return [camera for camera, keep in zip(cameras, chosen, strict=True) if keep]


def _draw_lens(preset: str, rng: np.random.Generator, width: int, height: int) -> tuple[float, Distortion]:
    """Focal length in pixels and a mild distortion that together give the angle drawn for this preset."""
    reach = np.tan(np.deg2rad(rng.uniform(*_VIEW[preset])) / 2)
    corner = reach * np.hypot(1, height / width)
    k1 = -rng.uniform(*_BARREL) / corner**2
    k2 = rng.uniform(-0.01, 0.01) / corner**4
    p1, p2 = rng.normal(0, 5e-4, 2) / corner
    focal = width / 2 / (reach * (1 + k1 * reach**2 + k2 * reach**4))
    return float(focal), (float(k1), float(k2), float(p1), float(p2), 0.0)


def _draw_height(preset: str, scene: Scene, rng: np.random.Generator) -> float:
    return float(min(rng.uniform(*_HEIGHT[preset]), scene.height - _HANGING))


def _ceiling_corner(scene: Scene, people: Place, rng: np.random.Generator) -> Pose:
    corners = np.array(scene.polygon, np.float64)
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    # Corners that jut into the room cannot hold a camera that looks over all of it.
    hollow = np.flatnonzero(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] > 1e-9)
    corner = int(rng.choice(hollow))
    away = [_unit(after[corner]), -_unit(before[corner])]
    spot = corners[corner] + sum(rng.uniform(0.10, 0.30) * side for side in away)
    return _overlook(np.array([*spot, _draw_height("ceiling_corner", scene, rng)]), scene, people, rng)


def _wall(scene: Scene, people: Place, rng: np.random.Generator) -> Pose:
    corners = np.array(scene.polygon, np.float64)
    edges = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(edges, axis=1)
    edge = int(rng.choice(len(edges), p=lengths / lengths.sum()))
    inward = _unit(np.array([-edges[edge, 1], edges[edge, 0]]))
    spot = corners[edge] + rng.uniform(0.2, 0.8) * edges[edge] + rng.uniform(0.10, 0.20) * inward
    return _overlook(np.array([*spot, _draw_height("wall", scene, rng)]), scene, people, rng)


def _over_bed(scene: Scene, people: Place, rng: np.random.Generator) -> Pose:
    if not scene.objects:
        return _overhead(scene, people, rng)
    rest = scene.objects[0]
    # Above the head end, looking along the person who lies there towards the feet and the floor in front of them.
    depth = rest.size[1]
    eye = object_to_world(rest, (rng.uniform(-0.3, 0.3), rng.uniform(-0.48, -0.25) * depth, 0.0))
    target = object_to_world(rest, (rng.uniform(-0.15, 0.15), rng.uniform(0.05, 0.25) * depth, 0.0))
    return _look(np.array([*eye[:2], _draw_height("over_bed", scene, rng)]), np.array([*target[:2], 0.5]), rng)


def _overhead(scene: Scene, people: Place, rng: np.random.Generator) -> Pose:
    spot = _focus(scene, people, rng)[:2] + rng.uniform(-0.3, 0.3, 2)
    # Along the first wall, as a fitter would hang it, give or take some degrees.
    edge = np.subtract(scene.polygon[1], scene.polygon[0])
    azimuth = np.arctan2(edge[1], edge[0]) + rng.integers(4) * np.pi / 2 + rng.normal(0, np.deg2rad(2))
    lean = np.deg2rad(rng.normal(0, 1.5, 2))
    rotation = look_rotation(np.array([*np.tan(lean), -1.0]), up=(float(np.cos(azimuth)), float(np.sin(azimuth)), 0.0))
    return np.array([*spot, _draw_height("overhead", scene, rng)]), rotation


_POSES: Final[dict[str, Callable[[Scene, Place, np.random.Generator], Pose]]] = {
    "ceiling_corner": _ceiling_corner,
    "wall": _wall,
    "over_bed": _over_bed,
    "overhead": _overhead,
}


def _overlook(eye: np.ndarray, scene: Scene, people: Place, rng: np.random.Generator) -> Pose:
    """Look over the room, but somewhat nearer than its middle: what is beyond is still seen, the ceiling less."""
    target = _focus(scene, people, rng)
    target[:2] += rng.uniform(0.15, 0.35) * (eye[:2] - target[:2])
    return _look(eye, target, rng)


def _look(eye: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> Pose:
    """Look at a target, turned about the view axis by a degree or so, as screws hold it."""
    roll = np.deg2rad(rng.normal(0, 1.0))
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return eye, turn @ look_rotation(target - eye)


def _focus(scene: Scene, people: Place, rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """What a camera is pointed at: between the beds and the middle of the floor, at about a seated person's height.

    More than half-way from there to the `people`, if it is known where they are.
    """
    low, high = np.min(scene.polygon, axis=0), np.max(scene.polygon, axis=0)
    middle = (low + high) / 2
    beds = scene.of_kind("bed")
    if beds:
        middle = 0.5 * middle + 0.5 * np.mean([bed.center[:2] for bed in beds], axis=0)
    if people is not None:
        middle = 0.4 * middle + 0.6 * people[:2]
    return np.array([*(middle + rng.normal(0, 0.15, 2)), rng.uniform(0.4, 0.8)])


def _one_resting_place(scene: Scene, people: Place, rng: np.random.Generator) -> Scene:
    """The room with one of its beds alone, or of its seats where it has no bed; empty without either.

    The one nearest to the `people`, if it is known where they are; then a seat must be near enough to see both.
    """
    for kinds in (("bed",), ("recliner", "chair", "wheelchair", "toilet")):
        things = scene.of_kind(*kinds)
        if not things:
            continue
        drawn = things[int(rng.integers(len(things)))]
        if people is not None:
            away = [float(np.hypot(*(people[:2] - thing.center[:2]))) for thing in things]
            drawn = things[int(np.argmin(away))]
            if drawn.kind != "bed" and min(away) > _NEARBY:
                continue
        return dataclasses.replace(scene, objects=[drawn])
    return dataclasses.replace(scene, objects=[])


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
