"""The text-motion evaluator of HumanML3D (Guo et al. 2022), built so that its published checkpoint loads strictly.

Motions of 263 features go in raw, as they are in `new_joint_vecs` or as they come out of a generator *after* its own
normalisation has been undone: the evaluator normalises them with its own mean and deviation and drops the contacts.
There is no way to hand it normalised motion, or the length of a caption, so neither can be wrong.
"""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from carescene.clips.formats.humanml3d import WIDTH, Statistics, name_statistics, without_contacts
from carescene.clips.formats.humanml3d.layout import CONTACTS, ROTATIONS
from carescene.errors import UserError
from carescene.evaluation.t2m_words import POS_CLASSES, WORD_WIDTH, WordVectors, frame_tokens

# What the movement encoder sees: all but the four contacts.
INPUTS: Final = CONTACTS.start
# 20 frames per second; the loader keeps motions under 200 frames and cuts them to whole units.
MAX_FRAMES: Final = 196
UNIT: Final = 4
# Generated rotations are unit vectors up to some percent; normalised ones are off by 0.4 and more (25 real clips).
_UNIT_TOLERANCE: Final = 0.3


class MovementEncoder(nn.Module):
    """Two strided convolutions: `(motion, frame, 259)` to `(motion, frame / 4, 512)`."""

    def __init__(self, inputs: int = INPUTS, hidden: int = 512, outputs: int = 512) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(inputs, hidden, kernel_size=4, stride=2, padding=1),
            nn.Dropout(0.2),
            nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, outputs, kernel_size=4, stride=2, padding=1),
            nn.Dropout(0.2),
            nn.LeakyReLU(0.2),
        )
        self.out_net = nn.Linear(outputs, outputs)

    def forward(self, motion: Float[Tensor, "motion frame feature"]) -> Float[Tensor, "motion unit width"]:
        """Features of every four frames."""
        return self.out_net(self.main(motion.transpose(1, 2)).transpose(1, 2))


class _BiGRU(nn.Module):
    """A bidirectional GRU with a learned first state, whose two last states become one embedding."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(inputs, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs)
        )
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))

    def _summed_up(self, x: Tensor, lengths: Int[Tensor, "row"]) -> Tensor:
        # Sorted inside and put back by torch: rows of texts and motions cannot get out of step.
        packed = pack_padded_sequence(self.input_emb(x), lengths.cpu(), batch_first=True, enforce_sorted=False)
        first = self.hidden.expand(-1, len(x), -1).contiguous()
        last = self.gru(packed, first)[1]
        return self.output_net(torch.cat((last[0], last[1]), dim=-1))


class MotionEncoder(_BiGRU):
    """Embeds movements, `(motion, unit, 512)` of given lengths, as `(motion, 512)`."""

    def __init__(self, inputs: int = 512, hidden: int = 1024, outputs: int = 512) -> None:
        super().__init__(inputs, hidden, outputs)

    def forward(
        self, movements: Float[Tensor, "motion unit width"], lengths: Int[Tensor, "motion"]
    ) -> Float[Tensor, "motion embedding"]:
        """Embeddings; what lies behind a motion's length does not count."""
        return self._summed_up(movements, lengths)


class TextEncoder(_BiGRU):
    """Embeds word vectors with parts of speech as `(caption, 512)`."""

    def __init__(
        self, words: int = WORD_WIDTH, parts: int = POS_CLASSES, hidden: int = 512, outputs: int = 512
    ) -> None:
        super().__init__(words, hidden, outputs)
        self.pos_emb = nn.Linear(parts, words)

    def forward(
        self,
        words: Float[Tensor, "caption token width"],
        parts: Float[Tensor, "caption token part"],
        lengths: Int[Tensor, "caption"],
    ) -> Float[Tensor, "caption embedding"]:
        """Embeddings; padding behind a caption's length does not count."""
        return self._summed_up(words + self.pos_emb(parts), lengths)


