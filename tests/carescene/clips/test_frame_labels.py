import numpy as np
import pytest
import torch
from torch import Tensor

from carescene.clips.frame_labels import Segment, frame_labels
from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.humans.skeleton import JOINT, MIRROR

FPS = 20.0

# (y, z) of the middle joints, y to the back of the person and z up: pelvis, neck, knees, ankles, wrists.
POSES: dict[str, tuple[tuple[float, float], ...]] = {
    "upright": ((0.0, 0.95), (0.0, 1.45), (0.0, 0.5), (0.0, 0.08), (0.0, 0.8)),
    "seated": ((0.0, 0.50), (0.05, 1.0), (-0.43, 0.5), (-0.40, 0.08), (-0.2, 0.6)),
    "reclined": ((0.0, 0.50), (0.35, 0.85), (-0.43, 0.5), (-0.60, 0.12), (-0.1, 0.5)),
    "supine": ((0.0, 0.30), (0.50, 0.32), (-0.43, 0.32), (-0.86, 0.3), (0.0, 0.3)),
    "squat": ((0.05, 0.30), (-0.25, 0.68), (-0.3, 0.45), (0.0, 0.08), (-0.4, 0.4)),
    "kneel": ((0.0, 0.48), (0.0, 0.98), (0.0, 0.05), (0.42, 0.06), (0.0, 0.45)),
    "all_fours": ((0.0, 0.48), (-0.5, 0.5), (0.0, 0.05), (0.42, 0.06), (-0.5, 0.03)),
    "bow": ((0.1, 0.93), (-0.3, 1.2), (0.05, 0.5), (0.0, 0.08), (-0.3, 0.7)),
    "crouch": ((0.1, 0.64), (-0.1, 1.1), (-0.25, 0.45), (0.05, 0.08), (-0.1, 0.5)),
}


def pose(name: str) -> np.ndarray:
    """Joints (24, 3) of a posture; joints between the given ones do not matter to the labels."""
    pelvis, neck, knee, ankle, wrist = (np.array([0.0, *values]) for values in POSES[name])
    joints = np.tile((pelvis + neck) / 2, (24, 1))
    joints[JOINT["pelvis"]], joints[JOINT["neck"]] = pelvis, neck
    for side, x in (("left", 0.1), ("right", -0.1)):
        out = np.array([x, 0.0, 0.0])
        joints[JOINT[f"{side}_hip"]] = pelvis + out
        joints[JOINT[f"{side}_knee"]] = knee + out
        joints[JOINT[f"{side}_ankle"]] = ankle + out
        joints[JOINT[f"{side}_foot"]] = ankle + out + (0.0, -0.1, -0.06)
        joints[JOINT[f"{side}_shoulder"]] = neck + 1.7 * out
        joints[JOINT[f"{side}_wrist"]] = wrist + 2.5 * out
    return joints


def play(*steps: tuple[str, float], move_s: float = 1.0, speed: float = 0.0) -> Tensor:
    """Hold each posture for its seconds with straight moves of `move_s` between; walk along -y while upright."""
    frames: list[np.ndarray] = []
    for index, (name, seconds) in enumerate(steps):
        frames += [pose(name)] * round(seconds * FPS)
        if index + 1 < len(steps):
            weights = (1 - np.cos(np.linspace(0, np.pi, round(move_s * FPS)))) / 2
            frames += [(1 - w) * pose(name) + w * pose(steps[index + 1][0]) for w in weights]
    motion = np.stack(frames)
    motion[:, :, 1] -= speed * np.arange(len(motion))[:, None] / FPS
    return torch.from_numpy(motion).float()


def _up_and_back(name: str) -> list[tuple[str, float]]:
    return [("upright", 2.0), (name, 2.0), ("upright", 2.0)]


def story(labels: np.ndarray) -> list[str]:
    """The labels in their order, repeats left out."""
    changes = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    return [OMNIFALL16[labels[i]] if labels[i] >= 0 else "?" for i in changes]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("upright", 2.0)], ["standing"]),
        (_up_and_back("seated"), ["standing", "sit_down", "sitting", "stand_up", "standing"]),
        ([("seated", 2.0), ("supine", 3.0)], ["sitting", "lie_down", "lying"]),
        ([("supine", 2.0), ("seated", 2.0)], ["lying", "stand_up", "sitting"]),
        (_up_and_back("squat"), ["standing", "squat_down", "squatting", "stand_up", "standing"]),
        (_up_and_back("kneel"), ["standing", "kneel_down", "kneeling", "stand_up", "standing"]),
        ([("all_fours", 2.0)], ["crawl"]),
        ([("seated", 2.0), ("reclined", 3.0), ("seated", 2.0)], ["sitting"]),
        ([("crouch", 2.0)], ["standing"]),
    ],
)
def test_postures_and_the_moves_between_them(steps: list[tuple[str, float]], expected: list[str]) -> None:
    assert story(frame_labels(play(*steps), FPS)) == expected


