"""The recogniser learns separable actions in seconds, twice the same, and is blind to place and direction."""

import math

import pytest
import torch

from carescene import UserError
from carescene.evaluation import ActionRecogniser, LabelledMotion, RecogniserConfig, confusion_matrix, train_recogniser
from carescene.evaluation.recogniser import motion_features, pad_motions, recogniser_from, recogniser_metadata
from carescene.evaluation.recogniser_training import augment, mirrored_joints, mirrored_label
from carescene.humans import JOINT, rotation_about

SMALL = RecogniserConfig(width=32, blocks=2, epochs=6, batch=16)
TURNS = {"walk-turn-left": 1.0, "walk": 0.0, "walk-turn-right": -1.0}


def walker(turn: float, frames: int, generator: torch.Generator) -> torch.Tensor:
    """Somebody who starts anywhere in any direction and walks on an arc, `turn` radians a second to the left."""
    start, speed, wobble = torch.rand(3, generator=generator)
    seconds = torch.arange(frames) / 20
    heading = 2 * math.pi * start + turn * seconds
    joints = torch.zeros(22, 3)
    joints[:, 2] = torch.linspace(0.1, 1.7, 22)
    joints[JOINT["left_hip"], 0] = joints[JOINT["left_shoulder"], 0] = -0.15
    joints[JOINT["right_hip"], 0] = joints[JOINT["right_shoulder"], 0] = 0.15
    posed = joints @ rotation_about("z", heading).transpose(1, 2)
    step = (0.5 + speed) / 20 * torch.stack((-heading.sin(), heading.cos(), 0 * heading), dim=-1)
    return posed + step.cumsum(0)[:, None] + 0.01 * wobble


def motions(number: int, seed: int) -> list[LabelledMotion]:
    generator = torch.Generator().manual_seed(seed)
    names = list(TURNS)
    lengths = torch.randint(25, 60, (number,), generator=generator).tolist()
    return [
        LabelledMotion(walker(TURNS[names[i % 3]], frames, generator), names[i % 3]) for i, frames in enumerate(lengths)
    ]


@pytest.fixture(scope="module")
def trained() -> ActionRecogniser:
    return train_recogniser(motions(96, 1), motions(24, 2), SMALL)


def test_learns_turns_and_keeps_left_from_right(trained: ActionRecogniser):
    test = motions(60, 3)
    guesses = trained.predict([motion.joints for motion in test])
    matrix = confusion_matrix([motion.label for motion in test], guesses, trained.classes)
    assert matrix.diagonal().sum() >= 58
    assert matrix.sum() == 60


def test_same_seed_same_weights(trained: ActionRecogniser):
    before = torch.get_rng_state()
    again = train_recogniser(motions(96, 1), motions(24, 2), SMALL)
    assert torch.equal(torch.get_rng_state(), before)  # the caller's random numbers are left alone
    for name, value in again.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name


def test_weights_and_metadata_make_it_again(trained: ActionRecogniser):
    test = [motion.joints for motion in motions(9, 4)]
    again = recogniser_from(trained.state_dict(), recogniser_metadata(trained))
    assert again.config == trained.config
    assert torch.equal(again.probabilities(test), trained.probabilities(test))


def test_batching_does_not_change_the_judgement(trained: ActionRecogniser):
    test = [motion.joints for motion in motions(8, 5)]
    alone = torch.cat([trained.probabilities([joints]) for joints in test])
    torch.testing.assert_close(trained.probabilities(test), alone, atol=1e-5, rtol=1e-4)


def test_features_are_blind_to_place_and_direction():
    joints = walker(0.7, 40, torch.Generator().manual_seed(0))
    moved = joints @ rotation_about("z", torch.tensor(2.2)).T + torch.tensor([3.0, -8.0, 0.0])
    mask = torch.ones(1, 40, dtype=torch.bool)
    here, there = motion_features(joints[None], mask, 20.0), motion_features(moved[None], mask, 20.0)
    torch.testing.assert_close(here, there, atol=2e-4, rtol=0)
    assert here[0, -1, -4] == pytest.approx(0.7 * 39 / 20 / math.pi, rel=1e-3)  # the turn so far, in half circles


def test_default_size_is_under_a_million():
    model = ActionRecogniser([str(i) for i in range(30)])
    assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000


def test_mirroring_exchanges_left_and_right():
    assert mirrored_label("walk-turn-left") == "walk-turn-right"
    assert mirrored_label("raise right hand") == "raise left hand"
    assert mirrored_label("bright-upright") == "bright-upright"
    joints = torch.rand(7, 22, 3)
    mirrored = mirrored_joints(joints)
    assert torch.equal(mirrored[:, JOINT["left_knee"], 1:], joints[:, JOINT["right_knee"], 1:])
    assert torch.equal(mirrored[:, JOINT["head"], 0], -joints[:, JOINT["head"], 0])
    assert torch.equal(mirrored_joints(mirrored), joints)


def test_augmentation_keeps_most_of_a_motion_and_nothing_of_the_padding():
    joints, mask = pad_motions([torch.ones(30, 22, 3), torch.ones(60, 22, 3)])
    joints[0, 30:] = 100.0
    moved, real = augment(joints, mask, SMALL, torch.Generator().manual_seed(0))
    assert moved[real].max() < 2
    assert (real.sum(1) > 0.7 * mask.sum(1)).all()
    assert (real.sum(1) < 1.3 * mask.sum(1)).all()


def test_confusion_counts():
    matrix = confusion_matrix(["a", "a", "b"], ["a", "b", "b"], ["a", "b"])
    assert matrix.tolist() == [[1, 1], [0, 1]]


def test_no_data_is_refused():
    with pytest.raises(UserError, match="got 0 and 3"):
        train_recogniser([], motions(3, 0), SMALL)


def test_a_class_that_only_validation_has_is_refused():
    val = [LabelledMotion(motions(1, 0)[0].joints, "crawl")]
    with pytest.raises(UserError, match="crawl"):
        train_recogniser(motions(6, 0), val, SMALL)


def test_too_short_a_motion_is_refused():
    with pytest.raises(UserError, match="4 frames"):
        train_recogniser([LabelledMotion(torch.zeros(2, 22, 3), "walk")], motions(3, 0), SMALL)
