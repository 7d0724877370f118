"""BVH as we write it: read back by our own reader and posed by our own kinematics."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips import Clip
from carescene.clips.formats import RestBody, bvh_text, read_bvh, source_kinematics
from carescene.clips.formats.bvh_write import zxy_angles
from carescene.errors import UserError
from carescene.humans import JOINT_NAMES, forward_kinematics, rotvec_to_matrix
from carescene.humans.body import load_body


def lying_and_turning(frames: int = 40) -> Clip:
    """One of two people rolls from upright over lying on the back to the side, arms and legs moving."""
    rng = np.random.default_rng(2)
    poses = np.cumsum(rng.normal(0, 0.05, (2, frames, 24, 3)), axis=1)
    # Half-way the pelvis is turned by exactly the angle at which Z and Y angles cannot be told apart.
    poses[0, :, 0] = np.linspace(0, 1, frames)[:, None] * [np.pi, 0.0, 0.0]
    poses[0, frames // 2, 0] = [np.pi, 0, 0]
    return Clip(
        id="roll",
        fps=30.0,
        poses=poses.astype(np.float32),
        trans=rng.normal(0, 1, (2, frames, 3)).astype(np.float32),
        betas=rng.normal(0, 1, (2, 10)).astype(np.float32),
        frame_label=np.zeros((2, frames), np.int8),
        valid=np.ones((2, frames), dtype=bool),
    )


def bodies(clip: Clip) -> list[RestBody]:
    body = load_body()
    with torch.no_grad():
        betas = torch.from_numpy(clip.betas)
        return [
            RestBody(vertices.numpy(), joints.numpy(), body.faces.numpy(), body.lbs_weights.numpy())
            for vertices, joints in zip(body.rest_vertices(betas), body.rest_joints(betas), strict=True)
        ]


@pytest.mark.parametrize("person", [0, 1])
def test_round_trip_through_our_reader(person: int) -> None:
    clip = lying_and_turning()
    rest = bodies(clip)[person]
    motion = read_bvh(bvh_text(clip, person, rest), "roll")
    positions, world = source_kinematics(motion.parents, motion.rotations, motion.trans, motion.offsets)
    local = rotvec_to_matrix(torch.from_numpy(clip.poses[person]).double())
    expected, turned = forward_kinematics(
        local, torch.from_numpy(clip.trans[person]).double(), torch.from_numpy(rest.joints).double()
    )
    order = [motion.index(joint) for joint in JOINT_NAMES]
    np.testing.assert_allclose(positions[:, order], expected.numpy(), atol=1e-5)
    relative = Rotation.from_matrix((world[:, order].swapaxes(-1, -2) @ turned.numpy()).reshape(-1, 3, 3))
    assert relative.magnitude().max() < 1e-5
    np.testing.assert_allclose(motion.times, np.arange(clip.num_frames) / clip.fps, atol=1e-7)


def test_angles_of_any_rotation_also_at_the_poles() -> None:
    rotations = Rotation.random(500, random_state=0).as_matrix()
    poles = Rotation.from_euler("ZXY", [[30, 90, 20], [-170, -90, 80], [10, 90 - 1e-7, 5]], degrees=True).as_matrix()
    rotations = np.concatenate((rotations, poles))
    back = Rotation.from_euler("ZXY", zxy_angles(rotations)).as_matrix()
    np.testing.assert_allclose(back, rotations, atol=2e-6)


def test_angles_do_not_jump_by_whole_turns() -> None:
    clip = lying_and_turning()
    clip.poses[1, :, 0] = np.linspace(0, 6 * np.pi, clip.num_frames)[:, None] * np.array([0, 0, 1], np.float32)
    rows = bvh_text(clip, 1, bodies(clip)[1]).split("Frame Time:")[1].splitlines()[1:]
    channels = np.array([[float(word) for word in row.split()] for row in rows])
    assert np.abs(np.diff(channels[:, 5])).max() < 40


def test_limbs_end_at_the_skin() -> None:
    clip = lying_and_turning(2)
    rest = bodies(clip)[0]
    text = bvh_text(clip, 0, rest)
    head = text.split("JOINT head")[1].split("End Site")[1]
    tip = rest.joints[JOINT_NAMES.index("head"), 1] + float(head.split("OFFSET")[1].split()[1]) / 100
    assert tip == pytest.approx(rest.vertices[:, 1].max(), abs=0.02)
    assert text.count("End Site") == 5


def test_people_who_come_and_go() -> None:
    clip = lying_and_turning(10)
    rest = bodies(clip)[0]
    clip.valid[0, :3] = False
    clip.poses[0, :3] = np.nan
    assert len(read_bvh(bvh_text(clip, 0, rest), "late").times) == 7
    clip.valid[0, 5] = False
    with pytest.raises(UserError, match="away in frame 5"):
        bvh_text(clip, 0, rest)
    clip.valid[0] = False
    with pytest.raises(UserError, match="expected person 0 to exist"):
        bvh_text(clip, 0, rest)
    clip.valid[0, 4] = True
    with pytest.raises(UserError, match="at least 2 frames"):
        bvh_text(clip, 0, rest)
