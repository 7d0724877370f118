import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.humans.kinematics import forward_kinematics, global_rotations
from carescene.humans.mirror import mirror_motion
from carescene.humans.rotations import matrix_to_sixd, rotvec_to_matrix
from reconstruction import seen_motion
from reconstruction.detector_noise import DetectorNoise
from reconstruction.landmarks import free_landmarks
from reconstruction.lifter_input import WINDOW
from reconstruction.observations import LANDMARK
from reconstruction.seen_clips import clip_landmarks
from reconstruction.seen_motion import MotionBank, frame_weights, motion_bank, read_bank, seen_windows


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector without errors, landmarks where the model has them."""

    def clean(flat: torch.Tensor, behind: torch.Tensor, visible: torch.Tensor, _: torch.Generator) -> DetectorNoise:
        return DetectorNoise(flat, visible.float())

    monkeypatch.setattr(seen_motion, "detector_noise", clean)
    monkeypatch.setattr(seen_motion, "_PLACED_SIGMA", torch.zeros(len(LANDMARK)))


def test_a_bank_knows_where_stretches_begin_and_end(moving_clip):
    clip = moving_clip(frames=12, persons=2)
    clip.valid[1, 3:5] = False
    clip.frame_label[0, 6:] = 5
    bank = motion_bank([clip])
    assert len(bank) == 12 + 3 + 7
    assert bank.first.unique().tolist() == [0, 12, 15] and bank.last.unique().tolist() == [11, 14, 21]
    assert torch.allclose(bank.trans[15:], torch.from_numpy(clip.trans[1, 5:]))
    world = matrix_to_sixd(global_rotations(rotvec_to_matrix(torch.from_numpy(clip.poses[1, 5:]))))
    assert torch.allclose(bank.sixd[15:].float(), world, atol=1e-3)
    assert torch.allclose(bank.betas[bank.person[21]], torch.from_numpy(clip.betas[1]))
    # 16 frames of one label, 6 of the other: each is drawn as often as the root of its number.
    weights = frame_weights(bank)
    share = weights[bank.label == 5].sum() / weights.sum()
    assert share == pytest.approx(6**0.5 / (6**0.5 + 16**0.5), abs=1e-5)


def test_a_bank_refuses_other_rates_and_no_people(moving_clip, tmp_path):
    with pytest.raises(UserError, match="20 frames per second"):
        motion_bank([moving_clip(fps=30.0)])
    with pytest.raises(UserError, match="got none"):
        motion_bank([])
    with pytest.raises(UserError, match="prepared folder"):
        read_bank([tmp_path], "train")


def test_landmarks_without_a_loop_are_those_of_the_chain(moving_clip):
    clip = moving_clip()
    bank, model = motion_bank([clip]), free_landmarks()
    flip = torch.zeros(1, dtype=torch.bool)
    world, trans = seen_motion._mirrored(bank.sixd[None].float(), bank.trans[None], flip)
    rest, offsets = (torch.from_numpy(part).float()[None] for part in model.rest(clip.betas[0].astype(np.float64)))
    points = seen_motion._landmarks(world, trans, rest, offsets, torch.from_numpy(model.carrier))
    assert np.allclose(points[0].numpy(), clip_landmarks(clip)[2][0], atol=2e-3)  # half precision over a limb


def test_mirrored_windows_are_mirrored_motion(moving_clip):
    clip = moving_clip()
    bank = motion_bank([clip])
    world, trans = seen_motion._mirrored(bank.sixd[None].float(), bank.trans[None], torch.ones(1, dtype=torch.bool))
    poses, moved = mirror_motion(torch.from_numpy(clip.poses[0]), torch.from_numpy(clip.trans[0]))
    assert torch.allclose(world[0], global_rotations(rotvec_to_matrix(poses)), atol=2e-3)
    assert torch.allclose(trans[0], moved)


def test_the_true_pose_explains_exact_points(moving_clip, exact: None):
    bank, generator = motion_bank([moving_clip(frames=60)]), torch.Generator().manual_seed(0)
    windows = seen_windows(bank, torch.randint(60, (64,), generator=generator), generator)
    joints, _ = forward_kinematics(windows.rotations, torch.zeros(64, 3), windows.rest)
    points = windows.seen.features[:, :-6].unflatten(1, (WINDOW, len(LANDMARK), 3))[:, WINDOW // 2]
    # Landmarks that are joints.
    names = [f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist", "knee", "ankle")]
    carriers = free_landmarks().carrier
    rows = [LANDMARK[name] for name in names]
    judged = 0
    for point, joint, size in zip(points[:, rows].double(), joints.double(), windows.seen.size.double(), strict=True):
        place = joint[torch.from_numpy(carriers[rows])]
        seen = (point[:, 2] > 0) & (point[:, :2].abs() < 5).all(-1)
        if seen.sum() < 6:
            continue
        # (X + t) / (Z + tz) = u: linear in the pelvis t.
        u, p = point[seen, :2] * size, place[seen]
        one, zero = torch.ones(len(u)).double(), torch.zeros(len(u)).double()
        left = torch.cat((torch.stack((one, zero, -u[:, 0]), -1), torch.stack((zero, one, -u[:, 1]), -1)))
        right = torch.cat((u[:, 0] * p[:, 2] - p[:, 0], u[:, 1] * p[:, 2] - p[:, 1]))
        found = torch.linalg.lstsq(left, right[:, None]).solution[:, 0]
        moved = p + found
        assert found[2] > 0.3
        assert (moved[:, :2] / moved[:, 2:] - u).abs().max() < 0.03 * size
        judged += 1
    assert judged > 40


def test_windows_end_with_the_motion_and_repeat_with_the_seed(moving_clip, exact: None):
    bank = motion_bank([moving_clip(frames=30)])
    draw = seen_windows(bank, torch.zeros(20, dtype=torch.long), torch.Generator().manual_seed(3))
    confidence = draw.seen.features[:, :-6].unflatten(1, (WINDOW, len(LANDMARK), 3))[..., 2]
    assert (confidence[:, : WINDOW // 2] == 0).all()  # before the first frame
    assert (confidence[:, WINDOW // 2 :] > 0).any()
    again = seen_windows(bank, torch.zeros(20, dtype=torch.long), torch.Generator().manual_seed(3))
    assert torch.equal(draw.seen.features, again.seen.features) and torch.equal(draw.rotations, again.rotations)
    assert isinstance(bank, MotionBank) and draw.label.tolist() == [0] * 20
