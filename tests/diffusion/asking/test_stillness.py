"""Rest before an onset: how long, how still, and nothing else changed."""

import torch

from carescene.clips.taxonomy import OMNIFALL_ID
from diffusion.asking.stillness import hold_still, resting_frames


def labels(*runs: tuple[str, int]) -> torch.Tensor:
    ids = [OMNIFALL_ID[name] for name, count in runs for _ in range(count)]
    return torch.nn.functional.one_hot(torch.tensor(ids), 16).float()[None]


def known(frames: int, value: bool = True) -> torch.Tensor:
    return torch.full((1, frames), value)


def test_rest_lasts_until_the_label_changes():
    event = labels(("lying", 30), ("stand_up", 10), ("sitting", 20))
    assert resting_frames(event, known(60), known(60, False)).tolist() == [30]
    assert resting_frames(labels(("sitting", 8), ("fall", 12)), known(20), known(20, False)).tolist() == [8]


def test_who_never_changes_moves_on_or_is_given_is_not_held():
    assert resting_frames(labels(("lying", 20)), known(20), known(20, False)).tolist() == [0]
    assert resting_frames(labels(("walk", 10), ("fall", 10)), known(20), known(20, False)).tolist() == [0]
    rest = labels(("lying", 10), ("fall", 10))
    given = known(20, False)
    given[0, 0] = True
    assert resting_frames(rest, known(20), given).tolist() == [0]
    assert resting_frames(rest, given, known(20, False)).tolist() == [0], "labels that are not known say nothing"


def test_movement_at_rest_is_damped_about_its_mean():
    motion = torch.randn(2, 3, 40, 5, dtype=torch.float64)
    counts = torch.tensor([[20, 0, 12], [40, 1, 30]])
    held = hold_still(motion, counts, 20)
    for clip in range(2):
        for person in range(3):
            count = int(counts[clip, person])
            before, after = motion[clip, person], held[clip, person]
            torch.testing.assert_close(after[count:], before[count:], rtol=0, atol=0)
            still = max(count - 3, 0)
            if still:
                mean = before[:count].mean(0)
                torch.testing.assert_close(after[:still], mean + 0.03 * (before[:still] - mean))


def test_movement_comes_back_at_once_while_sampling_and_over_time_in_a_finished_clip():
    motion = torch.arange(40.0)[None, None, :, None].expand(2, 1, 40, 1).clone()
    counts = torch.tensor([[20], [0]])
    sampled, finished = hold_still(motion, counts, 20), hold_still(motion, counts, 20, fades_s=0.4)
    torch.testing.assert_close(sampled[0, 0, 20:], motion[0, 0, 20:])
    torch.testing.assert_close(finished[1], motion[1])
    step = finished[0, 0, :, 0].diff()
    assert (step[:19] - 0.03).abs().max() < 1e-5
    # 9.2 frames' worth of way is made up for in 0.4 s, fastest in the middle: 1 + 9.2 * 1.875 / 8 a frame.
    assert float(step.min()) > 0 and float(step.max()) < 3.3
    torch.testing.assert_close(finished[0, 0, 27:], motion[0, 0, 27:])


def test_nothing_to_hold_changes_nothing():
    motion = torch.randn(1, 2, 10, 4)
    torch.testing.assert_close(hold_still(motion, torch.zeros(1, 2, dtype=torch.long), 20), motion)
