"""Key points of everybody in a video of a static camera, without anybody's annotations: MediaPipe, person by person."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from tqdm import tqdm

from carescene.files import write_npz
from reconstruction.blazepose import BlazePose
from reconstruction.body_finder import BodyFinder, FoundBody
from reconstruction.footage import Footage
from reconstruction.identity import link_people, stack_people
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints
from reconstruction.plate import Plate

# Shoulders and hips in order around the trunk.
_TRUNK: Final = np.array([LANDMARK[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")])
# Four levels of each colour.
_CLOTHES_BINS: Final = 64
# Somebody the person network confirms less often than this is furniture; it misses people who lie with their back to
# the camera most of the time, but not always.
_BELIEVED: Final = 0.1
# Shorter appearances than this are mistakes.
_LEAST_S: Final = 0.34
# What is found is kept every so many frames: some ten seconds of work.
_KEEP_EVERY: Final = 200


def detect_people(
    footage: Footage,
    plate: Plate,
    *,
    rate: float | int = 30.0,
    frames: Int[np.ndarray, "frame"] | None = None,
    resume: Path | None = None,
    progress: bool | Callable[[float], None] = True,
) -> Keypoints:
    """Find everybody in a video and follow them through it.

    Whoever the person network hardly ever confirms is left out (see `_BELIEVED`), and so is whoever is there for less
    than a third of a second.

    Args:
        footage: the view of a static camera.
        plate: its room without people.
        rate: pictures a second to look at, at most.
        frames: increasing frames to look at, a stretch without a cut; None for the whole video at `rate`.
        resume: a folder to keep what is found in while the work goes on; a call that was killed goes on from there. It
            is emptied of that at the end.
        progress: whether to show a progress bar with the time left; or what to call with the share that is done.

    Returns:
        Key points in pixels of the footage's view, people numbered as they appear; nobody at all is no error here.

    Raises:
        UserError: without MediaPipe, or when nothing of the video can be decoded.
    """
    frames = footage.analysed(rate) if frames is None else frames
    kept = FoundStore(resume, footage, frames)
    waiting = frames[len(kept.frames) :]
    with tqdm(
        total=len(frames), initial=len(kept.frames), desc="finding people", unit="frame", dynamic_ncols=True,
        disable=progress is not True,
    ) as bar:  # fmt: skip
        if len(waiting):
            with BlazePose() as network:
                # Paths of before the kill end there; the two parts are linked like any others.
                finder = BodyFinder(network, plate, first_path=kept.paths)
                for index, picture in footage.pictures(waiting):
                    bodies = finder.find(picture, float(footage.times[index]))
                    found = [(body, _clothes(picture, body)) for body in bodies]
                    kept.add(index, found, footage.width / picture.shape[1])
                    bar.update()
                    if callable(progress):
                        progress(len(kept.frames) / len(frames))
    keypoints = kept.people(footage)
    kept.clear()
    return keypoints


class FoundStore:
    """What was found frame by frame, in memory and, so that a killed call can go on, in a folder."""

    def __init__(self, folder: Path | None, footage: Footage, wanted: np.ndarray) -> None:
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

    def add(self, frame: int, found: list[tuple[FoundBody, np.ndarray]], scale: float) -> None:
        """Keep what one frame shows; `scale` is the video's pixels per pixel of the picture."""
        bodies = [body for body, _ in found]
        points = len(LANDMARKS)
        self.frames.append(frame)
        self._rows.append(
            {
                "pixels": np.array([body.pixels for body in bodies]).reshape(-1, points, 2) * scale,
                "confidence": np.array([body.confidence for body in bodies]).reshape(-1, points),
                "look": np.array([look for _, look in found]).reshape(-1, _CLOTHES_BINS),
                "path": np.array([body.path for body in bodies], np.int64),
                # 1 and 0 for yes and no, -1 for not asked.
                "confirmed": np.array([-1 if b.confirmed is None else int(b.confirmed) for b in bodies], np.int64),
            }
        )
        if self._file is not None and len(self.frames) % _KEEP_EVERY == 0:
            packed = {name: np.concatenate([row[name] for row in self._rows]) for name in self._rows[0]}
            counts = np.array([len(row["path"]) for row in self._rows])
            write_npz(
                self._file, {**packed, "frames": np.array(self.frames), "counts": counts, "key": np.array(self._key)}
            )

    def people(self, footage: Footage) -> Keypoints:
        """Who is who, without those who are not believed."""
        times, frames = footage.times[self.frames], np.array(self.frames, np.int64)
        columns = {
            name: [row[name] for row in self._rows] for name in ("pixels", "confidence", "look", "path", "confirmed")
        }
        interval = float(np.median(np.diff(times))) if len(times) > 1 else _LEAST_S
        arguments: Any = (columns["pixels"], columns["confidence"])
        identities = link_people(
            *arguments,
            times,
            appearance=columns["look"],
            followed=[path.tolist() for path in columns["path"]],
            least_frames=max(1, round(_LEAST_S / interval)),
        )
        identities = _believed(identities, columns["confirmed"])
        return stack_people(
            *arguments, identities,
            times=times, frames=frames, width=footage.width, height=footage.height, source="mediapipe",
        )  # fmt: skip

    def clear(self) -> None:
        """Remove what was kept for a killed call."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _unpack(self, stored: Any) -> None:
        ends = np.cumsum(stored["counts"])[:-1]
        names = ("pixels", "confidence", "look", "path", "confirmed")
        parts = [np.split(stored[name], ends) for name in names]
        self.frames = stored["frames"].tolist()
        self._rows = [dict(zip(names, row, strict=True)) for row in zip(*parts, strict=True)]


def _believed(identities: list[np.ndarray], confirmed: list[np.ndarray]) -> list[np.ndarray]:
    """The same with -1 for people who were confirmed too seldom, and the numbers closed up."""
    who, answers = np.concatenate(identities), np.concatenate(confirmed)
    asked = (who >= 0) & (answers >= 0)
    kept = [one for one in range(int(who.max(initial=-1)) + 1) if answers[asked & (who == one)].mean() >= _BELIEVED]
    renumber = np.full(int(who.max(initial=-1)) + 2, -1)
    renumber[kept] = np.arange(len(kept))
    return [renumber[one] for one in identities]


def _clothes(picture: UInt8[np.ndarray, "height width 3"], body: FoundBody) -> Float[np.ndarray, "feature"]:
    """Colours of the trunk as a unit vector: roots of a coarse histogram, whose product is Bhattacharyya's."""
    corners = body.pixels[_TRUNK]
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1)
    colours = picture[mask.astype(bool)] // 64
    # A trunk out of the picture, or edge on, has no colours; then no two people are alike or unlike.
    bins = (
        np.bincount(colours.astype(np.int64) @ (16, 4, 1), minlength=_CLOTHES_BINS)
        if len(colours)
        else np.ones(_CLOTHES_BINS)
    )
    return np.sqrt(bins / bins.sum())
