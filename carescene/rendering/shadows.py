"""Who sees which lamp: shadow rays for the still room, once, and for people, in every frame.

Each point first asks how much every patch of light would give it, and then sends its few rays to patches in that
proportion, so that no ray is spent on light that would not count (importance sampling).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from carescene.rendering.lights import RoomLight, in_sunbeam
from carescene.rendering.occlusion import hidden_share

# Rays start this far off the surface (metres) so that it does not hide itself.
LIFT: Final = 0.006
# Shadow rays end this share of the way before the lamp, so that its own frame does not count.
_END: Final = 0.985
# Patches that would give a point less than this share of its light are not asked about.
_NEGLIGIBLE: Final = 1e-3
# Rays to the sun stop here (metres before the pane), so that the glass does not count.
_BEFORE_PANE: Final = 0.12


def patch_rays(
    starts: Float[np.ndarray, "ray 3"],
    patch: Int[np.ndarray, "ray"],
    spread: Float[np.ndarray, "ray 2"],
    light: RoomLight,
) -> Float[np.ndarray, "ray 3"]:
    """Vectors from points to places on patches; `spread` from 0 to 1 says where on the patch."""
    offset = (2 * spread - 1).astype(np.float32)
    across, up = light.across.astype(np.float32)[patch], light.up.astype(np.float32)[patch]
    ends = light.points.astype(np.float32)[patch] + offset[:, :1] * across + offset[:, 1:] * up
    return ends - starts


def patches_seen(
    caster: Any,
    points: Float[np.ndarray, "point 3"],
    normals: Float[np.ndarray, "point 3"],
    factor: Float[np.ndarray, "point patch"],
    light: RoomLight,
    noise: Float[np.ndarray, "point 2"],
) -> Float[np.ndarray, "point patch"]:
    """1 where the still room leaves the way from a point to a patch free, else 0; one ray per pair that counts.

    The ray ends where `noise` (0 to 1, across and up) says on the patch, differently for each point, so that smoothing
    over neighbours gives soft shadows instead of several sharp ones.
    """
    seen = np.zeros(factor.shape, np.float32)
    counts = factor > _NEGLIGIBLE * factor.sum(axis=1, keepdims=True)
    starts = points + LIFT * normals
    for patch in range(factor.shape[1]):
        chosen = np.flatnonzero(counts[:, patch])
        if not len(chosen):
            continue
        # The golden ratio turns one number per point into another one per patch.
        turned = (noise[chosen] + patch * np.array([0.618034, 0.754878], np.float32)) % 1
        ways = patch_rays(starts[chosen], np.full(len(chosen), patch), turned, light)
        seen[chosen, patch] = 1 - hidden_share(caster, starts[chosen], ways, _END)
    return seen


def sun_seen(
    caster: Any, points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"], light: RoomLight
) -> Float[np.ndarray, "point"]:
    """Sunlight that reaches each point: share of the sun seen, times the cosine to it."""
    cosine = np.clip(normals @ light.sun_direction, 0, None).astype(np.float32)
    share = in_sunbeam(points, light) * cosine
    lit = np.flatnonzero(share > 0)
    if len(lit):
        starts = (points[lit] + LIFT * normals[lit]).astype(np.float32)
        ways = way_to_sun(starts, light)
        share[lit] *= 1 - hidden_share(caster, starts, ways, 1.0)
    return share


def way_to_sun(starts: Float[np.ndarray, "ray 3"], light: RoomLight) -> Float[np.ndarray, "ray 3"]:
    """Vectors towards the sun that end just before the window's pane through which it is seen."""
    reach = np.full(len(starts), np.inf)
    for pane in light.windows:
        facing = -float(pane.inward @ light.sun_direction)
        if facing < 0.05:
            continue
        distance = ((starts - pane.center) @ pane.inward - _BEFORE_PANE) / facing
        hit = starts + distance[:, None] * light.sun_direction - pane.center
        # The pane that the line comes through is the one whose middle it passes closest.
        off = np.maximum(*(np.abs(hit @ edge) / (edge @ edge) for edge in (pane.across, pane.up)))
        reach = np.where((off < 1.3) & (distance > 0), np.minimum(reach, distance), reach)
    reach = np.where(np.isfinite(reach), reach, 0.01)
    return (reach[:, None] * light.sun_direction).astype(np.float32)


def pick_patches(
    given: Float[np.ndarray, "point patch"], rays: int, start: Float[np.ndarray, "point"]
) -> tuple[Int[np.ndarray, "point ray"], Float[np.ndarray, "point"]]:
    """Patches for each point's shadow rays, drawn in proportion to what they give, and the sum of what all give.

    They are evenly spaced in the running sum from one `start` per point, 0 to 1 ("systematic resampling").
    """
    running = np.cumsum(given, axis=1)
    whole = running[:, -1]
    marks = (np.arange(rays, dtype=np.float32) + start[:, None]) / rays * whole[:, None]
    picked = np.zeros((len(given), rays), np.int16)
    for patch in range(given.shape[1] - 1):
        picked += marks >= running[:, patch, None]
    return picked, whole


