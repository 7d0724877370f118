"""ViTPose through `transformers`, with tiny networks of random weights saved as the hub's are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    VitPoseImageProcessor,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessor,
)

from carescene.errors import UserError
from reconstruction.detect_vitpose import VitPose, detect_people_vitpose, load_vitpose
from reconstruction.footage import open_footage
from reconstruction.observations import LANDMARK
from reconstruction.plate import background_plate


def save_pose(folder: Path, points: int = 17, experts: int = 1) -> Path:
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        mlp_ratio=2, num_experts=experts, part_features=4 if experts > 1 else 0, out_indices=[1],
    )  # fmt: skip
    config = VitPoseConfig(backbone_config=backbone, num_labels=points, use_simple_decoder=True)
    VitPoseForPoseEstimation(config).save_pretrained(folder)
    VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(folder)
    return folder


def save_detector(folder: Path, name: str = "person") -> Path:
    config = YolosConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=[64, 64],
        patch_size=16, num_detection_tokens=4, id2label={0: name}, label2id={name: 0},
    )  # fmt: skip
    YolosForObjectDetection(config).save_pretrained(folder)
    YolosImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture
def networks(tmp_path: Path) -> VitPose:
    return load_vitpose(save_pose(tmp_path / "pose"), save_detector(tmp_path / "person"), device="cpu")


@pytest.mark.parametrize(("points", "experts"), [(17, 1), (17, 3), (133, 1)])
def test_points_are_where_the_heat_is(points: int, experts: int, tmp_path: Path) -> None:
    networks = load_vitpose(save_pose(tmp_path / "a", points, experts), save_detector(tmp_path / "b"), device="cpu")
    last = networks.pose.head.conv
    # Nothing but the wrist's heat is left, spread evenly: its middle is the middle of the box.
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(0.0)
        last.bias[LANDMARK["left_wrist"]] = 0.9
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    pixels, confidence = networks.points(picture, np.array([[40.0, 20.0, 45.0, 60.0], [90.0, 10.0, 30.0, 40.0]]))
    assert pixels.shape == (2, 26, 2) and (confidence > 0).sum() == 2
    assert confidence[0, LANDMARK["left_wrist"]] == pytest.approx(0.9, abs=0.05)
    assert np.isfinite(pixels[confidence > 0]).all() and np.isnan(pixels[confidence == 0]).all()


def test_boxes_are_those_of_people(networks: VitPose) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    head = networks.detector.class_labels_classifier.layers[-1]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([5.0, -5.0]))
    boxes = networks.boxes(picture)
    assert boxes.shape == (4, 4) and (boxes[:, 2:] > 0).all()
    with torch.no_grad():
        head.bias.copy_(torch.tensor([-5.0, 5.0]))
    assert networks.boxes(picture).shape == (0, 4)
    assert networks.points(picture, np.zeros((0, 4)))[0].shape == (0, 26, 2)


def test_a_video_goes_through(networks: VitPose, shared_data: Path) -> None:
    footage = open_footage(shared_data / "video/urfd/fall-08-cam0.mp4")
    shares: list[float] = []
    frames = np.arange(0, 30, 10)
    found = detect_people_vitpose(
        footage, background_plate(footage, frames=frames), networks=networks, frames=frames, progress=shares.append
    )
    assert found.source == "vitpose" and len(found.times) == 3 and shares[-1] == 1.0


def test_what_is_not_there_or_something_else_is_refused(tmp_path: Path) -> None:
    pose, detector = save_pose(tmp_path / "pose"), save_detector(tmp_path / "person")
    with pytest.raises(UserError, match="pose_model"):
        load_vitpose(tmp_path / "nowhere", detector)
    with pytest.raises(UserError, match=r"vitpose model, but .* yolos"):
        load_vitpose(detector, detector)
    with pytest.raises(UserError, match="class 'person'"):
        load_vitpose(pose, save_detector(tmp_path / "cats", "cat"))
    with pytest.raises(UserError, match="11 without names"):
        load_vitpose(save_pose(tmp_path / "odd", 11), detector)
    (pose / "model.safetensors").write_bytes((detector / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match="another network"):
        load_vitpose(pose, detector)
