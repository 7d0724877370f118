"""The compiled person agrees with the body it was made from."""

import mujoco
import numpy as np
import pytest
import torch
from jaxtyping import Float

from carescene.errors import UserError
from carescene.humans.anthropometry import body_from
from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT
from carescene.scenes import default_object
from carescene.simulation import Humanoid, PersonBody, build_humanoid


@pytest.fixture(scope="module")
def tall() -> Humanoid:
    betas = body_from(age_years=70, height_m=1.8, weight_kg=85, sex="male").double().numpy()
    return build_humanoid(PersonBody(betas))


def test_bones_and_weight_are_the_persons(tall: Humanoid) -> None:
    data = mujoco.MjData(tall.model)
    mujoco.mj_kinematics(tall.model, data)
    rest = tall.rest_joints
    body = load_body().rest_joints(torch.from_numpy(tall.person.betas).float()).double().numpy()
    assert np.allclose(rest, body, atol=1e-9)
    bones = np.linalg.norm(rest[JOINT["left_hip"]] - rest[JOINT["left_knee"]])
    found = data.xpos[tall.joint_body]
    assert np.linalg.norm(found[JOINT["left_hip"]] - found[JOINT["left_knee"]]) == pytest.approx(bones, abs=1e-6)
    assert tall.model.body_mass.sum() == pytest.approx(tall.weight_kg, rel=1e-6)
    assert tall.weight_kg == pytest.approx(85.0, abs=0.5)
    assert tall.person.sex == "male" and tall.person.age_years == pytest.approx(70.0, abs=1.0)


def test_inertia_agrees_with_the_skin(tall: Humanoid) -> None:
    """Second implementation: moments of the skin's volume at uniform density."""
    model, data = tall.model, mujoco.MjData(tall.model)
    data.qpos[3] = 1.0
    for start, quat in zip(tall.ball_qpos, tall.ball_start, strict=True):
        data.qpos[start : start + 4] = quat
    mujoco.mj_forward(model, data)
    body = load_body()
    vertices = body.rest_vertices(torch.from_numpy(tall.person.betas).float()).double().numpy()
    center, inertia = _volume_moments(vertices, body.faces.numpy(), tall.weight_kg)
    offset = data.subtree_com[1] - (center - tall.rest_joints[0])
    assert np.abs(offset).max() < 0.05
    own = np.zeros((3, 3))
    for part in range(1, model.nbody):
        turn, arm = data.ximat[part].reshape(3, 3), data.xipos[part] - data.subtree_com[1]
        own += turn @ np.diag(model.body_inertia[part]) @ turn.T
        own += model.body_mass[part] * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    assert np.diag(own) == pytest.approx(np.diag(inertia), rel=0.2)


def _volume_moments(
    vertices: Float[np.ndarray, "vertex 3"], faces: np.ndarray, mass: float
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
    """Centre and inertia about it of a closed mesh, by tetrahedra from the origin."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    center = ((a + b + c) / 4 * volume[:, None]).sum(0) / volume.sum()
    corners = np.stack((a, b, c, np.zeros_like(a)), axis=1) - center
    total = corners.sum(1)
    # Integral of x x^T over a tetrahedron (its volume / 20 times sum of corner products and of the corner sum).
    second = np.einsum("n,nki,nkj->ij", volume, corners, corners) + np.einsum("n,ni,nj->ij", volume, total, total)
    second *= mass / volume.sum() / 20
    return center, np.trace(second) * np.eye(3) - second


def test_capsules_are_inside_a_finger_of_the_skin(tall: Humanoid) -> None:
    """The lowest point of the capsules is the sole; the highest is the crown; the sides are where the skin ends."""
    model, data = tall.model, mujoco.MjData(tall.model)
    data.qpos[3] = 1.0
    for start, quat in zip(tall.ball_qpos, tall.ball_start, strict=True):
        data.qpos[start : start + 4] = quat
    mujoco.mj_kinematics(model, data)
    own = np.flatnonzero((tall.geom_joint >= 0) & (model.geom_contype > 0))
    half = np.where(model.geom_type[own] == mujoco.mjtGeom.mjGEOM_CAPSULE, model.geom_size[own, 1], 0.0)
    axis = np.abs(data.geom_xmat[own].reshape(-1, 3, 3)[:, :, 2]) * half[:, None]
    reach = axis + model.geom_size[own, 0, None]
    low, high = (data.geom_xpos[own] - reach).min(0), (data.geom_xpos[own] + reach).max(0)
    skin = load_body().rest_vertices(torch.from_numpy(tall.person.betas).float()).double().numpy()
    skin = skin - tall.rest_joints[0]
    assert low[1] == pytest.approx(skin[:, 1].min(), abs=0.005)
    assert high[1] == pytest.approx(skin[:, 1].max(), abs=0.005)
    # Front and back: nose, bosom and belly give way.
    assert np.all(np.abs(low - skin.min(0)) < 0.04) and np.all(np.abs(high - skin.max(0)) < 0.04)


def test_furniture_stands_where_the_room_has_it() -> None:
    bed = default_object("bed", "bed-1", x=2.0, y=1.0, yaw=0.5)
    humanoid = build_humanoid(PersonBody(np.zeros(10)), [bed])
    own = np.flatnonzero(humanoid.geom_object == 0)
    assert humanoid.object_ids == ("bed-1",)
    assert len(own) > 10 and np.all(humanoid.geom_joint[own] == -1)
    data = mujoco.MjData(humanoid.model)
    mujoco.mj_kinematics(humanoid.model, data)
    middle = data.geom_xpos[own]
    assert np.linalg.norm(middle[:, :2].mean(0) - (2.0, 1.0)) < 0.3
    assert np.all(middle[:, 2] > 0) and middle[:, 2].max() < bed.size[2]


def test_impossible_people_are_refused() -> None:
    with pytest.raises(UserError, match="weight from 25 to 300"):
        build_humanoid(PersonBody(np.zeros(10), weight_kg=7.0))
    with pytest.raises(UserError, match="age from 1 to 120"):
        build_humanoid(PersonBody(np.zeros(10), age_years=300.0))
    chair = default_object("chair", "chair-1", x=0.0, y=0.0)
    with pytest.raises(UserError, match="ids of their own"):
        build_humanoid(PersonBody(np.zeros(10)), [chair, chair])
