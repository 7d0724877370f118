"""What detectors and annotators make of key points: noise, outliers, exchanged sides, hidden limbs, confidences."""

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.clips.rendered import COCO_KEYPOINTS
from reconstruction.observations import LANDMARK, LANDMARKS


def _indices(*names: str) -> list[int]:
    return [LANDMARK[name] for name in names]


def _side(side: str, *parts: str) -> list[int]:
    return _indices(*(f"{side}_{part}" for part in parts))


_FEET: Final = ("big_toe", "small_toe", "heel")
_FACE: Final = _indices("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_COCO: Final = list(range(len(COCO_KEYPOINTS)))
# Which landmarks a source has, and how often it is drawn.
_SOURCES: Final[tuple[tuple[float, list[int]], ...]] = (
    (0.25, list(range(len(LANDMARKS)))),
    (0.33, _COCO),
    (0.25, _COCO + _side("left", "big_toe", "heel") + _side("right", "big_toe", "heel")),  # MediaPipe
    (0.17, _COCO + _side("left", *_FEET) + _side("right", *_FEET) + _indices("neck", "pelvis")),  # OpenPose
)
# What is hidden or missed together.
_LIMBS: Final[tuple[list[int], ...]] = (
    _side("left", "elbow", "wrist"),
    _side("right", "elbow", "wrist"),
    _side("left", "shoulder", "elbow", "wrist"),
    _side("right", "shoulder", "elbow", "wrist"),
    _side("left", "knee", "ankle", *_FEET),
    _side("right", "knee", "ankle", *_FEET),
    [i for side in ("left", "right") for i in _side(side, "knee", "ankle", *_FEET)],
    [i for side in ("left", "right") for i in _side(side, "ankle", *_FEET)],
    [i for side in ("left", "right") for i in _side(side, "hip", "knee", "ankle", *_FEET)],
    [*_FACE, LANDMARK["head_top"]],
)
# What detectors exchange: legs, arms, everything.
_LEGS: Final = ("hip", "knee", "ankle", *_FEET)
_ARMS: Final = ("shoulder", "elbow", "wrist")
_EXCHANGED: Final[tuple[tuple[str, ...], ...]] = (_LEGS, _ARMS, (*_LEGS, *_ARMS), (*_LEGS, *_ARMS, "eye", "ear"))


class DetectorNoise(NamedTuple):
    """Noisy points and what the detector says of them; 0 where it says nothing."""

    flat: Float[Tensor, "batch window landmark 2"]
    confidence: Float[Tensor, "batch window landmark"]


def _tables() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sources, limbs = torch.zeros(len(_SOURCES), len(LANDMARKS)), torch.zeros(len(_LIMBS), len(LANDMARKS))
    for row, (_, members) in enumerate(_SOURCES):
        sources[row, members] = 1
    for row, members in enumerate(_LIMBS):
        limbs[row, members] = 1
    partners = torch.arange(len(LANDMARKS)).repeat(len(_EXCHANGED), 1)
    for row, parts in enumerate(_EXCHANGED):
        for left, right in zip(_side("left", *parts), _side("right", *parts), strict=True):
            partners[row, left], partners[row, right] = right, left
    # Hips are clicked and found less exactly than the rest, faces more.
    factor = torch.ones(len(LANDMARKS))
    factor[_FACE] = 0.7
    factor[_indices("left_hip", "right_hip", "pelvis", "head_top", "left_heel", "right_heel")] = 1.4
    return sources.bool(), limbs.bool(), partners, factor


_SOURCE_TABLE, _LIMB_TABLE, _PARTNERS, _FACTOR = _tables()


def detector_noise(
    flat: Float[Tensor, "batch window landmark 2"],
    behind: Float[Tensor, "batch window landmark"],
    visible: Bool[Tensor, "batch window landmark"],
    generator: torch.Generator,
) -> DetectorNoise:
    """Make exact points look like those of detectors and annotators.

    Each window draws its own manner: which landmarks the source has, how large the noise is (about 1.5 to 12 % of the
    person's size, half of it the same in all frames), outliers, exchanged sides, limbs that are missed, an edge of
    furniture, missing frames, and whether confidences tell anything.

    Args:
        flat: exact points on the picture plane.
        behind: how much farther from the camera than the person's middle each point is, metres: those on the far side
            are found less exactly.
        visible: whether a point is before the camera and within the picture.
    """
    batch, window, count = visible.shape

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    middle = (flat * visible[..., None]).sum((1, 2)) / visible.sum((1, 2)).clamp(min=1)[:, None]
    offset = flat - middle[:, None, None]
    squares = (offset.square().sum(-1) * visible).sum((1, 2)) / visible.sum((1, 2)).clamp(min=1)
    size = squares.sqrt().clamp(1e-3, 2.0)[:, None, None]

    sources = torch.tensor([share for share, _ in _SOURCES])
    there = _SOURCE_TABLE[torch.multinomial(sources, batch, replacement=True, generator=generator)][:, None]
    there = there & visible & ~_missed_limbs(batch, generator)[:, None]
    # Points, then whole frames; one window in ten has the middle frame alone.
    there = there & (rand(batch, window, count) > (0.3 * rand(batch) * (rand(batch) < 0.5))[:, None, None])
    gone = rand(batch, window) < (0.4 * rand(batch) * (rand(batch) < 0.3))[:, None]
    alone = (rand(batch) < 0.1)[:, None] & (torch.arange(window) != window // 2)
    there = there & ~(gone | alone)[..., None]
    hidden = _behind_furniture(offset, size, generator)
    there = there & ~(hidden & (rand(batch, 1, count) < 0.6))

    level = (0.035 * (0.6 * randn(batch)).exp()).clamp(0.004, 0.12)[:, None, None] * size
    sigma = level * _FACTOR * (1 + 1.5 * torch.sigmoid((behind - 0.12) / 0.05)) * torch.where(hidden, 4.0, 1.0)
    error = sigma[..., None] * (0.65 * randn(batch, 1, count, 2) + 0.75 * randn(batch, window, count, 2))
    outlier = rand(batch, window, count) < (0.08 * rand(batch) * (rand(batch) < 0.6))[:, None, None]
    error = torch.where(outlier[..., None], size[..., None] * (3 * rand(batch, window, count, 2) - 1.5), error)

    exchanged = _exchanged(batch, window, generator)
    seen = flat.gather(2, exchanged[..., None].expand_as(flat)) + error
    swapped = exchanged != torch.arange(count)
    wrong = error.norm(dim=-1) / size
    confidence = _confidences(wrong, hidden, swapped, generator)
    return DetectorNoise(seen, confidence * there)


def _missed_limbs(batch: int, generator: torch.Generator) -> Tensor:
    """Limbs that are nowhere in a window: one in one window of five, two in one of twenty."""
    first, second = (_LIMB_TABLE[torch.randint(len(_LIMBS), (batch,), generator=generator)] for _ in range(2))
    draw = torch.rand(batch, 1, generator=generator)
    return (first & (draw < 0.25)) | (second & (draw < 0.05))


def _behind_furniture(offset: Tensor, size: Tensor, generator: torch.Generator) -> Tensor:
    """What lies beyond a straight edge, in one window of five; mostly what is lower in the picture."""
    batch = len(offset)
    down = torch.randn(batch, generator=generator) * 0.5
    anywhere = torch.rand(batch, generator=generator) * 2 * torch.pi
    turn = torch.where(torch.rand(batch, generator=generator) < 0.3, anywhere, down)
    across = offset[..., 0] * turn.sin()[:, None, None] + offset[..., 1] * turn.cos()[:, None, None]
    edge = (1.6 * torch.rand(batch, generator=generator) - 0.4)[:, None, None]
    return (across / size > edge) & (torch.rand(batch, generator=generator) < 0.2)[:, None, None]


def _exchanged(batch: int, window: int, generator: torch.Generator) -> Tensor:
    """For each point the one that is found in its place: sides are exchanged in some frames of one window of eight."""
    which = _PARTNERS[torch.randint(len(_EXCHANGED), (batch,), generator=generator)]
    start = torch.randint(-window, window, (batch, 1), generator=generator)
    length = torch.randint(1, window, (batch, 1), generator=generator)
    frame = torch.arange(window)
    on = (frame >= start) & (frame < start + length) & (torch.rand(batch, 1, generator=generator) < 0.2)
    return torch.where(on[..., None], which[:, None], torch.arange(which.shape[1]))


def _confidences(wrong: Tensor, hidden: Tensor, swapped: Tensor, generator: torch.Generator) -> Tensor:
    """Annotators say 1; detectors mostly know where they are wrong; some say anything."""
    batch = len(wrong)
    best = 0.6 + 0.4 * torch.rand(batch, 1, 1, generator=generator)
    known = best * torch.exp(-0.5 * (wrong / 0.3).square()) * torch.where(hidden, 0.5, 1.0)
    known = known * torch.where(swapped, 0.7, 1.0) + 0.08 * torch.randn(wrong.shape, generator=generator)
    anything = 0.3 + 0.7 * torch.rand(wrong.shape, generator=generator)
    manner = torch.rand(batch, 1, 1, generator=generator)
    confidence = torch.where(manner < 0.4, 1.0, torch.where(manner < 0.9, known, anything))
    return confidence.clamp(0.05, 1.0)
