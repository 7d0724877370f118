"""Key points: where they sit on the body, and on a head made of a few known points."""

import numpy as np
import pytest
import torch

from carescene.clips.rendered import COCO_KEYPOINTS
from carescene.errors import UserError
from carescene.humans.body import Body, load_body
from carescene.humans.skeleton import JOINT
from carescene.rendering.keypoints import find_face, keypoint_model, keypoint_positions


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def point(points: np.ndarray, name: str) -> np.ndarray:
    return points[COCO_KEYPOINTS.index(name)]


@pytest.mark.parametrize("scale", [-1.0, 0.0, 1.0])
def test_face_points_lie_as_in_a_face(body: Body, scale: float) -> None:
    betas = torch.zeros(10)
    betas[0] = scale
    model = keypoint_model(body, betas.numpy())
    vertices, joints = body.rest_vertices(betas).numpy(), body.rest_joints(betas).numpy()
    points = keypoint_positions(vertices, joints, model)
    nose, eye, ear = (point(points, name) for name in ("nose", "left_eye", "left_ear"))
    head = vertices[vertices[:, 1] > joints[JOINT["head"], 1]]
    assert nose[2] == head[:, 2].max() and abs(nose[0]) < 1e-6
    # Adults: pupils 53 to 73 mm apart, eyes 3 to 6 cm above the nose tip and behind it, ears behind the eyes.
    assert 0.053 < 2 * eye[0] < 0.073
    assert 0.03 < eye[1] - nose[1] < 0.06 and 0.01 < nose[2] - eye[2] < 0.05
    assert ear[0] > 0.065 and nose[1] - 0.01 < ear[1] < eye[1] + 0.01 and 0.06 < eye[2] - ear[2] < 0.13
    for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        left, right = point(points, f"left_{name}"), point(points, f"right_{name}")
        np.testing.assert_allclose(left, right * [-1, 1, 1], atol=2e-3)


def test_limb_points_are_joints(body: Body) -> None:
    rng = np.random.default_rng(0)
    model = keypoint_model(body, np.zeros(10))
    vertices, joints = rng.normal(size=(2, 5, 6270, 3)), rng.normal(size=(2, 5, 24, 3))
    points = keypoint_positions(vertices, joints, model)
    assert points.shape == (2, 5, 17, 3)
    for index, name in enumerate(COCO_KEYPOINTS[5:], start=5):
        np.testing.assert_array_equal(points[:, :, index], joints[:, :, JOINT[name]])


def test_flesh_over_joints_is_as_thick_as_limbs_are(body: Body) -> None:
    model = keypoint_model(body, np.zeros(10))
    depth = dict(zip(COCO_KEYPOINTS, model.depth, strict=True))
    assert depth["nose"] == depth["left_ear"] == 0
    # Radii of adults' limbs, from thin to stout; the ankle's slice holds heel and instep, the hip's the buttock.
    for name, low, high in [
        ("wrist", 0.02, 0.05),
        ("elbow", 0.03, 0.07),
        ("knee", 0.04, 0.09),
        ("shoulder", 0.05, 0.13),
        ("ankle", 0.04, 0.14),
        ("hip", 0.10, 0.19),
    ]:
        assert low < depth[f"left_{name}"] < high
        assert depth[f"left_{name}"] == pytest.approx(depth[f"right_{name}"], abs=2e-3)


def test_parts_never_cross_to_the_other_limb(body: Body) -> None:
    model = keypoint_model(body, np.zeros(10))
    for index, name in enumerate(COCO_KEYPOINTS):
        if name.endswith(("elbow", "wrist", "knee", "ankle")):
            side = "right" if name.startswith("left") else "left"
            assert not any(model.parts[index, JOINT[joint]] for joint in JOINT if joint.startswith(side))
        assert model.parts[index].any()


def head() -> tuple[np.ndarray, np.ndarray]:
    """A skull of radius 7.5 cm with a nose, a bridge, two eyes and two ears, around a head joint at (0, 0, 0)."""
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    skull = [[0.075 * np.cos(a), y, 0.075 * np.sin(a)] for a in angle for y in (0.12, 0.14, 0.16)]
    bridge = [[0, 0.065, 0.085], [0, 0.085, 0.075], [0, 0.10, 0.08]]
    features = [[0, 0.05, 0.11], [0.033, 0.085, 0.07], [-0.033, 0.085, 0.07], [0.085, 0.07, 0], [-0.085, 0.07, 0]]
    chest = [[0, -0.1, 0.3], [0.3, -0.2, 0]]
    return np.array([*features, *bridge, *skull, *chest], dtype=float), np.zeros((24, 3))


def test_the_rule_finds_a_known_face() -> None:
    vertices, joints = head()
    order = np.random.default_rng(0).permutation(len(vertices))
    found = find_face(vertices[order], joints)
    assert [int(order[index]) for index in found] == [0, 1, 2, 3, 4]


def test_heads_without_a_face_or_ears_are_refused() -> None:
    vertices, joints = head()
    with pytest.raises(UserError, match="ears"):
        find_face(vertices[[i for i in range(len(vertices)) if i not in (3, 4)]], joints)
    with pytest.raises(UserError, match="face"):
        find_face(vertices[8:], joints)
