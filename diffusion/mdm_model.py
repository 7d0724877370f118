"""MDM as a whole: chain, network and statistics of HumanML3D's 263 numbers, its training loss and its sampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from carescene.errors import UserError
from diffusion.chain import sample_chain
from diffusion.mdm import MdmConfig, MdmNetwork
from diffusion.normaliser import Normaliser
from diffusion.process import DiffusionProcess, ProcessConfig
from diffusion.sampler import NoiseSource, SamplerConfig, guide
from diffusion.world import Given, Levels, World

# Every level counts the same in MDM's loss, and the whole chain is run when sampling.
MDM_PROCESS: Final = ProcessConfig(schedule="cosine", steps=1000, prediction="x0", weighting="plain")
MDM_SAMPLER: Final = SamplerConfig(name="ddpm", steps=1000, guidance=2.5)
# Longest clip of HumanML3D, and the window in which networks without a padding mask were trained.
WINDOW: Final = 196


@dataclass(frozen=True)
class MdmModelConfig:
    """The whole model.

    Attributes:
        process: the chain; published weights come with 1000 or 50 steps of the cosine schedule.
        network: size of the network.
        text_dropout: share of training clips whose text is left out, so that guidance has something to compare with.
        fps: frames per second of the motion.
    """

    process: ProcessConfig = MDM_PROCESS
    network: MdmConfig = field(default_factory=MdmConfig)
    text_dropout: float = 0.1
    fps: float = 20.0

    def __post_init__(self) -> None:
        if self.process.prediction != "x0":
            raise UserError(
                f"Expected process.prediction=x0, but got {self.process.prediction}. MDM predicts the clean motion."
            )
        if not 0 <= self.text_dropout <= 1:
            raise UserError(f"Expected text_dropout from 0 to 1, but got {self.text_dropout}. 0.1 is usual.")


class MdmModel(nn.Module):
    """MDM with the statistics of its features, which are buffers so that they travel with the weights.

    Args:
        config: chain and network.
        normaliser: mean and standard deviation of the 263 numbers (`Mean.npy`, `Std.npy` of the data set).
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: MdmModelConfig | None = None, normaliser: Normaliser | None = None) -> None:
        super().__init__()
        self.config = config or MdmModelConfig()
        self.process = DiffusionProcess(self.config.process)
        self.network = MdmNetwork(self.config.network)
        features = self.config.network.features
        normaliser = normaliser or Normaliser(torch.zeros(features), torch.ones(features))
        if normaliser.mean.shape != (features,):
            raise UserError(
                f"Expected statistics of {features} features, but got {len(normaliser.mean)}. They are of other data."
            )
        self.register_buffer("feature_mean", normaliser.mean.clone().float())
        self.register_buffer("feature_std", normaliser.std.clone().float())

    @property
    def normaliser(self) -> Normaliser:
        """Mean and standard deviation of the training data."""
        return Normaliser(self.feature_mean, self.feature_std)

    def loss(self, batch: dict[str, object], generator: torch.Generator | None = None) -> dict[str, Float[Tensor, ""]]:
        """Training loss of a batch: the mean square error of x_0 over the frames of each clip, then over clips.

        A clip counts the same however long it is, as in the published code.

        Args:
            batch: `motion (B,T,263)` normalised, `frame_mask (B,T)`, `text_tokens (B,L,E)`, `text_mask (B,L)`; other
                entries are ignored.
            generator: source of levels, noise and dropped texts; torch's global one when left out.

        Returns:
            `loss`, and `x0_error`, the same number without gradient.
        """
        motion, mask = _tensor(batch, "motion"), _tensor(batch, "frame_mask")
        text = sentence(_tensor(batch, "text_tokens"), _tensor(batch, "text_mask"))
        count, device = len(motion), motion.device
        level = torch.randint(1, self.process.steps + 1, (count,), device=device, generator=generator)
        noise = torch.randn(motion.shape, dtype=motion.dtype, device=device, generator=generator)
        keep = torch.rand(count, 1, device=device, generator=generator) >= self.config.text_dropout
        x_t = self.process.q_sample(motion, level[:, None].expand(mask.shape), noise)
        output = self.network(x_t, level, text * keep, mask).float()
        exists = mask[..., None].to(output.dtype)
        per_clip = ((output - motion) ** 2 * exists).sum((1, 2)) / (exists.sum((1, 2)) * motion.shape[-1]).clamp(min=1)
        loss = per_clip.mean()
        return {"loss": loss, "x0_error": loss.detach()}

    @torch.no_grad()
    def sample(
        self,
        text_tokens: Float[Tensor, "batch text width"],
        text_mask: Bool[Tensor, "batch text"],
        frames: Sequence[int],
        seeds: Sequence[int],
        sampler: SamplerConfig | None = None,
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> Float[Tensor, "batch frame feature"]:
        """Features of one clip for each text; each depends on its own text, length and seed alone (up to rounding).

        Args:
            text_tokens, text_mask: tokens of the frozen text encoder; all False asks for a clip without text.
            frames: length of each clip.
            seeds: one per clip.
            sampler: any of our rules; the full chain with guidance 2.5 when left out, as the paper samples.
            progress: called with (steps done, steps in all).

        Returns:
            features in their own units, frames of the longest clip, 0 after the end of each.

        Raises:
            UserError: for lengths below 1, lists of different length, or guidance that makes numbers explode.
        """
        config = sampler or SamplerConfig(name="ddpm", steps=self.process.steps, guidance=MDM_SAMPLER.guidance)
        if not frames or len(frames) != len(text_tokens) or len(seeds) != len(frames) or min(frames) < 1:
            raise UserError(
                f"Expected a length of at least 1 frame and a seed for each text, but got {len(text_tokens)} texts, "
                f"lengths {list(frames)[:8]} and {len(seeds)} seeds."
            )
        device = self.feature_mean.device
        # Without a mask the network sees padding, so it must see as much of it as in training.
        masked = self.config.network.mask_padding
        drawn = list(frames) if masked else [max(WINDOW, *frames)] * len(frames)
        exists = torch.arange(max(drawn), device=device) < torch.tensor(frames, device=device)[:, None]
        text = sentence(text_tokens.to(device), text_mask.to(device))
        blank = _blank(len(frames), max(drawn), self.config.network.features, device)
        sample = sample_chain(
            self.process, self._guided(text, exists, config.guidance, config.guidance_rescale), config,
            NoiseSource(seeds, drawn), blank, _nothing(blank), progress,
        )  # fmt: skip
        motion = sample.motion[:, 0] * self.feature_std + self.feature_mean
        return (motion * exists[..., None])[:, : max(frames)]

    def _guided(self, text: Tensor, exists: Tensor, weight: float, rescale: float) -> Callable[[World, Levels], World]:
        def predict(x: World, levels: Levels) -> World:
            noisy, level = x.motion[:, 0], levels.motion[:, 0, 0]
            if weight == 1:
                return x._replace(motion=self.network(noisy, level, text, exists)[:, None])
            # Both passes as one batch: the network is small, and one call is cheaper than two.
            both = self.network(
                torch.cat((noisy, noisy)),
                level.repeat(2),
                torch.cat((text, torch.zeros_like(text))),
                exists.repeat(2, 1),
            )
            full, without = both.chunk(2)
            return x._replace(motion=guide(full, [without], [weight], rescale)[:, None])

        return predict


def sentence(
    tokens: Float[Tensor, "batch text width"], mask: Bool[Tensor, "batch text"]
) -> Float[Tensor, "batch width"]:
    """One vector per text: the mean over its tokens; zeros for no text.

    With `clip-sentence:...` a text has a single token, CLIP's own sentence vector, which the mean leaves as it is.
    """
    kept = mask[..., None].to(tokens.dtype)
    return (torch.where(mask[..., None], tokens, 0.0)).sum(1) / kept.sum(1).clamp(min=1)


def _blank(clips: int, frames: int, features: int, device: torch.device) -> World:
    def zeros(*shape: int) -> Tensor:
        return torch.zeros(clips, *shape, device=device)

    return World(zeros(1, frames, features), zeros(1, frames, 0), zeros(1, 0), zeros(0, 0))


def _nothing(world: World) -> Given:
    """Nothing is given; each frame is a token."""
    clips, persons, frames = world.motion.shape[:3]
    none = torch.zeros(clips, persons, frames, dtype=torch.bool, device=world.motion.device)
    return Given(none, none, none[..., 0], none[:, :0, 0])


def _tensor(batch: dict[str, object], name: str) -> Tensor:
    value = batch.get(name)
    if not isinstance(value, Tensor):
        raise UserError(
            f"Expected a tensor {name!r} in the batch, but got {type(value).__name__}. Check the data module."
        )
    return value
