"""Between the room's own coordinates and the model's world, in which person 0 starts at the origin and faces +y."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.scenes.scene import Scene
from diffusion.canonical import move


@dataclass(frozen=True)
class Frame:
    """Where the model's world lies in the room: its origin (metres) and its turn (radians, positive to the left)."""

    x: float | int = 0.0
    y: float | int = 0.0
    angle: float | int = 0.0

    def into(self, x: float | int, y: float | int) -> tuple[float, float]:
        """A place of the room in the model's world."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        dx, dy = x - self.x, y - self.y
        return cos * dx + sin * dy, -sin * dx + cos * dy

    def out(self, x: float | int, y: float | int) -> tuple[float, float]:
        """A place of the model's world in the room; the inverse of `into`."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.x + cos * x - sin * y, self.y + sin * x + cos * y

    def moved_into(
        self, poses: Float[Tensor, "*batch frame 24 3"], trans: Float[Tensor, "*batch frame 3"]
    ) -> tuple[Float[Tensor, "*batch frame 24 3"], Float[Tensor, "*batch frame 3"]]:
        """Motion of the room in the model's world."""
        angle = torch.tensor(self.angle, dtype=trans.dtype)
        return move(poses, trans, angle, torch.tensor([self.x, self.y], dtype=trans.dtype))

    def moved_out(
        self, poses: Float[Tensor, "*batch frame 24 3"], trans: Float[Tensor, "*batch frame 3"]
    ) -> tuple[Float[Tensor, "*batch frame 24 3"], Float[Tensor, "*batch frame 3"]]:
        """Motion of the model's world in the room; the inverse of `moved_into`."""
        angle = torch.tensor(-self.angle, dtype=trans.dtype)
        # `move` subtracts the origin before it turns: where the room's origin lies in the model's world.
        origin = torch.tensor(self.into(0.0, 0.0), dtype=trans.dtype)
        return move(poses, trans, angle, origin)

    def scene_into(self, scene: Scene) -> Scene:
        """The room in the model's world, for distances there."""
        return _moved(scene, [self.into(*corner) for corner in scene.polygon], self.into, -self.angle)

    def scene_out(self, scene: Scene) -> Scene:
        """A room of the model's world in the room's coordinates."""
        return _moved(scene, [self.out(*corner) for corner in scene.polygon], self.out, self.angle)


def _moved(scene: Scene, polygon: list[tuple[float, float]], place, turn: float | int) -> Scene:
    things = []
    for thing in scene.objects:
        x, y = place(thing.center[0], thing.center[1])
        yaw = math.remainder(thing.yaw + turn, 2 * math.pi)
        things.append(dataclasses.replace(thing, center=(x, y, thing.center[2]), yaw=yaw))
    return dataclasses.replace(scene, polygon=polygon, objects=things)


def frame_of_motion(poses: Float[np.ndarray, "24 3"], trans: Float[np.ndarray, "3"]) -> Frame:
    """The frame of somebody's own first moment."""
    from diffusion.canonical import canonical_frame

    angle, origin = canonical_frame(torch.from_numpy(poses).double()[None], torch.from_numpy(trans).double()[None])
    return Frame(float(origin[0]), float(origin[1]), float(angle))
