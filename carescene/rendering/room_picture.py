"""The still room's colour, infrared brightness and light from one camera, made once and used in every frame."""

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.rendering.bounce import LightField
from carescene.rendering.filters import enlarge, fill_holes, same_surface, smooth
from carescene.rendering.infrared import hot_spot, infrared_light, lamp_light
from carescene.rendering.lights import RoomLight, geometry_factor, sum_light
from carescene.rendering.occlusion import dither, openness, tangents
from carescene.rendering.outlines import rays_beside
from carescene.rendering.raycast import blend, cast, corner_weights, facing_eye, to_open3d
from carescene.rendering.room_view import RoomView
from carescene.rendering.shading import lambert, luminance, mirror_share, reflect
from carescene.rendering.shadows import patches_seen, sun_seen
from carescene.rendering.textures import floor_pattern, textured
from carescene.scenes.materials import MATERIALS
from carescene.scenes.mesh import SceneMesh
from carescene.scenes.scene import Scene

_METALS: Final = ("metal", "steel_dark", "mirror")
_OCCLUSION_RAYS: Final = 15
# The light field knows nothing finer than its grid, so near corners it is too bright; occlusion makes up for it.
_DEEPER: Final = 1.4
# A pixel that sees nothing at all shows a rounded edge from behind, by a whisker; its neighbours know better.
_CLOSED: Final = 0.05
_MIRROR_RAYS: Final = 6
# Sharpest mirror direction is blurred by up to this (sine of an angle) for a matt surface.
_ROUGHNESS: Final = 0.30
# The most that sunlight may add, in multiples of the light on a usual pixel.
_SUN_OVER_ROOM: Final = 2.2
# Below this gloss nothing is mirrored visibly.
_GLOSSY: Final = 0.06
# Rows of a picture up to which every pixel gets 3x3 samples; larger pictures have enough detail with 2x2.
_FINE_ROWS: Final = 300
# Points worked on at once, to stay within the processor's cache and little memory.
_CHUNK: Final = 65536


@dataclass(frozen=True)
class Palette:
    """Looks of a mesh's materials in one room: its style's colours where it names them."""

    names: tuple[str, ...]
    albedo: Float[np.ndarray, "material 3"]
    infrared: Float[np.ndarray, "material"]
    gloss: Float[np.ndarray, "material"]
    metal: Bool[np.ndarray, "material"]
    floor: str

    @classmethod
    def of(cls, scene: Scene, names: tuple[str, ...]) -> "Palette":
        """Colours from the room's style, else from `MATERIALS`."""
        known = [MATERIALS[name] for name in names]
        return cls(
            names,
            np.array([material_color(scene, name) for name in names], np.float32),
            np.array([material.infrared for material in known], np.float32),
            np.array([material.gloss for material in known], np.float32),
            np.array([name in _METALS for name in names]),
            floor_pattern(scene),
        )

    def is_one_of(self, material: Int[np.ndarray, "point"], *names: str) -> Bool[np.ndarray, "point"]:
        """Points whose material has one of these names."""
        return np.isin(material, [index for index, name in enumerate(self.names) if name in names])


def material_color(scene: Scene, name: str) -> tuple[float, float, float]:
    """Albedo of a material in a room, linear."""
    return scene.style.get(name, MATERIALS[name].color)


