"""Mean and covariance of drawn poses against what they were drawn from, and ProHMR run over pictures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.rotations import rotvec_to_matrix
from carescene.rendering.camera import Camera, look_rotation
from reconstruction.crops import crop_ray_rotation, person_boxes
from reconstruction.observations import LANDMARKS, Keypoints
from reconstruction.pose_labels import FLOOR, labels_from_samples, prohmr_labels, shrunk_covariance
from reconstruction.prohmr import ProHmr


def truth(seed: int = 0) -> tuple[Tensor, Tensor]:
    """A pose `(24, 3, 3)` and the root of a covariance `(72, 72)` in which neighbours on a chain move together."""
    rng = np.random.default_rng(seed)
    mean = torch.from_numpy(Rotation.random(24, rng=rng).as_matrix())
    root = np.diag(rng.uniform(0.05, 0.3, 72)) + np.diag(rng.uniform(-0.1, 0.1, 69), -3)
    return mean, torch.from_numpy(root)


def drawn(count: int, mean: Tensor, root: Tensor, seed: int = 0) -> Tensor:
    """The mean itself, then poses around it: `(1, count, 24, 3, 3)`."""
    noise = torch.randn(count, 72, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    noise[0] = 0
    return (mean @ rotvec_to_matrix((noise @ root.T).reshape(count, 24, 3)))[None]


# ------------------------------------------------------------------------------------------ samples


def test_many_samples_give_back_what_they_were_drawn_from() -> None:
    mean, root = truth()
    found, covariance = labels_from_samples(drawn(1500, mean, root))
    off = (mean.mT @ found[0]).diagonal(dim1=-2, dim2=-1).sum(-1)
    assert float(torch.arccos(((off - 1) / 2).clamp(max=1)).max()) < 0.03
    expected = root @ root.T + FLOOR**2 * torch.eye(72)
    assert float((covariance[0] - expected).norm() / expected.norm()) < 0.2


def test_mean_is_the_intrinsic_one() -> None:
    """At it the turns to all samples sum to nothing, also where the mode lies a radian beside it."""
    mean, root = truth(1)
    samples = drawn(30, mean, root)
    samples[0, 0] = samples[0, 0] @ rotvec_to_matrix(torch.tensor([0.7, -0.5, 0.5], dtype=torch.float64))
    found, _ = labels_from_samples(samples)
    turns = Rotation.from_matrix((found[0][None].mT @ samples[0]).reshape(-1, 3, 3).numpy()).as_rotvec()
    assert np.abs(turns.reshape(30, 24, 3).mean(0)).max() < 1e-3


@pytest.mark.parametrize("count", [8, 24, 64])
def test_few_samples_give_a_usable_covariance(count: int) -> None:
    mean, root = truth(2)
    samples = torch.cat([drawn(count, mean, root, seed) for seed in range(3)])
    _, covariance = labels_from_samples(samples)
    assert covariance.shape == (3, 72, 72)
    torch.testing.assert_close(covariance, covariance.mT)
    assert float(torch.linalg.eigvalsh(covariance).min()) > 0.9 * FLOOR**2
    # Nearer to the truth than the plain covariance of these samples.
    turns = torch.randn(1, count, 72, dtype=torch.float64) @ root.T
    plain = turns[0].T.cov()
    expected = root @ root.T
    assert float((shrunk_covariance(turns)[0] - expected).norm()) < float((plain - expected).norm())


def test_shrinks_by_the_published_factor() -> None:
    """Schaefer and Strimmer 2005, table 1: sums over pairs of variances of correlations, one product at a time."""
    turns = torch.randn(1, 12, 72, dtype=torch.float64) @ truth(3)[1].T
    x = turns[0].numpy() - turns[0].numpy().mean(0)
    count = len(x)
    z = x / np.sqrt((x**2).mean(0))
    products = z[:, :, None] * z[:, None, :]
    mean = products.mean(0)
    variance = count / (count - 1) ** 3 * ((products - mean) ** 2).sum(0)
    block = np.kron(np.eye(24), np.ones((3, 3)))
    off = block == 0
    factor = variance[off].sum() / ((count / (count - 1) * mean)[off] ** 2).sum()
    assert 0.1 < factor < 1
    expected = np.cov(x.T) * np.where(off, 1 - factor, 1)
    np.testing.assert_allclose(shrunk_covariance(turns)[0].numpy(), expected, atol=1e-12)


def test_independent_joints_lose_what_they_seem_to_share() -> None:
    turns = torch.randn(1, 10, 72)
    found = shrunk_covariance(turns)[0]
    apart = ~torch.block_diag(*[torch.ones(3, 3, dtype=torch.bool)] * 24)
    assert float(found[apart].abs().mean()) < 0.15 * float(turns[0].T.cov()[apart].abs().mean())


def test_one_pose_drawn_again_and_again_is_as_sure_as_a_label_can_be() -> None:
    mean, _ = truth(4)
    found, covariance = labels_from_samples(mean.float().expand(2, 9, 24, 3, 3), floor=0.1)
    torch.testing.assert_close(found, mean.float().expand(2, 24, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(covariance, 0.01 * torch.eye(72).expand(2, 72, 72), atol=1e-6, rtol=0)


def test_turning_the_camera_turns_only_the_mean() -> None:
    mean, root = truth(5)
    samples = drawn(20, mean, root)
    turn = torch.from_numpy(Rotation.random(rng=7).as_matrix())
    turned = samples.clone()
    turned[:, :, 0] = turn @ turned[:, :, 0]
    (one, spread), (other, same) = labels_from_samples(samples), labels_from_samples(turned)
    torch.testing.assert_close(other[:, 0], turn @ one[:, 0])
    torch.testing.assert_close(same, spread)


@pytest.mark.parametrize(("count", "floor"), [(1, 0.1), (7, 0.1), (9, 0.0)])
def test_refuses_what_has_no_spread(count: int, floor: float) -> None:
    with pytest.raises(UserError, match="at least 8 samples"):
        labels_from_samples(torch.eye(3).expand(1, count, 24, 3, 3), floor=floor)


# ------------------------------------------------------------------------------------------ pictures

CAMERA = Camera(np.array([0.0, 0.0, 2.5]), look_rotation(np.array([0.0, 1.0, -0.4])), 150.0, 240, 180)


@pytest.fixture(scope="module")
def network() -> ProHmr:
    """A network of random weights whose eye is four colours' means: the ResNet is tested elsewhere."""

    class Quick(ProHmr):
        def features(self, crops: Tensor) -> Tensor:
            return crops.reshape(len(crops), -1)[:, :: 3 * 224 * 224 // 2048][:, :2048]

    torch.manual_seed(3)
    return Quick().eval().requires_grad_(False)


def seen() -> tuple[list[tuple[int, np.ndarray]], Keypoints]:
    """Two people in four frames 10, 12, 14 and 16 of a video; the second is away in the second of them."""
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0, 50, (2, 4, len(LANDMARKS), 2)) + np.array([[[[30.0, 60.0]]], [[[150.0, 40.0]]]])
    confidence = np.full((2, 4, len(LANDMARKS)), 0.9)
    confidence[1, 1] = 0
    pixels[1, 1] = np.nan
    keypoints = Keypoints(
        np.arange(4) / 10, np.arange(10, 18, 2), 240, 180, pixels, confidence, np.ones((2, 4, 26)), ("a", "b"), "coco"
    )
    return [(frame, rng.integers(0, 256, (180, 240, 3), np.uint8)) for frame in range(10, 17)], keypoints


