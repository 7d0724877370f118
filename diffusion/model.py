"""The motion model: process, denoiser and normaliser together, with its training loss and its sampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.errors import UserError
from diffusion.denoiser import Denoiser, DenoiserConfig
from diffusion.normaliser import Normaliser
from diffusion.process import DiffusionProcess, ProcessConfig, expand_levels
from diffusion.representation import FEATURES, GROUPS, MODEL_JOINTS
from diffusion.sampler import NoiseSource, SamplerConfig, guide, sample_chain


@dataclass(frozen=True)
class LossConfig:
    """What the training loss is made of. All terms are quadratic in the estimate of x_0, hence unbiased: their minimum
    is the true conditional mean, whatever the weights.

    Attributes:
        trans: weight of the mean squared error of the path. The groups have weights of their own, because the 3 numbers
            of the path would otherwise count 1 % beside the 198 of rotations and joints.
        root: weight of the mean squared error of the pelvis' orientation.
        body: weight of the mean squared error of the joint rotations.
        joints: weight of the mean squared error of the joint positions.
        event: weight of the mean squared error of the event channel.
        velocity: weight of the error of differences between frames, against the same group weights. Jitter is an
            error of high frequency; this punishes it up to 1 + 4 x velocity times as much as a slow drift.
        world_velocity: weight of the error of the 22 joints' velocities in the world (m/s), a linear function of
            path and joint features. It ties the two together where feet stand still.
        text_dropout: share of clips trained without their text, for classifier-free guidance (Ho & Salimans 2022).
        shared_level: share of clips in which all tokens have one noise level, as in plain sampling.
        known_tokens: share of clips in which some tokens are known (level 0) and all others share one level, as when
            parts of a motion are given. In the rest every token draws its own level.
    """

    trans: float = 0.2
    root: float = 0.15
    body: float = 0.35
    joints: float = 0.25
    event: float = 0.05
    velocity: float = 5.0
    world_velocity: float = 0.2
    text_dropout: float = 0.1
    shared_level: float = 0.8
    known_tokens: float = 0.1

    def __post_init__(self) -> None:
        for name in ("trans", "root", "body", "joints", "event", "velocity", "world_velocity"):
            if not getattr(self, name) >= 0:
                raise UserError(f"Expected loss.{name} to be 0 or more, but got {getattr(self, name)}. Correct it.")
        for name in ("text_dropout", "shared_level", "known_tokens"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"Expected loss.{name} within 0..1, but got {getattr(self, name)}. It is a share.")
        if self.shared_level + self.known_tokens > 1 + 1e-9:
            raise UserError(
                f"Expected loss.shared_level + loss.known_tokens of at most 1, but got "
                f"{self.shared_level + self.known_tokens}. They are shares of the same clips."
            )


@dataclass(frozen=True)
class ModelConfig:
    """The whole model: chain, network, loss, and the frame rate of the motion it was trained on."""

    process: ProcessConfig = field(default_factory=ProcessConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    fps: float = 20.0

    def __post_init__(self) -> None:
        if self.denoiser.smooth and self.process.prediction != "x0":
            raise UserError(
                f"Expected denoiser.smooth=0 with {self.process.prediction}-prediction, but got "
                f"{self.denoiser.smooth}. Such outputs contain white noise, which a filter would take away."
            )


class MotionModel(nn.Module):
    """A text-conditioned diffusion model of human motion.

    Works on normalised features inside; `sample` returns features in metres (see `representation`). The statistics
    of the normaliser are buffers, so they travel with the weights.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: ModelConfig | None = None, normaliser: Normaliser | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        if self.config.denoiser.features != FEATURES:
            raise UserError(
                f"Expected denoiser.features={FEATURES}, the width of the motion representation, but got "
                f"{self.config.denoiser.features}. Leave it out of the configuration."
            )
        self.process = DiffusionProcess(self.config.process)
        self.denoiser = Denoiser(self.config.denoiser)
        normaliser = normaliser or Normaliser(torch.zeros(FEATURES), torch.ones(FEATURES))
        self.register_buffer("feature_mean", normaliser.mean.clone())
        self.register_buffer("feature_std", normaliser.std.clone())

    @property
    def normaliser(self) -> Normaliser:
        """Mean and spread of the training data."""
        return Normaliser(self.feature_mean, self.feature_std)

    def loss(self, batch: dict[str, object], generator: torch.Generator | None = None) -> dict[str, Float[Tensor, ""]]:
        """Training loss of a batch: `loss` to minimise and its parts for logging.

        Args:
            batch: `motion (B,P,T,217)` normalised, `frame_mask (B,P,T)`, `event_known (B,P,T)`,
                `text_tokens (B,L,E)`, `text_mask (B,L)`; other entries are ignored.
            generator: source of levels, noise and text dropout; torch's global one when left out.

        Returns:
            `loss`; weighted means `trans`, `root`, `body`, `joints`, `event`, `velocity`, `world_velocity`; and
            `x0_error`, the plain mean squared error of the estimate of x_0, comparable between predictions.
        """
        motion, frame_mask, event_known, text_tokens, text_mask = (
            _tensor(batch, name) for name in ("motion", "frame_mask", "event_known", "text_tokens", "text_mask")
        )
        c = self.config.loss
        known = frame_mask & event_known
        events = GROUPS["event"]
        # The label of a frame without label is neither shown nor asked for; 0 is the mean of the normalised channel.
        x0 = torch.cat((motion[..., : events.start], motion[..., events] * known[..., None]), dim=-1)

        levels = self.draw_levels(*motion.shape[:3], device=motion.device, generator=generator)
        t = self._frame_levels(levels, frame_mask)
        noise = torch.randn(x0.shape, dtype=x0.dtype, device=x0.device, generator=generator)
        x_t = self.process.q_sample(x0, t, noise)
        keep = _uniform((len(x0), 1), x0.device, generator) >= c.text_dropout
        identity = self._draw_identity(*motion.shape[:2], device=motion.device, generator=generator)
        output = self.denoiser(x_t, levels, frame_mask, text_tokens, text_mask & keep, identity).float()

        target = self.process.target(x0, noise, t)
        learn = (frame_mask & (t > 0))[..., None].to(x0.dtype)
        # One pass over all features; their groups are told apart in the vector of results.
        per_feature = torch.cat(
            (
                self.process.simple_loss(output[..., : events.start], target[..., : events.start], t, learn),
                self.process.simple_loss(output[..., events], target[..., events], t, learn * known[..., None]),
            )
        )
        parts = {name: per_feature[part].mean() for name, part in GROUPS.items()}
        error = self.process.to_x0(output, x_t, t) - x0
        weight = (self.process.loss_weight(t) * self.process.error_factor(t)).to(x0.dtype)
        parts |= self._velocity_losses(error[..., : events.start], weight, learn)
        loss = sum((getattr(c, name) * value for name, value in parts.items()), torch.zeros_like(parts["trans"]))
        with torch.no_grad():
            parts["x0_error"] = _weighted_mean(error[..., : events.start] ** 2, learn, learn).mean()
        return {"loss": loss, **{name: value.detach() for name, value in parts.items()}}

    def _velocity_losses(
        self,
        error: Float[Tensor, "batch person frame 201"],
        weight: Float[Tensor, "batch person frame 1"],
        learn: Float[Tensor, "batch person frame 1"],
    ) -> dict[str, Float[Tensor, ""]]:
        """Squared errors of differences between neighbouring frames, of the features and of the joints in the world.

        The difference of two errors is the error of the difference, so only the error of x_0 is needed.
        """
        c = self.config.loss
        both = learn[..., 1:, :] * learn[..., :-1, :]
        # Neighbours may have different levels; the noisier one limits what can be known of their difference.
        both = both * torch.minimum(weight[..., 1:, :], weight[..., :-1, :])
        step = error[..., 1:, :] - error[..., :-1, :]
        per_feature = _weighted_mean(step**2, both, learn)
        velocity = sum(
            (getattr(c, name) * per_feature[part].mean() for name, part in GROUPS.items() if name != "event"),
            torch.zeros_like(per_feature[0]),
        )
        metres_per_second = self.feature_std * self.config.fps
        joints, trans = GROUPS["joints"], GROUPS["trans"]
        relative = (step[..., joints] * metres_per_second[joints]).unflatten(-1, (MODEL_JOINTS, 3))
        # Heights of joints are absolute already, so only x and y of the pelvis are added.
        shift = torch.nn.functional.pad((step[..., trans] * metres_per_second[trans])[..., :2], (0, 1))
        world = (relative + shift[..., None, :]).flatten(-2) ** 2
        return {"velocity": velocity, "world_velocity": 3 * _weighted_mean(world, both, learn).mean()}

    @torch.no_grad()
    def sample(
        self,
        text_tokens: Float[Tensor, "batch text width"],
        text_mask: Bool[Tensor, "batch text"],
        frames: Sequence[int],
        seeds: Sequence[int],
        sampler: SamplerConfig | None = None,
        *,
        persons: int = 1,
        known: Float[Tensor, "batch person frame feature"] | None = None,
        known_tokens: Bool[Tensor, "batch person token"] | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Float[Tensor, "batch person frame feature"]:
        """Sample motion for texts. Clip i depends on text i, frames i and seed i alone (up to rounding).

        Args:
            text_tokens, text_mask: tokens of the frozen text encoder; all False asks for motion without text.
            frames: length of each clip.
            seeds: one seed per clip.
            sampler: rule, steps and guidance; the defaults of `SamplerConfig` when left out.
            known, known_tokens: features (as returned by this function) of tokens that are given, and which they are;
                a token is `patch` frames. The frame axis must be that of the result, see below.
            progress: called with (steps done, steps in all).

        Returns:
            features (see `representation`) with the longest clip's frames rounded up to whole patches; 0 past the end
            of a clip.

        Raises:
            UserError: for lengths below 1 or lists of different length.
        """
        if len(frames) != len(text_tokens) or (frames and min(frames) < 1):
            raise UserError(
                f"Expected one length of at least 1 frame per text, but got {len(text_tokens)} texts and lengths "
                f"{list(frames)[:8]}. Give every clip its frames."
            )
        config = sampler or SamplerConfig()
        patch, device = self.config.denoiser.patch, self.feature_mean.device
        tokens = -(-max(frames) // patch)
        shape = (len(frames), persons, tokens * patch)
        exists = torch.arange(shape[2], device=device) < torch.tensor(frames, device=device)[:, None]
        frame_mask = exists[:, None, :].expand(shape)
        if known is None or known_tokens is None:
            values = torch.zeros(*shape, FEATURES, device=device)
            given = torch.zeros(*shape[:2], tokens, dtype=torch.bool, device=device)
        else:
            values, given = self.normaliser.normalise(known.to(device)), known_tokens.to(device)
        predict = self._guided(text_tokens.to(device), text_mask.to(device), frame_mask, config)
        noise = NoiseSource(seeds, frames)
        sample = sample_chain(self.process, predict, config, noise, values, given, progress)
        return self.normaliser.denormalise(sample) * frame_mask[..., None]

    def _guided(
        self, text_tokens: Tensor, text_mask: Tensor, frame_mask: Tensor, config: SamplerConfig
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The estimate of x_0 under guidance; both passes in one batch, the text encoded once for all steps."""
        if config.guidance in (0, 1):
            context = self.denoiser.encode_text(text_tokens, text_mask & (config.guidance == 1))

            def plain(x: Tensor, levels: Tensor) -> Tensor:
                t = self._frame_levels(levels, frame_mask)
                return self.process.to_x0(self.denoiser.denoise(x, levels, frame_mask, context).to(x.dtype), x, t)

            return plain

        both = self.denoiser.encode_text(
            text_tokens.repeat(2, 1, 1), torch.cat((text_mask, torch.zeros_like(text_mask)))
        )
        twice_mask = frame_mask.repeat(2, 1, 1)

        def guided(x: Tensor, levels: Tensor) -> Tensor:
            output = self.denoiser.denoise(x.repeat(2, 1, 1, 1), levels.repeat(2, 1, 1), twice_mask, both).to(x.dtype)
            t = self._frame_levels(levels, frame_mask)
            conditional, unconditional = (self.process.to_x0(part, x, t) for part in output.chunk(2))
            return guide(conditional, unconditional, config.guidance, config.guidance_rescale)

        return guided

    def _frame_levels(
        self, levels: Int[Tensor, "batch #person #token"], frame_mask: Bool[Tensor, "batch person frame"]
    ) -> Int[Tensor, "batch person frame"]:
        batch, persons, frames = frame_mask.shape
        patch = self.config.denoiser.patch
        return expand_levels(levels.expand(batch, persons, frames // patch), patch)

    def draw_levels(
        self, batch: int, persons: int, frames: int, device: torch.device, generator: torch.Generator | None = None
    ) -> Int[Tensor, "batch #person #token"]:
        """Random noise levels of a training batch, see `LossConfig.shared_level` and `known_tokens`.

        What kind of levels is drawn for the batch as a whole: levels shared inside each clip come as `(batch, 1, 1)`,
        for which the network computes one modulation per clip instead of one per token.

        The shared levels of a batch are spread evenly over 1 .. T with a random offset (Kingma et al. 2021, VDM):
        the same distribution for each clip, less variance for the batch.
        """
        c, steps = self.config.loss, self.process.steps
        tokens = frames // self.config.denoiser.patch
        offset = _uniform((1,), device, generator) + torch.arange(batch, device=device) / batch
        order = torch.argsort(_uniform((batch,), device, generator))
        shared = ((offset % 1)[order] * steps).long().clamp(max=steps - 1)[:, None, None] + 1
        kind = _uniform((1,), device, generator).item()
        if kind < c.shared_level:
            return shared
        own = (_uniform((batch, persons, tokens), device, generator) * steps).long().clamp(max=steps - 1) + 1
        # How much is known differs from clip to clip: from almost nothing to almost everything.
        share = _uniform((batch, 1, 1), device, generator)
        known = _uniform((batch, persons, tokens), device, generator) < share
        return torch.where(known, 0, shared) if kind < c.shared_level + c.known_tokens else own

    def _draw_identity(
        self, batch: int, persons: int, device: torch.device, generator: torch.Generator | None
    ) -> Int[Tensor, "batch person"]:
        count = self.config.denoiser.max_persons
        if persons > count:
            raise UserError(
                f"Expected at most {count} persons in a clip, but got {persons}. "
                "Raise denoiser.max_persons and train again."
            )
        return torch.argsort(_uniform((batch, count), device, generator), dim=-1)[:, :persons]


def _tensor(batch: dict[str, object], name: str) -> Tensor:
    value = batch.get(name)
    if not isinstance(value, Tensor):
        raise UserError(
            f"Expected a tensor {name!r} in the batch, but got {type(value).__name__}. Check the data module."
        )
    return value


def _uniform(shape: tuple[int, ...], device: torch.device, generator: torch.Generator | None) -> Tensor:
    return torch.rand(shape, device=device, generator=generator)


def _weighted_mean(
    value: Float[Tensor, "*batch feature"], weight: Float[Tensor, "*batch2 1"], count: Float[Tensor, "*batch3 1"]
) -> Float[Tensor, " feature"]:
    """Sum of weighted vectors over the number of vectors that count."""
    return (value * weight).flatten(0, -2).sum(0) / count.sum().clamp(min=1)
