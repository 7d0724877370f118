"""Videos of fixed prompts at every validation, so that training can be watched."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Any, Final

import lightning.pytorch as pl
import numpy as np
from jaxtyping import UInt8
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto import summary_pb2

from callbacks.averaged import AtValidation, log_folder, motion_model, text_encoder_name
from callbacks.sample_drawing import Drawing, draw, encoded, one_process, renderer_problem
from carescene.errors import UserError
from diffusion.generator import frames_of
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

    The first process of a run hands a copy of its weights to a process that does nothing else, and training goes on at
    once, on all processes. Videos are logged under the step they belong to, at the next validation or at the end.

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
        self._text: dict[str, np.ndarray] = {}
        self._executor: Executor | None = None
        self._under_way: deque[tuple[int, Future[Any]]] = deque()

    @property
    def state_key(self) -> str:
        """Name of the state in checkpoints; other prompts may be drawn at another rhythm."""
        return self._generate_state_key(every=self._every, prompts=self._prompts)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Fail before training rather than at the first validation, and read the prompts.

        Raises:
            UserError: if the module has no motion model, or Open3D cannot be loaded.
        """
        motion_model(pl_module)
        if stage != "fit":
            return
        problem = None
        if trainer.is_global_zero:
            self._text = encoded(load_text_encoder(text_encoder_name(trainer)), self._prompts)
            self._executor = one_process()
            # A dry run draws nothing, so it need not wait for the renderer to load.
            if not getattr(trainer, "fast_dev_run", False):
                problem = self._executor.submit(renderer_problem).result()
        # All processes stop together, or the others would wait for the first one.
        problem = trainer.strategy.broadcast(problem)
        if problem is not None:
            raise UserError(
                f"Expected Open3D to draw sample videos, but it cannot be loaded ({problem}). Install it with its "
                "system libraries, or train without videos: take SampleVideos out of trainer.callbacks."
            )

    def act(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hand a copy of the weights to the drawing process, and log what it has finished since.

        Only the copy is made here: while one process drew, all others would wait for its next gradients.
        """
        self._log_finished(trainer)
        assert self._executor is not None
        model = motion_model(pl_module)
        drawing = Drawing(
            trainer.global_step,
            model.config,
            {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()},
            self._text,
            self._frames,
            self._sampler,
            self._size,
            self._fps,
            log_folder(trainer) / "samples",
            self._workers,
        )
        self._under_way.append((trainer.global_step, self._executor.submit(draw, drawing)))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the last videos; training is over, so nobody is kept waiting but the command itself."""
        self._log_finished(trainer, wait=True)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End the drawing process, also after an error."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None
        self._under_way.clear()

    def _log_finished(self, trainer: pl.Trainer, wait: bool = False) -> None:
        while self._under_way and (wait or self._under_way[0][1].done()):
            step, future = self._under_way.popleft()
            # An error of the drawing process comes up here.
            for number, (prompt, pictures) in enumerate(future.result()):
                self._log(trainer, step, f"samples/{number}: {prompt}", pictures)

    def _log(
        self, trainer: pl.Trainer, step: int, tag: str, pictures: UInt8[np.ndarray, "frame height width 3"]
    ) -> None:
        from carescene.rendering import gif_bytes

        height, width = pictures.shape[1:3]
        # Classes that protobuf makes as it is imported; type checkers cannot see them.
        made: Any = summary_pb2
        image = made.Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=gif_bytes(pictures, self._fps)
        )
        summary = made.Summary(value=[made.Summary.Value(tag=tag, image=image)])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                # `SummaryWriter.add_video` would need moviepy to make the same GIF.
                logger.experiment._get_file_writer().add_summary(summary, step)
