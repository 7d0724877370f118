"""A video as it comes: upright pictures with their true times, one view of several, at a rate that can be worked on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from av.error import FFmpegError, InvalidDataError
from jaxtyping import Float, Int, UInt8

from carescene.errors import UserError
from reconstruction.observations import Keypoints
from reconstruction.views import View, find_views

# A fall's impact lasts a tenth of a second; beyond 30 pictures a second there is only more of the same to compute.
_RATE: Final = 30.0
# Longer side of a picture to work on: a person of a quarter of it still has more pixels than the network takes.
_LONGEST: Final = 1280
# Pictures that decide how a frame is put together, and their longer side (seams of fewer pixels would vanish).
_LAYOUT_PICTURES, _LAYOUT_LONGEST = 11, 960


@dataclass(frozen=True)
class Footage:
    """One view of a video; pixels, sizes and pictures are those of the view, turned upright, with square pixels.

    Attributes:
        path: the file.
        times: seconds from the first frame of every frame of the file, increasing; frames may come unevenly.
        full_size: width and height of the whole upright frame.
        view: the part of it that counts.
        others: further views of the same frame, such as a depth picture beside the colours.
        rotation: degrees, counter-clockwise, by which the file says to turn its pictures.
        keyframes: index of every frame that can be decoded without the ones before.
        stamps: each frame's time in the file's own unit.
        steadying: frames, and the similarity (2, 3) that the first picture's points moved by in each of them, with
            its shift in shares of the width; `pictures` moves them back.
    """

    path: Path
    times: Float[np.ndarray, "frame"]
    full_size: tuple[int, int]
    view: View
    others: tuple[View, ...]
    rotation: int
    keyframes: Int[np.ndarray, "keyframe"]
    stamps: Int[np.ndarray, "frame"]
    steadying: tuple[Int[np.ndarray, "steadied"], Float[np.ndarray, "steadied 2 3"]] | None = None

    @property
    def width(self) -> int:
        """Of the view, pixels."""
        return self.view.width

    @property
    def height(self) -> int:
        """Of the view, pixels."""
        return self.view.height

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return float(self.times[-1]) + 1 / self.fps

    @property
    def fps(self) -> float:
        """Frames per second, by the median distance of two."""
        return float(1 / np.median(np.diff(self.times)))

    def analysed(self, rate: float | int = _RATE) -> Int[np.ndarray, "taken"]:
        """Every n-th frame, for the smallest n that gives at most `rate` pictures a second (10 % over is let pass).

        One n for the whole video, so that an even video stays even. A video slower than `rate` is taken whole.

        Raises:
            UserError: for a rate that is not positive.
        """
        if not rate > 0:
            raise UserError(f"Expected a positive rate, but got {rate}. Leave it out for {_RATE:g} pictures a second.")
        return np.arange(0, len(self.times), max(1, int(np.ceil(self.fps / rate - 0.1))))

    def pictures(
        self, frames: Sequence[int] | Int[np.ndarray, "wanted"] | None = None, longest: int = _LONGEST
    ) -> Iterator[tuple[int, UInt8[np.ndarray, "height width 3"]]]:
        """Frames of the video, in their order, each with its index.

        Frames far apart are jumped to. A frame that cannot be decoded is left out, so fewer may come than were asked
        for.

        Args:
            frames: increasing indices; None for all.
            longest: pictures whose longer side has more pixels are made smaller; the ratio is
                `picture.shape[1] / footage.width`.

        Raises:
            UserError: if the file is gone or nothing of it can be decoded.
        """
        wanted = np.arange(len(self.times)) if frames is None else np.asarray(frames, np.int64)
        came = 0
        scale = min(1.0, longest / max(self.view.width, self.view.height))
        for index, frame in _decode(self.path, self.stamps, self.keyframes, wanted):
            picture = _cropped(_upright(frame, self.full_size, self.rotation, scale), self.view, scale)
            yield index, self._moved_back(index, picture)
            came += 1
        if came == 0 and len(wanted):
            raise UserError(
                f"Expected pictures in '{self.path}', but none can be decoded. The file is damaged. Export it again."
            )

    def _moved_back(self, index: int, picture: np.ndarray) -> np.ndarray:
        if self.steadying is None or not (at := np.flatnonzero(self.steadying[0] == index)).size:
            return picture
        matrix = self.steadying[1][at[0]] * np.array([[1, 1, picture.shape[1]]])
        size = (picture.shape[1], picture.shape[0])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def see(self, view: View) -> "Footage":
        """The same video through another view of its frame."""
        return replace(self, view=view, others=tuple({*self.others, self.view} - {view}))

    def keypoints_in_view(self, keypoints: Keypoints) -> Keypoints:
        """Key points of the whole frame, at whatever size it was annotated, as key points of this view.

        Those that carry the view's own shape already are only scaled. A video of one view is its own whole frame.
        Points outside the view are left out.

        Raises:
            UserError: if the shape fits neither: the key points belong to another video.
        """
        whole = _same_shape((keypoints.width, keypoints.height), self.full_size)
        own = _same_shape((keypoints.width, keypoints.height), (self.width, self.height))
        if not (whole or own):
            raise UserError(
                f"Expected key points of a picture of {self.full_size[0]}x{self.full_size[1]}, but they are of one of "
                f"{keypoints.width}x{keypoints.height}. They belong to another video, or to one not turned upright."
            )
        size = self.full_size if whole else (self.width, self.height)
        factor = np.array(size) / (keypoints.width, keypoints.height)
        pixels = keypoints.pixels * factor - ((self.view.x, self.view.y) if whole else (0, 0))
        with np.errstate(invalid="ignore"):
            inside = ((pixels >= 0) & (pixels < (self.width, self.height))).all(-1) & keypoints.seen
        return replace(
            keypoints,
            width=self.width,
            height=self.height,
            pixels=np.where(inside[..., None], pixels, np.nan),
            confidence=np.where(inside, keypoints.confidence, 0.0),
            sigma=keypoints.sigma * float(factor.mean()),
        )

    def keypoints_in_frame(self, keypoints: Keypoints) -> Keypoints:
        """Key points of this view as key points of the whole upright frame, which annotation tools show."""
        return replace(
            keypoints,
            width=self.full_size[0],
            height=self.full_size[1],
            pixels=keypoints.pixels + np.array([self.view.x, self.view.y]),
        )


def open_footage(path: Path | str, view: str = "auto") -> Footage:
    """Open a video of any rate, rotation and size, and choose the view to work on.

    Args:
        path: any file that FFmpeg can decode.
        view: "auto" for the largest picture with colour (see `reconstruction.views.find_views`), "whole" for the whole
            frame, a number to pick from the views found (0 is what "auto" takes), or "x,y,width,height" in pixels of
            the whole upright frame.

    Raises:
        UserError: if there is no such file, it is no video, has fewer than two frames, or has no such view.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"Expected a video file, but there is none at '{path}'. Check the path.")
    try:
        stamps, unit, keyframes = _read_stamps(path)
        whole = _describe(path, stamps, unit, keyframes)
    except (FFmpegError, IndexError, MemoryError) as error:
        raise UserError(
            f"Expected a video, but '{path}' cannot be decoded ({error}). It is damaged or no video. "
            "Give a file that plays in a video player."
        ) from error
    return _with_view(whole, view)


