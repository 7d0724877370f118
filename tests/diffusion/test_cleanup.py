"""Clean-up stops gliding feet, leaves other motion alone, and filters as its closed form says."""

import math

import pytest
import torch

from carescene.evaluation.physics import foot_skating, jerk
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT
from diffusion.cleanup import ankle_shift, clean_up, hold_feet, low_pass, smooth_fit, standing
from diffusion.representation import EVENT, decode_motion, encode_motion, joint_consistency, model_joints


def rocking(frames: int = 60, glide: float = 0.0, height: float = 0.96) -> torch.Tensor:
    """Features of somebody who stands, nods slowly, and may glide along x (m/s)."""
    poses = torch.zeros(frames, 24, 3)
    poses[:, 0, 0] = math.pi / 2
    poses[:, JOINT["head"], 0] = 0.2 * torch.sin(torch.arange(frames) / 20 * 2)
    trans = torch.tensor([0.0, 0.0, height]).repeat(frames, 1)
    trans[:, 0] = glide * torch.arange(frames) / 20
    return encode_motion(poses, trans, torch.full((frames,), 8))


def joints_of(features: torch.Tensor) -> torch.Tensor:
    poses, trans, _ = decode_motion(features)
    return model_joints(rotvec_to_matrix(poses), trans)


def test_gliding_feet_are_stopped():
    gliding = rocking(glide=0.3)
    assert foot_skating(joints_of(gliding), 20.0) == pytest.approx(0.3, rel=0.01)
    assert foot_skating(joints_of(clean_up(gliding)), 20.0) < 0.02


def test_feet_that_disagree_are_both_held():
    features = rocking()
    poses, trans, label = decode_motion(features)
    # Legs that open while both feet stand: no shift of the whole body can hold both.
    spread = 0.1 * torch.arange(60) / 60
    poses[:, JOINT["left_hip"], 2], poses[:, JOINT["right_hip"], 2] = spread, -spread
    poses[:, JOINT["left_ankle"], 2], poses[:, JOINT["right_ankle"], 2] = -spread, spread
    before = encode_motion(poses, trans, label)
    assert foot_skating(joints_of(before), 20.0) > 0.025
    assert foot_skating(joints_of(clean_up(before)), 20.0) < 0.006


@pytest.mark.parametrize("offset", [-0.03, 0.03])
def test_standing_feet_come_to_the_floor(offset):
    right = joints_of(clean_up(rocking()))[:, JOINT["left_foot"], 2].mean()
    fixed = joints_of(clean_up(rocking(height=0.96 + offset)))[:, JOINT["left_foot"], 2].mean()
    assert fixed == pytest.approx(right.item(), abs=0.004)


def test_a_raised_heel_does_not_press_the_toes_into_the_floor():
    poses, trans, label = decode_motion(rocking())
    poses[:, [JOINT["left_ankle"], JOINT["right_ankle"]], 0] = 0.25
    on_toes = encode_motion(poses, trans, label)
    ball = joints_of(on_toes)[0, JOINT["left_foot"], 2]
    trans[:, 2] += 0.028 - ball
    cleaned = joints_of(clean_up(encode_motion(poses, trans, label)))
    assert cleaned[:, JOINT["left_ankle"], 2].min() > 0.1
    torch.testing.assert_close(cleaned[:, JOINT["left_foot"], 2], torch.full((60,), 0.028), atol=2e-3, rtol=0)


def test_somebody_high_in_the_air_is_not_pulled_down():
    features = rocking(height=1.6)
    cleaned = clean_up(features)
    torch.testing.assert_close(cleaned[:, :3], features[:, :3], atol=1e-4, rtol=0)
    # Knees that the rest skeleton bends backwards by half a degree are straightened.
    torch.testing.assert_close(cleaned, features, atol=0.02, rtol=0)


def test_walking_on_is_not_stopped():
    """Feet that alternate: each stands for half a second while the other moves at twice the body's speed."""
    frames, fps = 80, 20
    time = torch.arange(frames) / fps
    joints = torch.zeros(frames, 22, 3)
    joints[:, [JOINT["left_knee"], JOINT["right_knee"]], 2] = 0.5
    phase = (time % 1.0) < 0.5
    for side, stands in (("left", phase), ("right", ~phase)):
        x = torch.cumsum(torch.where(stands, 0.0, 2.0 / fps), 0)
        for name, rest in (("ankle", 0.078), ("foot", 0.028)):
            joints[:, JOINT[f"{side}_{name}"], 0] = x
            joints[:, JOINT[f"{side}_{name}"], 2] = rest + torch.where(stands, 0.0, 0.15)
    shift = hold_feet(joints, 20.0)
    assert shift.norm(dim=-1).max() < 0.01


