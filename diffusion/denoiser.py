"""The denoiser: a diffusion transformer over the tokens of a world, with noise levels per token and with text."""

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.errors import UserError
from diffusion.layers import Block, KeyValue, modulate, rotary_angles, sinusoidal
from diffusion.representation import EVENT_CLASSES
from diffusion.world import BETAS, OBJECT_FEATURES, ROLES, Levels, Present, World

_SINUSOIDS = 128  # channels of the sinusoidal features of noise level and length, before their MLP


@dataclass(frozen=True)
class DenoiserConfig:
    """Size of the network.

    The defaults (5.9 M parameters) are what two CPU cores can train within hours and sample within half a second.

    Attributes:
        features: numbers per person and frame (201 of motion + 16 of the event channel).
        patch: frames per token. 4 frames are 0.2 s; fewer tokens are faster, and 4 frames of motion are nearly linear.
        text_dim: width of the text tokens (384: MiniLM; 512 and 768: CLIP).
        dim: channels per token.
        depth: number of blocks.
        heads: attention heads; `dim / heads` must be even for the rotary embedding.
        hidden: channels inside the feed-forward network.
        text_every: every n-th block reads the text, the first one included.
        max_persons: persons that can be told apart in one clip.
        smooth: order of the binomial filter over frames at the output (0: none, 2: weights 1 2 1, 4: 1 4 6 4 1, ...).
            The network then emits control points of a spline, so that the seams between tokens and the jitter of a
            half-trained network are smooth from the start; 6 keeps half of the amplitude at 3 Hz, and the network can
            make up for what is lost there. Only for x0-prediction: eps and v are white by nature.
    """

    features: int = 217
    patch: int = 4
    text_dim: int = 384
    dim: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 512
    text_every: int = 2
    max_persons: int = 8
    smooth: int = 6

    def __post_init__(self) -> None:
        if self.smooth < 0 or self.smooth % 2:
            raise UserError(f"Expected denoiser.smooth to be an even number or 0, but got {self.smooth}. 2 is usual.")
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name != "smooth" and value < 1:
                raise UserError(
                    f"Expected denoiser.{name} to be at least 1, but got {value}. Correct the configuration."
                )
        if self.dim % self.heads or (self.dim // self.heads) % 2:
            raise UserError(
                f"Expected denoiser.dim to be heads times an even number, but got dim={self.dim}, heads={self.heads}. "
                "Rotary embedding turns pairs of channels; choose e.g. dim=256, heads=4."
            )


class TextContext(NamedTuple):
    """What the network needs of a text, computed once per clip: pooled vector, keys and values per reading block."""

    pooled: Float[Tensor, "batch dim"]
    keys_values: tuple[KeyValue, ...]
    visible: Bool[Tensor, "batch 1 1 text"]


class Denoiser(nn.Module):
    """DiT over all tokens of a clip (Peebles & Xie 2023): patches of people's motion, their shapes, the room's things.

    - Every token has a noise level, so that known tokens (level 0) and noisy ones live in one sequence. The level of a
      patch's motion modulates its layers; the levels of its events, and those of shapes and things, are added to the
      token instead. One modulation then serves the whole clip wherever its motion shares a level, which is most of
      training and all of plain sampling, and tokens of other kinds cost no modulation of their own.
    - Time is rotary and shared by all persons. A person wears an identity, any of `max_persons` learned vectors:
      training draws them at random, so that no person is "the first"; and a role. Things have neither time nor order.
    - Text comes by cross-attention in every `text_every`-th block and by its pooled vector in the modulation. A learned
      null token stands at the front of every text; a text that is masked altogether is the unconditional case.
    """

    def __init__(self, config: DenoiserConfig | None = None) -> None:
        super().__init__()
        self.config = config or DenoiserConfig()
        c = self.config
        # One more input per frame says whether the frame exists: the last patch of a clip may be partly padding.
        self.embed = nn.Linear(c.patch * (c.features + 1), c.dim)
        self.person = nn.Parameter(torch.randn(c.max_persons, c.dim) * 0.02)
        self.role = nn.Parameter(torch.zeros(len(ROLES), c.dim))
        self.shape = nn.Linear(BETAS, c.dim)
        self.thing = nn.Linear(OBJECT_FEATURES, c.dim)
        self.level = nn.Sequential(nn.Linear(_SINUSOIDS, c.dim), nn.SiLU(), nn.Linear(c.dim, c.dim))
        # At zero, a model without these inputs goes on as it was.
        self.event_level = nn.Linear(_SINUSOIDS, c.dim, bias=False)
        self.thing_level = nn.Linear(_SINUSOIDS, c.dim, bias=False)
        self.length = nn.Linear(_SINUSOIDS, c.dim, bias=False)
        self.text_norm = nn.LayerNorm(c.text_dim)
        self.text_in = nn.Linear(c.text_dim, c.dim)
        self.text_null = nn.Parameter(torch.randn(c.dim) * 0.02)
        self.text_pooled = nn.Linear(c.dim, c.dim, bias=False)
        self.modulation = nn.Linear(c.dim, (Block.CHUNKS + 2) * c.dim)
        self.blocks = nn.ModuleList(
            Block(c.dim, c.heads, c.hidden, reads_text=index % c.text_every == 0) for index in range(c.depth)
        )
        self.out = nn.Linear(c.dim, c.patch * c.features)
        self.shape_out = nn.Linear(c.dim, BETAS)
        self.thing_out = nn.Linear(c.dim, OBJECT_FEATURES)
        # AdaLN-zero: no modulation and no output at first, so that early gradients are those of a shallow network.
        for layer in (self.modulation, self.out, self.shape_out, self.thing_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        for layer in (self.event_level, self.thing_level):
            nn.init.zeros_(layer.weight)

    def _blocks(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    def encode_text(self, tokens: Float[Tensor, "batch text width"], mask: Bool[Tensor, "batch text"]) -> TextContext:
        """Project text tokens once; a row whose mask is all False is the unconditional case.

        Masked tokens have no influence on the result, whatever they contain.
        """
        tokens = torch.where(mask[..., None], tokens, 0.0)
        null = self.text_null.expand(len(tokens), 1, -1)
        sequence = torch.cat((null, self.text_in(self.text_norm(tokens)).to(null.dtype)), dim=1)
        visible = F.pad(mask, (1, 0), value=True)
        pooled = (sequence * visible[..., None]).sum(1) / visible.sum(1, keepdim=True)
        keys_values = tuple(block.text.keys_values(sequence) for block in self._blocks() if block.text is not None)
        return TextContext(self.text_pooled(pooled), keys_values, visible[:, None, None, :])

    def forward(
        self,
        world: World,
        levels: Levels,
        present: Present,
        text_tokens: Float[Tensor, "batch text width"],
        text_mask: Bool[Tensor, "batch text"],
        identity: Int[Tensor, "batch person"] | None = None,
        role: Int[Tensor, "batch person"] | None = None,
    ) -> World:
        """Raw network output for a noisy world; the process says whether that is eps, x0 or v.

        Args:
            world: noisy, normalised values; frames a multiple of `patch`. What is not present may hold anything finite.
            levels: noise level of each token, 0 (known) to 1000; `levels.motion` as `(batch, 1, 1)` where the motion
                of a clip shares one, which is faster.
            present: which frames, persons and things exist.
            text_tokens, text_mask: text, see `encode_text`.
            identity: which learned identity each person wears; 0, 1, ... when left out.
            role: index into `ROLES` for each person; unknown when left out.

        Returns:
            one value per input value; 0 in frames that do not exist, anything in other padding.
        """
        return self.denoise(world, levels, present, self.encode_text(text_tokens, text_mask), identity, role)

    def denoise(
        self,
        world: World,
        levels: Levels,
        present: Present,
        text: TextContext,
        identity: Int[Tensor, "batch person"] | None = None,
        role: Int[Tensor, "batch person"] | None = None,
    ) -> World:
        """`forward` for a text that is already encoded: samplers call this at every step."""
        c = self.config
        batch, persons, frames, _ = world.motion.shape
        per_person, things = frames // c.patch, world.objects.shape[1]
        patches = persons * per_person
        tokens = self._embed(world, levels, present, identity, role)

        exists = present.frames.reshape(batch, patches, c.patch).any(-1)
        visible = torch.cat((exists, present.persons, present.objects), dim=1)[:, None, None, :]
        # Shapes and things are outside of time; they all sit at its beginning.
        timeless = torch.zeros(persons + things, dtype=torch.long, device=tokens.device)
        position = torch.cat((torch.arange(per_person, device=tokens.device).repeat(persons), timeless))
        rotary = rotary_angles(position, c.dim // c.heads, tokens.dtype)

        # The count of frames of the longest person is the clip's length, however much padding follows.
        length = self.length(sinusoidal(present.frames.sum(-1).amax(-1), _SINUSOIDS, 1000.0).to(tokens.dtype))
        level = levels.motion
        if level[0].numel() > 1:
            level = level.expand(batch, persons, per_person).flatten(1)
            # Things are as certain as the least certain motion of their clip; so a shared level stays one level.
            highest = (level * exists).amax(1, keepdim=True).expand(batch, persons + things)
            level = torch.cat((level, highest), dim=1)
        condition = self.level(sinusoidal(level.flatten(1), _SINUSOIDS, 1000.0).to(tokens.dtype))
        modulation = self.modulation(F.silu(condition + (length + text.pooled)[:, None, :]))
        shared, shift, scale = modulation.split((Block.CHUNKS * c.dim, c.dim, c.dim), dim=-1)

        keys_values = iter(text.keys_values)
        for block in self._blocks():
            read = next(keys_values) if block.text is not None else None
            tokens = block(tokens, shared, rotary, visible, read, text.visible)
        moving, shapes, objects = modulate(tokens, shift, 1 + scale).split((patches, persons, things), dim=1)
        output = self.out(moving).reshape(batch, persons, frames, c.features)
        if c.smooth:
            output = smoothing_matrix(present.frames, c.smooth).to(output.dtype) @ output
        else:
            output = torch.where(present.frames[..., None], output, 0.0)
        motion, event = output.split((c.features - EVENT_CLASSES, EVENT_CLASSES), dim=-1)
        return World(motion, event, self.shape_out(shapes), self.thing_out(objects))

    def _embed(
        self, world: World, levels: Levels, present: Present, identity: Tensor | None, role: Tensor | None
    ) -> Float[Tensor, "batch token dim"]:
        """Tokens of all patches, person by person, then of all shapes, then of all things."""
        c = self.config
        batch, persons, frames, _ = world.motion.shape
        # Out-of-place masking: padding must not reach the projection even as infinity times zero.
        exists = present.frames[..., None]
        values = torch.where(exists, torch.cat((world.motion, world.event), dim=-1), 0.0)
        patches = torch.cat((values, exists.to(values.dtype)), dim=-1).reshape(
            batch, persons, frames // c.patch, c.patch * (c.features + 1)
        )
        if identity is None:
            identity = torch.arange(persons, device=values.device).expand(batch, persons)
        # Also where no role is known: a layer that takes no part in a batch would stop distributed training.
        who = self.person[identity] + self.role[torch.zeros_like(identity) if role is None else role]

        def noise(layer: nn.Module, level: Tensor) -> Tensor:
            return layer(sinusoidal(level, _SINUSOIDS, 1000.0).to(values.dtype))

        moving = self.embed(patches) + who[:, :, None, :] + noise(self.event_level, levels.event)
        shape = torch.where(present.persons[..., None], world.shape, 0.0)
        shapes = self.shape(shape) + who + noise(self.thing_level, levels.shape)
        thing = torch.where(present.objects[..., None], world.objects, 0.0)
        things = self.thing(thing) + noise(self.thing_level, levels.objects)
        return torch.cat((moving.flatten(1, 2), shapes, things), dim=1)


def smoothing_matrix(
    frame_mask: Bool[Tensor, "batch person frame"], order: int
) -> Float[Tensor, "batch person frame frame"]:
    """Binomial filter of even order over existing frames as a matrix: rows of existing frames sum to 1, others are 0.

    At the ends of a clip the weights of missing frames go to those that exist.
    """
    binomial = torch.tensor(
        [math.comb(order, k) for k in range(order + 1)], dtype=torch.float32, device=frame_mask.device
    )
    time = torch.arange(frame_mask.shape[-1], device=frame_mask.device)
    offset = time[None, :] - time[:, None] + order // 2
    band = torch.where((offset >= 0) & (offset <= order), binomial[offset.clamp(0, order)], 0.0)
    exists = frame_mask.float()
    weights = exists[..., :, None] * band * exists[..., None, :]
    return weights / weights.sum(-1, keepdim=True).clamp(min=1)
