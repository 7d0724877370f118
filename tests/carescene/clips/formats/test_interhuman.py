"""InterHuman's 262 numbers: closed forms, a second implementation of the published loader, floors, mirror images."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from carescene.clips.formats.interhuman import (
    CONTACTS,
    POSITIONS,
    ROTATIONS,
    VELOCITIES,
    decode_pair,
    encode_pair,
    mirror_pair,
    rotations_to_six,
    six_to_rotations,
    to_pair_frame,
)
from carescene.humans.skeleton import JOINT


@pytest.fixture
def pair(interhuman_layout: Any) -> tuple[np.ndarray, np.ndarray]:
    """Positions and rotations (joints 1 to 21) of two people."""
    people = interhuman_layout.pair(40, 3)
    return np.stack([p[0] for p in people]), np.stack([p[1][:, 1:22] for p in people])


def test_decoding_and_encoding_again_changes_no_joint_by_a_thousandth_of_a_millimetre(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    features = encode_pair(*pair)
    positions, rotations = decode_pair(features)
    again = encode_pair(positions, rotations)
    # The last frame is gone, and with it what it may have been lowest in.
    shift = again[:, :, 1] - features[:, :-1, 1]
    np.testing.assert_allclose(shift, shift.mean(), atol=1e-6)
    again[..., 1:66:3] -= shift.mean()
    np.testing.assert_allclose(again[..., POSITIONS], features[:, :-1, POSITIONS], atol=1e-6)
    np.testing.assert_allclose(again[..., VELOCITIES], features[:, :-1, VELOCITIES], atol=1e-6)
    np.testing.assert_allclose(again[..., ROTATIONS], features[:, :-1, ROTATIONS], atol=1e-6)


def test_decoded_joints_are_the_recorded_ones_but_for_one_rigid_move(pair: tuple[np.ndarray, np.ndarray]) -> None:
    positions, rotations = pair
    decoded, local = decode_pair(encode_pair(positions, rotations))
    np.testing.assert_allclose(local, rotations[:, :-1], atol=1e-6)
    # All distances between all joints of both people in two frames that are far apart.
    flat, recorded = (array[:, [0, 30]].reshape(-1, 3) for array in (decoded, positions))
    np.testing.assert_allclose(
        np.linalg.norm(flat[:, None] - flat, axis=-1), np.linalg.norm(recorded[:, None] - recorded, axis=-1), atol=1e-5
    )
    assert decoded[0, 0, 0, :2] == pytest.approx([0, 0], abs=1e-6)
    hips = decoded[0, 0, JOINT["left_hip"]] - decoded[0, 0, JOINT["right_hip"]]
    assert hips[0] > 0.1
    assert hips[1] == pytest.approx(0, abs=1e-6), "facing -y, which is InterHuman's +z, hips lie along x"


def test_six_numbers_are_two_columns_row_by_row() -> None:
    quarter = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    np.testing.assert_allclose(rotations_to_six(quarter), [1, 0, 0, 0, 0, 1], atol=1e-12)
    many = Rotation.random(50, random_state=1).as_matrix()
    np.testing.assert_allclose(six_to_rotations(rotations_to_six(many)), many, atol=1e-12)
    stretched = rotations_to_six(many) * 1.3
    np.testing.assert_allclose(six_to_rotations(stretched), many, atol=1e-12)


def published(positions: np.ndarray, six: np.ndarray) -> np.ndarray:
    """The published loader's steps with quaternions, person by person, written from its description."""
    canonical, turns, roots = [], [], []
    for person in positions:
        joints = np.stack((person[..., 0], person[..., 2], -person[..., 1]), axis=-1)
        joints[..., 1] -= joints[..., 1].min()
        root = joints[0, 0] * [1, 0, 1]
        joints = joints - root
        across = joints[0, 2] - joints[0, 1]
        forward = np.cross([0, 1, 0], across / np.linalg.norm(across))
        forward = forward / np.linalg.norm(forward)
        # The quaternion between two unit vectors: (1 + dot, cross), normalised.
        quaternion = np.array([*np.cross(forward, [0, 0, 1]), 1 + forward[2]])
        turn = Rotation.from_quat(quaternion)
        canonical.append(turn.apply(joints.reshape(-1, 3)).reshape(joints.shape))
        turns.append(turn)
        roots.append(root)
    back = turns[0] * turns[1].inv()
    step = turns[0].apply(roots[1] - roots[0])
    canonical[1] = back.apply(canonical[1].reshape(-1, 3)).reshape(canonical[1].shape) + step
    out = []
    for joints, numbers in zip(canonical, six, strict=True):
        velocity = joints[1:] - joints[:-1]
        contacts = [
            (velocity[:, joint] ** 2).sum(-1) < 0.001
            if joint < 0
            else (((velocity[:, joint] ** 2).sum(-1) < 0.001) & (joints[:-1, joint, 1] < height))
            for joint, height in ((7, 0.12), (10, 0.05), (8, 0.12), (11, 0.05))
        ]
        frames = len(velocity)
        parts = (joints[:-1].reshape(frames, -1), velocity.reshape(frames, -1), numbers[:-1].reshape(frames, -1))
        out.append(np.concatenate((*parts, np.stack(contacts, -1)), axis=1))
    return np.stack(out)


