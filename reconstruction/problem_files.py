"""A video's observations in one file: what the joint optimisation needs, without any picture."""

import dataclasses
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.rendering.camera import camera_from_dict
from reconstruction.calibration_priors import GivenCamera, KnownDistance, PitchMode
from reconstruction.floor_reading import FloorReading
from reconstruction.observations import Keypoints, PoseLabels
from reconstruction.problem import DepthTerm, Problem

_KEYPOINTS = ("times", "frames", "pixels", "confidence", "sigma")
_LABELS = ("rotations", "covariance", "valid")
_DEPTH = ("person", "frame", "landmark", "value", "sigma", "affinity", "affinity_covariance")
_FLOOR_ARRAYS = ("slope", "covariance")
_FLOOR = ("metric", "scale_sigma", "share", "measured")
_PROBLEM = ("stature", "stature_sigma")
_WHERE_GIVEN = ("camera_covariance", "upright", "active")


def save_problem(problem: Problem, path: Path) -> None:
    """Write a problem as an .npz file; furniture and walls (`surroundings`) are code and stay behind.

    Raises:
        UserError: if the file cannot be written.
    """
    points = problem.keypoints
    arrays: dict[str, np.ndarray] = {f"keypoints_{name}": getattr(points, name) for name in _KEYPOINTS}
    arrays |= {name: getattr(problem, name) for name in _PROBLEM}
    header: dict[str, Any] = {
        "width": points.width, "height": points.height, "names": list(points.names), "source": points.source,
        "camera": problem.camera.to_dict(), "camera_free": list(problem.camera_free),
    }  # fmt: skip
    if problem.labels is not None:
        arrays |= {f"labels_{name}": getattr(problem.labels, name) for name in _LABELS}
        # Single precision halves the largest array, and is far below what a label knows.
        arrays["labels_covariance"] = problem.labels.covariance.astype(np.float32)
        header["labels_source"] = problem.labels.source
    if problem.depth is not None:
        arrays |= {f"depth_{name}": getattr(problem.depth, name) for name in _DEPTH}
        header["depth_kind"] = problem.depth.kind
    if problem.known is not None:
        header["known"] = {"height": problem.known.height}
        if problem.known.distance is not None:
            distance = problem.known.distance
            header["known"] |= {"pixels": distance.pixels.tolist(), "metres": distance.metres}
    if problem.floor is not None:
        header["floor"] = {name: getattr(problem.floor, name) for name in _FLOOR}
        arrays |= {f"floor_{name}": getattr(problem.floor, name) for name in _FLOOR_ARRAYS}
    if problem.usual is not None:
        header["usual"] = dataclasses.asdict(problem.usual)
    arrays |= {name: value for name in _WHERE_GIVEN if (value := getattr(problem, name)) is not None}
    arrays["header"] = np.array(json.dumps(header))
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load_problem(path: Path) -> Problem:
    """A problem that `save_problem` wrote.

    Raises:
        UserError: if the file is missing, cut off, of another kind, or its parts do not fit together.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays["header"]))
        points = {name: arrays[f"keypoints_{name}"] for name in _KEYPOINTS}
        keypoints = Keypoints(
            **points, width=int(header["width"]), height=int(header["height"]), names=tuple(header["names"]),
            source=str(header["source"]),
        )  # fmt: skip
        labels = depth = None
        if "labels_source" in header:
            labels = PoseLabels(**{name: arrays[f"labels_{name}"] for name in _LABELS}, source=header["labels_source"])
        if "depth_kind" in header:
            depth = DepthTerm(**{name: arrays[f"depth_{name}"] for name in _DEPTH}, kind=header["depth_kind"])
        return Problem(
            keypoints,
            camera_from_dict(header["camera"]),
            arrays.get("camera_covariance"),
            *(arrays[name] for name in _PROBLEM),
            camera_free=tuple(header["camera_free"]),
            labels=labels,
            depth=depth,
            known=_known(header.get("known")),
            floor=_floor(header.get("floor"), arrays),
            usual=PitchMode(**header["usual"]) if "usual" in header else None,
            upright=arrays.get("upright"),
            active=arrays.get("active"),
        )
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise UserError(
            f"Expected the observations of a video in '{path}', but got {error!r}. It may be cut off or of another "
            "kind. `lightning reconstruct VIDEO --out DIR` writes such a file into its folder."
        ) from error


def _known(header: dict[str, Any] | None) -> GivenCamera | None:
    if header is None:
        return None
    distance = KnownDistance(np.array(header["pixels"], np.float64), header["metres"]) if "pixels" in header else None
    return GivenCamera(distance=distance, height=header["height"])


def _floor(header: dict[str, Any] | None, arrays: dict[str, np.ndarray]) -> FloorReading | None:
    if header is None:
        return None
    return FloorReading(
        **{name: arrays[f"floor_{name}"] for name in _FLOOR_ARRAYS}, **{name: header[name] for name in _FLOOR}
    )
