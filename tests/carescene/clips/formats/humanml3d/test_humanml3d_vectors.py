"""The 263 numbers: real clips exactly, and each convention of the format on motion whose numbers are known."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips.formats.humanml3d import (
    corrected_turns,
    decode_vectors,
    encode_joints,
    essential,
    foot_contacts,
    on_published_skeleton,
    stand_like_published,
    undefined_headings,
    without_contacts,
    wrong_turns,
)
from carescene.clips.formats.humanml3d.headings import forward_axes, smooth_headings
from carescene.clips.formats.humanml3d.layout import CHAINS, HEIGHT, PLACES, ROOT_WAY, ROTATIONS, WAYS, YAW
from carescene.clips.formats.humanml3d.rotations import BONE_AXES, bone_parents, shortest_arcs, turns_about_y
from carescene.clips.formats.humanml3d.vectors import BONE_LENGTHS
from carescene.errors import UserError
from carescene.humans.reference import reference_rest_joints
from carescene.humans.rotations import sixd_to_matrix

# Numbers are stored as float32; sums over 200 frames and 6D rotations of short bones lose a few more digits.
EXACT = 1e-5


def real_vectors(shared_data: Path) -> dict[str, np.ndarray]:
    """All real clips at hand, raw."""
    return {path.stem: np.load(path) for path in sorted((shared_data / "humanml3d" / "new_joint_vecs").glob("*.npy"))}


def again(vectors: np.ndarray) -> np.ndarray:
    """Decode with the last frame, encode by the published rule."""
    numbers = corrected_turns(torch.from_numpy(vectors.astype(np.float64)))
    return encode_joints(decode_vectors(numbers, last_frame=True).numpy(), as_published=True)


def standing(frames: int) -> np.ndarray:
    """A body in the T-pose, y up, facing +z, feet near y = 0."""
    rest = reference_rest_joints().numpy()[:22].astype(np.float64)
    return np.tile(rest - [0, rest[:, 1].min(), 0], (frames, 1, 1))


def turned(joints: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Every frame turned about the vertical through the origin, to the left for positive angles."""
    return np.einsum("fij,fkj->fki", turns_about_y(angles), joints)


def test_real_clips_are_encoded_again_exactly(shared_data: Path) -> None:
    clips = real_vectors(shared_data)
    assert len(clips) == 25
    for name, vectors in clips.items():
        error = np.abs(again(vectors) - vectors)
        assert error.shape == vectors.shape, name
        # Asked for is 1 mm; positions and heights come back to the micrometre, and so does everything else.
        assert error[:, PLACES].max() < 2e-6 and error[:, HEIGHT].max() < 1e-6, name
        assert error.max() < EXACT, name


def test_real_joints_are_those_that_the_vectors_decode_to(shared_data: Path) -> None:
    vectors = torch.from_numpy(np.load(shared_data / "humanml3d" / "new_joint_vecs" / "012314.npy"))
    joints = np.load(shared_data / "humanml3d" / "new_joints" / "012314.npy")
    assert np.abs(decode_vectors(vectors).numpy() - joints).max() < 1e-6
    assert np.array_equal(decode_vectors(essential(vectors)).numpy(), decode_vectors(vectors).numpy())


def test_real_clips_share_one_skeleton(shared_data: Path) -> None:
    for vectors in real_vectors(shared_data).values():
        joints = decode_vectors(torch.from_numpy(vectors.astype(np.float64))).numpy()
        bones = np.linalg.norm(joints[:, 1:] - joints[:, list(bone_parents())[1:]], axis=-1)
        assert np.abs(bones.mean(0) - BONE_LENGTHS[1:]).max() < 1e-5


def test_the_heading_is_shoulder_axis_minus_hip_axis(shared_data: Path) -> None:
    """Texts on the format say plus; real clips say minus."""
    vectors = np.load(shared_data / "humanml3d" / "new_joint_vecs" / "001285-4.npy")
    joints = decode_vectors(torch.from_numpy(vectors.astype(np.float64)), last_frame=True).numpy()
    given = 2 * np.concatenate([[0], np.cumsum(vectors[:, 0])])
    assert np.abs(smooth_headings(joints) - given).max() < EXACT
    swapped = joints.copy()
    swapped[:, [1, 2]] = joints[:, [2, 1]]  # hips exchanged: plus instead of minus
    assert np.abs(smooth_headings(swapped) - given).max() > 0.1


def test_the_turn_is_half_the_angle_per_frame() -> None:
    rate = 0.05
    angles = rate * np.arange(240)
    vectors = encode_joints(turned(standing(240), angles))
    # To the left by the rate in the world is minus the rate for the turn that takes the world to the heading. The
    # Gaussian reaches 80 frames, so that the middle knows nothing of the ends.
    assert np.allclose(vectors[120, YAW], -rate / 2, atol=1e-6)
    headings = decoded_heading(vectors)
    assert np.allclose(headings[121] - headings[120], -rate, atol=1e-6)


