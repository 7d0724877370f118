"""InterCLIP, the evaluator of InterHuman (Liang et al. 2024, "InterGen"), so that its published checkpoint loads
strictly.

Two people's motions go in raw, 262 numbers each, as InterHuman's loader makes them: this evaluator has no mean and
deviation, and motion that was normalised is refused. Its text transformer reads CLIP's tokens by CLIP's own embedding
and looks at padding as well, as it was trained to.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.errors import UserError

# Per person: 22 positions, 22 velocities, 21 rotations (6D), 4 contacts; the contacts are not looked at.
WIDTH: Final = 262
CONTACTS: Final = 4
MAX_FRAMES: Final = 300
_ROTATIONS: Final = slice(132, 258)
# As for HumanML3D: generated 6D rotations are unit vectors up to some percent, normalised ones are not.
_UNIT_TOLERANCE: Final = 0.3


@dataclass(frozen=True)
class InterClipConfig:
    """Sizes; the defaults are the published ones (150 million parameters)."""

    width: int = 1024
    hidden: int = 2048
    layers: int = 8
    heads: int = 8
    text_width: int = 768
    vocabulary: int = 49_408
    context: int = 77
    embedding: int = 512


class _Positions(nn.Module):
    """Sines and cosines of the frame's number, kept as a buffer because the checkpoint holds them."""

    pe: Tensor

    def __init__(self, width: int, length: int = 2000) -> None:
        super().__init__()
        angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
        self.register_buffer("pe", torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[: x.shape[1]]


def _transformer(width: int, config: InterClipConfig) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(width, config.heads, config.hidden, 0.1, activation="gelu", batch_first=True)
    return nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)


class PairEncoder(nn.Module):
    """Embeds the motions of two people: a query token and a transformer over frames."""

    def __init__(self, config: InterClipConfig) -> None:
        super().__init__()
        self.query_token = nn.Parameter(torch.randn(1, config.width))
        self.embed_motion = nn.Linear(2 * (WIDTH - CONTACTS), config.width)
        self.sequence_pos_encoder = _Positions(config.width)
        self.transformer = _transformer(config.width, config)
        self.out_ln = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, config.embedding)

    def forward(
        self, motion: Float[Tensor, "pair frame 516"], mask: Bool[Tensor, "pair frame"]
    ) -> Float[Tensor, "pair embedding"]:
        """Embeddings, not yet of unit length."""
        query = self.query_token.expand(len(motion), 1, -1)
        x = self.sequence_pos_encoder(torch.cat((query, self.embed_motion(motion)), dim=1))
        seen = torch.cat((mask.new_ones(len(mask), 1), mask), dim=1)
        x = self.transformer(x, src_key_padding_mask=~seen)
        return self.out(self.out_ln(x[:, 0]))


class InterClip(nn.Module):
    """Both encoders with the names of the published checkpoint."""

    def __init__(self, config: InterClipConfig | None = None) -> None:
        super().__init__()
        config = config or InterClipConfig()
        self.latent_scale = nn.Parameter(torch.ones(1))
        self.motion_encoder = PairEncoder(config)
        self.token_embedding = nn.Embedding(config.vocabulary, config.text_width)
        self.positional_embedding = nn.Parameter(torch.zeros(config.context, config.text_width))
        self.textTransEncoder = _transformer(config.text_width, config)
        self.text_ln = nn.LayerNorm(config.text_width)
        self.out = nn.Linear(config.text_width, config.embedding)

    def embed_motion(
        self, motion: Float[Tensor, "pair frame 516"], mask: Bool[Tensor, "pair frame"]
    ) -> Float[Tensor, "pair embedding"]:
        """Embeddings of the length of the latent scale."""
        return nn.functional.normalize(self.motion_encoder(motion, mask), dim=-1) * self.latent_scale

    def embed_text(self, tokens: Int[Tensor, "caption token"]) -> Float[Tensor, "caption embedding"]:
        """Embeddings of CLIP tokens, padded with zeros to 77; the end-of-text token has the highest number."""
        x = self.text_ln(self.textTransEncoder(self.token_embedding(tokens) + self.positional_embedding))
        last = x[torch.arange(len(x)), tokens.argmax(dim=-1)]
        return nn.functional.normalize(self.out(last), dim=-1) * self.latent_scale


