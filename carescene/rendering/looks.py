"""Looks: who wears what. Roles, ages and seeds become outfits."""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.humans.anthropometry import Sex, describe_body
from carescene.humans.body import Body
from carescene.rendering import palettes
from carescene.rendering.clothing import Cut, find_landmarks
from carescene.rendering.face import HairStyle, Head
from carescene.rendering.outfit import Outfit, Pattern
from carescene.rendering.palettes import Color, Paint

ROLES: Final = ("patient", "staff", "visitor", "person")
# Ages are drawn from here when nothing is known.
# Shares of light, middle and dark skin.
_TONES: Final = (0.55, 0.25, 0.20)
_AGES: Final = {"patient": (68.0, 92.0), "staff": (24.0, 62.0), "visitor": (25.0, 75.0), "person": (22.0, 80.0)}


def dress_person(
    vertices: Float[np.ndarray, "vertex 3"],
    joints: Float[np.ndarray, "24 3"],
    *,
    role: str = "person",
    age_years: float | int | None = None,
    sex: str = "unknown",
    seed: int = 0,
) -> Outfit:
    """Clothes, skin, hair and face of one person, fitted to a body in SMPL's rest pose (y up, facing +z, metres).

    Args:
        role: patient (gown, pyjamas or day clothes), staff (scrubs or tunic), visitor or person (day clothes);
            unknown roles are dressed as "person".
        age_years: None draws one that suits the role.
        sex: "female", "male" or "unknown" (drawn).
        seed: the same values give the same looks.
    """
    rng = np.random.default_rng(seed)
    role = role if role in ROLES else "person"
    age = float(rng.uniform(*_AGES[role])) if age_years is None else float(age_years)
    female = rng.random() < 0.5
    female = sex == "female" if sex in ("female", "male") else female
    # More light and middle tones, as in European wards, but every tone occurs.
    low, high = palettes.SKIN_ANGLES
    tone = (rng.normal(44, 8), rng.normal(22, 10), rng.uniform(low, 5))[int(rng.choice(3, p=_TONES))]
    angle = float(np.clip(tone, low, high))
    skin = palettes.skin_paint(angle)
    head = _head(rng, age, female)
    natural = palettes.natural_hair(angle, float(rng.random()))
    early = float(rng.normal(0, 6))
    hair = palettes.hair_paint(natural, age, early)
    # Brows and lashes grey later than the head.
    brows = palettes.mix(palettes.hair_paint(natural, age, early - 14), skin, 0.25)
    cut, paints, pattern, suit = _WARDROBES[role](rng, age, female)
    face = {
        "skin": skin,
        "lips": palettes.mix(skin, Paint((0.36, 0.13, 0.12), 0.5), 0.45 if female else 0.30),
        "eyes": Paint((0.52, 0.50, 0.48), 0.55),
        "irises": Paint((0.045, 0.032, 0.025), 0.2),
        "hair": hair,
        "brows": brows,
    }
    fullness = float(rng.uniform(0.9, 1.5))
    return Outfit(find_landmarks(vertices, joints), cut, head, face | paints, pattern, suit, fullness)


def _head(rng: np.random.Generator, age: float, female: bool) -> Head:
    bald = float(np.clip((age - 30) / 60, 0.02, 0.8))
    shares: dict[HairStyle, float]
    if female and age < 60:
        shares = {"short": 0.25, "bob": 0.45, "bun": 0.30}
    elif female:
        shares = {"short": 0.60, "bob": 0.30, "bun": 0.10}
    else:
        shares = {"short": 1 - bald, "receding": 0.6 * bald, "bald": 0.4 * bald}
    style = list(shares)[int(rng.choice(3, p=list(shares.values())))]
    stubble = 0.0 if female else float(rng.choice([0.0, 0.35, 0.8], p=[0.5, 0.35, 0.15]))
    spots = np.column_stack(
        [
            rng.uniform(-0.075, 0.075, 14),
            rng.uniform(-0.03, 0.14, 14),
            rng.uniform(-0.12, -0.005, 14),
            rng.uniform(0.004, 0.011, 14),
        ]
    )
    return Head(style, age, stubble, float(np.clip(1.1 - (age - 40) / 130, 0.65, 1.0)), spots)


_Choice = tuple[Cut, dict[str, Paint], Pattern | None, bool]


def _pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Paint:
    """One colour of a palette, washed out or dyed a little differently each time."""
    color = colors[int(rng.integers(len(colors)))]
    varied = np.clip(np.array(color) * rng.uniform(0.88, 1.12) * rng.uniform(0.96, 1.04, 3), 0.02, 0.82)
    return palettes.cloth((float(varied[0]), float(varied[1]), float(varied[2])), float(rng.random()))


def _darker(paint: Paint, share: float) -> Paint:
    red, green, blue = (share * channel for channel in paint.color)
    return Paint((red, green, blue), 0.8 * paint.infrared)


def _feet(rng: np.random.Generator) -> tuple[dict[str, Paint], float | None, str | None]:
    """What a patient has on the feet: bare, socks, slippers, or slippers over socks."""
    socks = float(rng.uniform(0.03, 0.11)) if rng.random() < 0.55 else None
    slippers = "slippers" if rng.random() < 0.45 else None
    upper = _pick(rng, palettes.SLIPPERS)
    paints = {"socks": _pick(rng, palettes.SOCKS), "shoes": upper, "soles": _darker(upper, 0.4)}
    return paints, socks, slippers