def decoded_heading(vectors: np.ndarray) -> np.ndarray:
    """Where decoded frames face, from their joints alone, continuous."""
    forward = forward_axes(decode_vectors(torch.from_numpy(vectors.astype(np.float64))).numpy())
    return np.unwrap(-np.arctan2(forward[:, 0], forward[:, 2]))


def test_ways_are_seen_from_the_heading_of_the_right_frame() -> None:
    """The root's way is seen from the next frame's heading, those of the joints from this frame's."""
    rate, speed = 0.04, 0.06
    angles = rate * np.arange(100)
    joints = turned(standing(100), angles)
    joints[..., 0] += speed * np.arange(100)[:, None]  # along world +x
    vectors = encode_joints(joints, -angles)
    at = 30
    way = np.array([speed, 0.0, 0.0])
    this, following = turns_about_y(-angles[at : at + 2])
    assert np.allclose(vectors[at, WAYS][:3], this @ way, atol=1e-6)
    assert np.allclose(vectors[at, ROOT_WAY], (following @ way)[[0, 2]], atol=1e-6)
    assert np.abs((this - following) @ way).max() > 1e-3
    # Read the published way, both lead back to where the body was.
    assert (
        np.abs(decode_vectors(torch.from_numpy(vectors)).numpy() - (joints - joints[0, 0] * [1, 0, 1])[:-1]).max()
        < 1e-4
    )


def test_positions_are_relative_sideways_and_absolute_upwards() -> None:
    joints = standing(10) + np.array([3.0, 0.25, -2.0])
    vectors = encode_joints(joints, np.zeros(10))
    places = vectors[0, PLACES].reshape(21, 3)
    assert np.allclose(places[:, 1], joints[0, 1:, 1], atol=1e-6)
    assert np.allclose(places[:, [0, 2]], joints[0, 1:, [0, 2]].T - joints[0, 0, [0, 2]], atol=1e-6)
    assert np.allclose(vectors[:, HEIGHT], joints[:-1, 0, 1:2], atol=1e-6)


def test_contacts_are_slow_feet_in_their_order_at_any_height() -> None:
    joints = standing(3)
    joints[1:, 7, 0] += 0.0448  # left ankle: just below the root of 0.002
    joints[1:, 10, 0] += 0.0446
    joints[1:, 8, 1] += 0.05  # right ankle: too fast
    joints[:, 11, 1] += 1.5  # right toe: high above the floor and still
    joints[1:, 7, 0] -= 0.0448 - 0.0447
    contacts = foot_contacts(joints)
    assert contacts.tolist() == [[True, True, False, True], [True] * 4]
    assert np.array_equal(encode_joints(joints)[:, 259:], contacts.astype(np.float32))
    joints[1:, 7, 0] += 0.0001
    assert foot_contacts(joints)[0].tolist() == [False, True, False, True]


def test_rotations_pose_a_stick_figure_into_the_joints(shared_data: Path) -> None:
    """A second implementation: forward kinematics of the stick figure with the published bone lengths."""
    vectors = np.load(shared_data / "humanml3d" / "new_joint_vecs" / "000700-2.npy").astype(np.float64)
    joints = decode_vectors(torch.from_numpy(vectors)).numpy()
    headings = 2 * np.concatenate([[0], np.cumsum(vectors[:-1, 0])])
    local = sixd_to_matrix(torch.from_numpy(vectors[:, ROTATIONS].reshape(-1, 21, 6))).numpy()
    posed = np.zeros_like(joints)
    posed[:, 0] = joints[:, 0]
    for chain in CHAINS:
        rotation = turns_about_y(headings)
        for parent, joint in pairwise(chain):
            rotation = rotation @ local[:, joint - 1]
            posed[:, joint] = posed[:, parent] + rotation @ (BONE_AXES[joint] * BONE_LENGTHS[joint])
    assert np.abs(posed - joints).max() < 2e-5


def test_shortest_arcs_also_of_opposite_directions() -> None:
    ends = np.array([[0.0, -2.0, 0.0], [1e-9, 5.0, 0.0], [1.0, 1.0, 0.0], [0.0, -1.0, 1e-12]])
    arcs = shortest_arcs(np.array([0.0, 1.0, 0.0]), ends)
    assert np.allclose(arcs @ np.array([0.0, 1.0, 0.0]), ends / np.linalg.norm(ends, axis=-1, keepdims=True), atol=1e-6)
    assert np.allclose(arcs @ arcs.swapaxes(-1, -2), np.eye(3), atol=1e-6)
    assert np.allclose(np.linalg.det(arcs), 1, atol=1e-6)


