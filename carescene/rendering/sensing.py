"""Sensing: exact pictures become what one camera's chip delivers, the same at every run."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from scipy import ndimage

from carescene.errors import UserError
from carescene.rendering.camera import Camera
from carescene.rendering.lighting import to_srgb
from carescene.rendering.raycast import pixel_grid
from carescene.rendering.sensors import DepthSensor, LightSensor, Sensor
from carescene.rendering.video import depth_to_millimetres

# Streams of random numbers, so that one more draw in one of them changes nothing in the others.
_FIXED, _COLOR, _INFRARED, _DEPTH = range(4)
# A jump in depth of this share of the distance between neighbouring pixels is an edge.
_EDGE_SHARE: Final = 0.025
# The brightest light that the table below tells apart: to_srgb is white beyond.
_TABLE_TOP: Final = 4.0
_TABLE_SIZE: Final = 8192


@dataclass(frozen=True)
class Chip:
    """One camera's sensor with everything that stays the same from picture to picture; made by `build_chip`."""

    sensor: Sensor
    seed: int
    rays: Float[np.ndarray, "height width 3"]
    # 0 in the middle of the picture, 1 in its corners.
    radius: Float[np.ndarray, "height width"]

    def color(
        self, linear: Float[np.ndarray, "height width 3"], frame: int, *, gain: float = 1.0
    ) -> UInt8[np.ndarray, "height width 3"]:
        """An sRGB picture from linear light (1 is white); `gain` from `auto_gain`."""
        settings = self.sensor.color
        balance = 1 + settings.cast * self._random(_FIXED, 0).standard_normal(3)
        light = expose(linear * balance.astype(np.float32), settings, self.radius, gain, self._random(_COLOR, frame))
        return finish(self._stuck(light, settings), settings)

    def infrared(
        self, linear: Float[np.ndarray, "height width"], frame: int, *, gain: float = 1.0
    ) -> UInt8[np.ndarray, "height width"]:
        """A grey picture from near-infrared light (1 is white); `gain` from `auto_gain`."""
        settings = self.sensor.infrared
        light = expose(linear[..., None], settings, self.radius, gain, self._random(_INFRARED, frame))
        return finish(self._stuck(light, settings), settings)[..., 0]

    def depth(
        self, depth: Float[np.ndarray, "height width"], normal: Float[np.ndarray, "height width 3"], frame: int
    ) -> UInt16[np.ndarray, "height width"]:
        """A depth camera's reading in millimetres, 0 where there is none, from depth in metres and world normals."""
        settings = self.sensor.depth
        seen = sense_depth(depth, grazing(normal, self.rays), settings, self._random(_DEPTH, frame))
        seen[self._random(_FIXED, 1).random(seen.shape) < settings.dead_pixels] = np.inf
        return depth_to_millimetres(seen)

    def _stuck(self, light: np.ndarray, settings: LightSensor) -> np.ndarray:
        if settings.hot_pixels > 0:
            light[self._random(_FIXED, 2).random(light.shape[:2]) < settings.hot_pixels] = 1.0
        return light

    def _random(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, number])


def build_chip(sensor: Sensor, camera: Camera, *, seed: int) -> Chip:
    """The sensor of one camera: the seed fixes dead pixels and colour cast, and with a frame's number its noise."""
    pixels = pixel_grid(camera)
    middle = np.array([camera.width, camera.height]) / 2
    radius = np.linalg.norm((pixels - middle) / np.linalg.norm(middle), axis=-1)
    return Chip(sensor, seed, camera.directions(pixels).astype(np.float32), radius.astype(np.float32))


def moments(time_s: float | int, fps: float | int, sensor: Sensor) -> Float[np.ndarray, "moment"]:
    """Times in seconds, spread evenly over the open shutter around `time_s`, of the pictures to average."""
    count = sensor.blur
    return time_s + (np.arange(count) - (count - 1) / 2) / count * sensor.shutter / fps


def average(pictures: list[Float[np.ndarray, "height width *channel"]]) -> Float[np.ndarray, "height width *channel"]:
    """Motion blur: the mean of moments in linear light. Raises UserError for none."""
    if not pictures:
        raise UserError("Expected at least one picture to average, but got none. Ask for a blur of 1 or more.")
    total = pictures[0].astype(np.float32, copy=True)
    for picture in pictures[1:]:
        total += picture
    return total / len(pictures)


def auto_gain(linear: Float[np.ndarray, "height width *channel"], settings: LightSensor) -> float:
    """Factor by which automatic gain lifts a picture, from 1 to the sensor's limit.

    Taken from one picture of the film (the empty room, say) and kept: a gain that follows every frame would flicker.
    """
    level = float(np.mean(linear)) * settings.exposure
    return float(np.clip(settings.target / max(level, 1e-6), 1.0, settings.max_gain))


