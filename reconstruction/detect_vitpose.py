"""Key points by ViTPose, on boxes of a person detector, through `transformers`, where the user has their weights.

Xu et al., "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation", NeurIPS 2022; boxes by RT-DETR
(Zhao et al., CVPR 2024) or any other object detector that `transformers` knows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from tqdm import tqdm

from carescene.errors import UserError
from reconstruction.footage import Footage
from reconstruction.formats import landmark_called
from reconstruction.found_people import Found, FoundPeople, clothes
from reconstruction.observations import LANDMARKS, Keypoints
from reconstruction.plate import Plate

# Boxes of people below this score are chairs with coats as often as people.
_LEAST_BOX_SCORE: Final = 0.5
# Heat below this is no point at all.
_LEAST_SCORE: Final = 0.05
# Numbers of points by which models without names are known: COCO, and COCO-WholeBody, which begins with COCO's.
_COCO, _WHOLE_BODY, _WITH_FEET = 17, 133, 23
# ViTPose++ was trained on six data sets at once, each with experts of its own; COCO is the first.
_COCO_EXPERT: Final = 0


@dataclass(frozen=True)
class VitPose:
    """A pose network and a person detector with their processors, and where the points go among LANDMARKS.

    Attributes:
        landmarks: index among LANDMARKS of each point of the network, -1 for points that have no place there.
        person: label of people among the detector's classes.
    """

    pose: Any
    pose_processor: Any
    detector: Any
    detector_processor: Any
    landmarks: Int[np.ndarray, "point"]
    person: int

    def boxes(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "_ 4"]:
        """People's boxes (x, y, width, height) in pixels."""
        height, width = picture.shape[:2]
        inputs = self.detector_processor(images=picture, return_tensors="pt").to(self.detector.device)
        with torch.inference_mode():
            outputs = self.detector(**inputs)
        (found,) = self.detector_processor.post_process_object_detection(
            outputs, threshold=_LEAST_BOX_SCORE, target_sizes=[(height, width)]
        )
        corners = found["boxes"][found["labels"] == self.person].cpu().double().numpy().reshape(-1, 4)
        return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)

    def points(
        self, picture: UInt8[np.ndarray, "height width 3"], boxes: Float[np.ndarray, "person 4"]
    ) -> tuple[Float[np.ndarray, "person landmark 2"], Float[np.ndarray, "person landmark"]]:
        """Pixels and confidence of everybody's LANDMARKS, NaN and 0 where the network has none."""
        pixels = np.full((len(boxes), len(LANDMARKS), 2), np.nan)
        confidence = np.zeros((len(boxes), len(LANDMARKS)))
        if len(boxes) == 0:
            return pixels, confidence
        inputs = self.pose_processor(picture, boxes=[boxes.tolist()], return_tensors="pt").to(self.pose.device)
        if getattr(self.pose.config.backbone_config, "num_experts", 1) > 1:
            inputs["dataset_index"] = torch.full((len(boxes),), _COCO_EXPERT, device=self.pose.device)
        with torch.inference_mode():
            outputs = self.pose(**inputs)
        (people,) = self.pose_processor.post_process_pose_estimation(outputs, boxes=[boxes.tolist()])
        known = self.landmarks >= 0
        for number, person in enumerate(people):
            pixels[number, self.landmarks[known]] = person["keypoints"].cpu().double().numpy()[known]
            confidence[number, self.landmarks[known]] = person["scores"].cpu().double().numpy().reshape(-1)[known]
        confidence = np.where(confidence >= _LEAST_SCORE, np.minimum(confidence, 1.0), 0.0)
        return np.where(confidence[..., None] > 0, pixels, np.nan), confidence