def test_a_heading_that_passes_180_degrees_turns_the_right_way() -> None:
    angles = 0.05 * np.arange(120)
    joints = turned(standing(120), angles)
    right, published = encode_joints(joints), encode_joints(joints, as_published=True)
    wrong = np.flatnonzero(np.abs(right[:, 0] - published[:, 0]) > 1e-6)
    assert len(wrong) == 1 and np.allclose(right[wrong, 0], -published[wrong, 0])
    numbers = torch.from_numpy(published)
    assert wrong_turns(numbers).nonzero()[:, 0].tolist() == wrong.tolist()
    assert not wrong_turns(torch.from_numpy(right)).any()
    assert np.allclose(corrected_turns(numbers).numpy(), right)
    assert np.abs(decoded_heading(right)[-1] + angles[-2]) < 0.01


def test_a_published_clip_turns_the_wrong_way_where_its_heading_passes_180_degrees(shared_data: Path) -> None:
    found = {
        name: wrong_turns(torch.from_numpy(vectors)).nonzero()[:, 0].tolist()
        for name, vectors in real_vectors(shared_data).items()
    }
    assert {name: frames for name, frames in found.items() if frames} == {"003005-5": [169]}


def rolled(degrees: float) -> np.ndarray:
    """Somebody who stands for a second, rolls to the side by this much within another, and stays so for two."""
    joints = standing(80)
    angles = np.radians(degrees) * np.clip((np.arange(80) - 20) / 20, 0, 1)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = joints[..., 0].copy(), joints[..., 1].copy()
    joints[..., 0], joints[..., 1] = cos * x + sin * y, cos * y - sin * x
    return joints


def test_a_roll_past_90_degrees_is_flagged() -> None:
    assert not undefined_headings(rolled(80)).any()
    flagged = undefined_headings(rolled(110))
    assert flagged.any() and not flagged[:15].any()
    # What the flag warns of: a turn that no body makes.
    assert np.abs(encode_joints(stand_like_published(rolled(110)))[:, 0]).max() > 0.2
    assert np.abs(encode_joints(stand_like_published(rolled(80)))[:, 0]).max() < 0.05


def test_real_clips_are_hardly_ever_flagged(shared_data: Path) -> None:
    flagged = []
    for name, vectors in real_vectors(shared_data).items():
        joints = decode_vectors(torch.from_numpy(vectors.astype(np.float64))).numpy()
        if undefined_headings(joints).any():
            flagged.append(name)
    # In both the stored turn is above 0.2: 0.217 and 0.242 half a turn per frame.
    assert flagged == ["000679-0", "012314"]


def test_standing_like_published() -> None:
    joints = turned(standing(30), np.full(30, 0.8)) + np.array([2.0, 1.5, -1.0])
    placed = stand_like_published(joints)
    assert np.allclose(placed[0, 0, [0, 2]], 0) and np.isclose(placed[..., 1].min(), 0)
    assert np.allclose(placed, standing(30) - standing(30)[0, 0] * [1, 0, 1], atol=1e-6)
    on_bed = stand_like_published(joints, floor=0.9)
    assert np.isclose(on_bed[..., 1].min(), 0.6)


def test_the_published_skeleton_keeps_directions_and_scales_the_path() -> None:
    joints = turned(standing(20), 0.1 * np.arange(20))
    joints[..., 2] += 0.05 * np.arange(20)[:, None]
    out = on_published_skeleton(joints)
    parents = list(bone_parents())[1:]
    before, after = joints[:, 1:] - joints[:, parents], out[:, 1:] - out[:, parents]
    assert np.allclose(np.linalg.norm(after, axis=-1), BONE_LENGTHS[1:])
    cosine = (before * after).sum(-1) / np.linalg.norm(before, axis=-1) / np.linalg.norm(after, axis=-1)
    assert cosine.min() > 1 - 1e-9
    legs = sum(float(np.linalg.norm(joints[0, j] - joints[0, p])) for j, p in ((5, 2), (8, 5)))
    scale = (BONE_LENGTHS[5] + BONE_LENGTHS[8]) / legs
    assert np.allclose(out[:, 0], joints[:, 0] * scale)


def test_decoding_is_differentiable_and_batched() -> None:
    vectors = torch.randn(2, 3, 12, 263, dtype=torch.float64, requires_grad=True)
    joints = decode_vectors(vectors, last_frame=True)
    assert joints.shape == (2, 3, 13, 22, 3)
    joints.pow(2).sum().backward()
    assert vectors.grad is not None
    used = vectors.grad.abs().sum((0, 1, 2)) > 0
    assert used[:67].all() and used[WAYS].all() and not used[ROTATIONS].any()
    assert torch.allclose(decode_vectors(vectors[1, 2]), joints[1, 2, :-1])
    assert without_contacts(vectors).shape[-1] == 259


def test_bad_joints_are_refused() -> None:
    joints = standing(5)
    with pytest.raises(UserError, match="at least 2 frames"):
        encode_joints(joints[:1])
    joints[3, 4, 1] = np.nan
    with pytest.raises(UserError, match="frame 3"):
        encode_joints(joints)
