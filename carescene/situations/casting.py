"""Who plays: the body of everybody, as asked for, as the text says, or drawn."""

from typing import Final, cast

import numpy as np

from carescene.clips.clip import PersonInfo
from carescene.errors import UserError
from carescene.humans.anthropometry import Sex, body_from
from carescene.humans.person_text import PersonHint, person_in_text
from carescene.situations.consistency import refuse_at
from carescene.situations.situation import Situation

# Ages drawn where nothing is said, years. Patients of falls in care: 65 and over (Robinovitch et al. 2013: mean 83).
AGES: Final[dict[str, tuple[float, float]]] = {
    "patient": (65.0, 92.0),
    "staff": (24.0, 62.0),
    "visitor": (25.0, 80.0),
    "person": (25.0, 85.0),
}
# Heights of adults in metres, mean and spread (NCD-RisC 2016, high-income countries); people lose some 5 cm by 80.
_HEIGHTS: Final = {"female": (1.64, 0.065), "male": (1.77, 0.07)}
_LOST_M_PER_YEAR: Final = 0.0015
# Residents of care are mostly women, and so is staff.
_FEMALE: Final = {"patient": 0.6, "staff": 0.75, "visitor": 0.55, "person": 0.5}


def cast_people(situation: Situation, seed: int) -> list[tuple[PersonInfo, np.ndarray]]:
    """Facts and betas `(10,)` of everybody; what is asked for holds, then what the text says, and the rest is drawn.

    Age and sex in the text count for person 0. With a text about nobody in particular ("a person walks") and no
    persons asked for, ages are drawn from 25 to 85.

    Raises:
        UserError: one sentence with the line, for bodies that do not exist, such as 1.4 m and 150 kg.
    """
    rng = np.random.default_rng([seed, 2])
    hint = person_in_text(situation.text) if situation.text else PersonHint()
    cast_: list[tuple[PersonInfo, np.ndarray]] = []
    for number, person in enumerate(situation.people):
        low, high = AGES[person.role]
        drawn_age, drawn_sex = rng.uniform(low, high), rng.random() < _FEMALE[person.role]
        spread = rng.normal()
        own = hint if number == 0 else PersonHint()
        age = _first(person.age_years, own.age_years, round(drawn_age))
        sex = cast(Sex, person.sex or own.sex or ("female" if drawn_sex else "male"))
        mean, deviation = _HEIGHTS[sex]
        height = person.height_m
        if height is None:
            usual = mean + deviation * spread - _LOST_M_PER_YEAR * max(age - 45.0, 0.0)
            height = round(float(np.clip(usual, 1.45, 1.95)), 2)
        try:
            betas = body_from(age_years=age, height_m=height, weight_kg=person.weight_kg, sex=sex)
        except UserError as error:
            refuse_at(
                situation,
                f"persons[{number}]",
                "a body that exists",
                f"age {age:g}, {height:g} m" + (f", {person.weight_kg:g} kg" if person.weight_kg else "") + f", {sex}",
                f"change or leave out one of them ({str(error).split('.')[0]})",
            )
        info = PersonInfo(
            role=person.role,
            age_years=float(age),
            height_m=float(height),
            sex=sex,
            aid=None if person.aid in (None, "none") else person.aid,
        )
        cast_.append((info, betas.numpy().astype(np.float32)))
    return cast_


def _first(*values: float | int | None) -> float:
    return float(next(value for value in values if value is not None))
