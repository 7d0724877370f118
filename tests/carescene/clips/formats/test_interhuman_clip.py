"""Pairs as clips and back: the rotations that files leave out, bodies, the floor of both, frame rates."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips.formats.interhuman import POSITIONS, ROTATIONS, decode_pair, encode_pair
from carescene.clips.formats.interhuman_clip import (
    clip_to_pair,
    features_to_clip,
    fit_betas,
    pair_to_clip,
    solve_pair,
)
from carescene.clips.formats.interhuman_files import PairRecording
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.root_from_joints import root_from_joints


def recording(people: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> PairRecording:
    positions, rotations = np.stack([p[0] for p in people]), np.stack([p[1][:, 1:22] for p in people])
    return PairRecording("pair", positions, rotations, ["two people walk"])


def posed(rotations: np.ndarray, trans: np.ndarray, rest: np.ndarray) -> np.ndarray:
    arrays = (torch.from_numpy(np.asarray(array, dtype=np.float64)) for array in (rotations, trans, rest))
    return forward_kinematics(*arrays)[0].numpy()


def test_pelvis_rotations_and_bones_are_found_exactly(interhuman_layout: Any) -> None:
    rng = np.random.default_rng(2)
    positions, rotations, rest = interhuman_layout.person(60, 4)
    # Another skeleton than the one that the search starts from.
    rest = rest * 0.93 + rng.normal(0, 0.01, rest.shape)
    positions = posed(rotations, positions[:, 0], rest)[:, :22]
    root, bones, error = root_from_joints(positions, rotations[:, 1:22], interhuman_layout.person(2, 0)[2])
    turn = Rotation.from_matrix(root @ rotations[:, 0].transpose(0, 2, 1)).magnitude()
    assert np.degrees(turn).max() < 0.1
    assert np.abs(bones[4] - (rest[4] - rest[1])).max() < 1e-3
    assert error.max() < 1e-4


def test_a_pair_on_its_own_bones_is_written_back_within_a_millimetre(interhuman_layout: Any) -> None:
    made = recording(interhuman_layout.pair(60, 2))
    features = encode_pair(made.positions, made.rotations)
    solved = solve_pair("pair", *decode_pair(features))
    joints = np.stack([posed(solved.rotations[p], solved.trans[p], solved.rest[p])[:, :22] for p in range(2)])
    again = encode_pair(joints, solved.rotations[:, :, 1:22])
    decoded = decode_pair(features)[0]
    assert np.abs(joints - decoded).max() < 1e-3
    np.testing.assert_allclose(again[..., ROTATIONS], features[:, :-1, ROTATIONS], atol=1e-6)


def test_a_clip_of_the_free_body_survives_the_way_to_interhuman_and_back(interhuman_layout: Any) -> None:
    body, rng = load_body(), np.random.default_rng(3)
    people = []
    betas = rng.normal(0, 0.8, (2, 10)).clip(-2, 2)
    for person, shape in enumerate(betas):
        _, rotations, _ = interhuman_layout.person(60, 10 + person, turn=2.0 * person)
        trans = np.stack([np.linspace(0, 1, 60) + person, np.zeros(60), np.full(60, 0.95)], -1)
        rest = body.rest_joints(torch.from_numpy(shape).float()).double().numpy()
        people.append((posed(rotations, trans, rest)[:, :22], rotations, rest))
    made = recording(people)
    features = encode_pair(made.positions, made.rotations)
    clip = features_to_clip("pair", features, ["two people walk"], fps=30)
    assert clip.num_persons == 2
    np.testing.assert_allclose(clip.betas, betas, atol=0.15)
    local = Rotation.from_rotvec(clip.poses[:, :, 1:22].reshape(-1, 3)).as_matrix()
    np.testing.assert_allclose(local, made.rotations[:, :59].reshape(-1, 3, 3), atol=1e-5)
    again = clip_to_pair(clip)
    assert np.abs(again[..., POSITIONS] - features[:, :58, POSITIONS]).max() < 1e-3
    np.testing.assert_allclose(again[..., ROTATIONS], features[:, :58, ROTATIONS], atol=1e-5)


def test_clips_have_20_frames_a_second_at_the_recording_s_times(interhuman_layout: Any) -> None:
    made = recording(interhuman_layout.pair(61, 5))
    clip, fine = pair_to_clip(made), pair_to_clip(made, fps=30)
    assert (clip.fps, clip.num_frames, fine.num_frames) == (20.0, 41, 61)
    np.testing.assert_allclose(clip.trans[:, ::2, :2], fine.trans[:, ::3, :2], atol=1e-4)
    np.testing.assert_allclose(fine.trans[:, :, :2], made.positions[:, :, 0, :2], atol=1e-4)
    assert clip.text == ["two people walk"]
    assert clip.source is not None
    assert clip.source.licence == "CC BY-NC-SA 4.0"


def standing(frames: int, height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Somebody of the reference body who stands still, pelvis at a height."""
    rest = load_body().rest_joints(torch.zeros(10)).double().numpy()
    rotations = np.tile(np.eye(3), (frames, 24, 1, 1))
    rotations[:, 0] = Rotation.from_euler("x", np.pi / 2).as_matrix()
    trans = np.tile([0.0, 0.0, height], (frames, 1))
    return posed(rotations, trans, rest)[:, :22], rotations, rest


def test_the_floor_is_where_somebody_stands_and_who_is_lifted_stays_lifted() -> None:
    low, high = standing(40, 1.2), standing(40, 1.8)
    clip = pair_to_clip(recording([high, low]))
    mesh = load_body().pose(*(torch.from_numpy(a[1, :1]) for a in (clip.poses, clip.trans)), torch.zeros(10))
    assert abs(float(mesh.vertices[..., 2].min())) < 0.01, "soles on the floor, not joints"
    assert np.ptp(clip.trans[:, 0, 2]) == pytest.approx(0.6, abs=0.01)


def test_rotations_of_another_kind_are_refused_by_name(interhuman_layout: Any) -> None:
    made = recording(interhuman_layout.pair(40, 6))
    wrong = replace(made, rotations=made.rotations.transpose(0, 1, 2, 4, 3))
    with pytest.raises(UserError, match=r"Expected rotations in 'pair' that belong to its joints.* cm"):
        pair_to_clip(wrong)


def test_only_pairs_can_be_written(interhuman_layout: Any) -> None:
    clip = pair_to_clip(recording(interhuman_layout.pair(40, 6)))
    away = replace(clip, valid=clip.valid.copy())
    away.valid[1, 5] = False
    with pytest.raises(UserError, match="away in 1 frames"):
        clip_to_pair(away)
    alone = replace(
        clip,
        **{name: getattr(clip, name)[:1] for name in ("poses", "trans", "betas", "frame_label", "valid", "persons")},
    )
    with pytest.raises(UserError, match="expected two people in all frames, but got 1"):
        clip_to_pair(alone)


def test_shape_of_a_skeleton_of_the_free_body_is_found() -> None:
    betas = np.array([1.2, -0.7, 0.4, 0.0, 0.9, -0.3, 0.2, 0.5, -1.0, 0.1])
    rest = load_body().rest_joints(torch.from_numpy(betas).float()).double().numpy()
    np.testing.assert_allclose(fit_betas(rest), betas, atol=0.05)
