"""Outfit: everything about one person's looks, and the colour of any point of its surface."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from carescene.rendering.clothing import GARMENT, GARMENTS, Cut, Landmarks, cloth_fields, garment_of
from carescene.rendering.face import Head, face_coordinates, hair_cover, hair_thickness, head_fields, skin_tint
from carescene.rendering.palettes import Paint

# How far each garment stands off the skin in metres, and how strongly it hides what is under it (0 to 1 per smoothing
# step): a shirt hangs over the ribs. What is on the feet is a tube of its own.
_THICKNESS: Final = {"top": 0.012, "trim": 0.012, "badge": 0.012, "bottom": 0.011}
_SMOOTHNESS: Final = {"hair": 0.3, "top": 0.65, "trim": 0.65, "badge": 0.65, "bottom": 0.6}
# In the infrared, blood and pigment hardly show: marks on the skin keep this share of their contrast.
_INFRARED_MARKS: Final = 0.35


@dataclass(frozen=True)
class Look:
    """Albedo of points: linear red, green, blue; near 850 nm; and the index into `GARMENTS` of what is seen."""

    color: Float[np.ndarray, "point 3"]
    infrared: Float[np.ndarray, "point"]
    garment: Int[np.ndarray, "point"]


@dataclass(frozen=True)
class Pattern:
    """Weave or print of a garment: `stripes` across the body or `dots`, every `period` metres, `contrast` 0 to 1."""

    kind: str
    period: float
    contrast: float


@dataclass(frozen=True)
class Outfit:
    """What one person looks like.

    Attributes:
        marks: of the body in its rest pose, from which every border is measured.
        cut: of the clothes.
        head: hair and face.
        paints: one per garment in use.
        pattern: of the upper garment (and of trousers, where they are of the same cloth), if any.
        suit: whether trousers share the upper garment's cloth.
        fullness: of the clothes, as a factor on how far they stand off.
    """

    marks: Landmarks
    cut: Cut
    head: Head
    paints: dict[str, Paint]
    pattern: Pattern | None = None
    suit: bool = False
    fullness: float = 1.0

    def paint(self, points: Float[np.ndarray, "point 3"]) -> Look:
        """Colours of points of the surface, given in rest-pose coordinates (metres)."""
        garment = self.garment(points)
        colors = np.array([self._paint(name).color for name in GARMENTS], np.float32)[garment]
        infrared = np.array([self._paint(name).infrared for name in GARMENTS], np.float32)[garment]
        for some, factor in self._shading(points, garment):
            colors[some] *= factor[:, None]
            infrared[some] *= 1 - 0.5 * (1 - factor)
        bare = (garment == GARMENT["skin"]) | (garment == GARMENT["hair"])
        head = np.flatnonzero(bare & (points[:, 1] > self.marks.neck[1]))
        if len(head) > 0:
            self._paint_head(head, points, garment, colors, infrared)
        return Look(colors, infrared, garment)

    def _paint_head(
        self, head: np.ndarray, points: np.ndarray, garment: np.ndarray, colors: np.ndarray, infrared: np.ndarray
    ) -> None:
        """Face and scalp, in place: marks on the skin, and hair that lets it show through."""
        face = face_coordinates(points[head], self.marks)
        skin, hair = self.paints["skin"], self.paints["hair"]
        tint = skin_tint(face, self.head).astype(np.float32)
        cover = hair_cover(face, self.head).astype(np.float32)
        strands = np.where(garment[head] == GARMENT["hair"], colors[head].mean(axis=1) / np.mean(hair.color), 1.0)
        over = np.array(hair.color, np.float32) * strands[:, None].astype(np.float32)
        colors[head] = (1 - cover[:, None]) * tint * np.array(skin.color, np.float32) + cover[:, None] * over
        marked = skin.infrared * (1 - _INFRARED_MARKS * (1 - tint.mean(axis=1)))
        infrared[head] = (1 - cover) * marked + cover * hair.infrared

    def garment(self, points: Float[np.ndarray, "point 3"]) -> Int[np.ndarray, "point"]:
        """Index into `GARMENTS` of what covers points of the surface, in rest-pose coordinates (metres)."""
        worn = garment_of(cloth_fields(points, self.marks, self.cut), len(points))
        above = points[:, 1] > self.marks.neck[1] - 0.12
        if above.any():
            fields = head_fields(face_coordinates(points[above], self.marks), self.head)
            face = garment_of(fields, int(above.sum()))
            worn[above] = np.where(worn[above] > 0, worn[above], face)
        return worn

    def _paint(self, name: str) -> Paint:
        return self.paints.get(name, self.paints["skin"])

    def _shading(self, points: np.ndarray, garment: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """Factors that make cloth look woven and hair look like strands."""
        x, y, z = points.T
        factors = []
        top = garment == GARMENT["top"]
        if self.pattern is not None:
            cloth = top | (garment == GARMENT["bottom"]) if self.suit else top
            period = self.pattern.period
            if self.pattern.kind == "stripes":
                wave = np.cos(2 * np.pi * x[cloth] / period) > 0.55
            else:
                row = np.floor(y[cloth] / period)
                across = np.mod(x[cloth] / period + 0.5 * row, 1.0) - 0.5
                up = np.mod(y[cloth] / period, 1.0) - 0.5
                wave = across**2 + up**2 < 0.2**2
            factors.append((cloth, 1 - self.pattern.contrast * wave.astype(np.float32)))
        hair = garment == GARMENT["hair"]
        if hair.any():
            strands = np.sin(690 * x[hair] + 90 * z[hair]) * np.sin(310 * z[hair] + 190 * y[hair])
            factors.append((hair, (0.95 + 0.07 * strands).astype(np.float32)))
        return factors

    def thickness(self, points: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "vertex"]:
        """How far cloth or hair stands off the skin at vertices of the rest pose, metres."""
        garment = self.garment(points)
        thickness = np.array([_THICKNESS.get(name, 0.0) for name in GARMENTS])[garment] * self.fullness
        hair = garment == GARMENT["hair"]
        thickness[hair] = hair_thickness(face_coordinates(points[hair], self.marks), self.head) * self.marks.scale
        # Soles keep the height of the feet, so that nobody sinks into the floor by dressing.
        thickness[points[:, 1] < self.marks.sole + 0.02] = 0.0
        return thickness.astype(np.float32)

    def smoothness(self, points: Float[np.ndarray, "vertex 3"]) -> Float[np.ndarray, "vertex"]:
        """How strongly cloth hides what is under it at vertices of the rest pose, 0 to 1."""
        return np.array([_SMOOTHNESS.get(name, 0.0) for name in GARMENTS], np.float32)[self.garment(points)]
