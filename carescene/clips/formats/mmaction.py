"""The skeleton pickle of MMAction2 and PYSKL, which PoseConv3D, STGCN++ and other skeleton networks train on.

`{"split": {name: [frame_dir, ...]}, "annotations": [{frame_dir, total_frames, img_shape, original_shape, label,
keypoint (M, T, 17, 2), keypoint_score (M, T, 17)}, ...]}`. The format is a pickle, and a pickle can run code: reading
allows numpy arrays and plain types only.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Float32

from carescene.errors import UserError
from carescene.files import write_atomically

# Trust in a key point: networks leave out those of no score and weigh the others by it. Detectors give about half
# to joints that they only guess; outside of the picture they give nothing.
_SCORES: Final = {2: 1.0, 1: 0.5, 0: 0.0}

# What numpy arrays and scalars are pickled with, in numpy 1 and 2; nothing of it runs code of the file's choosing.
_ALLOWED: Final = frozenset(
    (module, name)
    for core in ("numpy.core", "numpy._core")
    for module, name in (
        (f"{core}.multiarray", "_reconstruct"),
        (f"{core}.multiarray", "scalar"),
        (f"{core}.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
    )
)


@dataclass(frozen=True)
class SkeletonSample:
    """One video: people's key points in pixels, and how far each can be trusted, 0 to 1.

    Attributes:
        frame_dir: name of the video.
        label: class number.
        img_shape: height and width of the pictures.
        keypoint: x and y (three coordinates in 3D sets).
        keypoint_score: None in 3D sets.
    """

    frame_dir: str
    label: int
    img_shape: tuple[int, int]
    keypoint: Float[np.ndarray, "person frame point axis"]
    keypoint_score: Float[np.ndarray, "person frame point"] | None


def skeleton_sample(
    frame_dir: str, label: int, img_shape: tuple[int, int], keypoints: Float32[np.ndarray, "person frame 17 3"]
) -> SkeletonSample:
    """Sample of COCO-17 key points x, y, v: v = 2 seen scores 1, v = 1 occluded 0.5, v = 0 outside 0.

    People who never are in the picture are left out; if nobody is, one person without a point stays, as networks need
    one.
    """
    visible = keypoints[..., 2]
    present = (visible > 0).any(axis=(1, 2))
    present[0] |= not present.any()
    scores = np.select([visible == v for v in _SCORES], list(_SCORES.values())).astype(np.float32)
    return SkeletonSample(frame_dir, label, img_shape, keypoints[present, :, :, :2].copy(), scores[present])


def write_mmaction(path: Path, samples: Sequence[SkeletonSample], splits: Mapping[str, Sequence[str]]) -> None:
    """Write the pickle (protocol 4), complete or not at all; key points and scores are 32-bit floats.

    Args:
        path: must end in .pkl, by which the readers know it.
        samples: videos.
        splits: names of the videos of each split.

    Raises:
        UserError: the ending is another, a split names an unknown video, or the folder cannot be written.
    """
    if path.suffix != ".pkl":
        raise UserError(f"Expected a file name ending in .pkl, but got '{path.name}'. MMAction2 reads no other.")
    known = {sample.frame_dir for sample in samples}
    for split, names in splits.items():
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UserError(f"Expected the videos of split {split} among the samples, but got '{unknown[0]}'.")
    content = {"split": {split: list(names) for split, names in splits.items()}}
    content |= {"annotations": [_annotation(sample) for sample in samples]}
    # Protocol 4 is the newest that every Python 3 of these projects reads.
    write_atomically(path, lambda file: pickle.dump(content, file, protocol=4))


def read_mmaction(path: Path) -> tuple[list[SkeletonSample], dict[str, list[str]]]:
    """Read samples and splits; a bare list of annotations, as older files have it, has no splits.

    Raises:
        UserError: the file is missing, truncated, of another layout, or holds more than arrays and plain types.
    """
    content = _load(path)
    annotations = content.get("annotations") if isinstance(content, dict) else content
    splits = content.get("split", {}) if isinstance(content, dict) else {}
    if not isinstance(annotations, list) or not isinstance(splits, dict):
        raise UserError(f"Expected a list of annotations in '{path}', but got none. This is not a skeleton pickle.")
    samples = [_sample(annotation, path, number) for number, annotation in enumerate(annotations)]
    return samples, {str(split): [str(name) for name in names] for split, names in splits.items()}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that finds nothing but what arrays are made of."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")
        return super().find_class(module_name, global_name)


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return _ArraysOnly(file).load()
    except OSError as error:
        raise UserError(
            f"Expected a skeleton pickle at '{path}', but got: {error.strerror}. Check the path."
        ) from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, ImportError, IndexError) as error:
        raise UserError(
            f"Expected arrays and plain types in '{path}', but got: {error}. It is damaged, or made to run code; "
            "do not open it with other tools unless you trust its author."
        ) from error


def _annotation(sample: SkeletonSample) -> dict[str, Any]:
    annotation: dict[str, Any] = {
        "frame_dir": sample.frame_dir,
        "label": sample.label,
        "img_shape": sample.img_shape,
        "original_shape": sample.img_shape,
        "total_frames": sample.keypoint.shape[1],
        "keypoint": sample.keypoint.astype(np.float32),
    }
    if sample.keypoint_score is not None:
        annotation["keypoint_score"] = sample.keypoint_score.astype(np.float32)
    return annotation


def _sample(annotation: Any, path: Path, number: int) -> SkeletonSample:
    try:
        keypoint = np.asarray(annotation["keypoint"]).astype(np.float32)
        score = annotation.get("keypoint_score")
        score = None if score is None else np.asarray(score).astype(np.float32)
        name = str(annotation.get("frame_dir", annotation.get("filename", "")))
        label = int(annotation["label"])
        height, width = (int(size) for size in annotation.get("img_shape", (0, 0)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"Expected keypoint and label in annotation {number} of '{path}', but got: {error!r}. "
            "This is not a skeleton pickle."
        ) from error
    if keypoint.ndim != 4 or (score is not None and score.shape != keypoint.shape[:3]):
        raise UserError(
            f"Expected keypoint (M, T, V, C) and keypoint_score (M, T, V) in annotation {number} of '{path}', but got "
            f"{keypoint.shape} and {None if score is None else score.shape}. The file has another layout."
        )
    return SkeletonSample(name, label, (height, width), keypoint, score)
