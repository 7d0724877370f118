import torch

from carescene.humans.kinematics import global_rotations, local_rotations
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skeleton import JOINT, JOINT_NAMES
from reconstruction.pose_variation import varied_motion

_LEGS = [JOINT[f"{side}_{part}"] for side in ("left", "right") for part in ("hip", "knee", "ankle")]
_TURNED = ("spine1", "hip", "neck", "knee", "shoulder", "elbow")


def _windows(batch=200, frames=3):
    local = rotvec_to_matrix(0.4 * torch.randn(batch, frames, 24, 3).double())
    return local, varied_motion(global_rotations(local), torch.Generator().manual_seed(0))


def test_only_chosen_joints_are_turned_and_the_same_in_all_frames():
    local, varied = _windows()
    after = local_rotations(varied)
    assert torch.allclose(after @ after.mT, torch.eye(3).double().expand_as(after), atol=1e-5)
    assert torch.allclose(after[:, :, 0], local[:, :, 0])  # the pelvis is nobody else's
    turn = after @ local.mT
    size = matrix_to_rotvec(turn).norm(dim=-1)
    mixed = size[:, 0, JOINT["spine3"]] > 1e-6
    assert 0.12 < mixed.float().mean() < 0.4
    own = size[~mixed]
    assert 0.2 < (own[:, 0, JOINT["left_shoulder"]] > 1e-6).float().mean() < 0.6
    for joint, name in enumerate(JOINT_NAMES):
        if not name.endswith(_TURNED):
            assert (own[:, :, joint] < 1e-5).all(), name
    assert torch.allclose(turn[~mixed][:, 0], turn[~mixed][:, 2], atol=1e-6)


def test_a_mixed_window_has_the_upper_body_of_another():
    local, varied = _windows()
    after = local_rotations(varied)
    same_legs = torch.isclose(after[:, :, _LEGS], local[:, :, _LEGS], atol=1e-8).all(-1).all(-1).all(-1).all(-1)
    other_trunk = (after[:, :, JOINT["spine3"]] - local[:, :, JOINT["spine3"]]).abs().amax((1, 2, 3)) > 1e-6
    rows = (same_legs & other_trunk).nonzero()[:, 0]
    assert len(rows) > 5
    for row in rows[:5]:
        distance = (after[row, :, JOINT["spine3"]] - local[:, :, JOINT["spine3"]]).abs().amax((1, 2, 3))
        donor = int(distance.argmin())
        assert distance[donor] < 1e-6 and donor != row
        assert torch.allclose(after[row, :, JOINT["head"]], local[donor, :, JOINT["head"]])
