"""Building blocks of the denoiser: rotary attention with QK norm, cross-attention to text, SwiGLU, the modulated block.

Written for few, wide tensor operations: on a CPU the time of a small transformer goes into the number of operations
as much as into their size. Hence fused projections, `addcmul`, and `scaled_dot_product_attention`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

# A key and value per text token, made once per clip and reused at every sampling step.
KeyValue = tuple[Float[Tensor, "batch head text channel"], Float[Tensor, "batch head text channel"]]
# Cosine and sine of the rotary angles of each token.
Rotary = tuple[Float[Tensor, "token 1 half"], Float[Tensor, "token 1 half"]]

# Slowest rotary wave in tokens: a few times the longest clip (50 tokens), so that no two positions look alike.
ROTARY_BASE = 256.0


def rotary_angles(position: Int[Tensor, " token"], channels: int, dtype: torch.dtype) -> Rotary:
    """Cosine and sine for rotary embedding of integer positions (Su et al. 2021), `channels` per head."""
    half = channels // 2
    frequency = ROTARY_BASE ** (-torch.arange(half, device=position.device, dtype=torch.float32) / half)
    angle = position[:, None, None].float() * frequency
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x: Float[Tensor, "batch token head channel"], rotary: Rotary) -> Float[Tensor, "batch token head channel"]:
    """Turn each pair of channels (i, i + half) by its token's angle, so that dot products see time differences only."""
    cos, sin = (table.to(x.dtype) for table in rotary)  # under autocast x is bfloat16 and should stay so
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def sinusoidal(value: Shaped[Tensor, "*batch"], channels: int, period: float) -> Float[Tensor, "*batch {channels}"]:
    """Cosines and sines of a number at geometrically spaced wave lengths from 2 pi to 2 pi `period`."""
    half = channels // 2
    frequency = period ** (-torch.arange(half, device=value.device, dtype=torch.float32) / half)
    angle = value[..., None].float() * frequency
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


def attend(
    q: Float[Tensor, "batch head query channel"],
    k: Float[Tensor, "batch head key channel"],
    v: Float[Tensor, "batch head key channel"],
    visible: Bool[Tensor, "batch 1 1 key"],
) -> Float[Tensor, "batch head query channel"]:
    """Softmax attention over the visible keys.

    The fused kernel everywhere but in training on a CPU: for some dozen tokens its backward pass is 2 to 10 times
    slower there than the plain formula (torch 2.15, bfloat16, 25 tokens: 86 against 16 ms for a batch of 64).
    """
    if q.device.type == "cpu" and torch.is_grad_enabled():
        logits = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
        return torch.softmax(logits.masked_fill(~visible, float("-inf")), dim=-1).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible)


class SelfAttention(nn.Module):
    """Multi-head attention among tokens with rotary time and normalised queries and keys.

    The norm on queries and keys (Dehghani et al. 2023, ViT-22B) bounds the logits, so that high learning rates and
    bf16 stay stable.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.norm_q = nn.LayerNorm(dim // heads, bias=False)
        self.norm_k = nn.LayerNorm(dim // heads, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(
        self, x: Float[Tensor, "batch token dim"], rotary: Rotary, visible: Bool[Tensor, "batch 1 1 token"]
    ) -> Float[Tensor, "batch token dim"]:
        """Attend to all visible tokens of the same clip."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
        q = rotate(self.norm_q(q), rotary).transpose(1, 2)
        k = rotate(self.norm_k(k), rotary).transpose(1, 2)
        # Under autocast the norm may give float32 while v is bfloat16; attention wants one type.
        y = attend(q.to(v.dtype), k.to(v.dtype), v.transpose(1, 2), visible)
        return self.out(y.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention from motion tokens to text tokens; keys and values are separate so that a sampler can keep them."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.norm_q = nn.LayerNorm(dim // heads, bias=False)
        self.norm_k = nn.LayerNorm(dim // heads, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.out.weight)  # like AdaLN-zero: every block starts as the identity

    def keys_values(self, text: Float[Tensor, "batch text dim"]) -> KeyValue:
        """Normalised keys, and values, of the text tokens."""
        k, v = self.kv(text).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return self.norm_k(k).to(v.dtype).transpose(1, 2), v.transpose(1, 2)

    def forward(
        self,
        x: Float[Tensor, "batch token dim"],
        keys_values: KeyValue,
        visible: Bool[Tensor, "batch 1 1 text"],
    ) -> Float[Tensor, "batch token dim"]:
        """Read the text; residual not included."""
        k, v = keys_values
        q = self.norm_q(self.q(self.norm(x)).unflatten(-1, (self.heads, -1))).to(v.dtype).transpose(1, 2)
        y = attend(q, k, v, visible)
        return self.out(y.transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """Gated feed-forward network (Shazeer 2020), both input projections in one matrix."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.into = nn.Linear(dim, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Out(silu(a) * b) with a, b two projections of x."""
        gate, value = self.into(x).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)


class Block(nn.Module):
    """A DiT block (Peebles & Xie 2023): modulated attention, text, modulated feed-forward.

    The modulation comes from one network shared by all blocks; a block only adds its own learned offset (PixArt-alpha,
    Chen et al. 2023). That saves 6 dim^2 parameters per block. The offsets start with scale 1 and gate 0 (AdaLN-zero).
    """

    CHUNKS = 6  # shift, scale, gate of attention; shift, scale, gate of the feed-forward

    def __init__(self, dim: int, heads: int, hidden: int, reads_text: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, heads)
        self.text = CrossAttention(dim, heads) if reads_text else None
        self.feed_forward = SwiGLU(dim, hidden)
        offset = torch.zeros(self.CHUNKS, dim)
        offset[[1, 4]] = 1.0
        self.offset = nn.Parameter(offset.flatten())

    def forward(
        self,
        x: Float[Tensor, "batch token dim"],
        modulation: Float[Tensor, "batch #token six_dim"],
        rotary: Rotary,
        visible: Bool[Tensor, "batch 1 1 token"],
        text: KeyValue | None,
        text_visible: Bool[Tensor, "batch 1 1 text"],
    ) -> Float[Tensor, "batch token dim"]:
        """One round of mixing; `modulation` is the shared part, one vector per token or one for all."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (modulation + self.offset).chunk(self.CHUNKS, dim=-1)
        x = torch.addcmul(x, gate_a, self.attention(modulate(x, shift_a, scale_a), rotary, visible))
        if self.text is not None and text is not None:
            x = x + self.text(x, text, text_visible)
        return torch.addcmul(x, gate_f, self.feed_forward(modulate(x, shift_f, scale_f)))


def modulate(
    x: Float[Tensor, "batch token dim"],
    shift: Float[Tensor, "batch #token dim"],
    scale: Float[Tensor, "batch #token dim"],
) -> Float[Tensor, "batch token dim"]:
    """Layer norm without parameters, then a scale and shift that depend on the token's condition."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]).to(shift.dtype), scale)