def test_jitter_is_smoothed_and_slow_motion_kept():
    features = rocking()
    noisy = features + 0.01 * torch.randn_like(features)
    assert jerk(joints_of(clean_up(noisy, cutoff_hz=4.0)), 20.0) < 0.7 * jerk(joints_of(noisy), 20.0)
    angles = decode_motion(clean_up(features))[0][:, JOINT["head"], 0]
    torch.testing.assert_close(angles, decode_motion(features)[0][:, JOINT["head"], 0], atol=5e-3, rtol=0)


def test_labels_stay_and_joints_agree_with_rotations():
    features = rocking(glide=0.2)
    cleaned = clean_up(features)
    torch.testing.assert_close(cleaned[:, EVENT], features[:, EVENT])
    assert joint_consistency(cleaned).max() < 1e-4


def test_short_clips_are_left_alone():
    features = rocking(frames=3)
    assert clean_up(features) is features


@pytest.mark.parametrize("frequency", [0.5, 2.0, 5.0, 8.0])
def test_filter_passes_what_its_closed_form_says(frequency):
    fps, cutoff = 60.0, 5.0
    time = torch.arange(600, dtype=torch.float64) / fps
    wave = torch.sin(2 * math.pi * frequency * time)[:, None]
    passed = low_pass(wave, fps, cutoff)[100:-100]
    sigma = math.sqrt(math.log(2)) / (2 * math.pi * cutoff)
    gain = math.exp(-((2 * math.pi * frequency * sigma) ** 2) / 2)
    torch.testing.assert_close(passed, gain * wave[100:-100], atol=2e-3, rtol=0)
    if frequency == cutoff:
        assert gain**2 == pytest.approx(0.5)


def test_filter_keeps_straight_lines_up_to_their_ends():
    line = torch.linspace(-1, 3, 40, dtype=torch.float64)[:, None]
    torch.testing.assert_close(low_pass(line, 20.0, 5.0), line)


def test_smooth_fit_follows_what_is_known_and_bridges_the_rest():
    time = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    weight = torch.ones(50, dtype=torch.float64)
    weight[20:30] = 0
    target = (3 * time) * weight[:, None]
    fitted = smooth_fit(target, weight, stiffness=1.0, damping=0.0)
    torch.testing.assert_close(fitted, 3 * time, atol=1e-3, rtol=0)


def test_standing_needs_low_and_slow():
    rest = torch.tensor([0.078, 0.078, 0.028, 0.028])
    points = torch.zeros(3, 4, 3)
    points[..., 2] = rest
    points[:, 1, 0] = torch.arange(3) * 0.1
    points[:, 2, 2] += 0.2
    assert standing(points, rest, 20.0).tolist() == [[True, False, False, True]] * 2


def test_who_lies_where_a_path_ends_does_not_glide_away():
    # Feet slide forwards until frame 30, from where nobody stands; frame 45 says where the pelvis is.
    joints = torch.zeros(80, 22, 3)
    joints[..., 2] = 1.0
    joints[:30, [7, 8, 10, 11], 2] = 0.02
    joints[:, :, 1] = (0.02 * torch.arange(80).clamp(max=30))[:, None]
    pinned = torch.zeros(80, 2, dtype=torch.bool)
    pinned[[0, 45], 0] = True
    shift = hold_feet(joints, 20.0, pinned=pinned)
    assert float(shift[[0, 45], :2].abs().max()) < 1e-5
    assert float(shift[28, 1]) < -0.5, "the feet are held"
    assert float(shift[46:, :2].abs().max()) < 0.06


def test_feet_of_who_lies_are_left_where_they_are():
    joints = torch.zeros(40, 22, 3)
    joints[..., 2] = 0.12
    joints[:, :, 1] = (0.01 * torch.arange(40))[:, None]
    low = joints.clone()
    low[:, [JOINT["left_knee"], JOINT["right_knee"]], 2] = 0.5
    assert float(ankle_shift(joints, 20.0).abs().max()) == 0
    assert float(hold_feet(joints, 20.0).abs().max()) < 1e-9
    assert float(ankle_shift(low, 20.0).abs().max()) > 0.01, "a sitting person's feet slide as much, and are held"
