"""The model's world in the room: there and back, for places, motion and rooms."""

import math

import numpy as np
import pytest
import torch

from carescene.scenes import Scene, SceneGeometry, default_object
from diffusion.asking.frame import Frame, frame_of_motion

FRAME = Frame(2.0, -1.0, 0.7)


def test_places_go_there_and_back():
    assert FRAME.out(*FRAME.into(3.0, 4.0)) == pytest.approx((3.0, 4.0))
    assert FRAME.into(2.0, -1.0) == pytest.approx((0.0, 0.0))
    # Straight ahead of where person 0 faces is +y.
    ahead = (2.0 - math.sin(0.7), -1.0 + math.cos(0.7))
    assert FRAME.into(*ahead) == pytest.approx((0.0, 1.0))


def test_motion_goes_there_and_back():
    poses, trans = 0.3 * torch.randn(5, 24, 3).double(), torch.randn(5, 3).double()
    there = FRAME.moved_into(poses, trans)
    x, y = FRAME.into(float(trans[0, 0]), float(trans[0, 1]))
    assert there[1][0].tolist() == pytest.approx([x, y, float(trans[0, 2])])
    back = FRAME.moved_out(*there)
    torch.testing.assert_close(back[0], poses)
    torch.testing.assert_close(back[1], trans)


def test_somebody_starts_at_the_origin_and_faces_y():
    poses = np.zeros((1, 24, 3))
    poses[0, 0] = [math.pi / 2, 0, 0]  # upright, facing -y
    trans = np.array([[1.0, 2.0, 0.9]])
    frame = frame_of_motion(poses[0], trans[0])
    assert (frame.x, frame.y) == pytest.approx((1.0, 2.0))
    assert abs(frame.angle) == pytest.approx(math.pi)


def test_distances_do_not_change():
    room = Scene("r", [(0.0, 0.0), (5.0, 0.0), (5.0, 5.0), (0.0, 5.0)])
    room.objects = [default_object("bed", "bed-1", x=2.0, y=2.0, yaw=0.3)]
    points = torch.rand(1, 20, 3) * 4
    moved = points.clone()
    for row in moved[0]:
        row[:2] = torch.tensor(FRAME.into(float(row[0]), float(row[1])))
    inside = SceneGeometry.of([FRAME.scene_into(room)])
    torch.testing.assert_close(
        inside.signed_distance(moved), SceneGeometry.of([room]).signed_distance(points), atol=1e-4, rtol=0
    )
    back = FRAME.scene_out(FRAME.scene_into(room))
    assert back.objects[0].center == pytest.approx(room.objects[0].center)
    assert back.polygon[2] == pytest.approx(room.polygon[2])
