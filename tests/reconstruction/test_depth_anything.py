"""Depth Anything through transformers, on tiny networks with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from made_networks import tiny_depth_anything
from transformers import DepthAnythingForDepthEstimation
from transformers.utils import logging

from carescene.errors import UserError
from reconstruction.depth_anything import DepthAnything, predict_depth, sparse_frames


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a relative and a metric network."""
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    made = {kind: tiny_depth_anything(tmp_path_factory.mktemp(kind), kind) for kind in ("relative", "metric")}
    if bar:
        logging.enable_progress_bar()
    return made


def _picture(seed: int = 0, height: int = 60, width: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_maps_are_the_networks_raw_answers(networks: dict[str, Path]) -> None:
    found = predict_depth(_picture(), [(3, _picture(1)), (9, _picture(2))], model=networks["relative"], progress=False)

    network = DepthAnythingForDepthEstimation.from_pretrained(networks["relative"]).eval()
    from transformers import AutoImageProcessor

    inputs = AutoImageProcessor.from_pretrained(networks["relative"])(images=_picture(1), return_tensors="pt")
    with torch.no_grad():
        expected = network(**inputs).predicted_depth[0].numpy()
    assert found.kind == "disparity"
    assert not found.metric
    assert found.frames.tolist() == [3, 9]
    # 100 x 60 keeps its shape: 56 rows, and a multiple of 14 columns next to 93.
    assert found.plate.shape == (56, 98)
    assert np.allclose(found.maps[0], expected, atol=1e-5)


def test_a_metric_network_answers_in_metres_that_are_no_measurement(networks: dict[str, Path]) -> None:
    found = predict_depth(_picture(), model=DepthAnything(networks["metric"], "cpu"), progress=False)

    assert found.kind == "metres"
    assert not found.metric
    assert found.scale_sigma > 0.1
    assert found.maps.shape == (0, *found.plate.shape)
    assert (found.plate >= 0).all()
    assert (found.plate <= 20).all()


def test_pictures_of_another_shape_are_refused(networks: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="plate's shape"):
        predict_depth(_picture(), [(0, _picture(height=100))], model=networks["relative"], progress=False)


def test_missing_files_are_named(networks: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config.json, preprocessor_config.json, model.safetensors are not there"):
        DepthAnything(tmp_path)
    (tmp_path / "config.json").write_text((networks["relative"] / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"preprocessor_config.json is not there"):
        DepthAnything(tmp_path)


def test_another_network_and_broken_weights_are_refused(networks: dict[str, Path], tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text((networks["relative"] / name).read_text())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="could not be loaded"):
        DepthAnything(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="says 'bert'"):
        DepthAnything(tmp_path)


def test_frames_are_about_a_second_apart() -> None:
    times = np.arange(100) / 20

    chosen = sparse_frames(times)

    assert np.allclose(times[chosen], [0.5, 1.5, 2.5, 3.5, 4.5])
    assert sparse_frames(times[:1]).tolist() == [0]
    assert sparse_frames(np.zeros(0)).tolist() == []
    with pytest.raises(UserError, match="positive"):
        sparse_frames(times, 0)
