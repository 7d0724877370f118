"""A room and its people seen from above, for people to look at."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from carescene.humans.skeleton import PARENTS
from carescene.rendering.camera import Camera
from carescene.rendering.overlay import PERSON_COLORS, Color
from carescene.scenes.footprint import footprint
from carescene.scenes.scene import Scene

# Drawn larger and shrunk, which smooths lines.
_FINE: Final = 2
_PAPER: Final[Color] = (250, 250, 247)
_FLOOR: Final[Color] = (233, 234, 230)
_GRID: Final[Color] = (216, 218, 214)
_WALL: Final[Color] = (70, 74, 80)
_THING: Final[Color] = (196, 189, 170)
_THING_EDGE: Final[Color] = (120, 112, 94)
_SEEN: Final[Color] = (246, 240, 214)
_INK: Final[Color] = (40, 42, 46)
_DOUBT: Final[Color] = (213, 50, 30)
# Names of these would only hide those of things.
_NAMELESS: Final = ("wall", "other", "handrail", "window")
_MARGIN: Final = 0.06
_TRAIL_S: Final = 4.0
# Two standard deviations: the person is inside nineteen times out of twenty.
_SIGMAS: Final = 2.0
_FARTHEST_M: Final = 14.0


@dataclass(frozen=True)
class FloorMap:
    """A picture of a floor plan and how to draw on it; make it with `FloorMap.of`.

    Attributes:
        ground: everything that does not move, at `_FINE` times the size.
        origin, scale: a point of the world in metres is drawn at ((x - origin_x) scale, (origin_y - y) scale).
    """

    ground: UInt8[np.ndarray, "height width 3"]
    origin: tuple[float, float]
    scale: float

    @classmethod
    def of(cls, scene: Scene, camera: Camera | None, width: int, height: int) -> "FloorMap":
        """Floor, walls, furniture with their names, a grid of metres, and the floor that the camera sees.

        Args:
            scene: the room.
            camera: in the same world, drawn with the border of what it sees; None to leave it out.
            width, height: of the map in pixels; the whole room fits.
        """
        corners = np.array(scene.polygon)
        if camera is not None:
            corners = np.concatenate([corners, camera.eye[None, :2]])
        low, high = corners.min(axis=0), corners.max(axis=0)
        room = np.array([width, height]) * _FINE * (1 - 2 * _MARGIN)
        scale = float((room / np.maximum(high - low, 0.5)).min())
        middle = (low + high) / 2
        origin = (float(middle[0] - width * _FINE / 2 / scale), float(middle[1] + height * _FINE / 2 / scale))
        image = Image.new("RGB", (width * _FINE, height * _FINE), _PAPER)
        plan = cls(np.asarray(image), origin, scale)
        pen = ImageDraw.Draw(image)
        pen.polygon(plan.places(np.array(scene.polygon)), fill=_FLOOR)
        if camera is not None:
            plan._draw_view(image, pen, scene, camera)
        plan._draw_grid(pen, low, high)
        for thing in scene.objects:
            part = footprint(thing)
            pen.polygon(plan.places(part.corners), fill=_THING, outline=_THING_EDGE, width=_FINE)
            back = np.array([part.world(-part.half_x, -part.half_y), part.world(part.half_x, -part.half_y)])
            # The thick side is the back of a chair, the head of a bed.
            pen.line(plan.places(back), fill=_THING_EDGE, width=3 * _FINE)
            if thing.kind not in _NAMELESS:
                plan._write(pen, (part.x, part.y), thing.kind.replace("_", " "), _INK)
        outline = plan.places(np.array([*scene.polygon, scene.polygon[0]]))
        pen.line(outline, fill=_WALL, width=3 * _FINE, joint="curve")
        if camera is not None:
            plan._draw_camera(pen, camera)
        return cls(np.asarray(image), origin, scale)

    def places(self, points: Float[np.ndarray, "point 2"]) -> list[tuple[float, float]]:
        """Pixels of the fine picture at points of the floor."""
        return [((x - self.origin[0]) * self.scale, (self.origin[1] - y) * self.scale) for x, y in points.tolist()]

    def draw(
        self,
        joints: Float[np.ndarray, "person 24 3"],
        trails: list[Float[np.ndarray, "time 2"]],
        std: Float[np.ndarray, "person 2"] | None,
        trusted: Bool[np.ndarray, "person"],
    ) -> UInt8[np.ndarray, "rows columns 3"]:
        """The map with everybody at one moment.

        Args:
            joints: of everybody in the world, metres; NaN for those who are not there.
            trails: where each person's pelvis was before, oldest first.
            std: standard deviations of the pelvis along x and y, metres, drawn as an ellipse of two of them.
            trusted: people whose position is not to be trusted get a red ellipse.
        """
        image = Image.fromarray(self.ground)
        pen = ImageDraw.Draw(image)
        for person, trail in enumerate(trails):
            known = trail[np.isfinite(trail).all(axis=1)]
            if len(known) > 1:
                pen.line(self.places(known), fill=_pale(PERSON_COLORS[person % len(PERSON_COLORS)]), width=2 * _FINE)
        for person, points in enumerate(joints):
            if not np.isfinite(points).all():
                continue
            color = PERSON_COLORS[person % len(PERSON_COLORS)]
            spots = self.places(points[:, :2])
            for joint, parent in enumerate(PARENTS):
                if parent >= 0:
                    pen.line([spots[parent], spots[joint]], fill=color, width=2 * _FINE)
            x, y = spots[15]
            pen.ellipse(_round(x, y, 0.10 * self.scale), fill=color, outline=_INK)
            if std is not None and np.isfinite(std[person]).all():
                x, y = spots[0]
                across, up = (max(float(value) * _SIGMAS * self.scale, 2.0) for value in std[person])
                edge = color if trusted[person] else _DOUBT
                pen.ellipse((x - across, y - up, x + across, y + up), outline=edge, width=_FINE)
        small = image.resize((image.width // _FINE, image.height // _FINE), Image.Resampling.BOX)
        return np.asarray(small)

    def _draw_grid(self, pen: ImageDraw.ImageDraw, low: np.ndarray, high: np.ndarray) -> None:
        for axis in range(2):
            for value in range(math.ceil(low[axis]), math.floor(high[axis]) + 1):
                ends = np.array([low, high], np.float64)
                ends[:, axis] = value
                pen.line(self.places(ends), fill=_GRID, width=1)
        # One metre, for scale.
        left, bottom = 4 * _FINE, self.ground.shape[0] - 8 * _FINE
        pen.line([(left, bottom), (left + self.scale, bottom)], fill=_INK, width=2 * _FINE)
        pen.text((left + self.scale + 3 * _FINE, bottom), "1 m", fill=_INK, font=_font(), anchor="lm")

    def _draw_view(self, image: Image.Image, pen: ImageDraw.ImageDraw, scene: Scene, camera: Camera) -> None:
        """Light up the part of the floor that the camera sees."""
        seen = floor_in_view(camera)
        if len(seen) < 3:
            return
        room, view = Image.new("L", image.size, 0), Image.new("L", image.size, 0)
        ImageDraw.Draw(room).polygon(self.places(np.array(scene.polygon)), fill=255)
        ImageDraw.Draw(view).polygon(self.places(seen), fill=255)
        both = Image.fromarray(np.minimum(np.asarray(room), np.asarray(view)))
        image.paste(_SEEN, (0, 0), both)
        pen.line([*self.places(seen), self.places(seen)[0]], fill=(214, 200, 150), width=_FINE)

    def _draw_camera(self, pen: ImageDraw.ImageDraw, camera: Camera) -> None:
        (x, y), ahead = self.places(camera.eye[None, :2])[0], camera.rotation[2, :2]
        size, length = 5.0 * _FINE, float(np.linalg.norm(ahead))
        if length > 1e-6:
            dx, dy = float(ahead[0] / length), -float(ahead[1] / length)
            left, right = (
                (x + size * (1.6 * dx - dy), y + size * (1.6 * dy + dx)),
                (
                    x + size * (1.6 * dx + dy),
                    y + size * (1.6 * dy - dx),
                ),
            )
            pen.polygon([(x, y), left, right], fill=_INK)
        pen.ellipse(_round(x, y, 0.5 * size), fill=_INK)

    def _write(self, pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, color: Color) -> None:
        pen.text(self.places(np.array([at]))[0], text, fill=color, font=_font(), anchor="mm")


def floor_in_view(camera: Camera) -> Float[np.ndarray, "corner 2"]:
    """Outline of the floor (z = 0) that a camera sees, metres: the picture's border cast down, cut 14 m away."""
    steps = np.linspace(0.0, 1.0, 13)[:-1]
    width, height = float(camera.width), float(camera.height)
    border = np.concatenate(
        [
            np.column_stack([steps * width, np.full(12, height)]),
            np.column_stack([np.full(12, width), (1 - steps) * height]),
            np.column_stack([(1 - steps) * width, np.zeros(12)]),
            np.column_stack([np.zeros(12), steps * height]),
        ]
    )
    rays = camera.rays(border)
    flat = np.linalg.norm(rays[:, :2], axis=1)
    # Rays that reach the floor nowhere, or far away, end at the same distance.
    with np.errstate(divide="ignore"):
        reach = np.where(rays[:, 2] < -1e-6, camera.eye[2] / -rays[:, 2], np.inf)
    reach = np.minimum(reach, _FARTHEST_M / np.maximum(flat, 1e-9))
    return camera.eye[:2] + reach[:, None] * rays[:, :2]


def recent(trail: Float[np.ndarray, "frame 2"], frame: int, fps: float | int) -> Float[np.ndarray, "time 2"]:
    """The last four seconds of a path up to a frame."""
    return trail[max(0, frame + 1 - round(_TRAIL_S * fps)) : frame + 1]


def _pale(color: Color) -> Color:
    red, green, blue = ((value + 255) // 2 for value in color)
    return red, green, blue


def _round(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(11 * _FINE)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow is built with FreeType on every platform it ships for"
    return font