def test_with_published_floors_the_numbers_are_those_of_the_published_loader(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    positions, rotations = pair
    positions[1, ..., 2] += 0.4
    ours = encode_pair(positions, rotations, floor="person")
    np.testing.assert_allclose(ours, published(positions, rotations_to_six(rotations)), atol=2e-6)
    assert set(np.unique(ours[..., CONTACTS])) == {0, 1}, "the test shows contacts and none"


def test_somebody_who_is_carried_stays_up(pair: tuple[np.ndarray, np.ndarray]) -> None:
    positions, rotations = pair
    low = positions[..., 2].min(axis=(1, 2))
    positions[..., 2] -= low[:, None, None]
    positions[1, ..., 2] += 0.7
    together = encode_pair(positions, rotations)
    heights = together[..., POSITIONS].reshape(2, -1, 22, 3)[..., 1]
    assert heights[1].min() == pytest.approx(0.7, abs=0.02)
    assert not together[1, :, CONTACTS].any(), "nobody stands 70 cm up in the air"
    apart = encode_pair(positions, rotations, floor="person")
    assert apart[1, :, 1:66:3].min() == pytest.approx(0, abs=0.02), "as published: dropped to the floor"


def test_the_pair_keeps_its_distances_whoever_is_first(pair: tuple[np.ndarray, np.ndarray]) -> None:
    positions, _ = pair
    for order in ([0, 1], [1, 0]):
        moved = to_pair_frame(positions[order])
        gaps = np.linalg.norm(moved[0, :, 0] - moved[1, :, 0], axis=-1)
        np.testing.assert_allclose(gaps, np.linalg.norm(positions[0, :, 0] - positions[1, :, 0], axis=-1), atol=1e-9)
        np.testing.assert_allclose(moved[0, 0, 0, :2], 0, atol=1e-12)


def test_a_mirror_image_of_the_mirror_image_is_the_motion(pair: tuple[np.ndarray, np.ndarray]) -> None:
    positions, rotations = pair
    once = mirror_pair(positions, rotations)
    assert once[0][0, 0, JOINT["left_wrist"]] == pytest.approx(positions[0, 0, JOINT["right_wrist"]] * [-1, 1, 1])
    for got, expected in zip(mirror_pair(*once), pair, strict=True):
        np.testing.assert_allclose(got, expected)


def test_mirrored_rotations_pose_the_mirrored_joints(interhuman_layout: Any) -> None:
    people = [interhuman_layout.person(20, seed) for seed in (5, 6)]
    positions, rotations = np.stack([p[0] for p in people]), np.stack([p[1] for p in people])
    mirrored, local = mirror_pair(positions, rotations[:, :, 1:22])
    # The elbow bends by its own rotation: forearm seen from the upper arm's frame, on the other side, x turned.
    flip = np.diag([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        local[:, :, JOINT["left_elbow"] - 1], flip @ rotations[:, :, JOINT["right_elbow"]] @ flip
    )
    features = encode_pair(mirrored, local)
    plain = encode_pair(positions, rotations[:, :, 1:22])
    swap = plain[..., POSITIONS].reshape(2, -1, 22, 3)[..., JOINT["right_knee"], :] * [-1, 1, 1]
    np.testing.assert_allclose(
        features[..., POSITIONS].reshape(2, -1, 22, 3)[..., JOINT["left_knee"], :], swap, atol=1e-5
    )
