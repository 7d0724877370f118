import numpy as np
import torch
from scipy.spatial.transform import Rotation

from reconstruction.lifter_input import FEATURES, WINDOW, lifter_input, mirror_features, turn_to_axis
from reconstruction.observations import LANDMARKS

_MIRROR_IMAGE = torch.tensor([-1.0, 1.0])


def _window(batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    flat = 0.3 * torch.randn(batch, WINDOW, len(LANDMARKS), 2, generator=generator) + 0.2
    confidence = torch.rand(batch, WINDOW, len(LANDMARKS), generator=generator)
    confidence[confidence < 0.2] = 0
    return flat, confidence, torch.full((batch,), 0.1), torch.tensor([0.0, -0.8, -0.6]).expand(batch, 3)


def _known(batch=3, known=True):
    return torch.full((batch,), known)


def _partners():
    other = {name: name.replace("left_", "R_").replace("right_", "left_").replace("R_", "right_") for name in LANDMARKS}
    return [LANDMARKS.index(other[name]) for name in LANDMARKS]


def test_turn_to_axis_is_the_smallest_rotation():
    directions = torch.tensor([[0.3, -0.2, 1.0], [0.0, 0.0, 2.0], [-2.0, 1.0, 0.5]])
    turns = turn_to_axis(directions)
    units = torch.nn.functional.normalize(directions, dim=-1)
    turned = torch.einsum("bij,bj->bi", turns, units)
    assert torch.allclose(turned, torch.tensor([0.0, 0.0, 1.0]).expand(3, 3), atol=1e-6)
    for turn, unit in zip(turns.double().numpy(), units.double().numpy(), strict=True):
        across = np.cross(unit, [0, 0, 1])
        length = np.linalg.norm(across)
        vector = across / length * np.arctan2(length, unit[2]) if length > 0 else np.zeros(3)
        assert np.allclose(turn, Rotation.from_rotvec(vector).as_matrix(), atol=1e-6)


def test_features_do_not_see_where_a_level_camera_is_turned_to():
    flat, confidence, spacing, _ = _window()
    flat = flat - flat.mean((1, 2), keepdim=True)
    # The line of sight of these is at the camera's height, so that turning it away is undone without any roll.
    flat[:, :, :, 1] -= flat[:, :, :, 1].mean((1, 2), keepdim=True)
    confidence = (confidence > 0).float()
    rays = torch.cat((flat, torch.ones_like(flat[..., :1])), -1)
    seen = confidence > 0
    units = rays / rays.norm(dim=-1, keepdim=True)
    weight = 0.5 ** (torch.arange(WINDOW) - WINDOW // 2).abs()[None, :, None] * seen
    axis = (weight[..., None] * units).sum((1, 2))
    rays = torch.einsum("bij,btlj->btli", turn_to_axis(axis), rays)
    up = torch.tensor([0.0, -1.0, 0.0]).expand(3, 3)
    straight = lifter_input(rays[..., :2] / rays[..., 2:], confidence, spacing, up, _known())
    turn = torch.from_numpy(Rotation.from_rotvec([0, 0.4, 0]).as_matrix()).float()
    aside = rays @ turn.T
    beside = lifter_input(aside[..., :2] / aside[..., 2:], confidence, spacing, up @ turn.T, _known())
    assert torch.allclose(straight.features, beside.features, atol=1e-4)
    assert torch.allclose(beside.crop @ turn, straight.crop, atol=1e-4)
    assert straight.features.shape == (3, FEATURES)


def test_a_smaller_person_differs_in_size_alone():
    flat, confidence, spacing, up = _window()
    near = lifter_input(flat, confidence, spacing, up, _known())
    turned = torch.einsum("bij,btlj->btli", near.crop, torch.cat((flat, torch.ones_like(flat[..., :1])), -1))
    centred = turned[..., :2] / turned[..., 2:]
    far = lifter_input(0.1 * centred, confidence, spacing, up, _known())
    farther = lifter_input(0.05 * centred, confidence, spacing, up, _known())
    assert torch.allclose(far.features[:, :-6], farther.features[:, :-6], atol=0.05)
    assert torch.allclose(farther.size / far.size, torch.full((3,), 0.5), rtol=0.02)


def test_points_that_are_not_there_say_nothing():
    flat, confidence, spacing, up = _window()
    broken = torch.where((confidence > 0)[..., None], flat, torch.nan)
    seen = lifter_input(broken, confidence, spacing, up, _known())
    assert torch.equal(seen.features, lifter_input(flat, confidence, spacing, up, _known()).features)
    nobody = lifter_input(broken, torch.zeros_like(confidence), spacing, up, _known())
    assert nobody.features.isfinite().all()
    assert torch.allclose(nobody.crop, torch.eye(3).expand(3, 3, 3))


def test_unknown_gravity_is_not_seen():
    flat, confidence, spacing, up = _window()
    one = lifter_input(flat, confidence, spacing, up, _known(known=False)).features
    other = lifter_input(flat, confidence, spacing, torch.full_like(up, torch.nan), _known(known=False)).features
    assert torch.equal(one, other)
    assert not torch.equal(one, lifter_input(flat, confidence, spacing, up, _known()).features)


def test_mirrored_features_are_those_of_a_mirrored_picture():
    flat, confidence, spacing, up = _window()
    plain = lifter_input(flat, confidence, spacing, up, _known()).features
    image = flat[:, :, _partners()] * _MIRROR_IMAGE
    mirrored = lifter_input(
        image, confidence[:, :, _partners()], spacing, up * torch.tensor([-1.0, 1.0, 1.0]), _known()
    ).features
    assert torch.allclose(mirror_features(plain), mirrored, atol=1e-5)
    assert torch.allclose(mirror_features(mirror_features(plain)), plain)
