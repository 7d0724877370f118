"""Between what is known of a person (age, height, weight, sex) and the betas of the bundled body."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.body import NUM_BETAS

Sex = Literal["female", "male"]

# The bodies that the asset was built from: see tools/build_body.py.
AGE_RANGE_YEARS: Final = (25.0, 90.0)
HEIGHT_RANGE_M: Final = (1.35, 2.10)
BMI_RANGE: Final = (14.0, 50.0)
ADULT_YEARS: Final = 18.0
OLDEST_YEARS: Final = 120.0
_STEPS: Final = 30
_TOLERANCE: Final = 1e-5


@dataclass(frozen=True)
class BodyDescription:
    """What a body looks like: age in years, height in metres, weight in kilograms, sex.

    `maleness` is the estimate behind `sex`: about 0 for a woman's body, about 1 for a man's.
    """

    age_years: float
    height_m: float
    weight_kg: float
    sex: Sex
    maleness: float


def _coefficients() -> Float[Tensor, "66 4"]:
    with (files("carescene") / "assets" / "body.npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return torch.from_numpy(archive["measure_coefficients"]).double()


def _features(betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch 66"]:
    row, column = torch.triu_indices(NUM_BETAS, NUM_BETAS, device=betas.device)
    return torch.cat((torch.ones_like(betas[..., :1]), betas, betas[..., row] * betas[..., column]), dim=-1)


def body_measures(betas: Float[Tensor, "*batch 10"]) -> Float[Tensor, "*batch 4"]:
    """Age in years, height in metres, cube root of the mass in kilograms, and maleness (0 woman, 1 man) of bodies.

    Quadratic regressions over the bodies that the asset was built from; differentiable. Height and mass are those of
    the T-posed mesh (mass: its volume times 985 kg/m3); tools/build_body.py prints their held-out errors.
    """
    return (_features(betas.double()) @ _coefficients().to(betas.device)).to(betas.dtype)


def describe_body(betas: Float[Tensor, "10"]) -> BodyDescription:
    """Age, height, weight and sex of one bundled body, read from its shape; the inverse of `body_from`."""
    age, height, mass_root, maleness = body_measures(betas).tolist()
    sex: Sex = "male" if maleness > 0.5 else "female"
    return BodyDescription(age, height, mass_root**3, sex, maleness)


def body_from(
    *,
    age_years: float | int | None = None,
    height_m: float | int | None = None,
    weight_kg: float | int | None = None,
    sex: Sex | None = None,
) -> Float[Tensor, "10"]:
    """Betas of the most ordinary body with the given age, height, weight and sex; what is not given is left free.

    Betas have unit variance over the bodies that the asset was built from, so the most ordinary body is the shortest
    beta vector that has the wanted measures (the mode of a Gaussian under constraints), found by Gauss-Newton steps.
    Bodies are adults: people under 25 get the body of 25, people over 90 that of 90, as the source has no others.

    Raises:
        UserError: a value out of range, or a combination that no body of the shape space has.
    """
    wanted = _wanted(age_years, height_m, weight_kg, sex)
    if not wanted:
        return torch.zeros(NUM_BETAS)
    rows, target = list(wanted), torch.tensor(list(wanted.values()), dtype=torch.float64)
    coefficients = _coefficients()[:, rows]
    betas = torch.zeros(NUM_BETAS, dtype=torch.float64)
    for _ in range(_STEPS):
        value = _features(betas) @ coefficients
        slope = torch.autograd.functional.jacobian(lambda b: _features(b) @ coefficients, betas)
        assert isinstance(slope, Tensor)
        # The shortest vector on the tangent plane of the constraints: projecting anew each time keeps it short.
        new = torch.linalg.pinv(slope) @ (target - value + slope @ betas)
        if (new - betas).norm() < _TOLERANCE:
            return new.float()
        betas = new
    raise UserError(
        f"Expected a body that exists, but got age {age_years}, height {height_m} m, weight {weight_kg} kg, sex {sex}. "
        "No body of the shape space has these together. Leave one of them out, or bring them nearer to the ordinary."
    )


def _wanted(
    age: float | int | None, height: float | int | None, weight: float | int | None, sex: str | None
) -> dict[int, float]:
    """Column of the measures -> wanted value, of those given; raises UserError on values out of range."""
    wanted: dict[int, float] = {}
    if age is not None:
        _check("an age in years", age, ADULT_YEARS, OLDEST_YEARS)
        wanted[0] = min(max(float(age), AGE_RANGE_YEARS[0]), AGE_RANGE_YEARS[1])
    if height is not None:
        _check("a height in metres", height, *HEIGHT_RANGE_M)
        wanted[1] = float(height)
    if weight is not None:
        tall = height if height is not None else 1.7
        _check(f"a weight in kilograms (of a person of {tall:.2f} m)", weight, *(bmi * tall**2 for bmi in BMI_RANGE))
        wanted[2] = weight ** (1 / 3)
    if sex is not None:
        if sex not in ("female", "male"):
            raise UserError(f'Expected the sex "female" or "male", but got {sex!r}. Leave it out if it is unknown.')
        wanted[3] = 1.0 if sex == "male" else 0.0
    return wanted


def _check(what: str, value: float | int, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise UserError(
            f"Expected {what} from {low:.4g} to {high:.4g}, but got {value}. The body covers adults; check the unit."
        )
