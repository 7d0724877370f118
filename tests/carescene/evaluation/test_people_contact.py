"""People in each other: capsules against closed forms and meshes, and clips of two."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from carescene.errors import UserError
from carescene.evaluation.people_contact import (
    capsule_distance,
    capsule_radii,
    distance_to_mesh,
    people_contact,
)
from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.humans.skin_points import load_skin_points


def _pair(clip, away):
    """Two people who do the same beside each other."""
    names = ("poses", "betas", "frame_label", "valid")
    return dataclasses.replace(
        clip,
        **{name: np.concatenate([getattr(clip, name)] * 2) for name in names},
        trans=np.concatenate([clip.trans, clip.trans + np.float32(away)]),
    )


def test_distance_to_a_bone_in_closed_form():
    joints = torch.zeros(1, 24, 3)
    joints[0, JOINT["left_knee"]] = torch.tensor((0.0, 0.0, 0.0))
    joints[0] += 100.0  # everything else far away
    joints[0, JOINT["left_elbow"]] = torch.tensor((0.0, 0.0, 0.0))
    joints[0, JOINT["left_wrist"]] = torch.tensor((0.0, 0.0, 1.0))
    joints[0, JOINT["left_hand"]] = torch.tensor((0.0, 0.0, 1.0))
    joints[0, JOINT["left_shoulder"]] = torch.tensor((0.0, 0.0, 0.0))
    points = torch.tensor([[[0.3, 0.0, 0.5], [0.0, 0.4, 1.3], [0.0, 0.0, 0.5]]])
    # The collar is far: its capsule to the shoulder passes only through the shoulder itself.
    distance = capsule_distance(points, joints, torch.full((19,), 0.1))
    assert distance[0].tolist() == pytest.approx([0.2, 0.5 - 0.1, -0.1], abs=1e-5)


def test_capsules_lose_no_skin_that_could_touch():
    skin = load_skin_points()
    radii = capsule_radii(np.zeros(10, np.float32), skin)
    off = capsule_distance(skin.template[None], skin.rest[None], radii)[0]
    assert off.abs().median() < 0.015
    assert off.max() < 0.10
    assert (radii > 0).all()


def test_distance_to_a_sphere():
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 60, endpoint=False), np.linspace(-0.999, 0.999, 40))
    around = np.sqrt(1 - height**2)
    vertices = np.stack([around * np.cos(angle), around * np.sin(angle), height], -1).reshape(-1, 3)
    faces = ConvexHull(vertices).simplices
    outwards = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    flipped = (outwards * vertices[faces].mean(axis=1)).sum(-1) < 0
    faces[flipped] = faces[flipped][:, ::-1]
    points = np.random.default_rng(0).normal(size=(200, 3))
    points *= np.random.default_rng(1).uniform(0.8, 1.2, (200, 1)) / np.linalg.norm(points, axis=1, keepdims=True)
    found = distance_to_mesh(points, vertices, faces)
    assert found == pytest.approx(np.linalg.norm(points, axis=1) - 1, abs=0.012)


@pytest.mark.slow
def test_depth_agrees_with_an_exact_mesh_distance(play):
    import open3d

    body = load_body()
    clip = _pair(play("standing"), (0.38, 0.1, 0.0))
    mesh = body.pose(
        torch.from_numpy(clip.poses[:, 0]), torch.from_numpy(clip.trans[:, 0]), torch.from_numpy(clip.betas)
    ).vertices.detach()
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(open3d.core.Tensor(mesh[0].numpy()), open3d.core.Tensor(body.faces.numpy().astype(np.uint32)))
    exact = scene.compute_signed_distance(open3d.core.Tensor(mesh[1].numpy()), nsamples=3).numpy()
    close = np.abs(exact) < 0.05
    found = distance_to_mesh(mesh[1].numpy()[close].astype(np.float64), mesh[0].numpy(), body.faces.numpy())
    assert np.abs(found - exact[close]).mean() < 0.004
    assert people_contact(clip, every=100).mean_m == pytest.approx(-exact.min(), abs=0.02)


def test_depth_is_how_far_the_hand_is_in_the_trunk(play):
    # Two people in a T-pose face to face side by side: the left hand of one reaches the other's right one first.
    clip = play("standing")
    clip.poses[:, :, [JOINT["left_shoulder"], JOINT["right_shoulder"]]] = 0.0
    reach = float(load_skin_points().template[:, 0].max())
    shallow = people_contact(_pair(clip, (2 * reach - 0.02, 0.0, 0.0)), every=20)
    apart = people_contact(_pair(clip, (2 * reach + 0.02, 0.0, 0.0)), every=20)
    assert apart.mean_m == 0.0
    assert 0.0 < shallow.mean_m < 0.03


def test_capsules_grow_with_the_person():
    skin = load_skin_points()
    wide = np.zeros(10, np.float32)
    radii = []
    for value in (-2.0, 2.0):
        wide[1] = value
        radii.append(float(capsule_radii(wide, skin).sum()))
    assert radii[0] != pytest.approx(radii[1], rel=0.02)


def test_depth_grows_as_people_come_closer(play):
    clip = play("standing")
    depths = [people_contact(_pair(clip, (away, 0.0, 0.0)), every=10).mean_m for away in (1.2, 0.55, 0.48, 0.42)]
    assert depths[0] == 0.0
    assert depths == sorted(depths)
    assert depths[-1] > 0.03


def test_who_is_not_there_touches_nobody(play):
    both = _pair(play("standing"), (0.2, 0.0, 0.0))
    both.valid[1, 30:] = False
    found = people_contact(both, every=5)
    assert found.pairs == ((0, 1),)
    assert np.isfinite(found.depth_m[0, :30:5]).all()
    assert np.isnan(found.depth_m[0, 30:]).all()
    assert found.share_deep == 1.0
    assert found.max_m >= found.mean_m


def test_nobody_is_in_nobody(play):
    found = people_contact(play("standing"))
    assert (found.pairs, found.mean_m, found.share_deep, found.max_m) == ((), 0.0, 0.0, 0.0)


def test_refuses_no_frames(play):
    with pytest.raises(UserError, match="every 0"):
        people_contact(play("standing"), every=0)
