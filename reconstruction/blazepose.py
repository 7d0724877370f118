"""MediaPipe's two pose networks, with the weights its package carries, in a process of their own."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
from jaxtyping import Float, UInt8

from carescene.errors import UserError
from reconstruction.observations import LANDMARK, LANDMARKS

# What the landmark and the person network take in.
LANDMARK_SIZE: Final = 256
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

_LANDMARK_GRAPH: Final = """
input_stream: "image"
input_stream: "roi"
output_stream: "landmarks"
output_stream: "circle"
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:0:complexity"
  output_side_packet: "PACKET:1:segmentation"
  node_options: {
    [type.googleapis.com/mediapipe.ConstantSidePacketCalculatorOptions]: {
      packet { int_value: 1 }
      packet { bool_value: false }
    }
  }
}
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  input_side_packet: "ENABLE_SEGMENTATION:segmentation"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "AUXILIARY_LANDMARKS:circle"
}
"""
_PERSON_GRAPH: Final = """
input_stream: "image"
output_stream: "people"
node {
  calculator: "PoseDetectionCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:people"
}
"""


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
        # Spawned, not forked: a fork of a process whose threads run can hang.
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _start)
        problem = self._call(_load)
        if problem:
            self.close()
            raise UserError(problem)

    def bodies(self, crops: Sequence[UInt8[np.ndarray, "256 256 3"]]) -> list[SeenBody | None]:
        """The body in the middle of each crop, upright, whose circle around the hips takes up 0.8 of the side; None
        where the network says that there is nobody."""
        return self._call(_bodies, list(crops)) if len(crops) else []

    def people(self, pictures: Sequence[UInt8[np.ndarray, "224 224 3"]]) -> list[list[SeenPerson]]:
        """Everybody the person network finds in each picture, surest first."""
        return self._call(_people, list(pictures)) if len(pictures) else []

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(cancel_futures=True)

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise UserError(
                "Expected MediaPipe's process to go on, but it was ended from outside, as happens when memory runs "
                "out. Run the same command again with less else running; what is done is kept."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


# The worker's own: one running graph per network, and the time stamps that graphs want to see increase.
_graphs: dict[str, Any] = {}


def _start() -> None:
    # The networks' C++ writes straight to the terminal's descriptor, past sys.stderr; errors come back as exceptions.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _load() -> str:
    """Start both graphs; what is wrong, or an empty text."""
    try:
        import mediapipe
        from mediapipe.python._framework_bindings import resource_util
    except ImportError as error:
        return (
            f"Expected the package mediapipe 0.10.21, which carries the weights that find people, but got: {error}. "
            "Install it (pip install mediapipe==0.10.21), or give key points of your own."
        )
    root = Path(mediapipe.__file__).parent
    if not (root / "modules/pose_landmark/pose_landmark_full.tflite").is_file():
        return (
            f"Expected mediapipe 0.10.21, but got {getattr(mediapipe, '__version__', 'another')}, which carries no "
            "weights. Install that version, or give key points of your own."
        )
    resource_util.set_resource_dir(str(root.parent))
    _graphs["landmarks"] = _Graph(_LANDMARK_GRAPH, ("landmarks", "circle"))
    _graphs["people"] = _Graph(_PERSON_GRAPH, ("people",))
    return ""


class _Graph:
    """One running MediaPipe graph: put packets in, get the output packets of that moment."""

    def __init__(self, config: str, outputs: tuple[str, ...]) -> None:
        # Makes the options of the nodes inside known to protobuf, which drops unknown ones in silence.
        import mediapipe.python.solutions.pose as _known_options
        from mediapipe.python._framework_bindings import calculator_graph

        assert _known_options is not None
        self._graph = calculator_graph.CalculatorGraph(graph_config=config)
        self._packets: dict[str, Any] = {}
        self._time = 0
        for name in outputs:
            self._graph.observe_output_stream(name, self._packets.__setitem__, True)
        self._graph.start_run({})

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self._packets.clear()
        self._time += 1
        for name, packet in inputs.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._time))
        self._graph.wait_until_idle()
        return {name: packet for name, packet in self._packets.items() if not packet.is_empty()}


def _image_packet(picture: np.ndarray) -> Any:
    from mediapipe.python import packet_creator
    from mediapipe.python._framework_bindings import image_frame

    return packet_creator.create_image_frame(
        image_format=image_frame.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
    )


def _bodies(crops: list[np.ndarray]) -> list[SeenBody | None]:
    from mediapipe.framework.formats import rect_pb2
    from mediapipe.python import packet_creator, packet_getter

    whole: Any = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0, rotation=0.0)
    bodies: list[SeenBody | None] = []
    for crop in crops:
        out = _graphs["landmarks"].run({"image": _image_packet(crop), "roi": packet_creator.create_proto(whole)})
        if "landmarks" not in out or "circle" not in out:
            bodies.append(None)
            continue
        points = np.array(
            [(p.x, p.y, p.visibility, p.presence) for p in packet_getter.get_proto(out["landmarks"]).landmark]
        )
        circle = np.array([(p.x, p.y) for p in packet_getter.get_proto(out["circle"]).landmark])
        places, confidence = np.full((len(LANDMARKS), 2), np.nan), np.zeros(len(LANDMARKS))
        places[_OURS] = points[_THEIRS, :2]
        confidence[_OURS] = points[_THEIRS, 2] * points[_THEIRS, 3]
        bodies.append(SeenBody(places, confidence, circle))
    return bodies


def _people(pictures: list[np.ndarray]) -> list[list[SeenPerson]]:
    from mediapipe.python import packet_getter

    found = []
    for picture in pictures:
        out = _graphs["people"].run({"image": _image_packet(picture)})
        people = packet_getter.get_proto_list(out["people"]) if "people" in out else []
        found.append(
            sorted(
                (
                    SeenPerson(
                        np.array([(p.x, p.y) for p in person.location_data.relative_keypoints[:2]]),
                        float(person.score[0]),
                    )
                    for person in people
                ),
                key=lambda person: -person.score,
            )
        )
    return found
