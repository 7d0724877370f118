"""Real motions that generated ones are held against: prepared folders of ours, or HumanML3D as published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from carescene.clips import Clip, load_clip
from carescene.clips.dropped import OnBad
from carescene.clips.formats.humanml3d import clip_to_vectors, decode_vectors, read_humanml3d
from carescene.clips.formats.humanml3d.layout import SWAP_UP
from carescene.errors import UserError
from carescene.evaluation.joint_physics import BODY_FEET, HUMANML3D_FEET, FootHeights
from carescene.evaluation.t2m import T2MEvaluator
from carescene.evaluation.text_motion import PeopleMotion, TextMotionEvaluator
from lightning_app.evaluation.described import people_motion
from lightning_app.evaluation.prepared import split_ids

# Lengths are whole units of four frames and, in one draw of three, a unit less, as in the published loader.
_UNIT = 4
# A second, which is the shortest clip that the generator makes, and the unit that a draw may cut off.
_SHORTEST = 20 + _UNIT


class Drawn(NamedTuple):
    """One use of a real clip: a caption of it, its tagged tokens where it has some, and a crop of its motion."""

    id: str
    caption: str
    tokens: tuple[str, ...]
    motion: Any

    @property
    def frames(self) -> int:
        """Length of the motion."""
        return self.motion.there.shape[1] if isinstance(self.motion, PeopleMotion) else len(self.motion)


@runtime_checkable
class RealSet(Protocol):
    """Real clips of one split, drawn anew for every replication."""

    name: str
    feet: FootHeights
    # What was left out, in words.
    left_out: str

    def draw(self, seed: int, pass_number: int) -> list[Drawn]:
        """Every clip once, with one of its captions and a crop; other numbers draw others."""
        ...

    def frames_to_make(self, drawn: Drawn) -> int:
        """Frames that a generated clip needs to become a motion as long as this one."""
        ...

    def of_clip(self, clip: Clip) -> Any:
        """A generated clip as a motion of this set, by the same path."""
        ...


class PreparedSet:
    """One-person clips of a split of prepared folders; motions are joints on the reference body.

    Raises:
        UserError: no such folder or split, damaged clips, or none with one person and a caption.
    """

    feet = BODY_FEET

    def __init__(self, folders: Sequence[Path], split: str, num: int | None = None, seed: int = 0) -> None:
        self.name = f"{', '.join(folder.name for folder in folders)} ({split})"
        paths = [folder / "clips" / name for folder in folders for name in split_ids(folder, split)]
        clips = [load_clip(path) for path in tqdm(paths, desc=f"read {split}", unit="clip", dynamic_ncols=True)]
        kept = [clip for clip in clips if clip.num_persons == 1 and clip.text and clip.valid.sum() >= _SHORTEST]
        if not kept:
            raise UserError(f"Expected clips of one person with captions in {self.name}, but got none of {len(clips)}.")
        self.left_out = f"{len(clips) - len(kept)} of {len(clips)} clips: several people, no caption, or under 1.2 s"
        chosen = _chosen(len(kept), num, seed)
        self._rows = [(kept[at].id, tuple(kept[at].text), people_motion(kept[at])) for at in chosen]

    def draw(self, seed: int, pass_number: int) -> list[Drawn]:
        """See `RealSet`."""
        drawn = []
        for index, (name, captions, motion) in enumerate(self._rows):
            pick, coin, place = np.random.default_rng([seed, pass_number, index]).random(3)
            frames = motion.there.shape[1]
            length = (frames // _UNIT - (coin < 1 / 3)) * _UNIT
            start = int(place * (frames - length + 1))
            part = PeopleMotion(motion.joints[:, start : start + length], motion.there[:, start : start + length])
            drawn.append(Drawn(name, captions[int(pick * len(captions))], (), part))
        return drawn

    def frames_to_make(self, drawn: Drawn) -> int:
        """See `RealSet`."""
        return drawn.frames

    def of_clip(self, clip: Clip) -> PeopleMotion:
        """See `RealSet`."""
        return people_motion(clip)


class HumanML3DSet:
    """A split of an official HumanML3D folder; motions are raw vectors, real and generated alike.

    Raises:
        UserError: what `read_humanml3d` refuses.
    """

    feet = HUMANML3D_FEET

    def __init__(
        self, folder: Path, split: str, on_bad: OnBad = "refuse", num: int | None = None, seed: int = 0
    ) -> None:
        self._data = read_humanml3d(folder, split, on_bad=on_bad, progress=True)
        self.name = f"HumanML3D in {folder.name} ({split})"
        self.left_out = self._data.report.summary()
        self._chosen = _chosen(len(self._data), num, seed)

    def draw(self, seed: int, pass_number: int) -> list[Drawn]:
        """See `RealSet`."""
        samples = list(self._data.samples(seed, pass_number))
        return [Drawn(s.id, s.caption, s.tokens, s.features) for s in (samples[at] for at in self._chosen)]

    def frames_to_make(self, drawn: Drawn) -> int:
        """See `RealSet`."""
        # N frames of joints make N - 1 vectors.
        return drawn.frames + 1

    def of_clip(self, clip: Clip) -> Float[np.ndarray, "frame 263"]:
        """See `RealSet`."""
        return clip_to_vectors(clip).vectors


class Judge:
    """An evaluator that takes the motions of any real set.

    Attributes:
        name, batch: of the evaluator.
    """

    def __init__(self, evaluator: TextMotionEvaluator | T2MEvaluator) -> None:
        self._evaluator = evaluator
        self.name, self.batch = evaluator.name, evaluator.batch

    def embed_motions(self, motions: Sequence[Any]) -> Float[Tensor, "motion embedding"]:
        """Embeddings of motions.

        Raises:
            UserError: joints for an evaluator of HumanML3D's vectors, or what the evaluator refuses.
        """
        if isinstance(self._evaluator, TextMotionEvaluator):
            return self._evaluator.embed_motions([people_of(motion) for motion in motions])
        if any(isinstance(motion, PeopleMotion) for motion in motions):
            raise UserError(
                f"Expected motions in HumanML3D's numbers for the {self.name}, but got joints. Export the folder with "
                "`lightning export --format humanml3d`, and compare --against humanml3d."
            )
        return self._evaluator.embed_motions([torch.from_numpy(np.asarray(motion)) for motion in motions])

    def embed_texts(self, drawn: Sequence[Drawn]) -> Float[Tensor, "caption embedding"]:
        """Embeddings of the captions of drawn clips."""
        if isinstance(self._evaluator, TextMotionEvaluator):
            return self._evaluator.embed_texts([row.caption for row in drawn])
        return self._evaluator.embed_texts([row.tokens for row in drawn])


def people_of(motion: Any) -> PeopleMotion:
    """A motion of any real set as joints in our z-up world."""
    if isinstance(motion, PeopleMotion):
        return motion
    joints = decode_vectors(torch.from_numpy(np.asarray(motion))) @ torch.from_numpy(SWAP_UP).float().T
    return PeopleMotion(joints[None].float(), torch.ones(1, len(joints), dtype=torch.bool))


def _chosen(count: int, num: int | None, seed: int) -> list[int]:
    if num is None or num >= count:
        return list(range(count))
    return sorted(np.random.default_rng([seed, count]).choice(count, num, replace=False).tolist())