class InterClipEvaluator:
    """InterCLIP over raw two-person motions and captions.

    Args:
        model: the networks; put into evaluation mode.
        tokenise: CLIP's tokeniser, captions -> `(caption, 77)`; the installed `clip` package when None.

    Attributes:
        name: stands beside every number that comes from this evaluator.
        batch: captions among which R-precision looks for the right one: 96, as InterHuman's protocol has it.
    """

    name = "InterCLIP"
    batch = 96

    def __init__(
        self, model: InterClip, tokenise: Callable[[list[str]], Int[Tensor, "caption token"]] | None = None
    ) -> None:
        self.model, self._tokenise = model.eval(), tokenise or clip_tokens

    @torch.no_grad()
    def embed_motions(
        self, motions: Sequence[Float[Tensor, "2 _ 262"]], batch_size: int = 32
    ) -> Float[Tensor, "pair embedding"]:
        """Embeddings of raw motions `(2, frame, 262)` at 30 frames per second, at most 300 frames.

        Raises:
            UserError: other shapes, values that are not finite, or motion that has been normalised.
        """
        _check_raw(motions)
        parts = []
        for start in range(0, len(motions), batch_size):
            rows = motions[start : start + batch_size]
            lengths = torch.tensor([row.shape[1] for row in rows])
            padded = torch.zeros(len(rows), int(lengths.max()), 2 * (WIDTH - CONTACTS))
            for into, row in zip(padded, rows, strict=True):
                into[: row.shape[1]] = row[..., :-CONTACTS].float().transpose(0, 1).flatten(1)
            parts.append(self.model.embed_motion(padded, torch.arange(padded.shape[1]) < lengths[:, None]))
        return torch.cat(parts) if parts else torch.zeros(0, 512)

    @torch.no_grad()
    def embed_texts(self, captions: Sequence[str], batch_size: int = 128) -> Float[Tensor, "caption embedding"]:
        """Embeddings of captions; CLIP's tokeniser cuts what is longer than 77 tokens."""
        parts = [
            self.model.embed_text(self._tokenise(list(captions[start : start + batch_size])))
            for start in range(0, len(captions), batch_size)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, 512)


def clip_tokens(captions: list[str]) -> Int[Tensor, "caption token"]:
    """CLIP's tokens of captions, cut and padded to 77."""
    import clip

    return clip.tokenize(captions, truncate=True).long()


def _check_raw(motions: Sequence[Float[Tensor, "2 _ 262"]]) -> None:
    for motion in motions:
        if (
            motion.ndim != 3
            or motion.shape[0] != 2
            or motion.shape[2] != WIDTH
            or not 0 < motion.shape[1] <= MAX_FRAMES
        ):
            raise UserError(
                f"Expected motions of two people, 1 to {MAX_FRAMES} frames and {WIDTH} numbers each, but got "
                f"{tuple(motion.shape)}. Convert to InterHuman's numbers at 30 frames per second, and cut longer ones."
            )
        if not bool(motion.isfinite().all()):
            raise UserError("Expected finite motions, but got NaN or infinity. A motion file is damaged; find it.")
    if not motions:
        return
    lengths = torch.cat([motion[..., _ROTATIONS].unflatten(-1, (-1, 3)).norm(dim=-1).flatten() for motion in motions])
    off = float((lengths - 1).abs().mean())
    if off > _UNIT_TOLERANCE:
        raise UserError(
            f"Expected raw InterHuman numbers, whose 6D rotations are unit vectors, but got vectors that are off by "
            f"{off:.2f} on average. Undo the generator's normalisation (global_mean, global_std); InterCLIP uses none."
        )
