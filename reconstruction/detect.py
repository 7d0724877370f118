"""Key points of everybody in a video of a static camera, without anybody's annotations: MediaPipe, person by person.

Each person is followed from frame to frame by the circle around their own body, turned with it, so that people who
lie are seen as well as people who stand. New people are looked for where the picture differs from the empty room,
with the head in four directions, and twice a second in the whole picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from tqdm import tqdm

from reconstruction.blazepose import LANDMARK_SIZE, PERSON_SIZE, BlazePose
from reconstruction.body_circles import BodyCircle, blob_boxes, crop, from_crop
from reconstruction.footage import Footage
from reconstruction.identity import link_people, stack_people
from reconstruction.observations import LANDMARK, Keypoints
from reconstruction.plate import Plate

_LIMBS: Final = np.array(
    [LANDMARK[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "hip", "knee", "elbow", "ankle")]
)
_TORSO: Final = np.array([LANDMARK[f"{side}_{part}"] for side in ("left", "right") for part in ("shoulder", "hip")])
_UPRIGHT, _RIGHT, _LEFT, _DOWN = 0.0, np.pi / 2, -np.pi / 2, np.pi
# Mean confidence of shoulders, hips and limbs: below the first a followed person is lost, from the second on somebody
# new is believed, from the third on no other direction of the head is tried.
_KEEP, _BEGIN, _SURE = 0.3, 0.45, 0.75
# How far, in radii, a body may move between frames a tenth of a second apart, and change in size.
_REACH, _GROWTH = 0.6, 1.5
# Two bodies this near, in radii, are one.
_SAME: Final = 0.3
# Blobs smaller than this share of the picture are noise; twice a second the whole picture is searched.
_LEAST_BLOB, _SEARCH_S, _LOOK_AGAIN_S = 0.002, 0.5, 0.2
# Four levels of each colour.
_CLOTHES_BINS: Final = 64
# A person out of sight is looked for at the same place for so long.
_WAIT_S: Final = 1.0


@dataclass(frozen=True)
class FoundBody:
    """One person in one frame: key points `(landmark, 2)` in pixels, confidence, the circle, and how sure it is."""

    pixels: Float[np.ndarray, "landmark 2"]
    confidence: Float[np.ndarray, "landmark"]
    circle: BodyCircle
    score: float


@dataclass
class _Followed:
    circle: BodyCircle
    time: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def expected(self, time: float) -> BodyCircle:
        # People slow down sooner than they go on: half of the way is the better guess.
        across, down = self.velocity * min(time - self.time, 0.2) * 0.5
        return self.circle.moved(float(across), float(down))

    def update(self, circle: BodyCircle, time: float) -> None:
        moved = np.array([circle.x - self.circle.x, circle.y - self.circle.y]) / max(time - self.time, 1e-3)
        self.velocity = 0.5 * self.velocity + 0.5 * moved
        self.circle, self.time = circle, time


class BodyFinder:
    """Finds the bodies in pictures that come one after another; remembers whom it follows."""

    def __init__(self, network: BlazePose, plate: Plate) -> None:
        self._network, self._plate = network, plate
        self._followed: list[_Followed] = []
        self._searched = self._looked = -np.inf

    def find(self, picture: UInt8[np.ndarray, "height width 3"], time: float | int) -> list[FoundBody]:
        """Everybody in the next picture, at its time in seconds."""
        mask = self._plate.foreground(picture)
        self._followed = [one for one in self._followed if time - one.time <= _WAIT_S]
        found = self._follow(picture, float(time))
        for circles in self._newcomers(picture, mask, found, float(time)):
            body = self._best(picture, circles)
            if body is not None and body.score >= _BEGIN and not _near(body.circle, found, _SAME):
                lost = [one for one in self._followed if one.time < time and one.circle.distance(body.circle) < 1.0]
                if lost:
                    lost[0].update(body.circle, float(time))
                else:
                    self._followed.append(_Followed(body.circle, float(time)))
                found.append(body)
        return found

    def _follow(self, picture: np.ndarray, time: float) -> list[FoundBody]:
        expected = [one.expected(time) for one in self._followed]
        bodies = self._look(picture, expected)
        found: list[FoundBody] = []
        # The nearest to where they were expected comes first: of two who lead to one body, it keeps it.
        pairs = [(where.distance(body.circle), one, where, body) for one, where, body
                 in zip(self._followed, expected, bodies, strict=True) if body is not None]  # fmt: skip
        for distance, one, where, body in sorted(pairs, key=lambda pair: pair[0]):
            patience = max(1.0, (time - one.time) / 0.1)
            growth = max(body.circle.radius, where.radius) / max(min(body.circle.radius, where.radius), 1e-6)
            if body.score < _KEEP or distance > _REACH * patience or growth > _GROWTH * patience:
                continue
            if _near(body.circle, found, _SAME):
                continue
            one.update(body.circle, time)
            found.append(body)
        return found

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
                if not _near(circle, found, 2 * _SAME):
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
        maps = [view.to_crop(PERSON_SIZE) for view in views]
        seen = self._network.people([crop(picture, to_crop, PERSON_SIZE) for to_crop in maps])
        ranked = [(person.score, BodyCircle.through(from_crop(person.circle, to_crop, PERSON_SIZE)))
                  for people, to_crop in zip(seen, maps, strict=True) for person in people]  # fmt: skip
        kept: list[BodyCircle] = []
        for _, circle in sorted(ranked, key=lambda pair: -pair[0]):
            if all(circle.distance(other) > 2 * _SAME for other in kept):
                kept.append(circle)
        return kept

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
        maps = [circle.to_crop(LANDMARK_SIZE) for circle in circles]
        bodies = self._network.bodies([crop(picture, to_crop, LANDMARK_SIZE) for to_crop in maps])
        height, width = picture.shape[:2]
        found: list[FoundBody | None] = []
        for to_crop, body in zip(maps, bodies, strict=True):
            if body is None:
                found.append(None)
                continue
            pixels = from_crop(body.places, to_crop, LANDMARK_SIZE)
            with np.errstate(invalid="ignore"):
                inside = ((pixels >= 0) & (pixels < (width, height))).all(-1)
            confidence = np.where(inside, body.confidence, 0.0)
            circle = BodyCircle.through(from_crop(body.circle, to_crop, LANDMARK_SIZE))
            found.append(FoundBody(pixels, confidence, circle, float(confidence[_LIMBS].mean())))
        return found


def detect_people(footage: Footage, plate: Plate, *, rate: float | int = 30.0, progress: bool = True) -> Keypoints:
    """Find everybody in a video and follow them through it.

    Args:
        footage: the view of a static camera.
        plate: its room without people.
        rate: pictures a second to look at, at most.
        progress: whether to show a progress bar with the time left.

    Returns:
        Key points in pixels of the footage's view, people numbered as they appear; nobody at all is no error here.

    Raises:
        UserError: without MediaPipe, or when nothing of the video can be decoded.
    """
    frames = footage.analysed(rate)
    pixels, confidence, looks = [], [], []
    with (
        BlazePose() as network,
        tqdm(total=len(frames), desc="finding people", unit="frame", dynamic_ncols=True, disable=not progress) as bar,
    ):
        finder = BodyFinder(network, plate)
        came = []
        for index, picture in footage.pictures(frames):
            scale = footage.width / picture.shape[1]
            bodies = finder.find(picture, float(footage.times[index]))
            came.append(index)
            pixels.append(np.array([body.pixels for body in bodies]).reshape(-1, 26, 2) * scale)
            confidence.append(np.array([body.confidence for body in bodies]).reshape(-1, 26))
            looks.append(np.array([_clothes(picture, body) for body in bodies]).reshape(-1, _CLOTHES_BINS))
            bar.update()
    times, taken = footage.times[came], np.array(came)
    identities = link_people(pixels, confidence, times, appearance=looks)
    return stack_people(
        pixels, confidence, identities,
        times=times, frames=taken, width=footage.width, height=footage.height, source="mediapipe",
    )  # fmt: skip


def _near(circle: BodyCircle, found: Sequence[FoundBody], distance: float) -> bool:
    return any(circle.distance(body.circle) < distance for body in found)


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
        cv2.fillConvexPoly(mask, hull, 1)
        cv2.polylines(mask, [hull], isClosed=True, color=1, thickness=max(1, round(0.5 * body.circle.radius * scale)))
    return mask.astype(bool)


def _clothes(picture: UInt8[np.ndarray, "height width 3"], body: FoundBody) -> Float[np.ndarray, "feature"]:
    """Colours of the trunk as a unit vector: roots of a coarse histogram, whose product is Bhattacharyya's."""
    corners = body.pixels[_TORSO[[0, 1, 3, 2]]]
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1)
    colours = picture[mask.astype(bool)] // 64
    # A trunk out of the picture, or edge on, has no colours; then no two people are alike or unlike.
    bins = np.bincount(colours.astype(np.int64) @ (16, 4, 1), minlength=_CLOTHES_BINS) if len(colours) else np.ones(64)
    return np.sqrt(bins / bins.sum())
