"""Who falls: ages, bodies and how they answer a loss of balance."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from carescene.humans.anthropometry import BMI_RANGE, HEIGHT_RANGE_M, Sex

# Share of each age band and its years. Those who fall on wards are old; the young are there because staged recordings,
# with which users compare, show the young.
_AGE_BANDS: Final = ((0.74, 65.0, 95.0), (0.16, 45.0, 65.0), (0.10, 20.0, 45.0))
# 56.4 % of 658 filmed residents who fell were women (Komisar et al. 2022, BMC Geriatrics).
_WOMEN: Final = 0.56
# Ages at which the names of the attribute `age_band` begin.
_BAND_NAMES: Final = ((85.0, "85-95"), (75.0, "75-84"), (65.0, "65-74"), (45.0, "45-64"), (0.0, "20-44"))


@dataclass(frozen=True)
class Person:
    """A body and its age: years, metres, kilograms."""

    age_years: float
    sex: Sex
    height_m: float
    weight_kg: float

    @property
    def age_band(self) -> str:
        """The band of the clip attribute `age_band`, such as "75-84"."""
        return next(name for years, name in _BAND_NAMES if self.age_years >= years)

    @property
    def frailty(self) -> float:
        """0 up to 40 years, 1 from 90 on, a straight line between."""
        return float(np.clip((self.age_years - 40.0) / 50.0, 0.0, 1.0))


@dataclass(frozen=True)
class Reaction:
    """How a person answers a loss of balance; delay and strength follow from the age inside the simulation.

    Attributes:
        arms, head, legs: share of the full protective movement, 0 to 1.
        step: share of a full step under the falling body, 0 none.
        grasp: whether a hand reaches for something to hold.
        movement: size of movements on the floor, 0 none to 1 restless.
    """

    arms: float
    head: float
    legs: float
    step: float
    grasp: bool
    movement: float


def draw_person(rng: np.random.Generator) -> Person:
    """Draw an age, a sex and a body that goes with them.

    Heights are Gaussian about the means of adults (women 1.62 m, men 1.76 m), which lose 6 cm between 50 and 90; the
    body mass index is Gaussian about 26.5 with a standard deviation of 4.3, within what the shape space holds.
    """
    _, low, high = _AGE_BANDS[rng.choice(len(_AGE_BANDS), p=[band[0] for band in _AGE_BANDS])]
    # Residents who fall are 84 years old on average (standard deviation 8; Komisar et al. 2022).
    age = float(rng.triangular(low, 84.0, high)) if low >= 65.0 else float(rng.uniform(low, high))
    sex: Sex = "female" if rng.random() < _WOMEN else "male"
    mean, spread = (1.62, 0.062) if sex == "female" else (1.76, 0.068)
    shrink = 0.06 * float(np.clip((age - 50.0) / 40.0, 0.0, 1.0))
    height = float(np.clip(rng.normal(mean - shrink, spread), HEIGHT_RANGE_M[0] + 0.07, HEIGHT_RANGE_M[1] - 0.15))
    index = float(np.clip(rng.normal(26.5, 4.3), BMI_RANGE[0] + 4.5, BMI_RANGE[1] - 14.0))
    return Person(round(age, 1), sex, round(height, 3), round(index * height**2, 1))


def draw_reaction(
    rng: np.random.Generator,
    person: Person,
    *,
    brace: float | int = 0.8,
    step: float | int = 0.7,
    grasp: float | int = 0.1,
) -> Reaction:
    """Draw how this person answers a loss of balance.

    Of filmed falls of residents, 74 % had an impact of the hands (Schonnop et al. 2013), and steps were attempted in
    most falls from walking. Chances given here are those of healthy adults; the frail answer a fifth less often and
    with smaller movements.

    Args:
        rng: source of chance.
        person: whose age weakens the answer.
        brace, step, grasp: chances of putting the arms out, of stepping, of reaching for something.
    """
    less = 1.0 - 0.2 * person.frailty
    size = 1.0 - 0.35 * person.frailty
    return Reaction(
        arms=float(rng.uniform(0.6, 1.0) * size) if rng.random() < brace * less else 0.0,
        head=float(rng.uniform(0.5, 1.0) * (1.0 - 0.25 * person.frailty)),
        legs=float(rng.uniform(0.7, 1.0)),
        step=float(rng.uniform(0.4, 1.0) * size) if rng.random() < step * less else 0.0,
        grasp=bool(rng.random() < grasp),
        movement=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.4 else 0.0,
    )