def load_vitpose(pose: str | Path, detector: str | Path, device: str | None = None) -> VitPose:
    """Load both networks from folders or from the hub's cache on this machine; nothing is downloaded.

    Args:
        pose: a ViTPose model, such as `usyd-community/vitpose-base-simple`.
        detector: a model for object detection with a class "person", such as `PekingU/rtdetr_r50vd_coco_o365`.
        device: where to run; the accelerator if there is one.

    Raises:
        UserError: if one is not there, is another kind of network, or knows no people.
    """
    from transformers import AutoModelForObjectDetection, VitPoseForPoseEstimation

    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    pose_network, pose_processor = _load(VitPoseForPoseEstimation, "vitpose", pose, "pose_model")
    person_network, person_processor = _load(AutoModelForObjectDetection, None, detector, "person_model")
    labels = {str(name).lower(): int(number) for number, name in person_network.config.id2label.items()}
    if "person" not in labels:
        raise UserError(
            f"Expected a detector with a class 'person', but '{detector}' knows {', '.join(sorted(labels)[:5])} and "
            "others. Give a model trained on COCO."
        )
    return VitPose(
        pose_network.eval().requires_grad_(False).to(where),
        pose_processor,
        person_network.eval().requires_grad_(False).to(where),
        person_processor,
        _landmarks(pose_network.config, str(pose)),
        labels["person"],
    )


def detect_people_vitpose(
    footage: Footage,
    plate: Plate,
    *,
    networks: VitPose,
    frames: Int[np.ndarray, "frame"],
    resume: Path | None = None,
    progress: bool | Callable[[float], None] = True,
) -> Keypoints:
    """Find everybody in a video with ViTPose and link them over time, as `reconstruction.detect.detect_people` does.

    The plate is not needed: the detector sees each picture as a whole.

    Args:
        networks: from `load_vitpose`.
        frames: increasing frames to look at.
        resume: a folder to keep what is found in while the work goes on.
        progress: whether to show a progress bar; or what to call with the share that is done.
    """
    kept = FoundPeople(resume, footage, frames)
    waiting = kept.waiting(frames)
    bar = tqdm(total=len(frames), initial=len(kept.frames), desc="finding people", unit="frame", dynamic_ncols=True,
               disable=progress is not True)  # fmt: skip
    with bar:
        for index, picture in footage.pictures(waiting) if len(waiting) else ():
            pixels, confidence = networks.points(picture, networks.boxes(picture))
            scale = footage.width / picture.shape[1]
            looks = [clothes(picture, one) for one in pixels]
            kept.add(index, [Found(p * scale, c, look) for p, c, look in zip(pixels, confidence, looks, strict=True)])
            bar.update()
            if callable(progress):
                progress(len(kept.frames) / len(frames))
    keypoints = kept.people(footage, "vitpose")
    kept.clear()
    return keypoints


def _load(kind: Any, model_type: str | None, source: str | Path, option: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoImageProcessor

    config = _from_disk(AutoConfig, source, option)
    if model_type is not None and config.model_type != model_type:
        raise UserError(
            f"Expected a {model_type} model, but '{source}' is a {config.model_type} one. Give another --{option}."
        )
    processor = _from_disk(AutoImageProcessor, source, option)
    network, report = _from_disk(kind, source, option, output_loading_info=True)
    wrong = len(report["missing_keys"]) + len(report["mismatched_keys"])
    if wrong:
        raise UserError(
            f"Expected all weights of a {config.model_type} model in '{source}', but {wrong} are missing or of another "
            f"shape. The files belong to another network: give another --{option}."
        )
    return network, processor


def _from_disk(kind: Any, source: str | Path, option: str, **options: Any) -> Any:
    try:
        return kind.from_pretrained(str(source), local_files_only=True, **options)
    except (OSError, ValueError) as error:
        raise UserError(
            f"Expected a model at '{source}', a folder or a name in the hub's cache on this machine, but got: "
            f"{str(error).splitlines()[0]} Give --{option} a folder with config.json, preprocessor_config.json and "
            "model.safetensors."
        ) from error


def _landmarks(config: Any, source: str) -> Int[np.ndarray, "point"]:
    """Where each of the network's points goes: by name where the config names them, else by their number."""
    names = [str(config.id2label[number]) for number in range(config.num_labels)]
    places = [landmark_called(name) for name in names]
    if sum(place is not None for place in places) >= _COCO - 4:
        return np.array([-1 if place is None else place for place in places])
    if config.num_labels in (_COCO, _WHOLE_BODY):
        known = _COCO if config.num_labels == _COCO else _WITH_FEET
        return np.array([number if number < known else -1 for number in range(config.num_labels)])
    raise UserError(
        f"Expected a pose model with named points, or COCO's 17 or COCO-WholeBody's 133, but '{source}' has "
        f"{config.num_labels} without names. Name them in id2label of its config.json."
    )
