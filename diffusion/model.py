"""The model: process, denoiser and statistics together, with its training loss and its sampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carescene.errors import UserError
from diffusion.chain import Steer, sample_chain
from diffusion.denoiser import Denoiser, DenoiserConfig
from diffusion.guided import Conditions, OwnText, guided
from diffusion.loss_config import LossConfig
from diffusion.normaliser import Normaliser
from diffusion.objects import object_scale
from diffusion.process import DiffusionProcess, Divisor, ProcessConfig
from diffusion.representation import FEATURES
from diffusion.sampler import NoiseSource, SamplerConfig, timesteps
from diffusion.training_levels import draw_levels
from diffusion.world import BETAS, EVENT, MOTION, OBJECT_FEATURES, Given, Levels, Present, World, nothing_known
from diffusion.world_loss import frame_levels, velocity_losses, weighted_mean, world_losses


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
    """A diffusion model of people, events and rooms, conditioned on text.

    Works on normalised values inside; `sample_world` and `sample` return metres. The statistics of the normaliser are
    buffers, so they travel with the weights.
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

    def normalise(self, world: World) -> World:
        """A world in metres as the network sees it: numbers of size 1."""
        mean, std = self.feature_mean, self.feature_std
        return World(
            (world.motion - mean[MOTION]) / std[MOTION],
            (world.event - mean[EVENT]) / std[EVENT],
            world.shape,
            world.objects / object_scale().to(world.objects),
        )

    def denormalise(self, world: World) -> World:
        """The inverse of `normalise`."""
        mean, std = self.feature_mean, self.feature_std
        return World(
            world.motion * std[MOTION] + mean[MOTION],
            world.event * std[EVENT] + mean[EVENT],
            world.shape,
            world.objects * object_scale().to(world.objects),
        )

    # ------------------------------------------------------------------------------------------ training

    def loss(
        self,
        batch: dict[str, object],
        generator: torch.Generator | None = None,
        progress: float | int = 1.0,
        divisor: Divisor | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Training loss of a batch: `loss` to minimise and its parts for logging.

        Args:
            batch: `motion (B,P,T,217)` normalised, `frame_mask (B,P,T)`, `event_known (B,P,T)`, `text_tokens (B,L,E)`,
                `text_mask (B,L)`; optional `shape (B,P,10)` with `shape_known (B,P)`, `role (B,P)`, `objects (B,O,28)`
                in metres with `object_mask (B,O)`. Other entries are ignored.
            generator: source of levels, noise and dropout; torch's global one when left out.
            progress: how far training has come, 0..1 (see `draw_levels`).
            divisor: turns a count of frames (persons, things) into what the sum of their errors is divided by; the
                count itself when left out. Processes that share a batch divide by their mean count: then the mean of
                their gradients is the gradient of the whole batch, however unevenly its frames are spread.

        Returns:
            `loss`; weighted means of the groups and of `velocity`, `world_velocity`; and `x0_error`, the plain mean
            squared error of the estimate of the motion, comparable between predictions.
        """
        c, patch = self.config.loss, self.config.denoiser.patch
        x0, present, event_known, shape_known = self._world_of(batch)
        text_tokens, text_mask = _tensor(batch, "text_tokens"), _tensor(batch, "text_mask")
        size, persons, frames = present.frames.shape
        device = x0.motion.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, device=device, generator=generator)

        things = x0.objects.shape[1]
        levels = draw_levels(c, self.process.steps, (size, persons, frames // patch, things), uniform, progress)
        labelled = uniform(size, 1, 1) >= c.event_dropout
        event_known = event_known & labelled
        x0 = x0._replace(event=x0.event * labelled[..., None])
        # A shape that nobody knows is pure noise to the network, whatever level was drawn.
        levels = levels._replace(shape=torch.where(shape_known, levels.shape, self.process.steps))
        present = present._replace(objects=present.objects & (uniform(size, 1) >= c.scene_dropout))
        per_frame = frame_levels(levels, present.frames, patch)
        noise = World(*(torch.randn(v.shape, dtype=v.dtype, device=device, generator=generator) for v in x0))
        x_t = World(*map(self.process.q_sample, x0, per_frame, noise))
        keep = uniform(size, 1) >= c.text_dropout
        identity = self._draw_identity(size, persons, uniform)
        output = self.denoiser(x_t, levels, present, text_tokens, text_mask & keep, identity, batch.get("role"))
        output = World(*(value.float() for value in output))

        target = World(*map(self.process.target, x0, noise, per_frame))
        parts = world_losses(self.process, output, target, per_frame, present, event_known, shape_known, divisor)
        t = per_frame.motion
        error = self.process.to_x0(output.motion, x_t.motion, t) - x0.motion
        learn = (present.frames & (t > 0))[..., None].to(error.dtype)
        weight = (self.process.loss_weight(t) * self.process.error_factor(t)).to(error.dtype)
        parts |= velocity_losses(c, error, weight, learn, self.feature_std * self.config.fps, divisor)
        loss = sum((getattr(c, name) * value for name, value in parts.items()), torch.zeros_like(parts["trans"]))
        with torch.no_grad():
            parts["x0_error"] = weighted_mean(error**2, learn, learn).mean()
        return {"loss": loss, **{name: value.detach() for name, value in parts.items()}}

    def _world_of(self, batch: dict[str, object]) -> tuple[World, Present, Tensor, Tensor]:
        """Normalised values of a batch, what is present, and what is known of events and shapes."""
        motion, frame_mask, event_known = (_tensor(batch, name) for name in ("motion", "frame_mask", "event_known"))
        clips, people = motion.shape[:2]
        known = frame_mask & event_known
        persons = frame_mask.any(-1)
        if "shape" in batch:
            shape, shape_known = _tensor(batch, "shape"), _tensor(batch, "shape_known")
        else:
            shape, shape_known = motion.new_zeros(clips, people, BETAS), torch.zeros_like(persons)
        if "objects" in batch:
            objects, object_mask = _tensor(batch, "objects"), _tensor(batch, "object_mask")
            objects = objects / object_scale().to(objects)
        else:
            objects = motion.new_zeros(clips, 0, OBJECT_FEATURES)
            object_mask = torch.zeros(clips, 0, dtype=torch.bool, device=motion.device)
        # The label of a frame without label is neither shown nor asked for; 0 is the mean of the normalised channel.
        world = World(motion[..., MOTION], motion[..., EVENT] * known[..., None], shape, objects)
        return world, Present(frame_mask, persons, object_mask), event_known, shape_known

    def _draw_identity(self, batch: int, persons: int, uniform: Callable[..., Tensor]) -> Int[Tensor, "batch person"]:
        self._check_persons(persons)
        return torch.argsort(uniform(batch, self.config.denoiser.max_persons), dim=-1)[:, :persons]

    def _check_persons(self, persons: int) -> None:
        count = self.config.denoiser.max_persons
        if persons > count:
            raise UserError(
                f"Expected at most {count} persons in a clip, but got {persons}. "
                "Raise denoiser.max_persons and train again."
            )

    # ------------------------------------------------------------------------------------------ sampling

    @torch.no_grad()
    def sample_world(
        self,
        text_tokens: Float[Tensor, "batch text width"],
        text_mask: Bool[Tensor, "batch text"],
        frames: Sequence[int],
        seeds: Sequence[int],
        sampler: SamplerConfig | None = None,
        *,
        persons: Sequence[int] | None = None,
        roles: Int[Tensor, "batch person"] | None = None,
        frame_mask: Bool[Tensor, "batch person frame"] | None = None,
        known: World | None = None,
        given: Given | None = None,
        objects: int = 0,
        object_mask: Bool[Tensor, "batch object"] | None = None,
        own_text: OwnText | None = None,
        steer: Steer | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> World:
        """Sample people, their events and shapes, and the room, given any part of them.

        Clip i depends on text i, frames i, seed i and what is given for it alone (up to rounding).

        Args:
            text_tokens, text_mask: tokens of the frozen text encoder; all False asks for a clip without text.
            frames: length of each clip.
            seeds: one seed per clip.
            sampler: rule, steps and guidance; the defaults of `SamplerConfig` when left out.
            persons: people in each clip; one when left out.
            roles: index into `world.ROLES` for each person.
            frame_mask: frames in which each person is there, as when somebody comes later; whole clips when left out.
            known, given: values (metres, as returned) of tokens that are given, and which they are; a token of motion
                or events is `patch` frames. The axes must be those of the result, see below.
            objects: slots for things in the room; 0 leaves rooms out altogether.
            object_mask: slots that take part in each clip; all of them when left out. A clip without room has none.
            own_text: a text for each person, heard instead of that of all; costs one more pass per further person.
            steer: changes the estimate of x_0 in metres at every step, see `chain.Steer`.
            progress: called with (steps done, steps in all).

        Returns:
            values in metres; frames of the longest clip rounded up to whole patches, 0 where nobody is.

        Raises:
            UserError: for lengths below 1, lists of different length, or guidance that makes numbers explode.
        """
        people = list(persons) if persons is not None else [1] * len(frames)
        if len(frames) != len(text_tokens) or len(people) != len(frames) or (frames and min(frames) < 1):
            raise UserError(
                f"Expected one length of at least 1 frame per text, but got {len(text_tokens)} texts, lengths "
                f"{list(frames)[:8]} and persons {people[:8]}. Give every clip its frames."
            )
        self._check_persons(max(people))
        config = sampler or SamplerConfig()
        patch, device = self.config.denoiser.patch, self.feature_mean.device
        size, count = len(frames), max(people)
        tokens = -(-max(frames) // patch)
        exists = torch.arange(tokens * patch, device=device) < torch.tensor(frames, device=device)[:, None]
        counted = torch.arange(count, device=device) < torch.tensor(people, device=device)[:, None]
        there = exists[:, None, :] & counted[:, :, None]
        if frame_mask is not None:
            there = there & frame_mask.to(device)
        if object_mask is None:
            object_mask = torch.ones(size, objects, dtype=torch.bool, device=device)
        present = Present(there, counted, object_mask.to(device))
        if known is None or given is None:
            values, fixed = nothing_known(size, count, tokens * patch, objects, patch=patch, device=device)
        else:
            values = self.normalise(World(*(value.to(device) for value in known)))
            fixed = Given(*(mask.to(device) for mask in given))
        predict = guided(
            self.denoiser,
            self.process,
            Conditions(
                text_tokens.to(device),
                text_mask.to(device),
                present,
                None if roles is None else roles.to(device),
                fixed,
                None if own_text is None else OwnText(*(part.to(device) for part in own_text)),
            ),
            config,
        )
        if steer is not None:
            predict = self._steered(predict, steer, config)
        noise = NoiseSource(seeds, frames, people)
        sample = self.denormalise(sample_chain(self.process, predict, config, noise, values, fixed, progress))
        mask = there[..., None]
        return sample._replace(motion=sample.motion * mask, event=sample.event * mask)

    def _steered(
        self, predict: Callable[[World, Levels], World], steer: Steer, config: SamplerConfig
    ) -> Callable[[World, Levels], World]:
        visited = timesteps(self.process.steps, config.steps, config.spacing)
        share = {level: (done + 1) / config.steps for done, level in enumerate(visited)}

        def steered(x: World, levels: Levels) -> World:
            now = max(int(level.max()) for level in levels if level.numel())
            return self.normalise(steer(self.denormalise(predict(x, levels)), share[now]))

        return steered

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
        shape: Float[Tensor, "10"] | None = None,
        known: Float[Tensor, "batch person frame feature"] | None = None,
        known_tokens: Bool[Tensor, "batch person token"] | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Float[Tensor, "batch person frame feature"]:
        """`sample_world` without rooms: motion and events as features, both known or both unknown in a patch.

        Args:
            shape: betas of every person; the reference body when left out.
        """
        size, patch = len(frames), self.config.denoiser.patch
        tokens = -(-max(frames, default=1) // patch)
        device = self.feature_mean.device
        values, fixed = nothing_known(size, persons, tokens * patch, 0, patch=patch, device=device)
        if shape is not None:
            values = values._replace(shape=shape.to(device).expand(size, persons, BETAS))
        fixed = fixed._replace(shape=torch.ones_like(fixed.shape))
        if known is not None and known_tokens is not None:
            values = values._replace(motion=known[..., MOTION], event=known[..., EVENT])
            fixed = fixed._replace(motion=known_tokens, event=known_tokens)
        world = self.sample_world(
            text_tokens, text_mask, frames, seeds, sampler,
            persons=[persons] * size, known=values, given=fixed, progress=progress,
        )  # fmt: skip
        return torch.cat((world.motion, world.event), dim=-1)


def _tensor(batch: dict[str, object], name: str) -> Tensor:
    value = batch.get(name)
    if not isinstance(value, Tensor):
        raise UserError(
            f"Expected a tensor {name!r} in the batch, but got {type(value).__name__}. Check the data module."
        )
    return value
