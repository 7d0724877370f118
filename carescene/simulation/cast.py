"""Who acts in a controlled motion: body, age and what age does to how somebody moves."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from carescene.clips.clip import PersonInfo
from carescene.humans.anthropometry import Sex, body_from
from carescene.simulation.anatomy import Anatomy, measure_body
from carescene.simulation.keyframing import Liveliness

_OLD_YEARS: Final = 65.0


@dataclass(frozen=True)
class Cast:
    """One person with a body.

    Attributes:
        pace: how much longer movements take than those of a healthy adult (1.0).
        stoop: flexion of the upright trunk in degrees.
        liveliness: sway, breathing and tremor at this age.
    """

    anatomy: Anatomy
    info: PersonInfo
    pace: float
    stoop: float
    liveliness: Liveliness

    @property
    def standing_pelvis(self) -> float:
        """Height of the pelvis joint of somebody who stands straight, metres."""
        rest = self.anatomy.rest
        return float(rest[0, 1] - rest[7, 1]) + self.anatomy.ankle_height


def cast_person(rng: np.random.Generator, role: str, *, frail: float | int | None = None) -> Cast:
    """Draw a person: patients are mostly 60 to 95 years old, staff 22 to 62, visitors of any adult age.

    Heights and weights scatter as those of adults in Europe (NCD-RisC 2016: women 1.64 m, men 1.77 m, SD 7 cm; elders
    4 cm less). Sit-to-stand takes healthy elders about 1.3 times and frail ones up to twice as long as the young.

    Args:
        frail: 0 to 1; drawn from the age when None.
    """
    sex: Sex = "female" if rng.random() < 0.5 else "male"
    if role == "staff":
        age = float(rng.uniform(22, 62))
    elif role == "patient":
        age = float(rng.uniform(60, 95) if rng.random() < 0.8 else rng.uniform(22, 60))
    else:
        age = float(rng.uniform(20, 88))
    old = float(np.clip((age - _OLD_YEARS) / 25, 0, 1))
    mean = (1.64 if sex == "female" else 1.77) - 0.04 * old
    height = float(np.clip(rng.normal(mean, 0.065), 1.47, 1.95))
    bmi = float(np.clip(rng.normal(25.5, 3.8), 18.5, 37))
    betas = body_from(age_years=age, height_m=height, weight_kg=bmi * height**2, sex=sex).numpy().astype(np.float64)
    weak = old * rng.uniform(0.4, 1.0) if frail is None else float(frail)
    trembling = role == "patient" and rng.random() < 0.15 + 0.25 * old
    return Cast(
        anatomy=measure_body(betas),
        info=PersonInfo(role=role, age_years=round(age, 1), height_m=round(height, 3), sex=sex),
        pace=float(rng.uniform(0.88, 1.12) * (1 + 0.6 * weak)),
        stoop=float(np.clip(rng.normal(3 + 16 * weak, 4), 0, 32)),
        liveliness=Liveliness(
            breath_hz=float(rng.uniform(0.2, 0.32)),
            sway_m=float(0.003 + 0.003 * weak),
            tremor_deg=float(rng.uniform(1.0, 2.5)) if trembling else 0.0,
            unrest=float(rng.uniform(0.7, 1.3)),
        ),
    )
