"""Furniture that the user drew into the picture: outlines in pixels, with the height they lie at."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from jaxtyping import Float

from carescene.errors import UserError
from carescene.rendering.camera import Camera
from carescene.scenes.footprint import wall_distance
from carescene.scenes.furniture import default_object
from carescene.scenes.furniture.catalogue import BUILDERS
from carescene.scenes.scene import KINDS, SceneObject
from reconstruction.room_layout import fresh_name, nearest_wall_yaw

# What people call things that have no kind of their own, by the nearest one: a sofa carries like a narrow low bed.
NEAREST_KIND: Final = {
    "sofa": "bed",
    "couch": "bed",
    "stretcher": "bed",
    "bench": "bed",
    "armchair": "recliner",
    "stool": "chair",
    "desk": "table",
    "nightstand": "cabinet",
    "wardrobe": "cabinet",
    "shelf": "cabinet",
    "sink": "basin",
    "rollator": "walker",
}
# The parameter that a drawn height sets, by kind; other kinds are as high as their outline.
_HEIGHTS: Final = {
    "bed": ("mattress_height_m", 0.30, 0.80),
    "chair": ("seat_height_m", 0.38, 0.56),
    "recliner": ("seat_height_m", 0.40, 0.58),
    "wheelchair": ("seat_height_m", 0.44, 0.56),
    "toilet": ("seat_height_m", 0.38, 0.52),
    "basin": ("rim_height_m", 0.70, 0.95),
}
_KEYS: Final = ("kind", "pixels", "height")
_BENCH_BED_M: Final = 1.5


@dataclass(frozen=True)
class DrawnThing:
    """One piece of furniture as drawn into the picture.

    Attributes:
        kind: one of `carescene.scenes.KINDS`, or a name of `NEAREST_KIND`.
        pixels: corners of its outline, in pixels of the upright picture.
        height: at which that outline lies, metres above the floor (the mattress of a bed, the seat of a chair, the top
            of a table); 0 for an outline on the floor.
    """

    kind: str
    pixels: Float[np.ndarray, "corner 2"]
    height: float


def read_furniture(path: Path) -> list[DrawnThing]:
    """Read outlines from JSON or YAML: `furniture: [{kind: bed, pixels: [[x, y], ...], height: 0.5}]`.

    Raises:
        UserError: if the file is missing or no such list, or names the entry whose kind, pixels or height are wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        plain = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except FileNotFoundError as error:
        raise UserError(f"Expected furniture drawn in '{path}', but there is no such file. Check the path.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"Expected '{path.name}' to be JSON or YAML, but got: {' '.join(str(error).split())}. Correct the file."
        ) from error
    entries = plain.get("furniture") if isinstance(plain, dict) else None
    if not isinstance(entries, list):
        raise UserError(
            f"Expected '{path.name}' to hold `furniture: [{{kind, pixels, height}}]`, but got {str(plain)[:80]!r}. "
            "Put the list under the name furniture."
        )
    return [_drawn(entry, f"entry {number} of '{path.name}'") for number, entry in enumerate(entries)]


def drawn_object(
    drawn: DrawnThing, camera: Camera, polygon: list[tuple[float, float]] | None, names: set[str]
) -> SceneObject:
    """The thing in the world whose outline at the drawn height was drawn: the smallest rectangle around it.

    Args:
        polygon: of the floor, whose nearest wall the back of the thing (a bed's head) turns to; None if not known.
        names: ids already given; the new one is added.

    Raises:
        UserError: if the outline does not lie below the horizon, or is larger or smaller than its kind can be.
    """
    corners = pixels_at_height(drawn.pixels, camera, drawn.height)
    yaw, low, high = _smallest_rectangle(corners)
    if high[0] - low[0] > high[1] - low[1]:
        yaw, low, high = yaw + math.pi / 2, np.array([low[1], -high[0]]), np.array([high[1], -low[0]])
    axes = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    x, y = ((low + high) / 2 @ axes).tolist()
    short, long = (high - low).tolist()
    kind = NEAREST_KIND.get(drawn.kind, drawn.kind)
    if kind == "bed" and drawn.kind in ("sofa", "couch", "bench") and long < _BENCH_BED_M:
        kind = "recliner" if drawn.kind != "bench" else "chair"
    if kind != "bed" and polygon is not None and not _looks(yaw, nearest_wall_yaw((x, y), polygon)):
        yaw, short, long = yaw + math.pi / 2, long, short
    if polygon is not None and _turned_away(yaw, (x, y), polygon, kind):
        yaw += math.pi
    yaw = math.remainder(yaw, 2 * math.pi)
    params: dict[str, Any] = {}
    size: tuple[float | None, float | None, float | None] = (short, long, drawn.height or None)
    if kind in _HEIGHTS:
        name, lowest, highest = _HEIGHTS[kind]
        if drawn.height > 0:
            params[name] = round(min(max(drawn.height, lowest), highest), 3)
        size = (short, long, None)
    if kind == "bed":
        params |= {"rails": "none", "pillow": drawn.kind == "bed"}
    builder = BUILDERS[kind]
    # Hand-drawn outlines are a few centimetres off; what a kind cannot be at all is refused below.
    clipped = [
        min(max(side, small), large) if small - 0.25 <= side <= large + 0.4 else side
        for side, small, large in zip((short, long), builder.smallest, builder.largest, strict=False)
    ]
    id = fresh_name(drawn.kind.replace("_", "-"), names)
    try:
        return default_object(kind, id, x=x, y=y, yaw=yaw, size=(clipped[0], clipped[1], size[2]), **params)
    except UserError as error:
        raise UserError(
            f"Expected the drawn {drawn.kind} to be as large as a {kind} can be, but its outline at "
            f"{drawn.height:.2f} m measures {short:.2f} x {long:.2f} m on the floor plan. {error}"
        ) from error


