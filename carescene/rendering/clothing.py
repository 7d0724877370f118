"""Clothes: which part of a body's skin is gown, trousers, shoe or hair, decided in the rest pose.

Borders between garments are cuts through the T-pose, given by signed fields in metres (y up, facing +z, left is +x).
They are evaluated wherever a ray hits, in rest-pose coordinates, so hems stay sharp at any picture size without a
texture.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int

from carescene.humans.skeleton import JOINT

# Painted one over the other: of several whose field is positive, the last one is seen.
GARMENTS: Final = (
    "skin",
    "lips",
    "eyes",
    "irises",
    "brows",
    "hair",
    "bottom",
    "top",
    "trim",
    "badge",
    "socks",
    "shoes",
    "soles",
)
GARMENT: Final = {name: index for index, name in enumerate(GARMENTS)}

# Half the room that 4:2:0 video leaves for a line: narrower bands vanish anyway.
_BAND: Final = 0.012


@dataclass(frozen=True)
class Landmarks:
    """Where things are on one body in its rest pose, metres.

    `scale` is the head's size relative to the bundled body's: the face is drawn in its units around the nose's tip.
    """

    top: float
    sole: float
    nose: Float[np.ndarray, "3"]
    scale: float
    neck: Float[np.ndarray, "3"]
    shoulder: float
    elbow: float
    wrist: float
    pelvis: float
    knee: float
    ankle: float
    chest: float


def find_landmarks(vertices: Float[np.ndarray, "vertex 3"], joints: Float[np.ndarray, "24 3"]) -> Landmarks:
    """Measure a body in SMPL's rest pose (y up, facing +z); any mesh of a human will do."""
    top, sole = float(vertices[:, 1].max()), float(vertices[:, 1].min())
    head, neck = joints[JOINT["head"]], joints[JOINT["neck"]]
    # The nose's tip is what stands out most in the middle of the lower half of the head.
    middle = (np.abs(vertices[:, 0]) < 0.02) & (vertices[:, 1] > head[1]) & (vertices[:, 1] < (head[1] + top) / 2)
    face = vertices[middle]
    nose = face[face[:, 2].argmax()] if len(face) else np.array([0.0, head[1] + 0.23 * (top - head[1]), head[2] + 0.12])

    def pair(name: str, axis: int) -> float:
        return float(np.abs(joints[[JOINT[f"left_{name}"], JOINT[f"right_{name}"]], axis]).mean())

    def height(name: str) -> float:
        return float(joints[[JOINT[f"left_{name}"], JOINT[f"right_{name}"]], 1].mean())

    return Landmarks(
        top=top,
        sole=sole,
        nose=np.array([0.0, nose[1], nose[2]]),
        scale=float(top - nose[1]) / 0.152,
        neck=neck,
        shoulder=pair("shoulder", 0),
        elbow=pair("elbow", 0),
        wrist=pair("wrist", 0),
        pelvis=float(joints[JOINT["pelvis"], 1]),
        knee=height("knee"),
        ankle=height("ankle"),
        chest=float(joints[JOINT["left_shoulder"], 1]),
    )


@dataclass(frozen=True)
class Cut:
    """How one person's clothes are cut.

    Attributes:
        sleeve: where sleeves end along the arm: 0 shoulder, 1 elbow, 2 wrist.
        collar: round, v, open (low and wide, as a gown tied at the back), or high (shirt or jumper up to the neck).
        top_hem: where the upper garment ends: 0 hip, 1 knee, 2 ankle; None is tucked into the trousers. It hangs loose
            from the chest down.
        legs: trousers, a skirt, or nothing under the upper garment.
        leg_hem: where trousers or skirt end, as for `top_hem`.
        socks: height above the ankle in metres, or None for bare ankles.
        shoes: None is bare (or socks alone).
        trim: bands of another colour at the collar and the hems.
        open_back: the gown is closed at the back by ties only, so that a strip of skin shows.
        badge: a name badge on the chest.
    """

    sleeve: float = 0.66
    collar: Literal["round", "v", "open", "high"] = "round"
    top_hem: float | None = 0.12
    legs: Literal["trousers", "skirt", "none"] = "trousers"
    leg_hem: float = 1.92
    socks: float | None = None
    shoes: Literal["trainers", "shoes", "slippers"] | None = "shoes"
    trim: bool = False
    open_back: bool = False
    badge: bool = False

    @property
    def hanging_hem(self) -> float | None:
        """Where cloth that hangs loose around the body ends (0 hip, 1 knee, 2 ankle), or None if nothing does."""
        hems = [] if self.top_hem is None else [self.top_hem]
        hems += [self.leg_hem] if self.legs == "skirt" else []
        return max(hems, default=None)


