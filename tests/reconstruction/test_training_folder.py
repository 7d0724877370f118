"""Pieces of reconstructed clips for training, and the folder they are written to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from carescene.clips import load_clip
from carescene.clips.clip import Clip, PersonInfo
from reconstruction.training_folder import training_pieces, write_training_folder

MakeClip = Callable[..., Clip]


def test_a_trusted_clip_is_one_piece(moving_clip: MakeClip) -> None:
    clip = replace(moving_clip(frames=40), pose_std=np.full((1, 40, 24), 0.1, np.float32))
    (piece,) = training_pieces(clip, clip.valid)
    assert np.array_equal(piece.poses, clip.poses) and np.array_equal(piece.trans, clip.trans)
    assert piece.pose_std is not None and piece.id == "moving_00000" and piece.quality == {}


def test_what_is_not_trusted_parts_pieces_and_moments_are_left_out(moving_clip: MakeClip) -> None:
    clip = moving_clip(frames=100)
    trusted = clip.valid.copy()
    # Half a second between doubts is too short to learn from.
    trusted[0, :5] = trusted[0, 40:45] = trusted[0, 55:60] = False
    pieces = training_pieces(clip, trusted)
    assert [piece.id for piece in pieces] == ["moving_00005", "moving_00060"]
    assert [piece.num_frames for piece in pieces] == [35, 40]
    assert np.array_equal(pieces[1].trans, clip.trans[:, 60:])
    assert all(piece.valid.all() for piece in pieces)
    assert training_pieces(clip, np.zeros_like(trusted)) == []


def test_people_are_away_while_they_are_not_trusted(moving_clip: MakeClip) -> None:
    clip = replace(moving_clip(frames=80, persons=3), persons=[PersonInfo(role=name) for name in "abc"])
    trusted = clip.valid.copy()
    trusted[1, :30], trusted[2, 10:] = False, False
    (piece,) = training_pieces(clip, trusted)
    # The third is there for half a second only.
    assert [person.role for person in piece.persons] == ["a", "b"] and piece.poses.shape[:2] == (2, 80)
    assert np.array_equal(piece.valid, trusted[:2]) and np.array_equal(piece.betas, clip.betas[:2])


def test_long_clips_and_crowds_fit_the_model(moving_clip: MakeClip) -> None:
    clip = moving_clip(frames=450, persons=6)
    trusted = clip.valid.copy()
    trusted[0, 30:], trusted[3, 40:] = False, False
    pieces = training_pieces(clip, trusted)
    assert sum(piece.num_frames for piece in pieces) == 450 and max(piece.num_frames for piece in pieces) <= 200
    assert all(piece.num_persons <= 4 and piece.valid[:, 0].any() for piece in pieces)
    np.testing.assert_array_equal(pieces[-1].betas, clip.betas[[1, 2, 4, 5]])


def test_the_folder_is_replaced_and_goes_when_nothing_is_left(moving_clip: MakeClip, tmp_path: Path) -> None:
    folder = tmp_path / "training"
    for frames in (60, 30):
        write_training_folder(folder, training_pieces(moving_clip(frames=frames), np.ones((1, frames), bool)))
    assert sorted(path.name for path in (folder / "clips").iterdir()) == ["moving_00000.json", "moving_00000.npz"]
    assert load_clip(folder / "clips" / "moving_00000").num_frames == 30
    texts = {path.stem: path.read_text() for path in (folder / "splits").iterdir()}
    assert texts == {"train": "moving_00000\n", "val": "", "test": ""}
    write_training_folder(folder, [])
    assert not folder.exists()
    write_training_folder(folder, [])
