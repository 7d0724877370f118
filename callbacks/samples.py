"""Videos of fixed prompts at every validation, so that training can be watched."""

from collections.abc import Sequence
from typing import Final

import lightning.pytorch as pl
import numpy as np
from jaxtyping import UInt8
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] (made by protobuf)

from callbacks.averaged import AtValidation, log_folder, motion_model, text_encoder_name
from carescene.errors import UserError
from carescene.rendering import gif_bytes, render_clip, write_video
from diffusion.generator import MotionGenerator, frames_of
from diffusion.sampler import SamplerConfig
from diffusion.text import load_text_encoder

# What goes wrong first: gait of the old, which side a turn goes to, contact with the floor, getting up.
PROMPTS: Final = (
    "an old man walks slowly and turns left",
    "a person sits down on a chair and stands up again",
    "a woman lies down on the floor",
    "someone runs forward and waves",
)


class SampleVideos(AtValidation):
    """Draws fixed prompts with fixed seeds: an animated image in TensorBoard and an mp4 in the log folder.

    Args:
        prompts: texts to draw, one video each.
        seconds: length of the videos.
        size: width and height in pixels.
        fps: pictures per second; half the model's rate halves the time for drawing.
        steps: sampling steps.
        guidance: strength of the text.
        every: draw at every n-th validation.
        workers: threads that draw.
    """

    def __init__(
        self,
        prompts: Sequence[str] = PROMPTS,
        seconds: float = 4.0,
        size: int = 192,
        fps: float = 10.0,
        steps: int = 20,
        guidance: float = 2.5,
        every: int = 1,
        workers: int = 1,
    ) -> None:
        super().__init__(every)
        if not prompts or not all(prompt.strip() for prompt in prompts):
            raise UserError(
                f"Expected prompts with text, but got {list(prompts)!r}. Leave the callback out to draw nothing."
            )
        self._prompts, self._frames = list(prompts), frames_of(seconds)
        self._size, self._fps, self._workers = size, fps, workers
        self._sampler = SamplerConfig(steps=steps, guidance=guidance)

    @property
    def state_key(self) -> str:
        """Name of the state in checkpoints; other prompts may be drawn at another rhythm."""
        return self._generate_state_key(every=self._every, prompts=self._prompts)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Fail before training rather than at the first validation.

        Raises:
            UserError: if the module has no motion model, or Open3D cannot be loaded.
        """
        motion_model(pl_module)
        try:
            import open3d  # noqa: F401
        except (ImportError, OSError) as error:
            raise UserError(
                f"Expected Open3D to draw sample videos, but it cannot be loaded ({error}). Install it with its system "
                "libraries, or train without videos: take SampleVideos out of trainer.callbacks."
            ) from error

    def act(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Sample, draw and log."""
        # The cache keeps the prompts' features, so the encoder's network is loaded at the first validation only.
        encoder = load_text_encoder(text_encoder_name(trainer))
        generator = MotionGenerator(motion_model(pl_module), encoder)
        count = len(self._prompts)
        clips = generator.generate(
            self._prompts, [self._frames] * count, list(range(count)), sampler=self._sampler, batch_size=count
        )
        for number, clip in enumerate(clips):
            pictures = render_clip(clip, width=self._size, height=self._size, fps=self._fps, workers=self._workers)
            folder = log_folder(trainer) / "samples"
            write_video(folder / f"step-{trainer.global_step:07d}_prompt-{number}.mp4", pictures, self._fps)
            self._log(trainer, f"samples/{number}: {clip.text[0]}", pictures)

    def _log(self, trainer: pl.Trainer, tag: str, pictures: UInt8[np.ndarray, "frame height width 3"]) -> None:
        height, width = pictures.shape[1:3]
        image = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=gif_bytes(pictures, self._fps)
        )
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                # `SummaryWriter.add_video` would need moviepy to make the same GIF.
                logger.experiment._get_file_writer().add_summary(summary, trainer.global_step)
