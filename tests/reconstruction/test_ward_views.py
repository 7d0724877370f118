import torch

from reconstruction.ward_views import random_views


def _views(count=400):
    generator = torch.Generator().manual_seed(0)
    middle = torch.rand(count, 3, generator=generator) * torch.tensor([4.0, 4.0, 1.0])
    return middle, random_views(middle, generator)


def test_cameras_are_rotations_that_see_the_person():
    middle, views = _views()
    assert torch.allclose(views.rotation @ views.rotation.mT, torch.eye(3).expand(400, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(views.rotation), torch.ones(400), atol=1e-5)
    local = torch.einsum("bij,bj->bi", views.rotation, middle - views.eye)
    spot = local[:, :2] / local[:, 2:] / views.reach
    inside = (local[:, 2] > 0) & (spot.abs() < 1).all(-1)
    # The rest are turned telephones and views straight down, in which no level camera shows the wished spot.
    assert inside.float().mean() > 0.9


def test_cameras_hang_where_cameras_hang_and_mostly_level():
    middle, views = _views()
    assert (views.eye[:, 2] > 0.25).all() and (views.eye[:, 2] < 3.6).all()
    distance = (views.eye - middle).norm(dim=-1)
    assert (distance > 0.5).all() and (distance < 9).all()
    # The picture's right is level in the world but for the screws.
    assert (views.rotation[:, 0, 2].abs() < 0.2).float().mean() > 0.8
    assert (views.rotation[:, 1, 2] < 0).float().mean() > 0.85  # down is down
    angles = torch.rad2deg(2 * views.reach.amax(1).atan())
    assert angles.min() > 24 and angles.max() < 111


def test_the_same_generator_gives_the_same_cameras():
    assert all(torch.equal(one, other) for one, other in zip(_views(10)[1], _views(10)[1], strict=True))