def _read_stamps(path: Path) -> tuple[np.ndarray, float, np.ndarray]:
    """Times of all frames in the order they are shown, without decoding any."""
    with av.open(str(path)) as file:
        if not file.streams.video:
            raise UserError(f"Expected a video, but '{path}' holds no pictures. It may be sound alone. Give a film.")
        stream = file.streams.video[0]
        packets = {packet.pts: packet.is_keyframe for packet in file.demux(stream) if packet.pts is not None}
        unit = float(stream.time_base or 0)
    stamps = np.array(sorted(packets), np.int64)
    if len(stamps) < 2 or not unit > 0:
        raise UserError(
            f"Expected a video, but '{path}' holds {len(stamps)} picture(s) with a time. "
            "A single picture says nothing about movement: give a film of a second or more."
        )
    return stamps, unit, np.flatnonzero([packets[int(stamp)] for stamp in stamps])


def _describe(path: Path, stamps: np.ndarray, unit: float, keyframes: np.ndarray) -> Footage:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        first = next(file.decode(stream))
        rotation = round(first.rotation / 90) * 90 % 360
        # Pixels that are not square make a camera with two focal lengths; stretched here, nobody need know.
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        width, height = round(first.width * aspect), first.height
        size = (height, width) if rotation in (90, 270) else (width, height)
    return Footage(
        path=path,
        times=(stamps - stamps[0]) * unit,
        full_size=size,
        view=View(0, 0, size[0], size[1]),
        others=(),
        rotation=rotation,
        keyframes=keyframes,
        stamps=stamps,
    )


