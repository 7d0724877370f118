"""Depth of a room by Depth Anything V1 or V2, through `transformers`.

Yang et al., "Depth Anything" (CVPR 2024) and "Depth Anything V2" (NeurIPS 2024). The raw output is taken, never the
picture that pipelines make of it: that one is stretched to 0 to 255 for each image alone, which loses the scale and
flickers. A static camera needs the network on the empty room once and about once a second for the people.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError
from tqdm import tqdm

from carescene.errors import UserError
from reconstruction.observations import DepthLabels

DEFAULT_MODEL: Final = "depth-anything/Depth-Anything-V2-Small-hf"
_FILES: Final = ("config.json", "preprocessor_config.json")
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
# Focal length is baked into metric networks: authors and users report 10 to 20 % where it differs from training's.
_METRIC_SIGMA: Final = 0.15


class DepthAnything:
    """A loaded network.

    Attributes:
        kind: "disparity" for relative networks, "metres" for metric ones.
        name: the folder's or the hub's name.

    Args:
        model: hub name, from the local hub cache or the network, or a folder with `config.json`,
            `preprocessor_config.json` and `model.safetensors`.
        device: where to run; the accelerator if there is one.

    Raises:
        UserError: if files are missing, cannot be reached, or are those of another network.
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, device: str | None = None) -> None:
        from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation

        source, local = str(model), Path(model).is_dir()
        if local:
            _check_folder(Path(model))
        config = _load(AutoConfig, source, local)
        if getattr(config, "model_type", None) != "depth_anything":
            raise UserError(
                f"Expected a Depth Anything network at '{source}', but its config says '{config.model_type}'. "
                f"Give a folder or hub name such as {DEFAULT_MODEL}."
            )
        self.name = Path(source).name
        self.kind = "metres" if config.depth_estimation_type == "metric" else "disparity"
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._processor = _load(AutoImageProcessor, source, local)
        self._network = _load(AutoModelForDepthEstimation, source, local).eval().requires_grad_(False).to(self._device)

    def predict(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "rows columns"]:
        """The raw map of one picture (RGB), at the network's own size: shorter side about 518, whole picture.

        Raises:
            UserError: if the network answers with numbers that are not finite.
        """
        inputs = self._processor(images=picture, return_tensors="pt", input_data_format="channels_last")
        with torch.inference_mode():
            predicted = self._network(inputs["pixel_values"].to(self._device)).predicted_depth[0]
        result = predicted.float().cpu().numpy()
        if not np.isfinite(result).all():
            raise UserError(
                f"Expected depth from '{self.name}', but it answered with numbers that are not finite. "
                "The weights are damaged. Download them again."
            )
        return result


def predict_depth(
    plate: UInt8[np.ndarray, "height width 3"],
    pictures: Iterable[tuple[int, UInt8[np.ndarray, "rows columns 3"]]] = (),
    *,
    model: str | Path | DepthAnything = DEFAULT_MODEL,
    count: int | None = None,
    progress: bool = True,
) -> DepthLabels:
    """Depth labels of a video from its empty room and some of its pictures.

    Args:
        plate: the room without people, RGB.
        pictures: index into `Keypoints.times` (see `sparse_frames`) and RGB picture, of the plate's shape.
        model: a network, or where to load it from.
        count: number of pictures, for the progress bar.
        progress: whether to show one.

    Raises:
        UserError: as `DepthAnything`, or if a picture has another shape than the plate.
    """
    network = model if isinstance(model, DepthAnything) else DepthAnything(model)
    room = network.predict(plate)
    frames, maps = [], []
    for index, picture in tqdm(pictures, total=count, desc="depth", unit="picture", disable=not progress):
        found = network.predict(picture)
        if found.shape != room.shape:
            raise UserError(
                f"Expected pictures of the plate's shape {plate.shape[:2]}, but got {picture.shape[:2]}. "
                "One factor and offset hold only for one size. Give pictures at the plate's size."
            )
        frames.append(index)
        maps.append(found)
    return DepthLabels(
        plate=room,
        kind=network.kind,
        source=network.name,
        frames=np.array(frames, np.int64),
        maps=np.stack(maps) if maps else np.zeros((0, *room.shape), np.float32),
        scale_sigma=_METRIC_SIGMA,
    )


def sparse_frames(times: Float[np.ndarray, "frame"], every: float | int = 1.0) -> Int[np.ndarray, "chosen"]:
    """Indices of the times nearest to every `every` seconds, each once, starting half an interval in.

    Raises:
        UserError: if the interval is not positive.
    """
    if not every > 0:
        raise UserError(f"Expected a positive number of seconds between depth maps, but got {every}. Leave it at 1.")
    if len(times) == 0:
        return np.zeros(0, np.int64)
    length = float(times[-1] - times[0])
    wanted = times[0] + (np.arange(max(1, round(length / every))) + 0.5) * every
    return np.unique(np.abs(times[:, None] - wanted).argmin(axis=0)).astype(np.int64)


def _check_folder(folder: Path) -> None:
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _WEIGHTS):
        missing.append(_WEIGHTS[0])
    if missing:
        raise UserError(
            f"Expected a Depth Anything network in {folder}, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not there. Put all files of "
            f"{DEFAULT_MODEL} (or of another size) from huggingface.co into that folder."
        )


def _load(kind: Any, source: str, local: bool) -> Any:
    try:
        return kind.from_pretrained(source, local_files_only=local)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(
            f"Expected a Depth Anything network at '{source}', but it could not be loaded ({type(error).__name__}). "
            "Without a network connection, download it elsewhere with "
            f"`huggingface-cli download {DEFAULT_MODEL} --local-dir DIR` and give DIR, which then holds "
            f"{', '.join((*_FILES, _WEIGHTS[0]))}; or go without depth."
        ) from error
