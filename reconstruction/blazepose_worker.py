"""The program that `reconstruction.blazepose` talks to: MediaPipe's two pose networks behind a pipe.

A program by itself rather than a function in a worker process: it starts in a second because it loads neither torch
nor this package, and whatever MediaPipe writes to the terminal goes nowhere. It reads from its standard input
(kind, how many pictures, side: three little-endian integers; then the pictures, 8-bit RGB) and answers each time with
the length of a JSON text and the text.
"""

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

BODIES, PEOPLE = 1, 2

# A constant circle around the crop is the region of interest: the crop was cut for it.
_BODY_GRAPH = """
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
_PEOPLE_GRAPH = """
input_stream: "image"
output_stream: "people"
node {
  calculator: "PoseDetectionCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:people"
}
"""


class Graph:
    """One running MediaPipe graph: put packets in, get the output packets of that moment."""

    def __init__(self, config: str, outputs: tuple[str, ...]) -> None:
        from mediapipe.python._framework_bindings import calculator_graph

        self._graph: Any = calculator_graph.CalculatorGraph(graph_config=config)
        self._packets: dict[str, Any] = {}
        self._time = 0
        for name in outputs:
            self._graph.observe_output_stream(name, self._packets.__setitem__, True)
        self._graph.start_run({})

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The packets that came out for these, by name; those that stayed empty are left out."""
        self._packets.clear()
        # Graphs want to see time increase.
        self._time += 1
        for name, packet in inputs.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._time))
        self._graph.wait_until_idle()
        return {name: packet for name, packet in self._packets.items() if not packet.is_empty()}


class Networks:
    """Both graphs, loaded from the installed package."""

    def __init__(self) -> None:
        import mediapipe
        import mediapipe.python.solutions.pose as known_options
        from mediapipe.framework.formats import rect_pb2 as rectangles
        from mediapipe.python import packet_creator
        from mediapipe.python._framework_bindings import resource_util

        # Importing it makes the options of the nodes known to protobuf, which drops unknown ones in silence.
        assert known_options is not None
        resource_util.set_resource_dir(str(Path(mediapipe.__file__).parent.parent))
        self._bodies = Graph(_BODY_GRAPH, ("landmarks", "circle"))
        self._people = Graph(_PEOPLE_GRAPH, ("people",))
        # Protobuf makes its classes at run time, which type checkers cannot see.
        messages: Any = rectangles
        region = messages.NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0, rotation=0.0)
        self._whole = packet_creator.create_proto(region)

    def body(self, crop: np.ndarray) -> dict[str, Any] | None:
        """The landmarks `[x, y, visibility, presence] * 33` and the circle `[x, y] * 2` of one crop's body."""
        from mediapipe.python import packet_getter

        out = self._bodies.run({"image": _packet(crop), "roi": self._whole})
        if "landmarks" not in out or "circle" not in out:
            return None
        landmarks: Any = packet_getter.get_proto(out["landmarks"])
        around: Any = packet_getter.get_proto(out["circle"])
        return {
            "points": [(p.x, p.y, p.visibility, p.presence) for p in landmarks.landmark],
            "circle": [(p.x, p.y) for p in around.landmark[:2]],
        }

    def people(self, picture: np.ndarray) -> list[dict[str, Any]]:
        """The score and circle of everybody in one picture."""
        from mediapipe.python import packet_getter

        out = self._people.run({"image": _packet(picture)})
        found: Any = packet_getter.get_proto_list(out["people"]) if "people" in out else []
        return [
            {"score": one.score[0], "circle": [(p.x, p.y) for p in one.location_data.relative_keypoints[:2]]}
            for one in found
        ]


def _packet(picture: np.ndarray) -> Any:
    from mediapipe.python import packet_creator
    from mediapipe.python._framework_bindings import image_frame

    return packet_creator.create_image_frame(image_format=image_frame.ImageFormat.SRGB, data=picture)


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end; the first answer says what is wrong, or nothing."""
    try:
        networks = Networks()
    # Old and new packages fail in many ways here, and each must reach the user as a sentence.
    except Exception as error:  # noqa: BLE001
        _answer(answers, f"{type(error).__name__}: {error}")
        return
    _answer(answers, "")
    while len(head := questions.read(12)) == 12:
        kind, count, side = struct.unpack("<3i", head)
        pictures = np.frombuffer(questions.read(count * side * side * 3), np.uint8).reshape(count, side, side, 3)
        look = networks.body if kind == BODIES else networks.people
        _answer(answers, [look(picture) for picture in pictures])


def _answer(answers: BinaryIO, content: Any) -> None:
    text = json.dumps(content).encode()
    answers.write(struct.pack("<i", len(text)) + text)
    answers.flush()


if __name__ == "__main__":
    # Only answers may go to the pipe: what a library prints must not get between them.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, pipe)
