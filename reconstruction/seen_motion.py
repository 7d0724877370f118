"""Our motion as ward cameras and detectors see it: windows of key points with the true pose of the middle frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int
from torch import Tensor

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.humans.kinematics import global_rotations, local_rotations
from carescene.humans.rotations import matrix_to_sixd, rotvec_to_matrix, sixd_to_matrix
from carescene.humans.skeleton import MIRROR, NUM_JOINTS, PARENTS
from reconstruction.detector_noise import detector_noise
from reconstruction.landmarks import LandmarkModel, free_landmarks
from reconstruction.lifter_input import WINDOW, LifterInput, lifter_input
from reconstruction.observations import LANDMARK, LANDMARKS
from reconstruction.pose_variation import varied_motion
from reconstruction.ward_views import random_views

FPS: Final = 20.0
# Metres by which sources place a landmark elsewhere on the body than the model does.
_PLACED: Final = 0.012
_PLACED_ELSEWHERE: Final = {
    "hip": 0.03,
    "shoulder": 0.02,
    "pelvis": 0.03,
    "neck": 0.025,
    "head_top": 0.03,
    "heel": 0.02,
}
# Nearer to the eye than this nobody is recognised, metres.
_NEAREST: Final = 0.25


@dataclass(frozen=True)
class MotionBank:
    """Frames of many people, end to end, in half precision: 300 bytes a frame.

    Attributes:
        sixd: world rotations of the joints, first two columns.
        trans: pelvis in the world, metres.
        first, last: rows of the first and last frame of the stretch that each row belongs to.
        betas: body shape of each row's person, by `person`.
        label: OmniFall-16 id of each row, -1 where unknown.
    """

    sixd: Float16[Tensor, "row 24 6"]
    trans: Float[Tensor, "row 3"]
    first: Int[Tensor, "row"]
    last: Int[Tensor, "row"]
    person: Int[Tensor, "row"]
    betas: Float[Tensor, "person 10"]
    label: Int[Tensor, "row"]

    def __len__(self) -> int:
        return len(self.trans)


class SeenWindows(NamedTuple):
    """Input of the lifter and the truth.

    Attributes:
        seen: what the network reads.
        rotations: of the joints relative to their parents in the middle frame; the pelvis' maps the rest frame to the
            view along the line of sight.
        rest: rest joints of each body, metres.
        label: OmniFall-16 id of the middle frame.
    """

    seen: LifterInput
    rotations: Float[Tensor, "batch 24 3 3"]
    rest: Float[Tensor, "batch 24 3"]
    label: Int[Tensor, "batch"]


def read_bank(
    folders: Sequence[Path], split: str, on_clip: Callable[[], object] | None = None, every: int = 1
) -> MotionBank:
    """Everybody in a split ("train", "val", "test") of prepared folders, at 20 frames per second.

    Args:
        on_clip: called after each clip.
        every: take every so-many-th clip only.

    Raises:
        UserError: a folder has no such split, or a clip is broken.
    """
    clips = []
    for folder in folders:
        listed = folder / "splits" / f"{split}.txt"
        if not listed.is_file():
            raise UserError(
                f"Expected a prepared folder with '{listed}', but there is none. Prepare the data, or correct the path."
            )
        for name in listed.read_text(encoding="utf-8").split()[::every]:
            clips.append(load_clip(folder / "clips" / name))
            if on_clip is not None:
                on_clip()
    return motion_bank(clips)


def motion_bank(clips: Sequence[Clip]) -> MotionBank:
    """A bank of everybody in these clips; people who come and go make several stretches.

    Raises:
        UserError: nobody is in any of them, or one has another frame rate than 20.
    """
    rotations, trans, lengths, betas, labels = [], [], [], [], []
    for clip in clips:
        if abs(clip.fps - FPS) > 1e-3:
            raise UserError(
                f"Expected clips of {FPS:g} frames per second, but '{clip.id}' has {clip.fps:g}. Prepare it again."
            )
        for person in range(clip.num_persons):
            for start, stop in _stretches(clip.valid[person]):
                pose = torch.from_numpy(clip.poses[person, start:stop]).float()
                rotations.append(matrix_to_sixd(global_rotations(rotvec_to_matrix(pose))).half())
                trans.append(torch.from_numpy(clip.trans[person, start:stop]).float())
                lengths.append(stop - start)
                betas.append(torch.from_numpy(clip.betas[person]).float())
                labels.append(torch.from_numpy(clip.frame_label[person, start:stop]).long())
    if not lengths:
        raise UserError("Expected clips with people in them, but got none. Check the folders and the split.")
    count = torch.tensor(lengths)
    end = count.cumsum(0)
    return MotionBank(
        torch.cat(rotations),
        torch.cat(trans),
        (end - count).repeat_interleave(count),
        (end - 1).repeat_interleave(count),
        torch.arange(len(count)).repeat_interleave(count),
        torch.stack(betas),
        torch.cat(labels),
    )


def frame_weights(bank: MotionBank) -> Float[Tensor, "row"]:
    """How often to draw each frame: as the square root of its label's share, so that rare things are seen too."""
    counts = torch.bincount(bank.label + 1, minlength=len(OMNIFALL16) + 1).float()
    return (1 / counts.clamp(min=1).sqrt())[bank.label + 1]


