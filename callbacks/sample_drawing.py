"""Sampling and drawing apart from training: everything a process of its own needs to make the videos of one step."""

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from threadpoolctl import threadpool_limits
from torch import Tensor

from diffusion.generator import MotionGenerator
from diffusion.model import ModelConfig, MotionModel
from diffusion.sampler import SamplerConfig
from diffusion.text import TextEncoder, check_text


@dataclass(frozen=True)
class Drawing:
    """One set of videos to draw: a copy of the weights and what to ask of them.

    Attributes:
        step: of training, part of the files' names.
        config, weights: the model, its weights by name on the CPU.
        text: token features of each prompt, because the text encoder stays where training is.
        frames: length of the videos in frames of the model.
        size: width and height in pixels.
        fps: pictures per second.
        folder: for the mp4 files.
        workers: threads that draw.
    """

    step: int
    config: ModelConfig
    weights: dict[str, np.ndarray]
    text: dict[str, np.ndarray]
    frames: int
    sampler: SamplerConfig
    size: int
    fps: float
    folder: Path
    workers: int


class ReadTexts(TextEncoder):
    """A text encoder that knows the features of a few texts and nothing else."""

    model_id = "read"

    def __init__(self, features: dict[str, np.ndarray]) -> None:
        super().__init__()
        self._features = {check_text(text): torch.from_numpy(array) for text, array in features.items()}
        self.width = next(iter(self._features.values())).shape[1]

    def _compute(self, text: str) -> Float[Tensor, "token channel"]:
        return self._features[text]


def draw(drawing: Drawing) -> list[tuple[str, UInt8[np.ndarray, "frame height width 3"]]]:
    """Sample the prompts, draw them, write the mp4 files, and return each prompt with its pictures."""
    # Late: the renderer is heavy, and training itself does without it.
    from carescene.rendering import render_clip, write_video

    model = MotionModel(drawing.config)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in drawing.weights.items()})
    generator = MotionGenerator(model, ReadTexts(drawing.text))
    prompts = list(drawing.text)
    with threadpool_limits(drawing.workers):
        clips = generator.generate(
            prompts, [drawing.frames] * len(prompts), list(range(len(prompts))),
            sampler=drawing.sampler, batch_size=len(prompts),
        )  # fmt: skip
    drawn = []
    for number, clip in enumerate(clips):
        pictures = render_clip(clip, width=drawing.size, height=drawing.size, fps=drawing.fps, workers=drawing.workers)
        write_video(drawing.folder / f"step-{drawing.step:07d}_prompt-{number}.mp4", pictures, drawing.fps)
        drawn.append((prompts[number], pictures))
    return drawn


def renderer_problem() -> str | None:
    """Why the renderer cannot be loaded, or None if it can."""
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError) as error:
        return str(error)
    return None


def encoded(encoder: TextEncoder, prompts: Sequence[str]) -> dict[str, np.ndarray]:
    """Token features of prompts, as `Drawing` carries them."""
    return {prompt: encoder.encode_one(prompt).numpy() for prompt in prompts}


def one_process() -> Executor:
    """A process that starts when it is first used; started anew, because a copy of a training process may hang."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
