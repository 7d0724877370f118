"""People who cross, with their numbers exchanged on the way and given back by their clothes."""

import numpy as np
import pytest

from reconstruction.meetings import untangled

TIMES = np.arange(60) / 15
# Clothes of three people; a little of each is in all.
CLOTHES = np.eye(3) + 0.3
CLOTHES /= np.linalg.norm(CLOTHES, axis=1, keepdims=True)


def body(x: float) -> np.ndarray:
    """Landmarks of somebody 170 pixels tall."""
    spread = np.linspace(-1, 1, 26)
    return np.stack([x + 20 * spread, 200 + 85 * spread], axis=1)


def filmed(
    numbers: dict[int, list[int]], away: dict[int, range], clothes: np.ndarray = CLOTHES
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Two people who walk through each other at frame 30, and their numbers: what they are from each frame on.

    Args:
        numbers: frame and the numbers of the two from then on.
        away: frames in which somebody is not found.
    """
    identities, pixels, looks = [], [], []
    for frame in range(len(TIMES)):
        now = numbers[max(start for start in numbers if start <= frame)]
        there = [who for who in range(2) if frame not in away.get(who, range(0))]
        # Found in no order.
        there = there[::-1] if frame % 2 else there
        identities.append(np.array([now[who] for who in there], np.int64))
        pixels.append(np.array([body(100 + 6 * frame if who == 0 else 460 - 6 * frame) for who in there]))
        looks.append(np.array([clothes[who] for who in there]))
    return identities, pixels, looks


def who_is_who(identities: list[np.ndarray], looks: list[np.ndarray], clothes: np.ndarray = CLOTHES) -> list[set[int]]:
    """Numbers that each person has."""
    numbers: list[set[int]] = [set(), set()]
    for who, shown in zip(identities, looks, strict=True):
        for number, look in zip(who, shown, strict=True):
            numbers[int(np.argmax(clothes[:2] @ look))].add(int(number))
    return numbers


@pytest.mark.parametrize("away", [{}, {1: range(26, 34)}, {0: range(28, 31), 1: range(31, 36)}])
@pytest.mark.parametrize("at", [27, 30, 34])
def test_an_exchange_at_a_meeting_is_undone(at: int, away: dict[int, range]) -> None:
    identities, pixels, looks = filmed({0: [0, 1], at: [1, 0]}, away)
    found = untangled(identities, pixels, looks, TIMES)
    assert who_is_who(found, looks) == [{0}, {1}]
    assert [len(who) for who in found] == [len(who) for who in identities]


def test_who_keeps_their_clothes_keeps_their_number() -> None:
    identities, pixels, looks = filmed({0: [0, 1]}, {1: range(26, 34)})
    found = untangled(identities, pixels, looks, TIMES)
    assert all(np.array_equal(one, other) for one, other in zip(found, identities, strict=True))


def test_people_in_the_same_clothes_stay_as_they_were_linked() -> None:
    same = np.ones((2, 3)) / np.sqrt(3)
    identities, pixels, looks = filmed({0: [0, 1], 30: [1, 0]}, {}, same)
    found = untangled(identities, pixels, looks, TIMES)
    assert all(np.array_equal(one, other) for one, other in zip(found, identities, strict=True))


def test_an_exchange_far_from_each_other_is_not_believed() -> None:
    """A jacket put on changes clothes as well; only where two met can they have been exchanged."""
    identities, pixels, looks = filmed({0: [0, 1], 5: [1, 0]}, {})
    apart = [shown + 500.0 * (number == 1)[:, None, None] for number, shown in zip(identities, pixels, strict=True)]
    found = untangled(identities, apart, looks, TIMES)
    assert all(np.array_equal(one, other) for one, other in zip(found, identities, strict=True))


def test_two_meetings_are_put_right_one_after_the_other() -> None:
    """After the first exchange is undone, the second is one too."""
    identities, pixels, looks = filmed({0: [0, 1], 30: [1, 0]}, {})
    for frame in range(len(TIMES) - 1, -1, -1):
        identities.append(identities[frame])
        pixels.append(pixels[frame])
        looks.append(looks[frame])
    found = untangled(identities, pixels, looks, np.arange(120) / 15)
    assert who_is_who(found, looks) == [{0}, {1}]


def test_those_left_out_and_empty_frames_stay() -> None:
    identities, pixels, looks = filmed({0: [0, 1], 30: [1, 0]}, {})
    identities.append(np.array([-1, 0]))
    pixels.append(np.full((2, 26, 2), np.nan))
    looks.append(CLOTHES[:2])
    identities.append(np.zeros(0, np.int64))
    pixels.append(np.zeros((0, 26, 2)))
    looks.append(np.zeros((0, 3)))
    found = untangled(identities, pixels, looks, np.arange(62) / 15)
    assert found[-2][0] == -1 and found[-1].shape == (0,)
    nobody = untangled([np.zeros(0, np.int64)] * 2, [np.zeros((0, 26, 2))] * 2, [np.zeros((0, 3))] * 2, TIMES[:2])
    assert [who.shape for who in nobody] == [(0,), (0,)]
