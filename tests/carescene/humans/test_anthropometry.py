"""Betas from age, height, weight and sex, and back."""

from itertools import product

import pytest
import torch

from carescene.errors import UserError
from carescene.humans.anthropometry import Sex, body_from, body_measures, describe_body
from carescene.humans.body import Body, load_body


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def height_and_mass(body: Body, betas: torch.Tensor) -> tuple[float, float]:
    """Of the mesh itself: its extent, and the volume inside it (divergence theorem) times the density of a body."""
    vertices = body.rest_vertices(betas).double()
    a, b, c = vertices[body.faces].unbind(1)
    volume = (torch.linalg.cross(a, b) * c).sum() / 6
    return (vertices[:, 1].max() - vertices[:, 1].min()).item(), 985.0 * volume.item()


PEOPLE: list[tuple[float, float, float, Sex]] = [
    (age, height, bmi * height**2, sex)
    for age, height, bmi, sex in product((25.0, 60.0, 90.0), (1.45, 1.65, 1.95), (16.0, 24.0, 42.0), ("female", "male"))
]


@pytest.mark.parametrize(("age", "height", "weight", "sex"), PEOPLE)
def test_round_trip(body: Body, age: float, height: float, weight: float, sex: Sex) -> None:
    betas = body_from(age_years=age, height_m=height, weight_kg=weight, sex=sex)
    assert betas.shape == (10,)
    found = describe_body(betas)
    assert found.age_years == pytest.approx(age, abs=0.1)
    assert found.height_m == pytest.approx(height, abs=0.001)
    assert found.weight_kg == pytest.approx(weight, rel=0.001)
    assert found.sex == sex
    # The mesh, measured without the regressions, agrees.
    tall, heavy = height_and_mass(body, betas)
    assert tall == pytest.approx(height, abs=0.005)
    assert heavy == pytest.approx(weight, rel=0.02)


def test_nothing_known_is_the_mean_body() -> None:
    torch.testing.assert_close(body_from(), torch.zeros(10))


def test_it_is_the_shortest_vector_with_these_measures() -> None:
    betas = body_from(height_m=1.6, age_years=80).double().requires_grad_()
    slope = torch.autograd.functional.jacobian(lambda b: body_measures(b)[:2], betas)
    # At a constrained minimum of the length, the vector is a combination of the constraints' gradients.
    rest = betas - torch.linalg.pinv(slope) @ (slope @ betas)
    assert rest.norm() < 1e-3
    assert betas.norm() > 0.5


def test_what_is_left_out_is_free() -> None:
    tall, short = describe_body(body_from(height_m=1.9)), describe_body(body_from(height_m=1.5))
    assert tall.height_m == pytest.approx(1.9, abs=0.001)
    assert tall.weight_kg > short.weight_kg + 15


def test_ages_outside_the_source_are_clamped() -> None:
    torch.testing.assert_close(body_from(age_years=18, sex="male"), body_from(age_years=25, sex="male"))
    torch.testing.assert_close(body_from(age_years=104), body_from(age_years=90))


def test_measures_are_differentiable() -> None:
    betas = torch.randn(3, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(body_measures, (betas,))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"age_years": 7}, "age in years from 18"),
        ({"age_years": float("nan")}, "but got nan"),
        ({"height_m": 175}, "height in metres from 1.35 to 2.1, but got 175"),
        ({"height_m": 1.6, "weight_kg": 300}, "weight in kilograms"),
        ({"weight_kg": -4}, "weight in kilograms"),
    ],
)
def test_out_of_range(kwargs: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        body_from(**kwargs)  # pyright: ignore[reportArgumentType]