def test_labels_are_those_of_each_crop_whatever_the_batch(network: ProHmr) -> None:
    pictures, keypoints = seen()
    labels = prohmr_labels(network, pictures, keypoints, CAMERA, samples=8, batch=16, keep_betas=True)
    assert labels.source == "prohmr"
    assert labels.valid.tolist() == [[True] * 4, [True, False, True, True]]
    assert labels.betas is not None and np.abs(labels.betas[labels.valid]).min() > 0
    assert np.isfinite(labels.rotations).all()
    other = prohmr_labels(network, iter(pictures), keypoints, CAMERA, samples=8, batch=2)
    np.testing.assert_allclose(other.rotations, labels.rotations, atol=1e-5)
    np.testing.assert_allclose(other.covariance, labels.covariance, atol=1e-4)
    assert other.betas is None


def test_root_is_told_in_the_full_picture(network: ProHmr) -> None:
    """For a shorter lens the same place in the picture is a steeper ray: only joint 0 differs, and by the two rays."""
    pictures, keypoints = seen()
    labels = prohmr_labels(network, pictures, keypoints, CAMERA, samples=8)
    wide = replace(CAMERA, focal=80.0)
    other = prohmr_labels(network, pictures, keypoints, wide, samples=8)
    np.testing.assert_allclose(other.rotations[:, :, 1:], labels.rotations[:, :, 1:], atol=1e-6)
    centres = person_boxes(keypoints).centre[labels.valid]
    straight, turned = (
        crop_ray_rotation(camera, centres).swapaxes(-1, -2) @ result.rotations[labels.valid][:, 0]
        for camera, result in ((CAMERA, labels), (wide, other))
    )
    np.testing.assert_allclose(straight, turned, atol=1e-4)
    assert np.abs(labels.rotations[:, :, 0] - other.rotations[:, :, 0]).max() > 0.05