class T2MEvaluator:
    """The three networks with their own statistics and word vectors: raw motions and tagged captions in.

    Args:
        movement, motion, text: the networks; put into evaluation mode.
        statistics: the evaluator's own (`t2m_mean.npy`, `t2m_std.npy`), not those that generators are trained with.
        words: GloVe vectors of its vocabulary.

    Raises:
        UserError: statistics of another data set, or of generators.

    Attributes:
        name: stands beside every number that comes from this evaluator.
        batch: captions among which R-precision looks for the right one.
    """

    name = "T2M evaluator of HumanML3D (E263)"
    batch = 32

    def __init__(
        self,
        movement: MovementEncoder,
        motion: MotionEncoder,
        text: TextEncoder,
        statistics: Statistics,
        words: WordVectors,
    ) -> None:
        check_statistics(statistics)
        self._movement, self._motion, self._text = movement.eval(), motion.eval(), text.eval()
        self._mean, self._std = (torch.from_numpy(row).double() for row in (statistics.mean, statistics.std))
        self._words = words

    @torch.no_grad()
    def embed_motions(
        self, motions: Sequence[Float[Tensor, "_ feature"]], batch_size: int = 64
    ) -> Float[Tensor, "motion embedding"]:
        """Embeddings of raw 263-feature motions at 20 frames per second, cut to whole units of 4 frames.

        Raises:
            UserError: another width, under 4 or over 196 frames, values that are not finite, or motion that has been
                normalised already.
        """
        check_raw(motions)
        parts = []
        for start in range(0, len(motions), batch_size):
            rows = motions[start : start + batch_size]
            units = torch.tensor([len(motion) // UNIT for motion in rows])
            # Padded to the full length, as the evaluator was trained: its convolutions look one unit ahead.
            padded = torch.zeros(len(rows), MAX_FRAMES, INPUTS)
            for row, motion, unit in zip(padded, rows, units.tolist(), strict=True):
                normal = (motion[: unit * UNIT].double() - self._mean) / self._std
                row[: unit * UNIT] = without_contacts(normal).float()
            parts.append(self._motion(self._movement(padded), units))
        return torch.cat(parts) if parts else torch.zeros(0, 512)

    @torch.no_grad()
    def embed_texts(
        self, captions: Sequence[Sequence[str]], batch_size: int = 256
    ) -> Float[Tensor, "caption embedding"]:
        """Embeddings of captions given as `word/PART` tokens without padding, as the text files hold them.

        Lengths are counted here, before anything is padded.

        Raises:
            UserError: tokens without a part of speech, or that were framed or padded before.
        """
        parts = []
        for start in range(0, len(captions), batch_size):
            rows = [frame_tokens(tokens) for tokens in captions[start : start + batch_size]]
            words, tags, lengths = self._words.batch(rows)
            parts.append(self._text(words, tags, lengths))
        return torch.cat(parts) if parts else torch.zeros(0, 512)


def check_raw(motions: Sequence[Float[Tensor, "_ feature"]]) -> None:
    """Refuse motions that are not raw HumanML3D features.

    Rotations are pairs of unit vectors in raw features and are not once they have been normalised, whatever by.

    Raises:
        UserError: see `T2MEvaluator.embed_motions`.
    """
    for motion in motions:
        if motion.shape[1] != WIDTH or not UNIT <= len(motion) < MAX_FRAMES + UNIT:
            raise UserError(
                f"Expected motions of {UNIT} to {MAX_FRAMES + UNIT - 1} frames with {WIDTH} features, but got "
                f"{tuple(motion.shape)}. Convert to HumanML3D features at 20 frames per second, and cut longer ones."
            )
        if not bool(motion.isfinite().all()):
            raise UserError("Expected finite motions, but got NaN or infinity. A motion file is damaged; find it.")
    if not motions:
        return
    lengths = torch.cat([motion[:, ROTATIONS].unflatten(-1, (-1, 3)).norm(dim=-1).flatten() for motion in motions])
    off = float((lengths - 1).abs().mean())
    if off > _UNIT_TOLERANCE:
        raise UserError(
            f"Expected raw HumanML3D features, whose 6D rotations are unit vectors, but got vectors that are off by "
            f"{off:.2f} on average. They have probably been normalised: undo the generator's normalisation with its "
            "own Mean.npy and Std.npy; the evaluator applies its own."
        )


def check_statistics(statistics: Statistics) -> None:
    """Refuse a mean and deviation that are not the evaluator's own, by their values.

    The published deviation is the training one with root and contacts divided by 25; the authors kept that old slip.

    Raises:
        UserError: HumanML3D's training statistics, or those of another data set.
    """
    named = name_statistics(statistics.std)
    if named == "evaluator":
        return
    found = _FOUND.get(named, "those of another data set")
    raise UserError(
        f"Expected the T2M evaluator's own t2m_std.npy, but got {found}. Every number would be wrong: put t2m_mean.npy "
        "and t2m_std.npy (from text-to-motion's Comp_v6_KLD01/meta) in place."
    )


_FOUND: Final = {
    "humanml3d": "HumanML3D's Std.npy, which is for training generators",
    "vq": "the Std of a VQ model, which is for training generators",
}