def _with_view(whole: Footage, view: str) -> Footage:
    if view == "whole":
        return whole
    if "," in view:
        return whole.see(_drawn_view(view, whole.full_size))
    spread = np.unique(np.linspace(0, len(whole.times) - 1, _LAYOUT_PICTURES).round().astype(np.int64))
    pictures = [picture for _, picture in whole.pictures(spread, _LAYOUT_LONGEST)]
    shapes = [picture.shape for picture in pictures]
    found = find_views(np.stack([picture for picture in pictures if picture.shape == shapes[0]]))
    ratio = whole.width / shapes[0][1]
    views = [_scaled(each, ratio) for each in found]
    number = "0" if view == "auto" else view
    if not number.isdecimal() or int(number) >= len(views):
        raise UserError(
            f"Expected a view of 'auto', 'whole', a number below {len(views)} or 'x,y,width,height', but got '{view}'. "
            f"'{whole.path}' shows {len(views)} view(s)."
        )
    chosen = views.pop(int(number))
    return replace(whole, view=chosen, others=tuple(views))


def _scaled(view: View, ratio: float) -> View:
    x, y, width, height = (round(number * ratio) for number in view[:4])
    return View(x, y, width, height, view.colour)


def _drawn_view(view: str, size: tuple[int, int]) -> View:
    parts = [part.strip() for part in view.split(",")]
    if len(parts) == 4 and all(part.isdecimal() for part in parts):
        x, y, width, height = (int(part) for part in parts)
        if min(width, height) >= 16 and x + width <= size[0] and y + height <= size[1]:
            return View(x, y, width, height)
    raise UserError(
        f"Expected a view as 'x,y,width,height' in whole pixels within {size[0]}x{size[1]}, at least 16 wide and high, "
        f"but got '{view}'. Change the numbers."
    )


def _decode(
    path: Path, stamps: np.ndarray, keyframes: np.ndarray, wanted: np.ndarray
) -> Iterator[tuple[int, av.VideoFrame]]:
    """The wanted frames, jumping to the last keyframe before one where that is nearer than decoding on."""
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            stream.thread_type = "AUTO"
            queue = list(wanted)
            while queue:
                start = keyframes[max(int(np.searchsorted(keyframes, queue[0], side="right")) - 1, 0)]
                file.seek(int(stamps[start]), stream=stream)
                for index, frame in _frames(file, stream, stamps):
                    while queue and queue[0] < index:
                        queue.pop(0)
                    if not queue:
                        break
                    if index == queue[0]:
                        yield int(queue.pop(0)), frame
                        if queue and keyframes[np.searchsorted(keyframes, queue[0], side="right") - 1] > index + 1:
                            break
                else:
                    return
    except FFmpegError as error:
        raise UserError(
            f"Expected a readable video, but '{path}' cannot be decoded ({error}). It is damaged. Export it again."
        ) from error


def _frames(file: Any, stream: Any, stamps: np.ndarray) -> Iterator[tuple[int, av.VideoFrame]]:
    for packet in file.demux(stream):
        try:
            frames = packet.decode()
        except InvalidDataError:
            # One damaged packet costs its own pictures only.
            continue
        for frame in frames:
            if frame.pts is not None:
                yield int(np.argmin(np.abs(stamps - frame.pts))), frame


def _upright(frame: av.VideoFrame, full_size: tuple[int, int], rotation: int, scale: float) -> np.ndarray:
    width, height = full_size[::-1] if rotation in (90, 270) else full_size
    # Averages over areas: fine patterns of a 4K picture would else become moving stripes.
    picture = frame.reformat(
        max(1, round(width * scale)), max(1, round(height * scale)), "rgb24", interpolation="AREA"
    ).to_ndarray()
    return np.ascontiguousarray(np.rot90(picture, rotation // 90)) if rotation else picture


def _cropped(picture: np.ndarray, view: View, scale: float) -> np.ndarray:
    x, y, width, height = (round(number * scale) for number in view[:4])
    part = picture[y : y + height, x : x + width]
    # Rounding may lose the last line of a view at the frame's edge.
    if part.shape[:2] != (height, width):
        part = cv2.copyMakeBorder(part, 0, height - part.shape[0], 0, width - part.shape[1], cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(part)


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other, larger or smaller; 2 % lets recorders round."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) < 0.02