def test_moves_are_labelled_where_they_happen() -> None:
    labels = frame_labels(play(("upright", 2.0), ("seated", 3.0)), FPS)
    sit_down = np.flatnonzero(labels == OMNIFALL16.index("sit_down"))
    assert abs(sit_down[0] - 2.0 * FPS) <= 4
    assert abs(sit_down[-1] - 3.0 * FPS) <= 4


def test_speed_parts_walking_from_standing_and_running_is_walking() -> None:
    for speed in (0.45, 1.2, 3.5):
        assert story(frame_labels(play(("upright", 3.0), speed=speed), FPS)) == ["walk"]
    assert story(frame_labels(play(("upright", 3.0), speed=0.1), FPS)) == ["standing"]
    assert story(frame_labels(play(("crouch", 3.0), speed=0.5), FPS)) == ["walk"]


def test_a_speed_around_the_threshold_does_not_flicker() -> None:
    rng = np.random.default_rng(0)
    joints = play(("upright", 6.0))
    time = np.arange(len(joints)) / FPS
    place = 0.24 * time + 0.03 * np.sin(2 * np.pi * 1.8 * time) + 0.002 * rng.standard_normal(len(time))
    joints[:, :, 1] -= torch.from_numpy(place)[:, None].float()
    labels = frame_labels(joints, FPS)
    runs = np.diff(np.flatnonzero(np.diff(labels, prepend=-2, append=-2)))
    assert runs.min() >= 0.3 * FPS


def test_labels_do_not_depend_on_side_place_heading_or_rate() -> None:
    joints = play(("upright", 2.0), ("seated", 2.0), ("supine", 2.0), ("seated", 1.0), ("upright", 1.0))
    labels = frame_labels(joints, FPS)
    mirrored = joints[:, list(MIRROR)] * torch.tensor([-1.0, 1.0, 1.0])
    assert np.array_equal(frame_labels(mirrored, FPS), labels)
    turned = joints @ torch.tensor([[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]]) + torch.tensor(
        [5.0, -3.0, 0.0]
    )
    assert np.mean(frame_labels(turned, FPS) == labels) > 0.98
    slow = frame_labels(joints[::2], FPS / 2)
    assert np.mean(slow == labels[::2]) > 0.9


def test_a_fast_descent_is_left_unknown_rather_than_called_lying_down() -> None:
    labels = frame_labels(play(("upright", 1.0), ("supine", 2.0), move_s=0.5), FPS)
    assert story(labels) == ["standing", "?", "lying"]


def test_a_clip_that_begins_while_sitting_down_knows_what_comes() -> None:
    joints = play(("upright", 1.0), ("seated", 2.0))[round(1.4 * FPS) :]
    assert story(frame_labels(joints, FPS)) == ["sit_down", "sitting"]


def test_names_decide_what_geometry_cannot() -> None:
    still = play(("upright", 2.0))
    assert story(frame_labels(still, FPS, "dance-short")) == ["other"]
    assert story(frame_labels(still, FPS, "wave-left-hand")) == ["standing"]
    bowing = play(("upright", 1.0), ("bow", 1.0), ("upright", 1.0))
    assert story(frame_labels(bowing, FPS, "bow")) == ["standing", "other", "standing"]
    low = play(("all_fours", 2.0)) - torch.tensor([0.0, 0.0, 0.25])
    assert story(frame_labels(low, FPS, "crawl")) == ["crawl"]


def test_a_watched_timeline_decides_where_it_names_a_label() -> None:
    timeline = [Segment(0.5, 1.0, "fall", ("[fall] over",), "fall"), Segment(1.0, 2.0, "stand", ("[stand]",), None)]
    labels = frame_labels(play(("upright", 2.0)), FPS, timeline=timeline)
    assert story(labels) == ["standing", "fall", "standing"]
    assert (labels == OMNIFALL16.index("fall")).sum() == round(0.5 * FPS)


def test_bad_input_gets_one_clear_sentence() -> None:
    with pytest.raises(UserError, match="at least one frame"):
        frame_labels(torch.zeros(0, 24, 3), FPS)
    with pytest.raises(UserError, match="frame rate"):
        frame_labels(torch.zeros(3, 24, 3), 0.0)
    with pytest.raises(UserError, match="tumble"):
        frame_labels(play(("upright", 1.0)), FPS, timeline=[Segment(0.0, 1.0, "fall", ("[fall]",), "tumble")])


def test_one_frame_is_enough() -> None:
    assert story(frame_labels(play(("seated", 0.05)), FPS)) == ["sitting"]