def leg_height(along: float, marks: Landmarks) -> float:
    """Height in metres of a place along the leg: 0 hip, 1 knee, 2 ankle."""
    return float(np.interp(along, [0, 1, 2], [marks.pelvis - 0.045, marks.knee, marks.ankle]))


def cloth_fields(
    points: Float[np.ndarray, "point 3"], marks: Landmarks, cut: Cut
) -> dict[str, Float[np.ndarray, "point"]]:
    """Signed fields in metres, positive inside, of every garment below the head that this cut has."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    places = [marks.shoulder, marks.elbow, marks.wrist]
    sleeve = float(np.interp(cut.sleeve, [0, 1, 2], places)) - x
    collar = _collar(points, marks, cut.collar)
    hem = y - (marks.pelvis + 0.03 if cut.top_hem is None else leg_height(cut.top_hem, marks))
    top = np.minimum(np.minimum(sleeve, collar), hem)
    fields = {"top": top}
    if cut.open_back:
        strip = 0.008 + 0.04 * np.clip(marks.chest - y, 0, 0.5)
        behind = np.minimum(marks.neck[2] - 0.02 - z, np.minimum(y - (marks.pelvis + 0.12), strip - x))
        fields["top"] = np.minimum(top, -behind)
    if cut.trim:
        border = np.minimum(np.minimum(sleeve, collar), np.inf if cut.top_hem is None else hem)
        fields["trim"] = np.minimum(top, _BAND - border)
    if cut.badge:
        across, up = points[:, 0] - 0.08, y - (marks.chest - 0.055)
        badge = np.minimum(np.minimum(0.022 - np.abs(across), 0.03 - np.abs(up)), z - marks.neck[2])
        fields["badge"] = badge
    if cut.legs != "none":
        fields["bottom"] = np.minimum(marks.pelvis + 0.05 - y, y - leg_height(cut.leg_hem, marks))
    if cut.socks is not None:
        fields["socks"] = marks.ankle + cut.socks - y
    if cut.shoes is not None:
        fields |= _shoe_fields(points, marks, cut.shoes)
    return fields


def _collar(points: np.ndarray, marks: Landmarks, kind: str) -> np.ndarray:
    """Positive below the collar, which falls towards the chest; `v` and `open` are lower in front."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2] - marks.neck[2]
    rise, fall = {"round": (0.0, 0.45), "v": (0.008, 0.35), "open": (-0.008, 0.62), "high": (0.03, 0.35)}[kind]
    # Never above the shoulders' slope: there the plane of the collar leaves the neck.
    around = np.maximum(marks.neck[1] + rise - fall * z - y, x - 0.105)
    if kind == "v":
        notch = marks.neck[1] - 0.135 + 1.65 * x - y
        return np.minimum(around, np.where(z > 0, np.maximum(notch, x - 0.105), around))
    return around


def _shoe_fields(points: np.ndarray, marks: Landmarks, kind: str) -> dict[str, np.ndarray]:
    y, z = points[:, 1], points[:, 2]
    front = z - marks.neck[2]
    if kind == "slippers":
        # Open at the heel: the upper covers the front of the foot, only the sole the rest.
        shoes = np.minimum(marks.sole + 0.075 - y, front - 0.055)
        return {"shoes": np.maximum(shoes, marks.sole + 0.032 - y), "soles": marks.sole + 0.008 - y}
    top = marks.ankle + (0.0 if kind == "shoes" else 0.012)
    return {"shoes": top - y, "soles": marks.sole + (0.010 if kind == "shoes" else 0.022) - y}


def garment_of(fields: dict[str, Float[np.ndarray, "point"]], count: int) -> Int[np.ndarray, "point"]:
    """Index into `GARMENTS` of what is seen at each of `count` points: the last garment whose field is positive."""
    worn = np.zeros(count, dtype=np.int64)
    for index, name in enumerate(GARMENTS):
        if name in fields:
            worn[fields[name] > 0] = index
    return worn