def expose(
    linear: Float[np.ndarray, "height width channel"],
    settings: LightSensor,
    radius: Float[np.ndarray, "height width"],
    gain: float | int,
    random: np.random.Generator,
) -> Float[np.ndarray, "height width channel"]:
    """Linear light as the chip counts it: softened, darker towards the corners, with shot and read noise, then gained.

    `radius` is 0 in the middle and 1 in the corners. Electrons are counted as a normal distribution of their mean and
    variance, which a Poisson distribution is near above some ten electrons.
    """
    light = linear.astype(np.float32) * settings.exposure
    if settings.softness > 0:
        light = ndimage.gaussian_filter(light, (settings.softness, settings.softness, 0), truncate=2.5)
    # Lenses darken with the square of the distance from the middle (the cosine's fourth power, for small angles); a
    # lamp's beam falls off like a bell.
    falloff = (1 - settings.vignetting * radius**2) * np.exp(np.log(1 - settings.lamp) * radius**2)
    light = light * falloff[..., None]
    variance = np.clip(light, 0, None) / settings.full_well + (settings.read_noise / settings.full_well) ** 2
    if settings.full_well < 1e6 or settings.read_noise > 0:
        light = light + np.sqrt(variance) * random.standard_normal(light.shape, dtype=np.float32)
    return light * np.float32(gain)


def finish(
    linear: Float[np.ndarray, "height width channel"], settings: LightSensor
) -> UInt8[np.ndarray, "height width channel"]:
    """8-bit sRGB values from linear light, sharpened with the halos that surveillance cameras leave."""
    shown = display(linear)
    if settings.sharpening > 0:
        smooth = ndimage.gaussian_filter(shown, (1.2, 1.2, 0), truncate=2.5)
        shown = np.clip(shown + settings.sharpening * (shown - smooth), 0.0, 1.0)
    return np.round(255 * shown).astype(np.uint8)


def display(linear: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch"]:
    """`to_srgb` by a table that is finer than 8 bits need: powers of every pixel would cost more than all noise."""
    index = np.sqrt(np.clip(linear, 0.0, _TABLE_TOP) / _TABLE_TOP) * (_TABLE_SIZE - 1)
    return _table()[(index + 0.5).astype(np.int32)]


@lru_cache(maxsize=1)
def _table() -> Float[np.ndarray, "entry"]:
    levels = _TABLE_TOP * (np.arange(_TABLE_SIZE) / (_TABLE_SIZE - 1)) ** 2
    return to_srgb(np.repeat(levels[:, None], 3, axis=1))[:, 0].astype(np.float32)


def grazing(
    normal: Float[np.ndarray, "height width 3"], rays: Float[np.ndarray, "height width 3"]
) -> Float[np.ndarray, "height width"]:
    """Cosine between the view ray and the surface's normal: 1 seen head-on, 0 edge-on."""
    return np.abs(np.einsum("hwc,hwc->hw", normal, rays))


def depth_edges(depth: Float[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels beside a jump in depth (or beside nothing), on both sides of it."""
    known = np.where(np.isfinite(depth), depth, 1e3)
    edge = np.zeros(depth.shape, dtype=bool)
    for axis in (0, 1):
        near, far = (known[:-1], known[1:]) if axis == 0 else (known[:, :-1], known[:, 1:])
        jump = np.abs(near - far) > _EDGE_SHARE * np.minimum(near, far) + 0.02
        first, second = (edge[:-1], edge[1:]) if axis == 0 else (edge[:, :-1], edge[:, 1:])
        first |= jump
        second |= jump
    return edge


def sense_depth(
    depth: Float[np.ndarray, "height width"],
    head_on: Float[np.ndarray, "height width"],
    settings: DepthSensor,
    random: np.random.Generator,
) -> Float[np.ndarray, "height width"]:
    """A depth camera's reading in metres, infinite where there is none.

    `head_on` is the cosine of `grazing`. In order: mixed depths at edges, noise, missing readings, range, steps.
    """
    out = np.where(np.isfinite(depth), depth, np.inf).astype(np.float64)
    if settings.edge_dropout > 0 or settings.edge_mixing > 0:
        edge = depth_edges(depth)
        draw = random.random(out.shape)
        mixed = edge & (draw < settings.edge_mixing)
        finite = np.where(np.isfinite(out), out, settings.far_m)
        low, high = ndimage.minimum_filter(finite, 3), ndimage.maximum_filter(finite, 3)
        share = random.random(out.shape)
        out[mixed] = (low + share * (high - low))[mixed]
        out[edge & (random.random(out.shape) < settings.edge_dropout)] = np.inf
    seen = np.isfinite(out)
    square = np.square(out, where=seen, out=np.zeros_like(out))
    if settings.noise_m > 0 or settings.noise_per_m > 0:
        out = out + (settings.noise_m + settings.noise_per_m * square) * random.standard_normal(out.shape)
    if settings.dropout > 0:
        seen &= random.random(out.shape) >= settings.dropout
    known = np.where(seen & (out > 0), out, 1.0)
    if settings.step_per_m > 0:
        # A triangulating sensor counts steps of disparity, that is of 1 / depth.
        known = 1 / (settings.step_per_m * np.maximum(np.round(1 / (known * settings.step_per_m)), 1.0))
    known = np.round(known / settings.step_m) * settings.step_m
    out = np.where(seen & (out > 0), known, np.inf)
    steep = head_on < np.cos(np.deg2rad(settings.grazing_deg))
    out[steep | (out < settings.near_m) | (out > settings.far_m)] = np.inf
    return out