def _patient(rng: np.random.Generator, age: float, female: bool) -> _Choice:
    kind = rng.choice(["gown", "pyjamas", "day"], p=[0.6, 0.25, 0.15])
    if kind == "day":
        return _day(rng, age, female)
    paints, socks, slippers = _feet(rng)
    assert slippers in (None, "slippers")
    if kind == "gown":
        top = _pick(rng, palettes.GOWNS)
        cut = Cut(
            sleeve=float(rng.uniform(0.75, 0.98)),
            collar="open",
            top_hem=float(rng.uniform(0.95, 1.2)),
            legs="none",
            socks=socks,
            shoes=slippers,
            trim=bool(rng.random() < 0.6),
            open_back=True,
        )
        pattern = Pattern("dots", 0.032, float(rng.uniform(0.2, 0.4))) if rng.random() < 0.6 else None
        return cut, paints | {"top": top, "trim": _darker(top, 0.62)}, pattern, False
    top = _pick(rng, palettes.PYJAMAS)
    cut = Cut(sleeve=1.9, collar="v", socks=socks, shoes=slippers, trim=True, leg_hem=1.9)
    pattern = Pattern("stripes", 0.026, float(rng.uniform(0.15, 0.3))) if rng.random() < 0.7 else None
    return cut, paints | {"top": top, "bottom": top, "trim": _darker(top, 0.6)}, pattern, True


def _staff(rng: np.random.Generator, age: float, female: bool) -> _Choice:
    trainers = _pick(rng, palettes.TRAINERS)
    paints = {
        "shoes": trainers,
        "soles": palettes.cloth((0.62, 0.62, 0.60), 0.5),
        "badge": Paint((0.80, 0.80, 0.78), 0.75),
    }
    badge = bool(rng.random() < 0.7)
    if rng.random() < 0.7:
        top = _pick(rng, palettes.SCRUBS)
        cut = Cut(
            sleeve=float(rng.uniform(0.7, 0.9)),
            collar="v",
            top_hem=float(rng.uniform(0.1, 0.25)),
            shoes="trainers",
            badge=badge,
        )
        return cut, paints | {"top": top, "bottom": top}, None, True
    top = _pick(rng, palettes.TUNICS)
    cut = Cut(sleeve=0.75, collar="round", top_hem=0.3, shoes="trainers", trim=True, badge=badge)
    trim = _pick(rng, palettes.DARK_CLOTH)
    return cut, paints | {"top": top, "bottom": _pick(rng, palettes.DARK_CLOTH), "trim": trim}, None, False


def _day(rng: np.random.Generator, age: float, female: bool) -> _Choice:
    """Shirt or jumper with trousers, for some women with a skirt; shoes or trainers."""
    long = rng.random() < 0.6
    cut = Cut(sleeve=float(rng.uniform(1.85, 1.95)) if long else 0.66, collar="high" if long else "round")
    trainers = rng.random() < (0.5 if age < 60 else 0.2)
    upper = _pick(rng, palettes.TRAINERS if trainers else palettes.SHOES)
    soles = palettes.cloth((0.62, 0.62, 0.60), 0.5) if trainers else Paint((0.03, 0.03, 0.03), 0.1)
    paints = {
        "top": _pick(rng, palettes.TOPS),
        "bottom": _pick(rng, palettes.TROUSERS),
        "shoes": upper,
        "soles": soles,
    }
    cut = replace(cut, shoes="trainers" if trainers else "shoes", top_hem=None if rng.random() < 0.35 else 0.08)
    if female and rng.random() < 0.3:
        cut = replace(cut, legs="skirt", leg_hem=float(rng.uniform(1.1, 1.4)))
    pattern = Pattern("stripes", 0.022, 0.2) if rng.random() < 0.12 else None
    return cut, paints, pattern, False


_WARDROBES: Final = {"patient": _patient, "staff": _staff, "visitor": _day, "person": _day}


def dress_clip_outfits(clip: Clip, body: Body, *, seed: int = 0) -> list[Outfit]:
    """One outfit per person of a clip; age and sex are read from the body's shape where the clip does not tell them.

    Raises:
        UserError: if betas are not finite.
    """
    if not np.isfinite(clip.betas).all():
        raise UserError(f"Clip '{clip.id}': expected finite betas, but got NaN. Give every person a body shape.")
    import torch

    with torch.inference_mode():
        rest = body.rest_vertices(torch.zeros(10)).numpy()
        joints = body.rest_joints(torch.zeros(10)).numpy()
    outfits = []
    for person in range(clip.num_persons):
        info = clip.persons[person] if clip.persons else None
        guess = describe_body(torch.from_numpy(clip.betas[person]).float())
        age = info.age_years if info and info.age_years is not None else float(np.clip(guess.age_years, 20, 95))
        sex: Sex = guess.sex
        known = info.sex if info and info.sex != "unknown" else sex
        own = int(np.random.SeedSequence([seed, person]).generate_state(1)[0])
        role = info.role if info else "person"
        outfits.append(dress_person(rest, joints, role=role, age_years=age, sex=known, seed=own))
    return outfits
