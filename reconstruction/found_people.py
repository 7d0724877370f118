"""What a detector found frame by frame: kept for a killed call to go on from, and made into people over time."""

from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from carescene.files import write_npz
from reconstruction.footage import Footage
from reconstruction.identity import link_people, stack_people
from reconstruction.meetings import untangled
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints

# Shoulders and hips in order around the trunk.
_TRUNK: Final = np.array([LANDMARK[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")])
# Four levels of each colour.
_CLOTHES_BINS: Final = 64
# Somebody whom a second network sees in the same place and size less often than the first, and in about that place less
# often than the other, is furniture: it misses people who lie with their back to the camera, but not always, and a
# chair's back is somebody now and then, but of another size.
_SAME, _SOMEBODY = 0.1, 0.5
# Shorter appearances than this are mistakes.
_LEAST_S: Final = 0.34
# What is left of the confidence where the second network saw nobody, twice in a row or to the end: somebody dark before
# a bright window is hard to see too, and the points stay usable.
_ALONE_TRUST: Final = 0.5
# A mistake is taken back for so long at most.
_MISTAKEN_S: Final = 3.0
# What is kept of everybody in a frame.
_COLUMNS: Final = ("pixels", "confidence", "look", "path", "opinion")
# What is found is kept every so many frames: some ten seconds of work.
_KEEP_EVERY: Final = 200


class Opinion(IntEnum):
    """What a second network says to a body that a first one followed."""

    NOT_ASKED = -1
    NOBODY = 0  # is there
    SOMEBODY = 1  # is there
    SAME = 2  # body, at the same place and of the same size
    OTHER = 3  # body: what was followed until now was a piece of it


class Found(NamedTuple):
    """One person in one frame.

    Attributes:
        pixels, confidence: key points in the video's pixels; NaN and 0 where missing.
        clothes: unit vector, as `clothes` gives it.
        path: number of the unbroken path along which the detector followed them; -1 where it does not follow.
        opinion: what a second network says to them.
    """

    pixels: Float[np.ndarray, "landmark 2"]
    confidence: Float[np.ndarray, "landmark"]
    clothes: Float[np.ndarray, "feature"]
    path: int = -1
    opinion: Opinion = Opinion.NOT_ASKED


class FoundPeople:
    """What was found frame by frame, in memory and, so that a killed call can go on, in a folder."""

    def __init__(self, folder: Path | None, footage: Footage, wanted: Int[np.ndarray, "frame"]) -> None:
        self._file = None if folder is None else folder / "found_people.npz"
        stamp = footage.path.stat()
        # Another video, view or rate starts anew.
        self._key = repr((stamp.st_size, stamp.st_mtime_ns, tuple(footage.view), wanted.tolist()[:3], len(wanted)))
        self.frames: list[int] = []
        self._rows: list[dict[str, np.ndarray]] = []
        if self._file is not None and self._file.is_file():
            with np.load(self._file, allow_pickle=False) as stored:
                if str(stored["key"]) == self._key:
                    self._unpack(stored)
        self.paths = 1 + max((int(row["path"].max()) for row in self._rows if len(row["path"])), default=-1)

    def waiting(self, wanted: Int[np.ndarray, "frame"]) -> Int[np.ndarray, "left"]:
        """Which frames are still to be looked at."""
        return wanted[wanted > self.frames[-1]] if self.frames else wanted

    def add(self, frame: int, found: list[Found]) -> None:
        """Keep what the next frame shows."""
        points = len(LANDMARKS)
        self.frames.append(frame)
        self._rows.append(
            {
                "pixels": np.array([one.pixels for one in found]).reshape(-1, points, 2),
                "confidence": np.array([one.confidence for one in found]).reshape(-1, points),
                "look": np.array([one.clothes for one in found]).reshape(-1, _CLOTHES_BINS),
                "path": np.array([one.path for one in found], np.int64),
                "opinion": np.array([int(one.opinion) for one in found], np.int64),
            }
        )
        if self._file is not None and len(self.frames) % _KEEP_EVERY == 0:
            packed = {name: np.concatenate([row[name] for row in self._rows]) for name in self._rows[0]}
            counts = np.array([len(row["path"]) for row in self._rows])
            write_npz(
                self._file, {**packed, "frames": np.array(self.frames), "counts": counts, "key": np.array(self._key)}
            )

    def people(self, footage: Footage, source: str) -> Keypoints:
        """Who is who, without those who are there for less than a third of a second or hardly ever confirmed."""
        times, frames = footage.times[self.frames], np.array(self.frames, np.int64)
        columns = {name: [row[name] for row in self._rows] for name in _COLUMNS}
        interval = float(np.median(np.diff(times))) if len(times) > 1 else _LEAST_S
        pixels = columns["pixels"]
        confidence = _weighed(columns["confidence"], columns["path"], columns["opinion"], times)
        paths = [path.tolist() for path in columns["path"]]
        identities = link_people(
            pixels,
            confidence,
            times,
            appearance=columns["look"],
            followed=None if any(-1 in path for path in paths) else paths,
            least_frames=max(1, round(_LEAST_S / interval)),
        )
        identities = untangled(identities, pixels, columns["look"], times)
        identities = _believed(identities, columns["opinion"])
        return stack_people(
            pixels, confidence, identities,
            times=times, frames=frames, width=footage.width, height=footage.height, source=source,
        )  # fmt: skip

    def clear(self) -> None:
        """Remove what was kept for a killed call."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _unpack(self, stored: Any) -> None:
        ends = np.cumsum(stored["counts"])[:-1]
        parts = [np.split(stored[name], ends) for name in _COLUMNS]
        self.frames = stored["frames"].tolist()
        self._rows = [dict(zip(_COLUMNS, row, strict=True)) for row in zip(*parts, strict=True)]


def _weighed(
    confidence: list[np.ndarray], paths: list[np.ndarray], opinions: list[np.ndarray], times: Float[np.ndarray, "frame"]
) -> list[np.ndarray]:
    """Confidence by what the second network says along each path.

    It is 0 from where that network last saw the same body to where it saw another, of which this was a piece, and low
    from one frame in which it saw nobody to the next such, or to the end.
    """
    kept = [one.copy() for one in confidence]
    members: dict[int, list[tuple[int, int]]] = {}
    for frame, path in enumerate(paths):
        for index, one in enumerate(path.tolist()):
            members.setdefault(one, []).append((frame, index))
    for along in members.values():
        since: list[tuple[int, int]] = []
        alone: list[tuple[int, int]] = []
        saw_nobody = False
        for frame, index in along:
            said = opinions[frame][index]
            if said == Opinion.OTHER:
                for before, at in since:
                    if times[frame] - times[before] <= _MISTAKEN_S:
                        kept[before][at] = 0.0
            if said != Opinion.NOT_ASKED:
                # Only between two answers of nobody is somebody alone.
                lasting = saw_nobody and said == Opinion.NOBODY
                for before, at in alone if lasting else []:
                    kept[before][at] *= _ALONE_TRUST
                saw_nobody, alone = said == Opinion.NOBODY, []
            if saw_nobody:
                alone.append((frame, index))
            if said in (Opinion.SAME, Opinion.OTHER):
                since = []
            else:
                since.append((frame, index))
        for before, at in alone:
            kept[before][at] *= _ALONE_TRUST
    return kept


def _believed(identities: list[np.ndarray], opinions: list[np.ndarray]) -> list[np.ndarray]:
    """The same with -1 for people whom the second network saw too seldom, and the numbers closed up."""
    who, answers = np.concatenate(identities), np.concatenate(opinions)
    asked = (who >= 0) & (answers != Opinion.NOT_ASKED)
    kept = []
    for one in range(int(who.max(initial=-1)) + 1):
        said = answers[asked & (who == one)]
        # Where nobody was asked, everybody is believed.
        if not asked.any() or (said >= Opinion.SAME).mean() >= _SAME or (said >= Opinion.SOMEBODY).mean() >= _SOMEBODY:
            kept.append(one)
    renumber = np.full(int(who.max(initial=-1)) + 2, -1)
    renumber[kept] = np.arange(len(kept))
    return [renumber[one] for one in identities]


def clothes(
    picture: UInt8[np.ndarray, "height width 3"], pixels: Float[np.ndarray, "landmark 2"]
) -> Float[np.ndarray, "feature"]:
    """Colours of the trunk as a unit vector: roots of a coarse histogram, whose product is Bhattacharyya's."""
    corners = pixels[_TRUNK]
    colours = np.zeros((0, 3), np.int64)
    if np.isfinite(corners).all():
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, corners.round().astype(np.int32), (1,))
        colours = picture[mask.astype(bool)].astype(np.int64) // 64
    # A trunk out of the picture, or edge on, has no colours; then it is a little like everybody.
    bins = np.bincount(colours @ (16, 4, 1), minlength=_CLOTHES_BINS) if len(colours) else np.ones(_CLOTHES_BINS)
    return np.sqrt(bins / bins.sum())
