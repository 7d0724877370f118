"""Clips to HumanML3D's numbers and back: axes, floor, bodies, the fit of poses, and the 272 numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips import Clip, validate_clip
from carescene.clips.formats.humanml3d import (
    clip_joints,
    clip_to_272,
    clip_to_vectors,
    decode_272,
    decode_vectors,
    encode_joints,
    joints_to_clip,
    stand_like_published,
    vectors_to_clip,
)
from carescene.clips.formats.humanml3d.clips import published_betas, toe_height
from carescene.clips.formats.humanml3d.vectors import BONE_LENGTHS
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT


def walker(frames: int = 60, fps: float = 20.0, facing: float = 0.0) -> Clip:
    """Somebody who walks where they face (0: +y, to the left for positive angles) and raises the left arm."""
    time = np.arange(frames) / fps
    poses = np.zeros((1, frames, 24, 3))
    # The rest frame (y up, facing +z) upright and facing +y, then turned.
    stand = Rotation.from_matrix(np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]]))
    poses[0, :, 0] = (Rotation.from_euler("z", facing) * stand).as_rotvec()
    poses[0, :, 1, 0] = 0.4 * np.sin(5 * time)
    poses[0, :, 2, 0] = -poses[0, :, 1, 0]
    poses[0, :, 4, 0] = 0.3 + 0.2 * np.sin(5 * time)
    poses[0, :, 16, 2] = 0.9 * time / time[-1]
    poses[0, :, 18, 1] = -0.8
    way = np.array([-np.sin(facing), np.cos(facing), 0.0])
    trans = 0.6 * time[:, None] * way + [2.0, -1.0, 0.93]
    return Clip(
        id="walker",
        fps=fps,
        poses=poses.astype(np.float32),
        trans=trans[None].astype(np.float32),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.full((1, frames), -1, np.int8),
        valid=np.ones((1, frames), dtype=bool),
        text=["a person walks"],
    )


def test_z_up_becomes_y_up_and_left_stays_left() -> None:
    joints = clip_joints(walker())
    head, pelvis, left = (joints[:, JOINT[name]] for name in ("head", "pelvis", "left_wrist"))
    assert ((head - pelvis)[:, 1] > 0.4).all()
    assert joints[-1, 0, 2] - joints[0, 0, 2] > 1.5  # +y there is +z here
    assert (left - pelvis)[0, 0] > 0.3  # facing +z, the left hand is at +x
    assert left[-1, 1] > left[0, 1] + 0.2


@pytest.mark.parametrize("facing", [0.0, 1.0, -2.5])
def test_vectors_do_not_depend_on_where_a_clip_stands_and_faces(facing: float) -> None:
    plain, turned = clip_to_vectors(walker()), clip_to_vectors(walker(facing=facing))
    assert np.abs(plain.vectors - turned.vectors).max() < 1e-4
    assert not plain.flagged
    # Forward is +z: nearly all of the way is in the second number.
    assert np.allclose(plain.vectors[5:-5, 2], 0.03, atol=2e-3) and np.abs(plain.vectors[5:-5, 1]).max() < 2e-3


def test_other_rates_are_resampled_by_time() -> None:
    fast = clip_to_vectors(walker(frames=177, fps=59.94))
    slow = clip_to_vectors(walker(frames=60))
    frames = min(len(fast.vectors), len(slow.vectors))
    assert abs(len(fast.vectors) - len(slow.vectors)) <= 1
    # The arm rises over the length of each clip, which differs by half a frame.
    assert np.abs(fast.joints[:frames] - slow.joints[:frames]).max() < 0.01


def test_floor_by_rule_or_as_given() -> None:
    clip = walker()
    clip.trans[..., 2] += 0.5  # walks on a table
    assert np.isclose(clip_to_vectors(clip).joints[..., 1].min(), 0)
    own = clip_to_vectors(clip, floor=0.0, own_body=True)
    assert np.isclose(own.joints[..., 1].min(), clip_joints(clip)[..., 1].min())
    scaled = clip_to_vectors(clip, floor=0.5)
    assert abs(scaled.joints[..., 1].min()) < 0.1


def test_a_clip_of_published_vectors_comes_near_their_joints(shared_data: Path) -> None:
    vectors = np.load(shared_data / "humanml3d" / "new_joint_vecs" / "001848-2.npy")
    clip = validate_clip(vectors_to_clip(vectors, "001848", ["a person moves"]))
    assert clip.num_frames == len(vectors) and clip.fps == 20.0
    wanted = decode_vectors(torch.from_numpy(vectors.astype(np.float64))).numpy()
    lift = toe_height(tuple(float(beta) for beta in published_betas()))
    miss = np.linalg.norm(clip_joints(clip) - wanted - [0, lift, 0], axis=-1)
    # Feet and hands are where they were; hips and head are other points in the two bodies.
    assert miss[:, [JOINT["left_foot"], JOINT["right_foot"]]].mean() < 0.005
    assert miss[:, [JOINT["left_wrist"], JOINT["right_wrist"]]].mean() < 0.03
    assert miss.mean() < 0.03
    assert np.isclose(clip.quality["joint_miss_mean_m"], miss.mean(), atol=1e-4)
    assert clip.source is not None and "non-commercial" in clip.source.licence


def test_poses_come_back_from_the_joints_of_the_same_body() -> None:
    clip = walker()
    back = joints_to_clip(clip_joints(clip), "back", ["x"], betas=np.zeros(10, np.float32))
    assert back.quality["joint_miss_max_m"] < 2e-3
    turns = Rotation.from_rotvec(back.poses[0].reshape(-1, 3)).inv() * Rotation.from_rotvec(
        clip.poses[0].reshape(-1, 3)
    )
    angles = turns.magnitude().reshape(-1, 24)
    # Bent limbs and the trunk come back; so do straight ones, which follow the trunk here.
    for name in ("pelvis", "left_hip", "left_knee", "right_hip", "left_shoulder", "left_elbow", "spine2", "left_ankle"):
        assert angles[:, JOINT[name]].max() < 0.12, name


def test_frames_in_which_nobody_is_are_left_out() -> None:
    clip = walker()
    clip.valid[0, :10] = False
    assert len(clip_to_vectors(clip).vectors) == 49
    clip.valid[0, 30] = False
    with pytest.raises(UserError, match="away in frame 30"):
        clip_to_vectors(clip)


def test_published_bones_are_met_as_well_as_the_free_body_can() -> None:
    betas = published_betas()
    assert np.abs(betas).max() <= 2.5
    clip = walker(3)
    clip.betas[0] = betas
    joints = clip_joints(clip)
    legs = np.linalg.norm(joints[:, JOINT["left_knee"]] - joints[:, JOINT["left_hip"]], axis=-1)
    assert np.allclose(legs, BONE_LENGTHS[JOINT["left_knee"]], atol=0.03)


def test_own_joints_are_encoded_without_another_skeleton() -> None:
    clip = walker()
    own = clip_to_vectors(clip, own_body=True)
    assert np.allclose(own.vectors, encode_joints(stand_like_published(clip_joints(clip))))
    assert np.abs(own.vectors - clip_to_vectors(clip).vectors).max() > 0.01


def test_272_numbers_give_joints_and_rotations_back() -> None:
    clip = walker(facing=0.7)
    numbers = clip_to_272(clip)
    assert numbers.shape == (89, 272) and numbers.dtype == np.float32  # 2.95 s at 30 frames per second
    joints, rotations = decode_272(numbers.astype(np.float64))
    wanted = clip_joints(clip, fps=30)
    # Decoded clips begin at the origin, facing +z, on their lowest joint.
    turn = Rotation.from_euler("y", -0.7).as_matrix()
    placed = (wanted - [*wanted[0, 0, :1], wanted[..., 1].min(), wanted[0, 0, 2]]) @ turn.T
    assert np.abs(joints - placed).max() < 1e-5
    local = Rotation.from_rotvec(clip.poses[0, 0, 1:22]).as_matrix()
    assert np.abs(rotations[0, 1:] - local).max() < 1e-6
    assert np.allclose(numbers[0, 2:8], [1, 0, 0, 0, 1, 0])  # rows of the identity
    assert np.allclose(numbers[5:-5, 1], 0.02, atol=1e-3)  # 0.6 m/s forward


def test_272_numbers_hold_rows_not_columns() -> None:
    clip = walker(facing=0.0)
    rotation = Rotation.from_rotvec(clip.poses[0, 0, JOINT["left_elbow"]]).as_matrix()
    start = 140 + 6 * JOINT["left_elbow"]
    assert np.allclose(clip_to_272(clip)[0, start : start + 6], rotation[:2].ravel(), atol=1e-6)
    assert not np.allclose(rotation[:2].ravel(), np.concatenate((rotation[:, 0], rotation[:, 1])))