def seen_windows(
    bank: MotionBank,
    rows: Int[Tensor, "batch"],
    generator: torch.Generator,
    model: LandmarkModel | None = None,
    vary: bool = False,
) -> SeenWindows:
    """Windows around these rows of a bank, each seen by a camera and a detector drawn by chance.

    Motion is mirrored half of the time, bodies are other people's two times of three, time runs up to a quarter slower
    or faster, and every source places landmarks a little elsewhere.

    Args:
        vary: for training: also poses that nobody recorded (`varied_motion`).
    """
    model, batch = model or free_landmarks(), len(rows)
    step = torch.randint(1, 5, (batch,), generator=generator)
    pace = ((torch.rand(batch, generator=generator) - 0.5) * 0.45).exp()
    at = rows[:, None] + (torch.arange(WINDOW) - WINDOW // 2) * step[:, None]
    inside = (at >= bank.first[rows, None]) & (at <= bank.last[rows, None])
    at = at.clamp(bank.first[rows, None], bank.last[rows, None])
    world, trans = _mirrored(bank.sixd[at].float(), bank.trans[at], torch.rand(batch, generator=generator) < 0.5)
    if vary:
        world = varied_motion(world, generator)
    other = torch.randn(batch, bank.betas.shape[1], generator=generator)
    own = torch.rand(batch, 1, generator=generator) < 0.35
    betas = torch.where(own, bank.betas[bank.person[rows]], other)
    rest = _linear(model.joints, model.joint_shapes, betas)
    placed = _linear(model.offsets, model.offset_shapes, betas)
    placed = placed + _PLACED_SIGMA[:, None] * torch.randn(placed.shape, generator=generator)

    points = _landmarks(world, trans, rest, placed, torch.from_numpy(model.carrier))
    middle = points[:, WINDOW // 2].mean(1)
    views = random_views(middle, generator)
    local = torch.einsum("bij,btlj->btli", views.rotation, points - views.eye[:, None, None])
    depth = local[..., 2]
    flat = local[..., :2] / depth[..., None].clamp(min=_NEAREST)
    inside_picture = (flat.abs() <= views.reach[:, None, None]).all(-1)
    visible = (depth > _NEAREST) & inside_picture & inside[..., None]
    far = local.norm(dim=-1)
    noisy = detector_noise(flat, far - far.mean(2, keepdim=True), visible, generator)
    up = views.rotation[:, :, 2]
    # Gravity comes from a calibration that is a few degrees off.
    tilt = torch.nn.functional.normalize(up + 0.04 * torch.randn(up.shape, generator=generator), dim=-1)
    known = torch.rand(batch, generator=generator) < 0.6
    seen = lifter_input(noisy.flat, noisy.confidence, step * pace / FPS, tilt, known)

    # Half precision leaves the columns a little off; Gram-Schmidt puts that right.
    centre = sixd_to_matrix(matrix_to_sixd(world[:, WINDOW // 2]))
    relative = local_rotations((seen.crop @ views.rotation)[:, None] @ centre)
    return SeenWindows(seen, relative, rest, bank.label[rows])


def _stretches(valid: Bool[np.ndarray, "frame"]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], valid, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _mirrored(sixd: Tensor, trans: Tensor, flip: Tensor) -> tuple[Tensor, Tensor]:
    """World rotation matrices and pelvis, of some windows as in a mirror at x = 0 (`carescene.humans.mirror`)."""
    other = sixd[..., list(MIRROR), :] * torch.tensor([1.0, -1.0, -1.0, -1.0, 1.0, 1.0])
    sixd = torch.where(flip[:, None, None, None], other, sixd)
    x, y = sixd.split(3, dim=-1)
    world = torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)
    return world, torch.where(flip[:, None, None], trans * torch.tensor([-1.0, 1.0, 1.0]), trans)


def _linear(mean: np.ndarray, shapes: np.ndarray, betas: Tensor) -> Tensor:
    return torch.from_numpy(mean).float() + torch.einsum("pck,bk->bpc", torch.from_numpy(shapes).float(), betas)


def _ancestry() -> Tensor:
    """`[j, k]` is 1 where bone k (from its parent to joint k) lies between the pelvis and joint j."""
    table = torch.zeros(NUM_JOINTS, NUM_JOINTS)
    for joint in range(NUM_JOINTS):
        above = joint
        while PARENTS[above] >= 0:
            table[joint, above] = 1
            above = PARENTS[above]
    return table


def _landmarks(world: Tensor, trans: Tensor, rest: Tensor, placed: Tensor, carrier: Tensor) -> Tensor:
    """Landmarks of all frames from world rotations; without a loop over the tree, as all rotations are known."""
    parents = [max(parent, 0) for parent in PARENTS]
    bones = _turn(world[:, :, parents], (rest - rest[:, parents])[:, None])
    joints = torch.einsum("jk,btkc->btjc", _ANCESTRY, bones) + trans[:, :, None]
    return joints[:, :, carrier] + _turn(world[:, :, carrier], placed[:, None])


def _turn(rotation: Tensor, vector: Tensor) -> Tensor:
    # Three multiplications of whole arrays; a batched product of 3x3 matrices is several times slower.
    return (
        rotation[..., 0] * vector[..., 0, None]
        + rotation[..., 1] * vector[..., 1, None]
        + rotation[..., 2] * vector[..., 2, None]
    )


def _placed_sigma() -> Tensor:
    sigma = torch.full((len(LANDMARKS),), _PLACED)
    for name, index in LANDMARK.items():
        for part, value in _PLACED_ELSEWHERE.items():
            if name.endswith(part):
                sigma[index] = value
    return sigma


_ANCESTRY: Final = _ancestry()
_PLACED_SIGMA: Final = _placed_sigma()