@dataclass(frozen=True)
class RoomPicture:
    """What a camera sees of the still room.

    Attributes:
        points, normals: of pixel centres, zero where nothing is seen; `shown`: pixels that show something.
        color, infrared: radiance, smoothed over several samples per pixel.
        direct, passed: irradiance from lamps and windows, and from the room's surfaces (already darkened by what is
            near).
        sun: share of the sun that shines on each pixel, times the cosine; `sunlight`: what a share of 1 gives.
        lamp: irradiance by the camera's infrared lamp; `around`: its mean.
        open: share of the near surroundings that is not hidden.
        glows: pixels that show a window or a lamp.
        given: what each patch of light gives to each pixel, for choosing shadow rays.
    """

    points: Float[np.ndarray, "height width 3"]
    normals: Float[np.ndarray, "height width 3"]
    shown: Bool[np.ndarray, "height width"]
    color: Float[np.ndarray, "height width 3"]
    infrared: Float[np.ndarray, "height width"]
    direct: Float[np.ndarray, "height width 3"]
    sun: Float[np.ndarray, "height width"]
    sunlight: Float[np.ndarray, "3"]
    passed: Float[np.ndarray, "height width 3"]
    lamp: Float[np.ndarray, "height width"]
    around: float
    open: Float[np.ndarray, "height width"]
    glows: Bool[np.ndarray, "height width"]
    given: Float[np.ndarray, "height width patch"]

    @classmethod
    def of(cls, scene: Scene, mesh: SceneMesh, view: RoomView, field: LightField, *, seed: int) -> "RoomPicture":
        """Light every pixel once; `view` must have one sample per pixel."""
        height, width = view.buffer.depth.shape
        shown = np.isfinite(view.buffer.depth)
        points = np.where(shown[..., None], view.points, 0).astype(np.float32)
        normals = view.buffer.normal.astype(np.float32)
        flat, flat_normals = points.reshape(-1, 3), normals.reshape(-1, 3)
        light, palette = field.light, Palette.of(scene, mesh.materials)
        noise = dither(height, width)
        factor, bright = _patch_light(view, flat, flat_normals, light, noise)
        shape = height, width, -1
        open_ = openness(view.caster, flat, flat_normals, noise[:, 0], rays=_OCCLUSION_RAYS)
        both = np.concatenate([bright, open_[:, None]], axis=1).reshape(shape)
        both = fill_holes(smooth(both, points, normals, steps=(1, 2, 1)), open_.reshape(height, width) < _CLOSED)
        direct, open_ = both[..., :3], both[..., 3]
        sun = sun_seen(view.caster, flat, flat_normals, light).reshape(height, width)
        open_ = open_**_DEEPER
        passed = field.passed_on(flat + 0.15 * flat_normals, flat_normals).reshape(shape) * open_[..., None]
        sunlight = _bearable_sun(light, (direct + passed)[shown])
        mirrored = _mirrored(mesh, view, palette, field, flat, flat_normals, noise, sunlight).reshape(shape)
        mirrored = smooth(mirrored, points, normals, steps=(1, 2, 4))
        lamp = lamp_light(flat, flat_normals, view.camera.eye, view.camera.rotation[2]).reshape(height, width)
        around = float(lamp[shown].mean()) if shown.any() else 0.0
        total = direct + passed + sun[..., None] * sunlight
        ir = infrared_light(lamp.ravel(), open_.ravel(), total.reshape(-1, 3), around, light.name)
        coarse = np.concatenate([total, mirrored, ir.reshape(shape)], axis=2)
        color, infrared = _fine_picture(mesh, view, palette, light, coarse, points, normals)
        glows = _glow(flat, view.rays.reshape(-1, 3), view.buffer.material.ravel(), palette, light).any(axis=1)
        return cls(
            points,
            normals,
            shown,
            color,
            infrared,
            direct,
            sun,
            sunlight,
            passed,
            lamp,
            around,
            open_,
            glows.reshape(height, width),
            factor.reshape(shape),
        )


def _patch_light(
    view: RoomView, points: np.ndarray, normals: np.ndarray, light: RoomLight, noise: np.ndarray
) -> tuple[Float[np.ndarray, "point patch"], Float[np.ndarray, "point 3"]]:
    """What every patch gives to every pixel past the furniture (its green part), and the sum in colour."""
    given = np.empty((len(points), len(light.points)), np.float32)
    bright = np.empty((len(points), 3), np.float32)
    above, below = light.above[:, 1].astype(np.float32), light.below[:, 1].astype(np.float32)
    for start in range(0, len(points), _CHUNK):
        some = slice(start, start + _CHUNK)
        factor, upper = geometry_factor(points[some], normals[some], light.points, light.normals)
        factor *= patches_seen(view.caster, points[some], normals[some], factor, light, noise[some])
        bright[some] = sum_light(factor, upper, light)
        given[some] = factor * (below + upper * (above - below))
    return given, bright


def _bearable_sun(light: RoomLight, around: Float[np.ndarray, "pixel 3"]) -> Float[np.ndarray, "3"]:
    """Sunlight as far as a camera bears it: at most a fixed multiple of the light that a usual pixel gets otherwise.

    Sun in a room is twenty times as bright as the room. Cameras for wards compress such a range picture by picture
    (wide dynamic range); here the sun itself is held back, so that patterns and shadows in its patches survive.
    """
    if not light.sun.any() or not len(around):
        return light.sun.astype(np.float32)
    usual = float(np.median(luminance(around)))
    return (light.sun * min(1.0, _SUN_OVER_ROOM * usual / float(luminance(light.sun[None])[0]))).astype(np.float32)


