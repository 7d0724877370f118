"""Bodies in one picture after another: each is followed by the circle around it, and newcomers are looked for.

Each person is followed from frame to frame by the circle around their own body, turned with it, so that people who
lie are seen as well as people who stand. New people are looked for where the picture differs from the empty room,
with the head in four directions, and twice a second in the whole picture.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from reconstruction.blazepose import BODY_SIZE, PERSON_SIZE, BlazePose
from reconstruction.body_circles import BodyCircle, blob_boxes, crop, from_crop
from reconstruction.found_people import Opinion
from reconstruction.observations import LANDMARK
from reconstruction.plate import Plate

_LIMBS: Final = np.array(
    [LANDMARK[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "hip", "knee", "elbow", "ankle")]
)
_UPRIGHT, _RIGHT, _LEFT, _DOWN = 0.0, np.pi / 2, -np.pi / 2, np.pi
# Mean confidence of shoulders, hips and limbs: below the first a followed person is lost, from the second on somebody
# new is believed, from the third on no other direction of the head is tried.
_KEEP, _BEGIN, _SURE = 0.3, 0.45, 0.75
# How far, in radii, a body may move between frames a tenth of a second apart, and change in size.
_REACH, _GROWTH = 0.6, 1.5
# In a second nobody comes so much nearer that they look this many times as large; beyond twice that, it is a piece.
_LOOMING, _PIECE = np.e, 2.0
# Two bodies this near, in radii, are one.
_SAME: Final = 0.3
# Two circles are around the same body if they are this near to each other in size, and nearer than _SAME.
_RESIZED: Final = 1.25
# A body that the person network surely sees in another size gives way to what is seen there, and what was seen of it
# before is taken back when they differ by this. So does one that is so much less sure of its limbs.
_WRONG, _SURELY, _SURER = 1.4, 0.85, 0.1
# The person network looks for the whole of a body in the square around a circle this many times as large.
_WIDER: Final = 2.0
# A newcomer whose box shares more than this with somebody's, of the smaller of the two, is that somebody.
_CONTAINED: Final = 0.6
# Blobs smaller than this share of the picture are noise; twice a second the whole picture is searched.
_LEAST_BLOB, _SEARCH_S, _LOOK_AGAIN_S = 0.002, 0.5, 0.2
# A person out of sight is looked for at the same place for so long, and longer if they moved by less than this share of
# their radius a second.
_WAIT_S, _WAIT_STILL_S, _STILL = 1.0, 6.0, 0.15
# How far from where they were lost, in radii, somebody is known again: one, and so many more a second, up to this.
_LOST_SPEED, _LOST_REACH = 2.0, 2.2
# Share of its score that the best view of a body keeps from frame to frame.
_ANCHOR_FADES: Final = 0.99


@dataclass(frozen=True)
class FoundBody:
    """One person in one frame.

    Attributes:
        pixels, confidence: key points; NaN and 0 where missing.
        circle: around the whole body.
        score: mean confidence of shoulders, hips and limbs.
        path: number of the unbroken path along which they were followed.
        opinion: what the person network says to it.
    """

    pixels: Float[np.ndarray, "landmark 2"]
    confidence: Float[np.ndarray, "landmark"]
    circle: BodyCircle
    score: float
    path: int = -1
    opinion: Opinion = Opinion.NOT_ASKED


@dataclass(eq=False)
class _Followed:
    path: int
    circle: BodyCircle
    time: float
    asked: float = -np.inf
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    # The best view of late: where to look again when the newest leads nowhere.
    anchor: BodyCircle | None = None
    anchor_score: float = 0.0
    # Radius that they are known to have; 0 before anything is known.
    size: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds for which to go on looking: who lay or sat still is still there."""
        still = float(np.linalg.norm(self.velocity)) < _STILL * self.circle.radius
        return _WAIT_STILL_S if still else _WAIT_S

    def expected(self, time: float) -> BodyCircle:
        # People slow down sooner than they go on: half of the way is the better guess.
        across, down = self.velocity * min(time - self.time, 0.2) * 0.5
        return self.circle.moved(float(across), float(down))

    def fits(self, circle: BodyCircle, time: float) -> bool:
        """Whether a circle is about as large as they can be by then; one around a limb or a trunk is smaller."""
        change = abs(np.log(max(circle.radius, 1e-6) / self.size)) if self.size > 0 else 0.0
        return bool(change < np.log(_PIECE) + np.log(_LOOMING) * (time - self.time))

    def update(self, body: FoundBody, time: float) -> None:
        circle = body.circle
        radius = max(circle.radius, 1e-6)
        most = np.log(_LOOMING) * (time - self.time)
        self.size = self.size or radius
        self.size *= float(np.exp(np.clip(np.log(radius / self.size), -most, most)))
        moved = np.array([circle.x - self.circle.x, circle.y - self.circle.y]) / max(time - self.time, 1e-3)
        self.velocity = 0.5 * self.velocity + 0.5 * moved
        self.circle, self.time = circle, time
        # It fades, and is no good once the body has moved on.
        self.anchor_score *= _ANCHOR_FADES
        if self.anchor is None or body.score >= self.anchor_score or self.anchor.distance(circle) > _SAME:
            self.anchor, self.anchor_score = circle, body.score

    def correct(self, body: FoundBody) -> None:
        """Go on from another reading of the picture that was seen last: nobody moved."""
        self.circle = self.anchor = body.circle
        self.anchor_score, self.size = body.score, body.circle.radius