def pixels_at_height(
    pixels: Float[np.ndarray, "corner 2"], camera: Camera, height: float | int
) -> Float[np.ndarray, "corner 2"]:
    """Where the rays through some pixels meet the level at a height, seen from above, metres.

    Raises:
        UserError: if a ray does not come down to that height within 30 m.
    """
    rays = camera.rays(np.asarray(pixels, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (float(height) - camera.eye[2]) / rays[:, 2]
    places = camera.eye[:2] + along[:, None] * rays[:, :2]
    bad = ~np.isfinite(along) | (along <= 0) | (np.linalg.norm(places - camera.eye[:2], axis=1) > 30)
    if bad.any():
        x, y = pixels[int(np.argmax(bad))]
        raise UserError(
            f"Expected drawn furniture below the horizon, but the ray through pixel ({x:.0f}, {y:.0f}) does not come "
            f"down to {height:.2f} m within 30 m. The outline or its height is wrong."
        )
    return places


def _drawn(entry: Any, where: str) -> DrawnThing:
    if not isinstance(entry, dict) or set(entry) - set(_KEYS) or "kind" not in entry or "pixels" not in entry:
        raise UserError(f"Expected {where} to have kind, pixels and maybe height, but got {entry!r}. Correct it.")
    kind = entry["kind"]
    if kind not in KINDS and kind not in NEAREST_KIND:
        known = ", ".join((*KINDS, *NEAREST_KIND))
        raise UserError(
            f"Expected the kind in {where} to be one of {known}, but got {kind!r}. Use 'other' for the rest."
        )
    try:
        pixels = np.array(entry["pixels"], np.float64)
    except (TypeError, ValueError):
        pixels = np.zeros(0)
    if pixels.ndim != 2 or pixels.shape[1:] != (2,) or len(pixels) < 3 or not np.isfinite(pixels).all():
        raise UserError(
            f"Expected pixels in {where} to be at least three [x, y], but got {entry['pixels']!r}. Draw the outline."
        )
    height = entry.get("height", 0.0)
    if isinstance(height, bool) or not isinstance(height, int | float) or not 0 <= height <= 3:
        raise UserError(f"Expected height in {where} from 0 to 3 m, but got {height!r}. Heights are in metres.")
    return DrawnThing(kind, pixels, float(height))


def _smallest_rectangle(corners: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Yaw and extremes of the rectangle of least area: one side lies along an edge of the outline (Freeman 1975)."""
    edges = np.roll(corners, -1, axis=0) - corners
    best = (math.inf, 0.0, corners.min(axis=0), corners.max(axis=0))
    for yaw in np.arctan2(edges[:, 1], edges[:, 0]):
        axes = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
        turned = corners @ axes.T
        low, high = turned.min(axis=0), turned.max(axis=0)
        size = float(np.prod(high - low))
        if size < best[0]:
            best = (size, float(yaw), low, high)
    return best[1], best[2], best[3]


def _looks(yaw: float, wanted: float) -> bool:
    """Whether two directions lie within 45 degrees of one line."""
    return abs(math.remainder(yaw - wanted, math.pi)) <= math.pi / 4


def _turned_away(yaw: float, at: tuple[float, float], polygon: list[tuple[float, float]], kind: str) -> bool:
    """Whether a thing must be turned round so that its back is at the wall."""
    if kind == "bed":
        ahead = np.array([-math.sin(yaw), math.cos(yaw)])
        off = wall_distance(np.array([at - 0.9 * ahead, at + 0.9 * ahead]), polygon)
        return bool(off[1] < off[0])
    return abs(math.remainder(nearest_wall_yaw(at, polygon) - yaw, 2 * math.pi)) > math.pi / 2
