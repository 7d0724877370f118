"""MediaPipe's two pose networks, with the weights its package carries, in a process of their own."""

import json
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from carescene.errors import UserError
from reconstruction import blazepose_worker
from reconstruction.observations import LANDMARK, LANDMARKS

# What the landmark and the person network take in.
BODY_SIZE: Final = 256
PERSON_SIZE: Final = 224
# BlazePose GHUM's 33 points, https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker, that are ours too.
BLAZE_INDEX: Final[dict[str, int]] = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
    "left_heel": 29, "right_heel": 30, "left_big_toe": 31, "right_big_toe": 32,
}  # fmt: skip
_OURS: Final = np.array([LANDMARK[name] for name in BLAZE_INDEX])
_THEIRS: Final = np.array(list(BLAZE_INDEX.values()))


class SeenBody(NamedTuple):
    """What the landmark network sees in one square picture; places as shares of its side, which may lie outside.

    Attributes:
        places: x and y of LANDMARKS, NaN for those the network does not know.
        confidence: of each, 0 to 1: in the picture and not hidden.
        circle: middle of the hips, and a point on the circle around the whole body in the direction of the head.
    """

    places: Float[np.ndarray, "landmark 2"]
    confidence: Float[np.ndarray, "landmark"]
    circle: Float[np.ndarray, "2 2"]


class SeenPerson(NamedTuple):
    """Where the person network sees somebody in a square picture; shares of its side.

    Attributes:
        circle: as in `SeenBody`.
        score: 0.5 to 1.
    """

    circle: Float[np.ndarray, "2 2"]
    score: float


class BlazePose:
    """Runs both networks in one other process, so that nothing they print to the terminal is seen, and their memory,
    threads and faults are not ours. A context manager.

    The networks are BlazePose GHUM Full (Bazarevsky et al. 2020, https://arxiv.org/abs/2006.10204; Grishchenko et al.
    2022, https://arxiv.org/abs/2206.11678), as `mediapipe==0.10.21` carries them.

    Raises:
        UserError: where that package is missing or is a later one, which carries no weights.
    """

    def __init__(self) -> None:
        # Not with its own folder first on the path, where our files could pass for other packages.
        program = [sys.executable, "-P", str(Path(blazepose_worker.__file__))]
        # A session of its own: Ctrl-C is for us to handle, and closes the pipe.
        self._process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        problem = self._answer()
        if problem:
            self.close()
            raise UserError(
                "Expected the package mediapipe 0.10.21, which carries the networks that find people, but got: "
                f"{problem}. Install it (pip install mediapipe==0.10.21), or give key points of your own."
            )

    def bodies(self, crops: Sequence[UInt8[np.ndarray, "256 256 3"]]) -> list[SeenBody | None]:
        """The body in the middle of each crop, upright, whose circle around the hips takes up 0.8 of the side; None
        where the network says that there is nobody."""
        return [_seen_body(one) for one in self._ask(blazepose_worker.BODIES, crops)]

    def people(self, pictures: Sequence[UInt8[np.ndarray, "224 224 3"]]) -> list[list[SeenPerson]]:
        """Everybody the person network finds in each picture, surest first."""
        found = self._ask(blazepose_worker.PEOPLE, pictures)
        return [
            sorted((SeenPerson(np.array(one["circle"]), one["score"]) for one in people), key=lambda one: -one.score)
            for people in found
        ]

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                # It died with a question unread; who asked was told.
                continue
        self._process.kill()
        self._process.wait()

    def _ask(self, kind: int, pictures: Sequence[np.ndarray]) -> list[Any]:
        if len(pictures) == 0:
            return []
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(struct.pack("<3i", kind, len(pictures), len(pictures[0])))
            self._process.stdin.write(np.ascontiguousarray(pictures).tobytes())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise UserError(_DIED) from error
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        head = self._process.stdout.read(4)
        if len(head) < 4:
            raise UserError(_DIED)
        return json.loads(self._process.stdout.read(struct.unpack("<i", head)[0]))

    def __enter__(self) -> "BlazePose":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_DIED: Final = (
    "Expected MediaPipe's process to go on, but it ended, as happens when memory runs out. "
    "Run the same command again with less else running; what is done is kept."
)


def _seen_body(answer: Any) -> SeenBody | None:
    if answer is None:
        return None
    points = np.array(answer["points"])
    places, confidence = np.full((len(LANDMARKS), 2), np.nan), np.zeros(len(LANDMARKS))
    places[_OURS] = points[_THEIRS, :2]
    confidence[_OURS] = points[_THEIRS, 2] * points[_THEIRS, 3]
    return SeenBody(places, confidence, np.array(answer["circle"]))
