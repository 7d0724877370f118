"""From captions to clips: text encoder, model, decoding and clean-up in one object."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from carescene import __version__
from carescene.clips import Clip, Generator, PersonInfo
from carescene.errors import UserError
from diffusion.checkpoint import load_checkpoint
from diffusion.cleanup import clean_up
from diffusion.model import MotionModel
from diffusion.representation import decode_motion
from diffusion.sampler import SamplerConfig
from diffusion.text import TextEncoder, load_text_encoder

# The weights that ship; their json twin lies beside them.
BUNDLED = "motion.safetensors"

# What the model was trained on: nothing shorter than a second, nothing longer than ten.
MIN_SECONDS, MAX_SECONDS = 1.0, 10.0


def frames_of(seconds: float, fps: float = 20.0) -> int:
    """Number of frames of a clip of this length, to the nearest frame.

    Raises UserError outside 1 to 10 s, because the model has never seen such clips.
    """
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise UserError(
            f"Expected a length of {MIN_SECONDS:g} to {MAX_SECONDS:g} seconds, but got {seconds:g}. "
            "The model has seen no other lengths; make several clips for a longer scene."
        )
    return round(seconds * fps)


class MotionGenerator:
    """Makes clips from captions with a trained model.

    Args:
        model: the trained model; it is put into evaluation mode.
        encoder: the text encoder that the model was trained with; None means the default one.
        model_hash: identity of the weights for the clips' `generator` block; None hashes them here.
    """

    def __init__(
        self, model: MotionModel, encoder: TextEncoder | None = None, *, model_hash: str | None = None
    ) -> None:
        self.model = model.eval()
        self.encoder = encoder or load_text_encoder()
        if self.encoder.width != model.config.denoiser.text_dim:
            raise UserError(
                f"Expected a text encoder of width {model.config.denoiser.text_dim}, which the model was trained "
                f"with, but got one of width {self.encoder.width}. Name the encoder of the training run."
            )
        self.model_hash = model_hash or hash_weights(model)

    @classmethod
    def load(
        cls, checkpoint: Path | None = None, encoder: TextEncoder | None = None, *, device: str = "cpu"
    ) -> "MotionGenerator":
        """Generator from a checkpoint file, or from the bundled weights when None.

        Raises UserError when the checkpoint is missing or broken.
        """
        with ExitStack() as stack:
            path = checkpoint or stack.enter_context(as_file(files("carescene") / "assets" / BUNDLED))
            model, record = load_checkpoint(path, device)
        encoder = encoder or load_text_encoder(record.get("metadata", {}).get("text_encoder", "minilm"))
        return cls(model, encoder, model_hash=record["sha256"][:16])

    @property
    def fps(self) -> float:
        """Frames per second of the clips."""
        return self.model.config.fps

    def generate(
        self,
        captions: Sequence[str],
        frames: Sequence[int],
        seeds: Sequence[int],
        *,
        sampler: SamplerConfig | None = None,
        batch_size: int = 16,
        cleanup: bool = True,
        person: PersonInfo | None = None,
        betas: Float[Tensor, "10"] | None = None,
        rest_joints: Float[Tensor, "24 3"] | None = None,
        ids: Sequence[str] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[Clip]:
        """One clip for each caption, in the order of the captions.

        Clips of similar length are sampled together. A clip depends on its own caption, length and seed alone; what
        else is in its batch changes rounding at most (`batch_size=1` excludes even that).

        Args:
            captions: what the person does.
            frames: length of every clip, in frames.
            seeds: one per clip.
            sampler: None means the defaults of `SamplerConfig`.
            cleanup: hold standing feet in place and smooth jitter, see `diffusion.cleanup`.
            person: who it is, for the clips' metadata.
            betas: body shape; None is the reference body.
            rest_joints: rest joints of that body (y up, metres); needed when `betas` are given, to scale the path.
            ids: names of the clips; made from captions and seeds when None.
            progress: called after each sampling step with the number of clips that took it; in total
                `len(captions) * sampler.steps`.

        Raises:
            UserError: for captions the encoder refuses, counts that differ, or lengths outside 1 to 10 s.
        """
        sampler = sampler or SamplerConfig()
        self._check(captions, frames, seeds, ids)
        if (betas is None) != (rest_joints is None):
            raise UserError("Expected `betas` and `rest_joints` together, but got only one. Take both from one body.")
        clips: list[Clip | None] = [None] * len(captions)
        # Sorted by length, so that batches hold little padding.
        order = sorted(range(len(captions)), key=lambda index: -frames[index])
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            for index, features in zip(
                chosen,
                self.sample_features(
                    [captions[i] for i in chosen],
                    [frames[i] for i in chosen],
                    [seeds[i] for i in chosen],
                    sampler,
                    progress,
                    betas,
                ),
                strict=True,
            ):
                name = ids[index] if ids is not None else clip_id(captions[index], seeds[index])
                clip = self._to_clip(features, name, captions[index], seeds[index], sampler, cleanup, rest_joints)
                clip.betas = np.zeros((1, 10), np.float32) if betas is None else betas.numpy()[None].astype(np.float32)
                clip.persons = [person or PersonInfo()]
                clips[index] = clip
        return [clip for clip in clips if clip is not None]

    def sample_features(
        self,
        captions: Sequence[str],
        frames: Sequence[int],
        seeds: Sequence[int],
        sampler: SamplerConfig,
        progress: Callable[[int], object] | None = None,
        betas: Float[Tensor, "10"] | None = None,
    ) -> list[Float[Tensor, "frame 217"]]:
        """Raw features (metres) of one batch, each cut to its own length, on the CPU."""
        text = self.encoder.encode(list(captions))
        motion = self.model.sample(
            text.tokens,
            text.mask,
            list(frames),
            list(seeds),
            sampler,
            shape=betas,
            progress=None if progress is None else lambda _done, _steps: progress(len(captions)),
        )
        return [clip[0, :length].float().cpu() for clip, length in zip(motion, frames, strict=True)]

    def _check(
        self, captions: Sequence[str], frames: Sequence[int], seeds: Sequence[int], ids: Sequence[str] | None
    ) -> None:
        counts = {len(captions), len(frames), len(seeds), len(captions if ids is None else ids)}
        if len(counts) > 1 or not captions:
            raise UserError(
                f"Expected one length and one seed for each of at least one caption, but got {len(captions)} captions, "
                f"{len(frames)} lengths and {len(seeds)} seeds. Pass lists of one length."
            )
        for length in frames:
            frames_of(length / self.fps, self.fps)

    def _to_clip(
        self,
        features: Float[Tensor, "frame 217"],
        name: str,
        caption: str,
        seed: int,
        sampler: SamplerConfig,
        cleanup: bool,
        rest_joints: Float[Tensor, "24 3"] | None,
    ) -> Clip:
        if cleanup:
            features = clean_up(features, fps=self.fps)
        poses, trans, label = decode_motion(features, rest_joints)
        return Clip(
            id=name,
            fps=self.fps,
            poses=poses.numpy()[None],
            trans=trans.numpy()[None],
            betas=np.zeros((1, 10), np.float32),
            frame_label=label.numpy()[None],
            valid=np.ones((1, len(features)), dtype=bool),
            text=[caption],
            generator=Generator(
                version=__version__,
                model_hash=self.model_hash,
                seed=seed,
                sampler=sampler.name,
                steps=sampler.steps,
                guidance=sampler.guidance,
            ),
        )


def clip_id(caption: str, seed: int) -> str:
    """File-safe name: the caption's first words and the seed."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in caption.lower()).split()
    # The seed stays whole, however long the words are: it tells the clips of one caption apart.
    stem = "-".join(words[:8])[:60].strip("-")
    return f"{stem}-{seed}" if stem else str(seed)


def hash_weights(model: nn.Module) -> str:
    """First 16 hex digits of the SHA-256 of all weights and buffers, by name; the same on every device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
