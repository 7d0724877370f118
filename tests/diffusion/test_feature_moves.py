"""Features moved and mirrored against encoding the moved and mirrored motion."""

import torch

from carescene.humans.mirror import mirror_motion
from diffusion.canonical import canonical_frame, move
from diffusion.feature_moves import features_frame, mirror_features, move_features_
from diffusion.representation import encode_motion


def motion(batch: int = 4, frames: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(batch, frames, 24, 3), torch.randn(batch, frames, 3), torch.randint(-1, 16, (batch, frames))


def test_moved_features_are_those_of_the_moved_motion() -> None:
    poses, trans, label = motion()
    angle, origin = torch.randn(4), torch.randn(4, 2)
    got = move_features_(encode_motion(poses, trans, label), angle, origin)
    torch.testing.assert_close(got, encode_motion(*move(poses, trans, angle, origin), label), atol=1e-5, rtol=1e-4)


def test_persons_of_a_clip_move_together() -> None:
    poses, trans, label = (value[None].repeat(3, *[1] * value.ndim) for value in motion())
    angle, origin = torch.randn(3), torch.randn(3, 2)
    got = move_features_(encode_motion(poses, trans, label), angle, origin)
    alone = move_features_(encode_motion(poses[:, 2], trans[:, 2], label[:, 2]), angle, origin)
    torch.testing.assert_close(got[:, 2], alone)


def test_the_frame_of_features_is_the_frame_of_the_motion_and_no_view() -> None:
    poses, trans, label = motion()
    features = encode_motion(poses, trans, label)
    angle, origin = features_frame(features[:, 0])
    for got, expected in zip((angle, origin), canonical_frame(poses, trans), strict=True):
        torch.testing.assert_close(got, expected)
    move_features_(features, angle, origin)
    torch.testing.assert_close(features[:, 0, :2], torch.zeros(4, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        features, encode_motion(*move(poses, trans, *canonical_frame(poses, trans)), label), atol=1e-5, rtol=1e-4
    )


def test_mirrored_features_are_those_of_the_mirrored_motion() -> None:
    poses, trans, label = motion()
    features = encode_motion(poses, trans, label)
    torch.testing.assert_close(
        mirror_features(features), encode_motion(*mirror_motion(poses, trans), label), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(mirror_features(mirror_features(features)), features)
