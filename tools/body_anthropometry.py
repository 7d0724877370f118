"""Measures of bodies for tools/build_body.py: height, mass, and regressions from betas to what a person is."""

import numpy as np

# Mean density of a living body with air in the lungs is a little under water's.
DENSITY = 985.0


def measure_bodies(vertices: np.ndarray, faces: np.ndarray) -> dict[str, np.ndarray]:
    """Standing height (S,) in metres and mass (S,) in kilograms of closed T-posed meshes (S, V, 3), y up."""
    height = vertices[..., 1].max(-1) - vertices[..., 1].min(-1)
    a, b, c = faces.T
    volume = np.array([np.einsum("fa,fa->", np.cross(v[a], v[b]), v[c]) / 6 for v in vertices])
    return {"height_m": height, "weight_kg": DENSITY * volume}


def quadratic_features(betas: np.ndarray) -> np.ndarray:
    """(..., 10) betas to (..., 66): 1, the betas, and their products with i <= j in row order."""
    row, column = np.triu_indices(betas.shape[-1])
    ones = np.ones((*betas.shape[:-1], 1))
    return np.concatenate([ones, betas, betas[..., row] * betas[..., column]], -1)


def fit_measures(
    betas: np.ndarray, mean: np.ndarray, axes: np.ndarray, faces: np.ndarray, years: np.ndarray, male: np.ndarray
) -> tuple[np.ndarray, str]:
    """(66, 4) coefficients of age, height, cube root of mass and maleness in the features, and their errors as text.

    Fitted on four fifths of the bodies (height and mass as the ten axes reproduce them), judged on the rest.
    """
    shapes = mean + np.einsum("vck,sk->svc", axes, betas)
    measures = measure_bodies(shapes, faces)
    wanted = np.stack([years, measures["height_m"], np.cbrt(measures["weight_kg"]), male], 1)
    features = quadratic_features(betas)
    train = np.arange(len(betas)) % 5 != 0
    coefficients = np.linalg.lstsq(features[train], wanted[train], rcond=None)[0]
    error = np.abs(features[~train] @ coefficients - wanted[~train]).mean(0)
    mass = measures["weight_kg"][~train]
    kilograms = np.abs((features @ coefficients)[~train, 2] ** 3 - mass).mean()
    return coefficients, (
        f"held-out mean error: age {error[0]:.1f} years, height {1000 * error[1]:.1f} mm, mass {kilograms:.2f} kg, "
        f"sex {error[3]:.3f}"
    )