class BodyFinder:
    """Finds the bodies in pictures that come one after another; remembers whom it follows."""

    def __init__(self, network: BlazePose, plate: Plate, first_path: int = 0) -> None:
        self._network, self._plate = network, plate
        self._followed: list[_Followed] = []
        self._paths = first_path
        self._before = -np.inf
        self._searched = self._looked = -np.inf

    def find(self, picture: UInt8[np.ndarray, "height width 3"], time: float | int) -> list[FoundBody]:
        """Everybody in the next picture, at its time in seconds."""
        time = float(time)
        mask = self._plate.foreground(picture)
        # In slow videos everybody has been out of sight since the last frame.
        slow = 1.5 * (time - self._before)
        self._followed = [one for one in self._followed if time - one.time <= max(slow, one.patience)]
        self._before = time
        found = self._follow(picture, time)
        for guesses in self._newcomers(picture, mask, [body for _, body in found], time):
            body = self._best(picture, guesses)
            if body is None or body.score < _BEGIN or _part_of(body, [other for _, other in found]):
                continue
            one = self._lost_near(body.circle, time)
            if one is None:
                one = _Followed(self._paths, body.circle, time)
                self._followed.append(one)
                self._paths += 1
            one.update(body, time)
            found.append((one, body))
        mistaken: list[_Followed] = []
        for number, (one, body) in enumerate(found):
            if one not in mistaken and time - one.asked >= _SEARCH_S:
                one.asked = time
                others = [pair for at, pair in enumerate(found) if at != number and pair[0] not in mistaken]
                found[number], wrong = self._second_opinion(picture, one, body, others)
                mistaken += wrong
        self._followed = [one for one in self._followed if one not in mistaken]
        return [_taken_back(one, body) if one in mistaken else replace(body, path=one.path) for one, body in found]

    def _lost_near(self, circle: BodyCircle, time: float) -> _Followed | None:
        """Who was lost near there: somebody who falls is out of the last circle within a few frames."""
        lost = [
            (one.circle.distance(circle), one) for one in self._followed if one.time < time and one.fits(circle, time)
        ]
        near = [(gap, one) for gap, one in lost if gap < min(1.0 + _LOST_SPEED * (time - one.time), _LOST_REACH)]
        return min(near, key=lambda pair: pair[0])[1] if near else None

    def _follow(self, picture: np.ndarray, time: float) -> list[tuple[_Followed, FoundBody]]:
        expected = [one.expected(time) for one in self._followed]
        bodies = self._look(picture, expected)
        for number, one in enumerate(self._followed):
            body = bodies[number]
            if (body is None or body.score < _KEEP) and one.anchor is not None:
                (bodies[number],) = self._look(picture, [one.anchor])
        found: list[tuple[_Followed, FoundBody]] = []
        # The nearest to where they were expected comes first: of two who lead to one body, it keeps it.
        pairs = [(where.distance(body.circle), one, where, body) for one, where, body
                 in zip(self._followed, expected, bodies, strict=True) if body is not None]  # fmt: skip
        for distance, one, where, body in sorted(pairs, key=lambda pair: pair[0]):
            patience = max(1.0, (time - one.time) / 0.1)
            growth = max(body.circle.radius, where.radius) / max(min(body.circle.radius, where.radius), 1e-6)
            if body.score < _KEEP or distance > _REACH * patience or growth > _GROWTH * patience:
                continue
            if not one.fits(body.circle, time):
                continue
            if _near(body.circle, (other.circle for _, other in found), _SAME):
                continue
            one.update(body, time)
            found.append((one, body))
        return found

    def _second_opinion(
        self, picture: np.ndarray, one: _Followed, body: FoundBody, others: Sequence[tuple[_Followed, FoundBody]]
    ) -> tuple[tuple[_Followed, FoundBody], list[_Followed]]:
        """The body by what the person network sees there, and who of all is only a piece of somebody.

        The landmark network sees limbs in chairs and curtains once it was led there, and presses a whole body into a
        part of one; the person network seldom does.
        """
        around = BodyCircle(body.circle.x, body.circle.y, _WIDER * body.circle.radius, _UPRIGHT)
        own, wide = self._people(picture, [body.circle, around])
        opinion = Opinion.NOBODY
        if _near(body.circle, (circle for _, circle in own), 2 * _SAME):
            opinion = Opinion.SOMEBODY
        if any(_alike(body.circle, circle) for _, circle in (*own, *wide)):
            opinion = Opinion.SAME
        for score, circle in (*wide, *own):
            other = self._best(picture, [circle])
            if other is None or other.score < _BEGIN or not _alike(other.circle, circle):
                continue
            unlike = opinion != Opinion.SAME and score > _SURELY and not _alike(other.circle, body.circle)
            wrong = unlike and not _alike(other.circle, body.circle, _WRONG)
            surer = other.score > body.score + _SURER
            if _shared(body, other) < _CONTAINED or not (unlike or surer):
                continue
            known = [follower for follower, seen in others if _alike(seen.circle, other.circle)]
            if known and wrong:
                # Somebody else is followed there already, and better.
                return (one, body), [one]
            if any(_part_of(other, [seen]) for _, seen in others):
                continue
            one.correct(other)
            return (one, replace(other, opinion=Opinion.OTHER if wrong else Opinion.SAME)), []
        return (one, replace(body, opinion=opinion)), []

    def _newcomers(
        self, picture: np.ndarray, mask: np.ndarray, found: list[FoundBody], time: float
    ) -> Iterator[list[BodyCircle]]:
        """Guesses for each place where somebody may be who is not followed yet."""
        scale = picture.shape[1] / mask.shape[1]
        if time - self._looked >= _LOOK_AGAIN_S or not found:
            self._looked = time
            free = mask & ~_covered(found, mask.shape, 1 / scale)
            for box, _ in blob_boxes(free, _LEAST_BLOB)[:3]:
                yield _guesses(tuple(value * scale for value in box))
        if time - self._searched >= _SEARCH_S:
            self._searched = time
            for circle in self._search(picture):
                if not _near(circle, (body.circle for body in found), 2 * _SAME):
                    yield [circle]

    def _search(self, picture: np.ndarray) -> list[BodyCircle]:
        """What the person network finds in the whole picture: upright, on either side, and in upright tiles."""
        height, width = picture.shape[:2]
        whole = max(height, width) / 2
        # The crop of a circle is widened; here the square around the picture is what counts.
        views = [BodyCircle(width / 2, height / 2, whole / 1.25, angle) for angle in (_UPRIGHT, _RIGHT, _LEFT)]
        side = min(height, width) / 2
        for share in (0.0, 0.5, 1.0):
            x, y = side + share * (width - 2 * side), side + share * (height - 2 * side)
            views.append(BodyCircle(x, y, side / 1.25, _UPRIGHT))
        ranked = [pair for pairs in self._people(picture, views) for pair in pairs]
        kept: list[BodyCircle] = []
        for _, circle in sorted(ranked, key=lambda pair: -pair[0]):
            if all(circle.distance(other) > 2 * _SAME for other in kept):
                kept.append(circle)
        return kept

    def _people(self, picture: np.ndarray, views: Sequence[BodyCircle]) -> list[list[tuple[float, BodyCircle]]]:
        """What the person network finds in the square around each circle, with its scores, surest first."""
        maps = [view.to_crop(PERSON_SIZE) for view in views]
        seen = self._network.people([crop(picture, to_crop, PERSON_SIZE) for to_crop in maps])
        return [
            [(one.score, BodyCircle.through(from_crop(one.circle, to_crop, PERSON_SIZE))) for one in people]
            for people, to_crop in zip(seen, maps, strict=True)
        ]

    def _best(self, picture: np.ndarray, guesses: Sequence[BodyCircle]) -> FoundBody | None:
        """The surest body among guesses, looked at once more through its own circle."""
        best: FoundBody | None = None
        for guess in guesses:
            (body,) = self._look(picture, [guess])
            if body is not None and (best is None or body.score > best.score):
                best = body
            if best is not None and best.score >= _SURE:
                break
        if best is None:
            return None
        (again,) = self._look(picture, [best.circle])
        # A body that its own circle does not show again is none.
        return again if again is not None and again.circle.distance(best.circle) < 2 * _SAME else None

    def _look(self, picture: np.ndarray, circles: Sequence[BodyCircle]) -> list[FoundBody | None]:
        maps = [circle.to_crop(BODY_SIZE) for circle in circles]
        bodies = self._network.bodies([crop(picture, to_crop, BODY_SIZE) for to_crop in maps])
        height, width = picture.shape[:2]
        found: list[FoundBody | None] = []
        for to_crop, body in zip(maps, bodies, strict=True):
            if body is None:
                found.append(None)
                continue
            pixels = from_crop(body.places, to_crop, BODY_SIZE)
            with np.errstate(invalid="ignore"):
                inside = ((pixels >= 0) & (pixels < (width, height))).all(-1)
            confidence = np.where(inside, body.confidence, 0.0)
            circle = BodyCircle.through(from_crop(body.circle, to_crop, BODY_SIZE))
            found.append(FoundBody(pixels, confidence, circle, float(confidence[_LIMBS].mean())))
        return found


