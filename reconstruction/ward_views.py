"""Random cameras as they hang on wards, around people: what the lifter learns to see through."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from carescene.humans.rotations import rotation_about

# Share of each kind of place; height above the floor and distance from the person along the floor, metres. Corners
# and walls as `carescene.rendering.camera_presets`; eye level and low are tripods, telephones and shelves.
_PLACES = torch.tensor(
    [
        # share, lowest, highest, nearest, farthest
        [0.35, 2.2, 3.2, 1.2, 8.0],  # ceiling corner
        [0.25, 1.6, 2.6, 1.3, 7.0],  # wall
        [0.20, 0.8, 1.8, 1.5, 8.0],  # eye level
        [0.06, 0.3, 0.9, 1.5, 6.0],  # low
        [0.14, 2.3, 3.5, 0.05, 1.6],  # nearly overhead
    ]
)


class Views(NamedTuple):
    """Cameras: eye in the world (z up, metres), world-to-camera rotation, tangents of half the angles of view."""

    eye: Float[Tensor, "batch 3"]
    rotation: Float[Tensor, "batch 3 3"]
    reach: Float[Tensor, "batch 2"]


def random_views(middle: Float[Tensor, "batch 3"], generator: torch.Generator) -> Views:
    """One camera for each person, who stands, sits or lies around `middle`, somewhere in its picture.

    Azimuths are even over the circle, so turning the motion about the vertical is not needed any more. Angles across
    are 50 to 110 degrees, one in eight 25 to 50; pictures 16:9, 4:3 or upright.
    """
    batch = len(middle)

    def uniform(low: float | int, high: float | int) -> Tensor:
        return low + (high - low) * torch.rand(batch, generator=generator)

    place = _PLACES[torch.multinomial(_PLACES[:, 0], batch, replacement=True, generator=generator)]
    height = place[:, 1] + (place[:, 2] - place[:, 1]) * uniform(0, 1)
    distance = (place[:, 3].log() + (place[:, 4] / place[:, 3]).log() * uniform(0, 1)).exp()
    azimuth = uniform(-torch.pi, torch.pi)
    eye = torch.stack(
        (middle[:, 0] + distance * azimuth.cos(), middle[:, 1] + distance * azimuth.sin(), height), dim=-1
    )
    across = torch.where(uniform(0, 1) < 0.125, uniform(25, 50), uniform(50, 110)).deg2rad()
    shapes = torch.tensor([9 / 16, 9 / 16, 9 / 16, 3 / 4, 3 / 4, 16 / 9])
    tall = shapes[torch.randint(len(shapes), (batch,), generator=generator)]
    wide = (across / 2).tan() / tall.clamp(min=1.0)  # the angle is across the longer side
    reach = torch.stack((wide, wide * tall), dim=-1)
    spot = reach * (2 * torch.rand(batch, 2, generator=generator) - 1) * 0.85
    rotation = _level_view(torch.nn.functional.normalize(middle - eye, dim=-1), spot)
    # A degree or two as screws hold it, a hand-held tilt now and then, any turn at all once in twenty.
    roll = torch.randn(batch, generator=generator) * torch.where(uniform(0, 1) < 0.2, 0.2, 0.04)
    roll = torch.where(uniform(0, 1) < 0.05, uniform(-torch.pi, torch.pi), roll)
    return Views(eye, rotation_about("z", roll) @ rotation, reach)


def _level_view(direction: Tensor, spot: Tensor) -> Tensor:
    """World-to-camera rotations without roll that show a direction of the world at a spot of the picture plane.

    A level camera pitched down by p sees the ray (x, y, 1) at the elevation -(y cos p + sin p) / length; that is solved
    for p, then the azimuth follows. Where no p does it (spots beside the axis, straight down) the nearest one is taken.
    """
    x, y = spot.unbind(-1)
    length = (x * x + y * y + 1).sqrt()
    pitch = (-direction[:, 2] * length / (1 + y * y).sqrt()).clamp(-1, 1).asin() - torch.atan2(y, torch.ones_like(y))
    # Along the camera's own azimuth (ahead) and to its right, of the ray.
    ahead = pitch.cos() - y * pitch.sin()
    turn = torch.atan2(direction[:, 1], direction[:, 0]) - torch.atan2(-x, ahead)
    zero, cos, sin = torch.zeros_like(turn), turn.cos(), turn.sin()
    right = torch.stack((sin, -cos, zero), dim=-1)
    forward = torch.stack((cos * pitch.cos(), sin * pitch.cos(), -pitch.sin()), dim=-1)
    return torch.stack((right, torch.linalg.cross(forward, right), forward), dim=-2)
