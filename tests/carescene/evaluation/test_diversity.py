"""Known distances, and blindness to where a motion begins and in which direction."""

import math

import pytest
import torch

from carescene import UserError
from carescene.evaluation import (
    align,
    facing_direction,
    in_place,
    mean_pairwise_distance,
    nearest_neighbours,
    pairwise_distances,
    resample_time,
)
from carescene.humans import JOINT, rotation_about


def person() -> torch.Tensor:
    """Joints of somebody upright at the origin who faces +y: the left side is at -x."""
    joints = torch.zeros(22, 3)
    joints[:, 2] = 0.9
    joints[JOINT["left_hip"], 0] = joints[JOINT["left_shoulder"], 0] = -0.15
    joints[JOINT["right_hip"], 0] = joints[JOINT["right_shoulder"], 0] = 0.15
    joints[JOINT["neck"], 2] = 1.5
    return joints


def walk(speed: float = 1.0, frames: int = 40) -> torch.Tensor:
    """Walks ahead, i.e. along +y."""
    joints = person().repeat(frames, 1, 1)
    joints[..., 1] += speed * torch.arange(frames)[:, None] / 20
    return joints


def placed(joints: torch.Tensor, angle: float, x: float, y: float) -> torch.Tensor:
    return joints @ rotation_about("z", torch.tensor(angle)).T + torch.tensor([x, y, 0.0])


def test_a_person_with_the_left_side_at_minus_x_faces_plus_y():
    torch.testing.assert_close(facing_direction(person()), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("angle", [-3.0, -1.0, 0.5, math.pi / 2, 3.1])
def test_facing_turns_with_the_person(angle: float):
    turned = facing_direction(placed(person(), angle, 2.0, -1.0))
    torch.testing.assert_close(turned, torch.tensor([-math.sin(angle), math.cos(angle)]), atol=1e-5, rtol=0)


def test_someone_on_the_side_faces_along_the_spine():
    joints = torch.zeros(22, 3)
    joints[JOINT["left_hip"], 2] = joints[JOINT["left_shoulder"], 2] = 0.3  # left is up
    joints[JOINT["neck"], 0] = -0.5
    torch.testing.assert_close(facing_direction(joints), torch.tensor([-1.0, 0.0]))


@pytest.mark.parametrize("angle", [-2.0, 0.0, 0.7, 3.0])
def test_alignment_undoes_place_and_direction_but_not_height(angle: float):
    motion = walk()
    torch.testing.assert_close(align(placed(motion, angle, 3.0, -4.0)), motion, atol=1e-5, rtol=0)
    assert (align(motion + torch.tensor([0.0, 0.0, 0.2])) - align(motion))[..., 2].mean() == pytest.approx(0.2)


def test_alignment_leaves_its_input_alone_and_keeps_gradients():
    motion = walk().requires_grad_()
    before = motion.detach().clone()
    align(motion).square().sum().backward()
    assert torch.equal(motion.detach(), before)
    assert motion.grad is not None
    assert motion.grad.isfinite().all()


def test_in_place_keeps_posture_only():
    torch.testing.assert_close(in_place(walk(2.0)), person().repeat(40, 1, 1))


def test_resampling_a_straight_line_stays_on_it():
    line = torch.arange(11.0)[:, None, None].expand(11, 22, 3)
    torch.testing.assert_close(resample_time(line, 21)[:, 0, 0], torch.linspace(0, 10, 21))
    torch.testing.assert_close(resample_time(line, 6)[:, 0, 0], torch.linspace(0, 10, 6))
    assert resample_time(line[:1], 5).shape == (5, 22, 3)


def test_pairwise_distances_of_shifted_motions_are_the_shifts():
    motions = torch.stack([walk(0.0) + torch.tensor([shift, 0.0, 0.0]) for shift in (0.0, 1.0, 4.0)])
    expected = torch.tensor([[0.0, 1.0, 4.0], [1.0, 0.0, 3.0], [4.0, 3.0, 0.0]])
    torch.testing.assert_close(pairwise_distances(motions), expected)


def test_spread_of_walks_at_different_speeds():
    """Positions at the same part of the walk differ by u * difference in distance walked, whose mean is half of it."""
    slow, fast = walk(1.0), walk(1.5)
    walked = 39 / 20 * 0.5
    assert mean_pairwise_distance([slow, fast]).item() == pytest.approx(walked / 2, rel=1e-4)
    three = mean_pairwise_distance([slow, fast, placed(fast, 1.0, 5.0, 5.0)]).item()
    assert three == pytest.approx(walked / 2 * 2 / 3, rel=1e-4)


def test_the_same_walk_at_another_pace_is_no_difference():
    assert mean_pairwise_distance([walk(1.0, 41), walk(2.0, 21)]).item() < 1e-5


def test_spread_of_one_motion_is_refused():
    with pytest.raises(UserError, match="at least 2 motions"):
        mean_pairwise_distance([walk()])


def test_a_copy_is_found_wherever_it_is():
    references = [walk(0.5), walk(1.0, 60), walk(1.5, 50)]
    found = nearest_neighbours([placed(walk(1.0, 56), 2.0, -3.0, 1.0), walk(1.4)], references)
    assert found.index.tolist() == [1, 2]
    assert found.distance[0].item() < 1e-5
    # Every fourth of 40 frames: mean time 18 / 20 s, times 0.1 m/s.
    assert found.distance[1].item() == pytest.approx(0.1 * 18 / 20, rel=1e-4)


def test_scraps_are_no_neighbours():
    found = nearest_neighbours([walk(1.0, 100)], [walk(1.0, 20)])
    assert found.distance.tolist() == [math.inf]
    assert found.index.tolist() == [-1]


def test_a_motion_is_not_its_own_neighbour():
    motions = [walk(1.0), walk(1.0), walk(2.0)]
    names = ["take1", "take1", "take2"]
    found = nearest_neighbours(motions, motions, groups=(names, names))
    assert found.index[0] == found.index[1] == 2
    assert found.distance[0].item() == pytest.approx(18 / 20, rel=1e-4)


def test_no_references_are_refused():
    with pytest.raises(UserError, match="training motions"):
        nearest_neighbours([walk()], [])