def _near(circle: BodyCircle, others: Iterable[BodyCircle], distance: float) -> bool:
    return any(circle.distance(other) < distance for other in others)


def _taken_back(one: _Followed, body: FoundBody) -> FoundBody:
    """Nobody: what was seen along a path since the person network last agreed was a piece of somebody else."""
    nowhere = np.full_like(body.pixels, np.nan)
    return replace(
        body, pixels=nowhere, confidence=np.zeros_like(body.confidence), path=one.path, opinion=Opinion.OTHER
    )


def _alike(one: BodyCircle, other: BodyCircle, resized: float = _RESIZED) -> bool:
    """Whether two circles are around the same body, at the same place and about as large."""
    larger = max(one.radius, other.radius) / max(min(one.radius, other.radius), 1e-6)
    return larger < resized and one.distance(other) < _SAME


def _part_of(body: FoundBody, others: Sequence[FoundBody]) -> bool:
    """Whether a newcomer is somebody who is known already, or a piece of them: a trunk taken for a whole body."""
    return any(body.circle.distance(other.circle) < _SAME or _shared(body, other) > _CONTAINED for other in others)


def _shared(one: FoundBody, other: FoundBody) -> float:
    """Area that the boxes around two bodies share, as a share of the smaller box."""
    low, high = np.nanmin(one.pixels, axis=0), np.nanmax(one.pixels, axis=0)
    other_low, other_high = np.nanmin(other.pixels, axis=0), np.nanmax(other.pixels, axis=0)
    shared = float(np.prod(np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None)))
    return shared / max(min(float(np.prod(high - low)), float(np.prod(other_high - other_low))), 1e-6)


def _guesses(box: tuple[float, ...]) -> list[BodyCircle]:
    """Where a head may be in a blob: up first when it is tall, to either side first when it is wide."""
    x, y, width, height = box
    angles = [_UPRIGHT, _RIGHT, _LEFT, _DOWN] if height > 1.2 * width else [_RIGHT, _LEFT, _UPRIGHT, _DOWN]
    return [BodyCircle.around((x, y, width, height), angle) for angle in angles]


def _covered(found: Sequence[FoundBody], shape: tuple[int, ...], scale: float) -> Bool[np.ndarray, "height width"]:
    """What the bodies that are already known explain of a mask."""
    mask = np.zeros(shape, np.uint8)
    for body in found:
        points = body.pixels[np.isfinite(body.pixels).all(-1)] * scale
        hull = cv2.convexHull(points.round().astype(np.int32))
        cv2.fillConvexPoly(mask, hull, (1,))
        cv2.polylines(
            mask, [hull], isClosed=True, color=(1,), thickness=max(1, round(0.5 * body.circle.radius * scale))
        )
    return mask.astype(bool)