@dataclass(frozen=True)
class ShadowRays:
    """Rays from points to the lamps that light them, kept for as long as the points stay.

    Attributes:
        point: which point each ray belongs to; `ways`: from `starts` to the lamp, metres.
    """

    point: Int[np.ndarray, "ray"]
    starts: Float[np.ndarray, "ray 3"]
    ways: Float[np.ndarray, "ray 3"]
    count: int

    @classmethod
    def towards_patches(
        cls,
        points: Float[np.ndarray, "point 3"],
        normals: Float[np.ndarray, "point 3"],
        given: Float[np.ndarray, "point patch"],
        light: RoomLight,
        noise: Float[np.ndarray, "point 2"],
        rays: int,
        lift: float = LIFT,
    ) -> "ShadowRays":
        """`rays` for each point that gets any light from the patches; `given` says how much from which.

        `noise` from 0 to 1 per point makes neighbours ask for different places on the patches.
        """
        picked, whole = pick_patches(given, rays, noise.sum(axis=1) % 1)
        lit = np.flatnonzero(whole > 0)
        point = np.repeat(lit, rays)
        starts = (points + lift * normals).astype(np.float32)[point]
        step = np.tile(np.arange(rays, dtype=np.float32), len(lit))[:, None]
        spread = (np.repeat(noise[lit], rays, axis=0) + step * np.float32(0.618034)) % 1
        ways = patch_rays(starts, picked[lit].ravel(), spread, light)
        return cls(point, starts, ways * np.float32(_END), len(points))

    @classmethod
    def towards_sun(
        cls,
        points: Float[np.ndarray, "point 3"],
        normals: Float[np.ndarray, "point 3"],
        sunlit: Float[np.ndarray, "point"],
        light: RoomLight,
        lift: float = LIFT,
    ) -> "ShadowRays":
        """One ray for each point that the sun reaches."""
        lit = np.flatnonzero(sunlit > 0)
        starts = (points[lit] + lift * normals[lit]).astype(np.float32)
        return cls(lit, starts, way_to_sun(starts, light), len(points))

    @cached_property
    def _products(self) -> list[np.ndarray]:
        """Length squared, start times way, start squared of every ray: all that distances to balls need."""
        ways, starts = self.ways, self.starts
        return [np.einsum("rc,rc->r", a, b) for a, b in ((ways, ways), (starts, ways), (starts, starts))]

    def near(
        self, centers: Float[np.ndarray, "ball 3"], radius: Float[np.ndarray, "ball"]
    ) -> Int[np.ndarray, "chosen"]:
        """Rays that pass through any of a few balls: only these can be stopped by what the balls enclose."""
        low, high = (centers - radius[:, None]).min(axis=0), (centers + radius[:, None]).max(axis=0)
        middle, reach = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        numbers = [self.starts, self.ways, *self._products]
        chosen = np.flatnonzero(_passes(*numbers, centers=middle[None], radius=np.array([reach])))
        return chosen[_passes(*[values[chosen] for values in numbers], centers=centers, radius=radius)]

    def blocked(
        self, casters: list[Any], enclosing: list[tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, "_"]]]
    ) -> Float[np.ndarray, "point"]:
        """Share of each point's rays that any of the casters' meshes stops; every mesh lies within its balls."""
        stopped = np.zeros(len(self.point), bool)
        for caster, (centers, radius) in zip(casters, enclosing, strict=True):
            asked = self.near(centers, radius)
            asked = asked[~stopped[asked]]
            if len(asked):
                stopped[asked] = hidden_share(caster, self.starts[asked], self.ways[asked], 1.0) > 0
        total = np.bincount(self.point, minlength=self.count)
        return (np.bincount(self.point, stopped, self.count) / np.maximum(total, 1)).astype(np.float32)


def _passes(
    starts: Float[np.ndarray, "ray 3"],
    ways: Float[np.ndarray, "ray 3"],
    length: Float[np.ndarray, "ray"],
    along: Float[np.ndarray, "ray"],
    square: Float[np.ndarray, "ray"],
    centers: Float[np.ndarray, "ball 3"],
    radius: Float[np.ndarray, "ball"],
) -> Bool[np.ndarray, "ray"]:
    """Whether rays (between their ends) come into any of the balls; see `ShadowRays._products` for the numbers."""
    close = np.zeros(len(starts), bool)
    inverse = 1 / np.maximum(length, 1e-9)
    for center, size in zip(centers.astype(np.float32), radius.astype(np.float32), strict=True):
        towards = ways @ center - along
        share = np.clip(towards * inverse, 0, 1)
        apart = square - 2 * (starts @ center) + share * (share * length - 2 * towards)
        close |= apart < size * size - center @ center
    return close
