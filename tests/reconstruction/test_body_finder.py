"""Who is followed, with networks whose answers are known."""

from collections.abc import Sequence

import numpy as np
import pytest

from reconstruction.blazepose import BlazePose
from reconstruction.body_circles import BodyCircle
from reconstruction.body_finder import BodyFinder, FoundBody, _Followed
from reconstruction.found_people import Opinion
from reconstruction.plate import Plate

PICTURE = np.zeros((240, 320, 3), np.uint8)
PLATE = Plate(PICTURE, np.zeros((240, 320)), np.ones((240, 320)))
WHOLE, TRUNK, BESIDE = (BodyCircle(160.0, y, r, 0.0) for y, r in ((130.0, 80.0), (95.0, 40.0), (130.0, 78.0)))


def body(circle: BodyCircle, score: float) -> FoundBody:
    """Points all over the circle's upright box."""
    spread = np.random.default_rng(0).uniform(-0.9, 0.9, (26, 2)) * [0.3 * circle.radius, circle.radius]
    return FoundBody(spread + np.array([circle.x, circle.y]), np.full(26, score), circle, score)


class Scripted(BodyFinder):
    """Sees the body whose circle is most like the one it looks through; the person network sees what it is told."""

    def __init__(self, bodies: Sequence[FoundBody], people: Sequence[tuple[float, BodyCircle]]) -> None:
        # The networks themselves are never asked.
        super().__init__(BlazePose.__new__(BlazePose), PLATE)
        self.known, self.people = bodies, people

    def _look(self, picture: np.ndarray, circles: Sequence[BodyCircle]) -> list[FoundBody | None]:
        def unlike(one: BodyCircle, other: BodyCircle) -> float:
            return one.distance(other) + abs(float(np.log(one.radius / other.radius)))

        return [min(self.known, key=lambda each, at=circle: unlike(each.circle, at)) for circle in circles]

    def _people(self, picture: np.ndarray, views: Sequence[BodyCircle]) -> list[list[tuple[float, BodyCircle]]]:
        return [list(self.people) if view.radius > 1.5 * TRUNK.radius else [] for view in views]

    def follow(self, *circles: BodyCircle) -> None:
        self._followed = [_Followed(path, circle, 0.0, size=circle.radius) for path, circle in enumerate(circles)]
        self._paths, self._searched = len(circles), 0.0


def test_the_whole_body_takes_the_place_of_its_trunk() -> None:
    """Even though the landmark network is surer of the trunk."""
    finder = Scripted([body(WHOLE, 0.7), body(TRUNK, 0.9)], [(0.95, BESIDE)])
    finder.follow(TRUNK)
    (found,) = finder.find(PICTURE, 0.04)
    assert found.circle == WHOLE and found.path == 0 and found.opinion == Opinion.OTHER
    (found,) = finder.find(PICTURE, 0.08)
    assert found.circle == WHOLE and found.opinion == Opinion.NOT_ASKED
    (found,) = finder.find(PICTURE, 0.60)
    assert found.circle == WHOLE and found.opinion == Opinion.SAME


@pytest.mark.parametrize("score", [0.6, 0.95])
def test_an_unsure_second_network_changes_nothing(score: float) -> None:
    finder = Scripted([body(WHOLE, 0.7), body(TRUNK, 0.9)], [(score, BESIDE)])
    finder.follow(TRUNK)
    (found,) = finder.find(PICTURE, 0.04)
    assert (found.circle == TRUNK) == (score < 0.9)
    assert found.opinion == (Opinion.NOBODY if score < 0.9 else Opinion.OTHER)


def test_a_piece_of_somebody_who_is_followed_is_nobody() -> None:
    finder = Scripted([body(WHOLE, 0.7), body(TRUNK, 0.9)], [(0.95, BESIDE)])
    finder.follow(TRUNK, WHOLE)
    found = {each.path: each for each in finder.find(PICTURE, 0.04)}
    assert found[1].circle == WHOLE and found[1].opinion == Opinion.SAME
    assert found[0].opinion == Opinion.OTHER and np.isnan(found[0].pixels).all() and not found[0].confidence.any()
    assert [each.path for each in finder.find(PICTURE, 0.08)] == [1]


def test_nobody_shrinks_to_an_arm_within_a_moment() -> None:
    arm = BodyCircle(WHOLE.x, WHOLE.y, 0.4 * WHOLE.radius, 0.0)
    finder = Scripted([body(arm, 0.9)], [])
    finder.follow(WHOLE)
    assert finder.find(PICTURE, 0.1) == []
    # Within a second they may have gone far away.
    finder.follow(WHOLE)
    (found,) = finder.find(PICTURE, 1.0)
    assert found.circle == arm
