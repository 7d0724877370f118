"""Key points as a COCO file that people can correct in CVAT and feed back, and that pycocotools reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.errors import UserError
from carescene.files import write_atomically
from reconstruction.observations import LANDMARK, LANDMARKS, Keypoints
from reconstruction.oks import covered_area

_COCO_POINTS: Final = 17
# CVAT's own names for the frames of a video; it finds the frame by the number.
FRAME_NAME: Final = "frame_{:06d}.PNG"

# Lines that annotation tools draw.
_LINKS: Final = (
    ("left_ankle", "left_knee"), ("left_knee", "left_hip"), ("right_ankle", "right_knee"), ("right_knee", "right_hip"),
    ("left_hip", "right_hip"), ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
    ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"), ("nose", "left_eye"), ("nose", "right_eye"),
    ("left_eye", "left_ear"), ("right_eye", "right_ear"), ("left_ear", "left_shoulder"),
    ("right_ear", "right_shoulder"), ("left_ankle", "left_heel"), ("left_ankle", "left_big_toe"),
    ("left_ankle", "left_small_toe"), ("right_ankle", "right_heel"), ("right_ankle", "right_big_toe"),
    ("right_ankle", "right_small_toe"), ("nose", "head_top"), ("neck", "nose"), ("neck", "pelvis"),
)  # fmt: skip


def write_keypoints(path: Path, keypoints: Keypoints, name: str, landmarks: Sequence[str] | None = None) -> None:
    """Write key points, complete or not at all; `read_keypoints` gives the same back to a hundredth of a pixel.

    Pictures are called frame_000012.PNG by the number of the video's frame, people have CVAT's `attributes.track_id`,
    v is 2 from a confidence of 0.5 on and 1 below, and confidences and standard deviations stand beside.

    Args:
        path: the JSON file.
        keypoints: what to write; frames in which nobody is seen are listed too.
        name: of the video.
        landmarks: which points; None for COCO's 17 and whatever else anybody has.

    Raises:
        UserError: a name is no landmark, or the folder cannot be written.
    """
    columns = _columns(keypoints, landmarks)
    document = {
        "info": {"description": name, "version": "1.0", "source": keypoints.source},
        "licenses": [],
        "categories": [_category([LANDMARKS[column] for column in columns])],
        "images": [
            {
                "id": index + 1,
                "file_name": FRAME_NAME.format(frame),
                "width": keypoints.width,
                "height": keypoints.height,
                "frame": frame,
                "time_s": round(time, 6),
            }
            for index, (frame, time) in enumerate(
                zip(np.asarray(keypoints.frames).tolist(), keypoints.times.tolist(), strict=True)
            )
        ],
        "annotations": [],
    }
    areas = covered_area(keypoints.pixels, keypoints.confidence)
    for frame, person in np.argwhere(keypoints.present.T).tolist():
        area = float(areas[person, frame])
        document["annotations"].append(_annotation(keypoints, person, frame, columns, area))
        document["annotations"][-1]["id"] = len(document["annotations"])
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))


def _columns(keypoints: Keypoints, landmarks: Sequence[str] | None) -> np.ndarray:
    if landmarks is None:
        return np.flatnonzero(keypoints.seen.any((0, 1)) | (np.arange(len(LANDMARKS)) < _COCO_POINTS))
    unknown = [name for name in landmarks if name not in LANDMARK]
    if unknown:
        raise UserError(f"Expected names among {', '.join(LANDMARKS)}, but got '{unknown[0]}'. Correct the name.")
    return np.array([LANDMARK[name] for name in landmarks], np.int64)


def _category(names: list[str]) -> dict[str, Any]:
    number = {name: index for index, name in enumerate(names, start=1)}
    links = [[number[a], number[b]] for a, b in _LINKS if a in number and b in number]
    return {"id": 1, "name": "person", "supercategory": "", "keypoints": names, "skeleton": links}


def _annotation(keypoints: Keypoints, person: int, frame: int, columns: np.ndarray, area: float) -> dict[str, Any]:
    seen = keypoints.seen[person, frame, columns]
    trust = np.where(seen, keypoints.confidence[person, frame, columns], 0.0)
    points = np.where(seen[:, None], keypoints.pixels[person, frame, columns], 0.0)
    flags = np.where(seen, np.where(trust >= 0.5, 2, 1), 0)
    low, high = points[seen].min(0, initial=np.inf), points[seen].max(0, initial=-np.inf)
    box = np.where(seen.any(), np.concatenate([low, high - low]), 0.0)
    rounded = np.round(points, 2).tolist()
    return {
        "id": 0,
        "image_id": frame + 1,
        "category_id": 1,
        "bbox": np.round(box, 2).tolist(),
        "area": round(area, 2),
        "iscrowd": 0,
        "num_keypoints": int(seen.sum()),
        "segmentation": [],
        "keypoints": [value for (x, y), v in zip(rounded, flags.tolist(), strict=True) for value in (x, y, v)],
        "score": round(float(trust[seen].mean()) if seen.any() else 0.0, 4),
        # With these CVAT makes one track of each person, in which every frame can be corrected.
        "attributes": {"track_id": person + 1, "keyframe": True, "outside": False, "occluded": False},
        "keypoint_scores": np.round(trust, 4).tolist(),
        "keypoint_sigmas": np.round(np.where(seen, keypoints.sigma[person, frame, columns], 0.0), 3).tolist(),
    }