def _mirrored(
    mesh: SceneMesh,
    view: RoomView,
    palette: Palette,
    field: LightField,
    points: np.ndarray,
    normals: np.ndarray,
    noise: np.ndarray,
    sunlight: np.ndarray,
) -> Float[np.ndarray, "point 3"]:
    """Radiance that glossy surfaces reflect towards the camera, blurred as far as they are rough."""
    result = np.zeros((len(points), 3), np.float32)
    material = view.buffer.material.ravel()
    glossy = np.flatnonzero((material >= 0) & (palette.gloss[material] > _GLOSSY))
    if not len(glossy):
        return result
    kind, point, normal = material[glossy], points[glossy], normals[glossy]
    rays = view.rays.reshape(-1, 3)[glossy]
    rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    share = mirror_share(palette.gloss[kind], palette.metal[kind], -np.einsum("pc,pc->p", rays, normal))
    ways = reflect(rays, normal)
    side, other = tangents(ways)
    rough = _ROUGHNESS * (1 - palette.gloss[kind]) ** 1.5
    total = np.zeros_like(point)
    turn = 2 * np.pi * noise[glossy]
    for step in range(_MIRROR_RAYS):
        # A sunflower disc, turned by a number per pixel; rays in the middle count as many as those outside.
        radius = (rough * np.sqrt((step + noise[glossy, 1]) / _MIRROR_RAYS))[:, None]
        angle = (turn[:, 0] + step * np.pi * (3 - np.sqrt(5))).astype(np.float32)[:, None]
        jittered = ways + radius * (np.cos(angle) * side + np.sin(angle) * other)
        # A blurred ray that would enter the surface is turned back out of it.
        below = np.minimum(np.einsum("pc,pc->p", jittered, normal) - 0.01, 0)
        outwards = jittered - 2 * below[:, None] * normal
        total += _radiance(mesh, view, palette, field, sunlight, point + 0.01 * normal, outwards)
    tint = np.where(palette.metal[kind][:, None], palette.albedo[kind], 1.0)
    result[glossy] = (share[:, None] * tint * total / _MIRROR_RAYS).astype(np.float32)
    return result


def _radiance(
    mesh: SceneMesh,
    view: RoomView,
    palette: Palette,
    field: LightField,
    sunlight: np.ndarray,
    starts: np.ndarray,
    ways: np.ndarray,
) -> Float[np.ndarray, "ray 3"]:
    """What rays inside the room see, without fine shadows: the light field's light on plain colours."""
    packed = np.concatenate([starts, ways], axis=1).astype(np.float32)
    answer = view.caster.cast_rays(to_open3d(packed), nthreads=1)
    face = answer["primitive_ids"].numpy().view(np.int32)
    met = np.flatnonzero(face >= 0)
    seen = np.zeros((len(starts), 3), np.float32)
    hit = packed[met, :3] + answer["t_hit"].numpy()[met, None] * packed[met, 3:]
    normal = answer["primitive_normals"].numpy()[met]
    normal = normal * -np.sign(np.einsum("pc,pc->p", normal, packed[met, 3:]))[:, None]
    material = mesh.face_material[face[met]]
    inside = hit + 0.15 * normal
    bright = field.passed_on(inside, normal) + field.direct(inside, normal)[0]
    bright += sun_seen(view.caster, hit, normal, field.light)[:, None] * sunlight
    color = lambert(palette.albedo[material], bright)
    glow = _glow(hit, packed[met, 3:], material, palette, field.light)
    seen[met] = np.maximum(color, glow)
    return seen


