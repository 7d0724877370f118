import torch

from reconstruction.detector_noise import detector_noise
from reconstruction.observations import LANDMARK, LANDMARKS

_BATCH, _WINDOW = 600, 9


def _seen(seed=0, visible=True):
    generator = torch.Generator().manual_seed(seed)
    flat = 0.1 * torch.randn(_BATCH, 1, len(LANDMARKS), 2, generator=generator).expand(-1, _WINDOW, -1, -1)
    behind = torch.zeros(_BATCH, _WINDOW, len(LANDMARKS))
    there = torch.full(behind.shape, visible)
    return flat, detector_noise(flat, behind, there, generator)


def test_nothing_is_found_outside_the_picture():
    assert (_seen(visible=False)[1].confidence == 0).all()


def test_confidences_and_shares_are_those_of_detectors():
    _, noisy = _seen()
    there = noisy.confidence > 0
    assert noisy.confidence.max() <= 1 and noisy.confidence[there].min() >= 0.05
    assert 0.35 < there.float().mean() < 0.75
    # COCO's points come from every source, small toes from some.
    share = there.float().mean((0, 1))
    assert share[LANDMARK["left_shoulder"]] > share[LANDMARK["left_small_toe"]]
    # Annotators' points: all 1.
    sure = torch.stack([(row[row > 0] == 1).all() for row in noisy.confidence if (row > 0).any()])
    assert 0.25 < sure.float().mean() < 0.55


def test_errors_are_a_few_per_cent_of_the_person_with_heavy_tails():
    flat, noisy = _seen()
    there = noisy.confidence > 0
    error = (noisy.flat - flat).norm(dim=-1)[there] / 0.14  # root mean square distance from the middle
    assert 0.02 < error.median() < 0.1
    assert (error > 1).float().mean() > 0.01
    # A detector that says it is unsure is.
    doubtful = noisy.confidence[there] < 0.3
    assert error[doubtful].median() > 2 * error[~doubtful].median()


def test_sides_are_exchanged_in_some_windows():
    flat, noisy = _seen()
    left, right = LANDMARK["left_knee"], LANDMARK["right_knee"]
    there = (noisy.confidence[..., left] > 0).any(1)
    to_own = (noisy.flat[..., left, :] - flat[..., left, :]).norm(dim=-1)
    to_other = (noisy.flat[..., left, :] - flat[..., right, :]).norm(dim=-1)
    exchanged = (to_other < 0.3 * to_own).any(1)[there].float().mean()
    assert 0.01 < exchanged < 0.3


def test_the_same_generator_gives_the_same_noise():
    assert all(torch.equal(one, other) for one, other in zip(_seen()[1], _seen()[1], strict=True))