def test_pictures_may_be_smaller_and_may_be_missing(network: ProHmr) -> None:
    pictures, keypoints = seen()
    smooth = [(frame, np.full((180, 240, 3), 10 * frame, np.uint8)) for frame, _ in pictures]
    half = [(frame, np.ascontiguousarray(picture[::2, ::2])) for frame, picture in smooth if frame != 14]
    labels = prohmr_labels(network, half, keypoints, CAMERA, samples=8)
    assert labels.valid.tolist() == [[True, True, False, True], [True, False, False, True]]
    whole = prohmr_labels(network, smooth, keypoints, CAMERA, samples=8)
    # Inside the picture a plain colour stays what it is; only its border is less sharp.
    np.testing.assert_allclose(labels.rotations[1, 0], whole.rotations[1, 0], atol=0.02)


def test_a_killed_call_goes_on_where_it_was(network: ProHmr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, keypoints = seen()
    monkeypatch.setattr("reconstruction.label_chunks.CHUNK", 2)
    whole = prohmr_labels(network, pictures, keypoints, CAMERA, samples=8, keep_betas=True)
    looked: list[int] = []

    def until(last: int) -> Iterator[tuple[int, np.ndarray]]:
        for frame, picture in pictures:
            if frame > last:
                raise KeyboardInterrupt
            yield frame, picture

    def look(crops: Tensor) -> Tensor:
        looked.append(len(crops))
        return type(network).features(network, crops)

    arguments: dict[str, Any] = {"samples": 8, "batch": 2, "keep_betas": True, "resume": tmp_path / "labels"}
    with pytest.raises(KeyboardInterrupt):
        prohmr_labels(network, until(13), keypoints, CAMERA, **arguments)
    monkeypatch.setattr(network, "features", look)
    shares: list[float] = []
    labels = prohmr_labels(network, pictures, keypoints, CAMERA, **arguments, progress=shares.append)
    # Of 7 crops two were kept; the third, of the frame before the kill, was not.
    assert sum(looked) == 5 and shares == pytest.approx([4 / 7, 6 / 7, 1.0])
    assert np.array_equal(labels.valid, whole.valid)
    np.testing.assert_allclose(labels.rotations, whole.rotations, atol=1e-5)
    np.testing.assert_allclose(labels.covariance, whole.covariance, atol=1e-4)
    np.testing.assert_allclose(labels.betas, whole.betas, atol=1e-5)


def test_refuses_another_pictures_camera(network: ProHmr) -> None:
    pictures, keypoints = seen()
    with pytest.raises(UserError, match="240x180"):
        prohmr_labels(network, pictures, keypoints, replace(CAMERA, width=480, height=360))
    with pytest.raises(UserError, match="at least 8 samples"):
        prohmr_labels(network, pictures, keypoints, CAMERA, samples=7)
