"""Capsules of the body and solids of furniture are what they stand for."""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np
import pytest
import torch

from carescene.humans.body import load_body
from carescene.humans.skeleton import JOINT, MIRROR
from carescene.scenes import Scene, SceneGeometry, box, cylinder, default_object, rod
from carescene.scenes.solids import Solid
from carescene.simulation.body_shapes import Capsule, body_capsules
from carescene.simulation.furniture_shapes import add_solid, furniture_solids


@pytest.fixture(scope="module")
def capsules() -> list[Capsule]:
    body = load_body()
    betas = torch.zeros(10)
    return body_capsules(
        body.rest_vertices(betas).double().numpy(),
        body.lbs_weights.argmax(1).numpy(),
        body.rest_joints(betas).double().numpy(),
    )


def test_every_joint_has_its_mass_and_both_sides_agree(capsules: list[Capsule]) -> None:
    for joint in range(22):
        own = [capsule for capsule in capsules if capsule.joint == joint]
        assert sum(capsule.share for capsule in own) == pytest.approx(1.0)
        other = [capsule for capsule in capsules if capsule.joint == MIRROR[joint]]
        for first, second in zip(own, other, strict=True):
            assert first.radius == pytest.approx(second.radius, abs=0.004)
            middle = (first.start + first.end) / 2 * (-1, 1, 1)
            assert np.allclose(middle, (second.start + second.end) / 2, atol=0.01)


def test_thigh_and_hand_have_the_size_of_a_persons(capsules: list[Capsule]) -> None:
    thigh = next(capsule for capsule in capsules if capsule.joint == JOINT["left_hip"])
    assert 0.06 < thigh.radius < 0.1
    hand = [capsule for capsule in capsules if capsule.joint == JOINT["left_wrist"]]
    assert len(hand) == 3 and all(0.01 < capsule.radius < 0.03 for capsule in hand)
    assert np.linalg.norm(hand[0].end - hand[0].start) > 0.1


def _geom(solid: Solid) -> mujoco.MjModel:
    root = ET.Element("mujoco")
    add_solid(ET.SubElement(root, "worldbody"), solid, "one")
    return mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))


def test_bars_become_capsules_and_balls_spheres() -> None:
    start, end = np.array([0.0, 0.0, 1.0]), np.array([0.6, 0.8, 1.0])
    model = _geom(rod(tuple(start), tuple(end), 0.04, "metal"))
    assert model.geom_type[0] == mujoco.mjtGeom.mjGEOM_CAPSULE
    assert model.geom_size[0, :2] == pytest.approx([0.02, 0.5])
    axis = np.zeros(9)
    mujoco.mju_quat2Mat(axis, model.geom_quat[0])
    assert abs(axis.reshape(3, 3)[:, 2] @ (0.6, 0.8, 0.0)) == pytest.approx(1.0)
    ball = _geom(box((0, 0, 0), (0.1, 0.1, 0.1), "rubber", radius=0.05))
    assert ball.geom_type[0] == mujoco.mjtGeom.mjGEOM_SPHERE and ball.geom_size[0, 0] == pytest.approx(0.05)
    flat = box((0, 0, 0), (0.06, 1.0, 0.06), "metal", radius=0.03)  # a bar whose long side is its own y
    assert _geom(flat).geom_size[0, :2] == pytest.approx([0.03, 0.47])


def test_boxes_and_cylinders_keep_their_size() -> None:
    mattress = _geom(box((0, 0, 0.4), (0.9, 2.0, 0.14), "mattress", radius=0.04))
    assert mattress.geom_type[0] == mujoco.mjtGeom.mjGEOM_BOX
    assert mattress.geom_size[0] == pytest.approx([0.45, 1.0, 0.07])
    table = _geom(cylinder((0, 0, 0.7), 0.8, 0.03, "wood"))
    assert table.geom_type[0] == mujoco.mjtGeom.mjGEOM_CYLINDER
    assert table.geom_size[0, :2] == pytest.approx([0.4, 0.015])
    # A mattress gives way more slowly than wood.
    assert mattress.geom_solref[0, 0] > table.geom_solref[0, 0]


def test_furniture_agrees_with_the_rooms_own_distances() -> None:
    """Second implementation: the signed distance of the room at the middle of each solid's own box is negative."""
    bed = default_object("bed", "bed-1", x=0.5, y=-0.3, yaw=0.7)
    curtain = default_object("curtain", "curtain-1", x=2.0, y=0.0)
    solids = furniture_solids([bed, curtain])
    assert {index for _, index in solids} <= {0, 1}
    assert all(solid.material != "curtain" for solid, _ in solids)
    scene = Scene("room", [(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)], objects=[bed, curtain])
    centers = torch.tensor(np.array([solid.center for solid, index in solids if index == 0])).float()[None]
    assert float(SceneGeometry.of([scene]).signed_distance(centers).max()) < 0