def _fine_picture(
    mesh: SceneMesh,
    view: RoomView,
    palette: Palette,
    light: RoomLight,
    coarse: Float[np.ndarray, "height width 7"],
    points: np.ndarray,
    normals: np.ndarray,
) -> tuple[Float[np.ndarray, "height width 3"], Float[np.ndarray, "height width"]]:
    """Colour and infrared with several samples per pixel: light from the pixels, colours and edges per sample."""
    height, width = view.buffer.depth.shape
    samples = 3 if height <= _FINE_ROWS else 2
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    color, infrared = np.zeros((height * width, 3), np.float32), np.zeros(height * width, np.float32)
    vertex_normals = mesh.normals.astype(np.float32)
    for down, right in itertools.product(steps.tolist(), steps.tolist()):
        for start in range(0, height * width, _CHUNK):
            pixel = np.arange(start, min(start + _CHUNK, height * width))
            way = rays_beside(view, pixel, np.array([[right, down]]))[:, 0]
            hits = cast(view.caster, view.camera.eye, way)
            found = np.flatnonzero(hits.face >= 0)
            pixel, way, face, depth = pixel[found], way[found], hits.face[found], hits.distance[found]
            point = view.camera.eye.astype(np.float32) + depth[:, None] * way
            normal = facing_eye(blend(vertex_normals, mesh.faces[face], corner_weights(hits.across[found])), way)
            here = _light_here(coarse, points, normals, pixel, point, normal, (down, right))
            material = mesh.face_material[face]
            wide = depth / (view.camera.focal * samples)
            seen, seen_infrared = _seen(palette, light, view.camera.eye, point, normal, way, material, wide, here)
            color[pixel] += seen / samples**2
            infrared[pixel] += seen_infrared / samples**2
    return color.reshape(height, width, 3), infrared.reshape(height, width)


def _light_here(
    coarse: Float[np.ndarray, "height width 7"],
    points: Float[np.ndarray, "height width 3"],
    normals: Float[np.ndarray, "height width 3"],
    pixel: Int[np.ndarray, "sample"],
    point: Float[np.ndarray, "sample 3"],
    normal: Float[np.ndarray, "sample 3"],
    offset: tuple[float, float],
) -> Float[np.ndarray, "sample 7"]:
    """Light of samples within pixels: the pixel's own where both show one surface, else that of a neighbour."""
    here = coarse.reshape(-1, coarse.shape[2])[pixel]
    other = ~same_surface(points.reshape(-1, 3)[pixel], normals.reshape(-1, 3)[pixel], point, normal)
    if other.any():
        place = np.stack(np.divmod(pixel[other], coarse.shape[1]), axis=1) + np.array(offset)
        here[other] = enlarge(coarse, points, normals, point[other], normal[other], place.astype(np.float32))
    return here


def _seen(
    palette: Palette,
    light: RoomLight,
    eye: np.ndarray,
    point: np.ndarray,
    normal: np.ndarray,
    way: np.ndarray,
    material: np.ndarray,
    wide: np.ndarray,
    here: np.ndarray,
) -> tuple[Float[np.ndarray, "sample 3"], Float[np.ndarray, "sample"]]:
    """Radiance of samples in colour and in infrared, from the light that falls there."""
    length = np.sqrt(np.einsum("pc,pc->p", way, way))
    slant = np.clip(-np.einsum("pc,pc->p", way, normal) / length, 0.05, 1)
    albedo = textured(
        palette.albedo[material], point, normal, material, wide / np.sqrt(slant), palette.names, palette.floor
    )
    matt = albedo * (1 - np.where(palette.metal[material], palette.gloss[material], 0))[:, None]
    glow = _glow(point, way / length[:, None], material, palette, light)
    # What shines hides what it reflects, but for a lamp that is off or a blind in the room's light.
    seen = np.maximum(lambert(matt, here[:, :3]) + here[:, 3:6], glow)
    pattern = np.clip(albedo[:, 1] / np.maximum(palette.albedo[material, 1], 1e-3), 0.5, 1.5)
    infrared = lambert(palette.infrared[material] * pattern, here[:, 6])
    return seen, infrared + hot_spot(point, normal, palette.gloss[material], eye)


def _glow(
    points: np.ndarray, ways: np.ndarray, material: np.ndarray, palette: Palette, light: RoomLight
) -> Float[np.ndarray, "point 3"]:
    """Radiance of window panes (sky above, ground below, trees between) and of burning lamps; zero elsewhere."""
    glow = np.zeros((len(points), 3), np.float32)
    glass = palette.is_one_of(material, "glass_sky")
    slope = ways[glass, 2] / np.linalg.norm(ways[glass], axis=1)
    sky = np.clip(0.5 + slope / 0.16, 0, 1)[:, None]
    far = np.array([0.20, 0.24, 0.17])
    glow[glass] = light.window_glow * (far + sky * (1 - far))
    glow[palette.is_one_of(material, "blind")] = light.blind_glow
    lamp = np.flatnonzero(palette.is_one_of(material, "lamp"))
    overhead = points[lamp, 2] > light.ceiling - 0.10
    glow[lamp] = np.where(overhead[:, None], light.panel_glow, light.bed_glow)
    return glow
