"""The network of MDM (Tevet et al. 2023, "Human Motion Diffusion Model"): a plain transformer encoder over frames.

One token per frame of 263 numbers and one in front that holds noise level and text. Written from the paper; names and
arithmetic are such that the published weights give the published outputs, see `diffusion.mdm_files`.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.errors import UserError

# Rows of the table of positions, which also embeds noise levels; part of the published layout.
POSITIONS: Final = 5000


@dataclass(frozen=True)
class MdmConfig:
    """Size of the network; the defaults are those of the published text-to-motion encoder (17.9 M parameters).

    Attributes:
        features: numbers per frame (263: HumanML3D).
        text_dim: width of the text's vector (512: CLIP ViT-B/32, 384: MiniLM).
        dim: channels per token.
        depth: number of layers.
        heads: attention heads.
        hidden: channels inside the feed-forward network.
        dropout: share of channels left out in training.
        mask_padding: let no frame look at padding. The first published weights were trained without, and must be used
            without, in windows of 196 frames; training should be done with it.
    """

    features: int = 263
    text_dim: int = 512
    dim: int = 512
    depth: int = 8
    heads: int = 4
    hidden: int = 1024
    dropout: float = 0.1
    mask_padding: bool = False

    def __post_init__(self) -> None:
        for name in ("features", "text_dim", "dim", "depth", "heads", "hidden"):
            if getattr(self, name) < 1:
                raise UserError(f"Expected network.{name} to be at least 1, but got {getattr(self, name)}. Correct it.")
        if self.dim % (2 * self.heads):
            raise UserError(
                f"Expected network.dim to be an even number for each of the heads, but got dim={self.dim} and "
                f"heads={self.heads}. The published network has 512 and 4."
            )
        if not 0 <= self.dropout < 1:
            raise UserError(f"Expected network.dropout from 0 to below 1, but got {self.dropout}. 0.1 is usual.")


class MdmNetwork(nn.Module):
    """Estimate of x_0 from noisy frames, their noise level and a text."""

    positions: Tensor

    def __init__(self, config: MdmConfig | None = None) -> None:
        super().__init__()
        self.config = config or MdmConfig()
        c = self.config
        self.embed = nn.Linear(c.features, c.dim)
        self.level = nn.Sequential(nn.Linear(c.dim, c.dim), nn.SiLU(), nn.Linear(c.dim, c.dim))
        self.text = nn.Linear(c.text_dim, c.dim)
        layer = nn.TransformerEncoderLayer(c.dim, c.heads, c.hidden, c.dropout, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, c.depth, enable_nested_tensor=False)
        self.dropout = nn.Dropout(c.dropout)
        self.out = nn.Linear(c.dim, c.features)
        self.register_buffer("positions", position_table(POSITIONS, c.dim), persistent=False)

    def forward(
        self,
        x: Float[Tensor, "batch frame feature"],
        level: Int[Tensor, " batch"],
        text: Float[Tensor, "batch channel"],
        frame_mask: Bool[Tensor, "batch frame"] | None = None,
    ) -> Float[Tensor, "batch frame feature"]:
        """Estimate of x_0.

        Args:
            x: noisy frames, normalised.
            level: noise level of each clip, 1 to T; the published code counts the same levels from 0.
            text: one vector per text; zeros mean no text.
            frame_mask: which frames exist; has an effect with `mask_padding` only.

        Returns:
            normalised frames; anything in padding.

        Raises:
            UserError: for more frames than there are positions.
        """
        if x.shape[1] >= POSITIONS:
            raise UserError(f"Expected at most {POSITIONS - 1} frames, but got {x.shape[1]}. Make shorter clips.")
        condition = self.level(self.positions[level - 1]) + self.text(text)
        tokens = torch.cat((condition[:, None], self.embed(x)), dim=1)
        tokens = self.dropout(tokens + self.positions[: tokens.shape[1]])
        padding = None
        if self.config.mask_padding and frame_mask is not None:
            padding = nn.functional.pad(~frame_mask, (1, 0), value=False)
        return self.out(self.encoder(tokens, src_key_padding_mask=padding)[:, 1:])


def position_table(count: int, dim: int) -> Float[Tensor, "count dim"]:
    """Sines in even and cosines in odd channels, wavelengths from 2 pi to 20,000 pi (Vaswani et al. 2017, 3.5)."""
    rates = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(10000.0) / dim))
    angles = torch.arange(count).float()[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
