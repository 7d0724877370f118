"""Ways out of a room's things: the nearest surface, but up from a bed, and never into a wall."""

import numpy as np
import pytest
import torch

from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skin_points import load_skin_points
from carescene.scenes import Scene, default_object
from diffusion.steering.room_contact import Surroundings, WaysOut, ways_out
from diffusion.steering.skin import NUM_PARTS, Skin

ROOM = [(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)]
FLAT = (0.0, 0.0, np.pi)
UPRIGHT = (np.pi / 2, 0.0, 0.0)


def posed(root: tuple[float, float, float], at: tuple[float, float, float]) -> tuple[Skin, torch.Tensor]:
    """Skin and joints of one person in one frame, arms down."""
    poses = torch.zeros(1, 1, 24, 3, dtype=torch.float64)
    poses[0, 0, 0] = torch.tensor(root)
    poses[0, 0, 16, 2], poses[0, 0, 17, 2] = -1.2, 1.2
    turns, trans = rotvec_to_matrix(poses), torch.tensor([[at]], dtype=torch.float64)
    skin = Skin.of(load_skin_points(), turns, trans, torch.zeros(1, 10))
    return skin, forward_kinematics(turns, trans, reference_rest_joints().double())[0]


def found(skin: Skin, joints: torch.Tensor, scene: Scene) -> WaysOut:
    there = torch.ones(1, 1, dtype=torch.bool)
    around = Surroundings.of(scene, skin, there)
    assert around is not None
    return ways_out(skin, joints, around, there, allowed_m=0.005)


@pytest.mark.parametrize("sunk", [0.04, 0.10, 0.20])
def test_who_lies_in_a_bed_leaves_it_upwards_however_deep(sunk: float) -> None:
    bed = default_object("bed", "bed", x=0.0, y=0.0, pillow=False, rails="none", mattress_height_m=0.6)
    skin, joints = posed(FLAT, (0.0, 0.0, 0.0))
    lift = 0.6 - sunk - float(skin.points[..., 2].min())
    skin = Skin(skin.points + torch.tensor([0.0, 0.0, lift]), skin.carrier, skin.group)
    ways = found(skin, joints + torch.tensor([0.0, 0.0, lift], dtype=torch.float64), Scene("room", ROOM, 2.6, [bed]))
    deep = ways.depth[0, 0] > 0.02
    assert float(ways.depth.max()) == pytest.approx(sunk, abs=0.003)
    assert bool((ways.direction[0, 0, deep, 2] > 0.99).all())


def test_no_way_leads_from_a_cabinet_into_the_wall_behind_it() -> None:
    cabinet = default_object("cabinet", "cabinet", x=0.0, y=0.0)
    deep = cabinet.size[1]
    # Its back is at the wall; the person stands in its back half.
    cabinet = default_object("cabinet", "cabinet", x=0.0, y=-3.0 + deep / 2, yaw=0.0)
    skin, joints = posed(UPRIGHT, (0.0, -3.0 + 0.3 * deep, 0.95))
    ways = found(skin, joints, Scene("room", ROOM, 2.6, [cabinet]))
    inside = (ways.depth[0, 0] > 0.005) & (skin.points[0, 0, :, 2] > 0.1)
    end = skin.points[0, 0, inside] + (ways.depth[0, 0, inside, None] + 0.005) * ways.direction[0, 0, inside]
    in_front = skin.points[0, 0, inside, 1] > -3.0
    assert int(in_front.sum()) > 10
    assert bool((end[in_front, 1] > -3.0).all())


def test_nobody_near_anything_has_no_way_out() -> None:
    skin, joints = posed(UPRIGHT, (0.0, 0.0, 1.2))
    ways = found(skin, joints, Scene("room", ROOM, 3.0, [default_object("bed", "bed", x=2.0, y=2.0)]))
    assert float(ways.depth.max()) < 0 and float(ways.direction.abs().max()) == 0


def test_every_skin_point_belongs_to_a_part() -> None:
    skin, _ = posed(UPRIGHT, (0.0, 0.0, 1.0))
    assert torch.bincount(skin.group, minlength=NUM_PARTS).min() >= 4
    assert len(torch.bincount(skin.group)) == NUM_PARTS
