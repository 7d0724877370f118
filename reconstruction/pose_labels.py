"""From poses that a network draws to the Gaussian that enters the optimisation, and ProHMR run over a video."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from carescene.errors import UserError
from carescene.humans.body import NUM_BETAS
from carescene.humans.rotations import matrix_to_rotvec, rotvec_to_matrix
from carescene.humans.skeleton import NUM_JOINTS
from carescene.rendering.camera import Camera
from reconstruction.crops import Boxes, crop_people, crop_ray_rotation, person_boxes
from reconstruction.label_chunks import LabelChunks
from reconstruction.observations import Keypoints, PoseLabels
from reconstruction.prohmr import POSE, ProHmr

# No picture tells a joint's angle better than this, radians: two people who place markers on the same leg differ by two
# degrees and more (McGinley et al. 2009, "The reliability of three-dimensional kinematic gait measurements").
FLOOR: Final = 0.035
# Of fewer samples nobody can tell what joints have in common from chance; of two, all seem to move as one.
LEAST_SAMPLES: Final = 8
# Steps to the intrinsic mean; each leaves an error of the order of the spread squared times the last.
_STEPS: Final = 3


def labels_from_samples(
    samples: Float[Tensor, "batch sample 24 3 3"], floor: float = FLOOR
) -> tuple[Float[Tensor, "batch 24 3 3"], Float[Tensor, "batch 72 72"]]:
    """Mean and covariance of drawn poses, as a Gaussian R_j = mean_j exp(w_j) in the tangent space of the mean.

    The mean is the intrinsic one, reached from the first sample (the mode). Of few samples in 72 dimensions the plain
    covariance is singular, so that what the joints have in common is shrunk towards nothing by the share that explains
    the samples best (Schaefer and Strimmer 2005, "A shrinkage approach to large-scale covariance matrix estimation",
    with the joints' own 3x3 blocks as target), and the square of `floor` is added to every angle.

    Args:
        samples: rotations relative to the parent joint, the mode first; joint 0 in the full picture's camera.
        floor: radians.

    Returns:
        Mean rotations, and covariances in rad^2, symmetric and positive definite.

    Raises:
        UserError: for fewer than 8 samples, or a floor that is not positive.
    """
    batch, count = samples.shape[:2]
    if count < LEAST_SAMPLES or not floor > 0:
        raise UserError(
            f"Expected at least {LEAST_SAMPLES} samples and a positive floor, but got {count} and {floor}. "
            "Few poses say nothing of their spread; draw 64."
        )
    mean = samples[:, 0]
    for _ in range(_STEPS):
        mean = mean @ rotvec_to_matrix(matrix_to_rotvec(mean[:, None].mT @ samples).mean(1))
    turns = matrix_to_rotvec(mean[:, None].mT @ samples).reshape(batch, count, 3 * NUM_JOINTS)
    identity = torch.eye(3 * NUM_JOINTS, dtype=samples.dtype, device=samples.device)
    return mean, shrunk_covariance(turns) + floor**2 * identity


def shrunk_covariance(turns: Float[Tensor, "batch sample 72"]) -> Float[Tensor, "batch 72 72"]:
    """Covariance whose entries between joints are shrunk by one factor for each batch entry (see above)."""
    count = turns.shape[1]
    centred = turns - turns.mean(1, keepdim=True)
    covariance = centred.mT @ centred / (count - 1)
    # The factor is found on correlations, so that loose joints do not decide alone. What never moves correlates with
    # nothing.
    spread = centred.square().mean(1, keepdim=True).sqrt()
    plain = torch.where(spread > 1e-6, centred / spread.clamp(min=1e-6), 0.0)
    product = plain.mT @ plain / count
    squares = plain.square().mT @ plain.square() / count
    variance = (squares - product.square()).clamp(min=0) * count**2 / (count - 1) ** 3
    joint = torch.arange(turns.shape[2], device=turns.device) // 3
    between = (joint[:, None] != joint[None]).to(turns.dtype)
    uncertain = (variance * between).sum((1, 2))
    correlated = ((product * count / (count - 1)).square() * between).sum((1, 2))
    share = (uncertain / correlated.clamp(min=1e-12)).clamp(max=1.0)
    return covariance * (1 - share[:, None, None] * between)


def prohmr_labels(
    network: ProHmr,
    pictures: Iterable[tuple[int, UInt8[np.ndarray, "height width 3"]]],
    keypoints: Keypoints,
    camera: Camera,
    *,
    samples: int = 64,
    batch: int = 16,
    keep_betas: bool = False,
    seed: int = 0,
    resume: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> PoseLabels:
    """What ProHMR believes about everybody's pose, from the pictures around their key points.

    Pictures are taken as they come and crops are seen `batch` at a time, so that only the labels grow with the video.
    ProHMR's rotations are relative to SMPL's T-pose; they are taken as they are, though the free body's bones lie a few
    degrees beside SMPL's there. All frames are drawn with the same noise: a label changes only with the picture.

    Args:
        pictures: index of the video's frame and RGB picture, as `Footage.pictures(keypoints.frames)` gives them; of any
            size. Frames whose picture does not come have no label: give every other one for half the work.
        camera: of the size of the key points' picture.
        samples: poses drawn for each person and frame; 64 as in the published evaluation.
        keep_betas: keep the shape that ProHMR gives. Its numbers mean something to SMPL's own body only; the free
            body's shape space is another one, so leave them out unless the user's SMPL is used.
        seed: of the noise.
        resume: a folder in which a killed call leaves what it made; the same call goes on from there. It must belong to
            this call alone, and is of no use afterwards.
        progress: called with the share that is done.

    Raises:
        UserError: if the camera's picture is not that of the key points, fewer than 8 samples are asked for, or what
            `resume` holds cannot be read.
    """
    if (camera.width, camera.height) != (keypoints.width, keypoints.height) or batch < 1:
        raise UserError(
            f"Expected a camera of {keypoints.width}x{keypoints.height} pixels as the key points are, and batches of 1 "
            f"or more, but got {camera.width}x{camera.height} and {batch}. Scale the camera with the picture."
        )
    persons, frames = keypoints.confidence.shape[:2]
    boxes = person_boxes(keypoints)
    found = PoseLabels(
        rotations=np.tile(np.eye(3, dtype=np.float32), (persons, frames, NUM_JOINTS, 1, 1)),
        covariance=np.tile(np.eye(3 * NUM_JOINTS, dtype=np.float32), (persons, frames, 1, 1)),
        valid=np.zeros((persons, frames), bool),
        source="prohmr",
        betas=np.zeros((persons, frames, NUM_BETAS), np.float32) if keep_betas else None,
    )
    kept = LabelChunks(resume, found)
    wanted = boxes.valid & ~found.valid
    noise = torch.randn(max(samples - 1, 0), POSE, generator=torch.Generator().manual_seed(seed))
    device = next(network.parameters()).device
    for who, when, crops in _batches(pictures, keypoints, boxes, wanted, batch):
        with torch.inference_mode():
            drawn = network.sample(network.features(crops.to(device)), noise.to(device))
            ray = torch.from_numpy(crop_ray_rotation(camera, boxes.centre[who, when])).to(drawn.rotations)
            root = ray[:, None] @ drawn.rotations[:, :, 0]
            mean, covariance = labels_from_samples(torch.cat((root[:, :, None], drawn.rotations[:, :, 1:]), dim=2))
        found.rotations[who, when], found.covariance[who, when] = mean.cpu().numpy(), covariance.cpu().numpy()
        found.valid[who, when] = True
        if found.betas is not None:
            found.betas[who, when] = drawn.betas.cpu().numpy()
        kept.add(who, when)
        if progress is not None:
            progress(float(found.valid.sum() / boxes.valid.sum()))
    return found


def _batches(
    pictures: Iterable[tuple[int, np.ndarray]],
    keypoints: Keypoints,
    boxes: Boxes,
    wanted: Bool[np.ndarray, "person frame"],
    size: int,
) -> Iterator[tuple[np.ndarray, np.ndarray, Tensor]]:
    """Crops of at most `size` of the wanted people, with the person and the place of the frame that each belongs to."""
    places = {int(frame): place for place, frame in enumerate(keypoints.frames)}
    people: list[tuple[int, int]] = []
    crops: list[Tensor] = []
    for index, picture in pictures:
        if (place := places.get(index)) is None:
            continue
        ratio = picture.shape[1] / keypoints.width
        for person in np.flatnonzero(wanted[:, place]).tolist():
            box = boxes.centre[person, place], boxes.side[person, place]
            crops.append(crop_people(picture, box[0][None] * ratio, box[1][None] * ratio)[0])
            people.append((person, place))
            if len(people) == size:
                yield *np.array(people).T, torch.stack(crops)
                people, crops = [], []
    if people:
        yield *np.array(people).T, torch.stack(crops)
