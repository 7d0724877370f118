"""Simple clothes: which part of a body's skin is shirt, trousers, shoe or hair, decided in the rest pose.

Borders between garments are straight cuts through the T-pose. Every vertex gets one signed field per garment; a ray
that hits between vertices interpolates the fields, so a hem stays sharp at any picture size without a texture.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from carescene.humans.skeleton import JOINT

GARMENTS: Final = ("skin", "hair", "shirt", "trousers", "shoes")

# How far each garment stands off the skin in metres, and how strongly it hides what is under it (0 to 1 per smoothing
# step): a shirt hangs over the ribs, a shoe closes over the toes.
_THICKNESS: Final = {"skin": 0.0, "hair": 0.012, "shirt": 0.011, "trousers": 0.010, "shoes": 0.008}
_SMOOTHNESS: Final = {"skin": 0.0, "hair": 0.3, "shirt": 0.6, "trousers": 0.6, "shoes": 1.0}

# Linear-light red, green, blue. One outfit per person of a clip; with more persons than outfits they repeat.
_OUTFITS: Final = (
    {"shirt": (0.085, 0.185, 0.42), "trousers": (0.125, 0.13, 0.15), "shoes": (0.035, 0.032, 0.035)},
    {"shirt": (0.10, 0.34, 0.30), "trousers": (0.32, 0.31, 0.29), "shoes": (0.42, 0.42, 0.41)},
    {"shirt": (0.45, 0.17, 0.10), "trousers": (0.07, 0.10, 0.19), "shoes": (0.10, 0.09, 0.08)},
    {"shirt": (0.42, 0.32, 0.12), "trousers": (0.16, 0.12, 0.09), "shoes": (0.22, 0.20, 0.19)},
)
_SKIN: Final = (0.56, 0.315, 0.215)
_DARK_HAIR: Final = (0.065, 0.042, 0.03)
_GREY_HAIR: Final = (0.47, 0.46, 0.45)
# Hair is dark up to about 45 years and fully grey from about 70.
_GREYING_YEARS: Final = (45.0, 70.0)


@dataclass(frozen=True)
class Outfit:
    """What a person wears.

    `fields` are positive inside each garment, `colors` linear light per garment; `thickness` (metres) and `smoothness`
    (0 to 1) say per vertex how the cloth stands off the skin and hides its details.
    """

    fields: Float[np.ndarray, "vertex garment"]
    colors: Float[np.ndarray, "garment 3"]
    thickness: Float[np.ndarray, "vertex"]
    smoothness: Float[np.ndarray, "vertex"]


def garment_fields(
    vertices: Float[np.ndarray, "vertex 3"], joints: Float[np.ndarray, "24 3"]
) -> Float[np.ndarray, "vertex garment"]:
    """Signed fields in metres, positive inside each garment of `GARMENTS`, of a body in SMPL's rest pose (y up).

    The garment whose field is largest wins; skin is 0 everywhere and so wins where nothing else is positive.
    """
    x, y, z = vertices.T
    neck, head, pelvis = joints[JOINT["neck"]], joints[JOINT["head"]], joints[JOINT["pelvis"]]
    elbow, shoulder = joints[JOINT["left_elbow"]], joints[JOINT["left_shoulder"]]
    ankle = joints[[JOINT["left_ankle"], JOINT["right_ankle"]]].mean(axis=0)
    top = float(y.max())
    # Short sleeves end at two thirds of the upper arm; the collar falls towards the chest.
    sleeve = abs(shoulder[0]) + 0.66 * (abs(elbow[0]) - abs(shoulder[0]))
    collar = neck[1] + 0.012 - 0.45 * (z - neck[2])
    waist = pelvis[1] + 0.05
    hem = ankle[1] + 0.035
    # Hair covers the skull above a plane that rises from the nape to the brow.
    skull = top - head[1]
    brow = head[1] + 0.42 * skull + 0.95 * (z - head[2])
    fields = {
        "skin": np.zeros_like(y),
        "hair": np.minimum(y - brow, y - (head[1] - 0.02)),
        "shirt": np.minimum.reduce([y - waist, sleeve - np.abs(x), collar - y]),
        "trousers": np.minimum(waist - y, y - hem),
        "shoes": hem - y,
    }
    return np.stack([fields[name] for name in GARMENTS], axis=-1)


def dress(
    vertices: Float[np.ndarray, "vertex 3"],
    joints: Float[np.ndarray, "24 3"],
    *,
    person: int = 0,
    age_years: float | None = None,
) -> Outfit:
    """Clothes of person number `person`, fitted to a body in the rest pose; hair greys with age (dark if unknown)."""
    fields = garment_fields(vertices, joints)
    worn = garment_of(fields)
    thickness = np.array([_THICKNESS[name] for name in GARMENTS], dtype=np.float32)[worn]
    # Soles keep the height of the feet, so that nobody sinks into the floor by dressing.
    sole = vertices[:, 1] < vertices[:, 1].min() + 0.02
    thickness[sole] = 0.0
    young, old = _GREYING_YEARS
    grey = 0.0 if age_years is None else float(np.clip((age_years - young) / (old - young), 0.0, 1.0))
    hair = (1 - grey) * np.array(_DARK_HAIR) + grey * np.array(_GREY_HAIR)
    colors = {"skin": _SKIN, "hair": hair} | _OUTFITS[person % len(_OUTFITS)]
    return Outfit(
        fields=fields.astype(np.float32),
        colors=np.array([colors[name] for name in GARMENTS], dtype=np.float32),
        thickness=thickness,
        smoothness=np.array([_SMOOTHNESS[name] for name in GARMENTS], dtype=np.float32)[worn],
    )


def garment_of(fields: Float[np.ndarray, "*batch garment"]) -> Int[np.ndarray, "*batch"]:
    """Index into `GARMENTS` of what is worn where the (interpolated) fields have these values."""
    return np.argmax(fields, axis=-1)
