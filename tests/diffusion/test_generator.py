"""The generator keeps captions, lengths and seeds together, whatever the batches."""

import numpy as np
import pytest
import torch

from carescene import UserError
from carescene.humans.reference import reference_rest_joints
from diffusion.denoiser import DenoiserConfig
from diffusion.generator import MotionGenerator, clip_id, frames_of, hash_weights
from diffusion.model import ModelConfig, MotionModel
from diffusion.sampler import SamplerConfig
from diffusion.text import TextEncoder

FEW = SamplerConfig(steps=2)


class LetterEncoder(TextEncoder):
    """One token per letter: no network, and different texts differ."""

    width = 8
    model_id = "letters"

    def _compute(self, text: str) -> torch.Tensor:
        return torch.tensor([[float(ord(letter) >> bit & 1) for bit in range(8)] for letter in text])


def make_generator() -> MotionGenerator:
    model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=16, depth=1, heads=2, hidden=16, text_dim=8)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.1 * torch.randn_like(parameter))
    return MotionGenerator(model, LetterEncoder())


def test_clips_come_back_in_order_and_do_not_depend_on_their_batch():
    generator, captions, frames, seeds = make_generator(), ["a", "bb", "ccc"], [20, 67, 40], [5, 6, 7]
    together = generator.generate(captions, frames, seeds, sampler=FEW, cleanup=False)
    assert [clip.text[0] for clip in together] == captions
    assert [clip.num_frames for clip in together] == frames
    assert [clip.generator.seed for clip in together if clip.generator] == seeds
    alone = generator.generate(captions, frames, seeds, sampler=FEW, cleanup=False, batch_size=1)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.trans, other.trans, atol=1e-4)
    assert not np.allclose(alone[0].trans, generator.generate(["b"], [20], [5], sampler=FEW, cleanup=False)[0].trans)
    assert not np.allclose(alone[0].trans, generator.generate(["a"], [20], [9], sampler=FEW, cleanup=False)[0].trans)


def test_progress_counts_clips_times_steps():
    steps = []
    make_generator().generate(["a"] * 3, [20] * 3, [0, 1, 2], sampler=FEW, batch_size=2, progress=steps.append)
    assert sum(steps) == 3 * FEW.steps


def test_long_legs_raise_the_pelvis_and_the_shape_is_shown_to_the_network():
    generator = make_generator()
    longer = reference_rest_joints() * 1.1
    plain = generator.generate(["a"], [20], [0], sampler=FEW)[0]
    same_shape = generator.generate(["a"], [20], [0], sampler=FEW, betas=torch.zeros(10), rest_joints=longer)[0]
    np.testing.assert_allclose(same_shape.trans[..., 2], 1.1 * plain.trans[..., 2], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(same_shape.trans[..., :2], plain.trans[..., :2], rtol=1e-4, atol=1e-5)
    tall = generator.generate(["a"], [20], [0], sampler=FEW, betas=torch.ones(10), rest_joints=longer)[0]
    assert (tall.betas == 1).all()
    assert not np.allclose(tall.poses, plain.poses, atol=1e-4)


@pytest.mark.parametrize(
    ("captions", "frames", "seeds", "message"),
    [
        ([], [], [], "at least one caption"),
        (["a"], [20, 20], [0], "2 lengths"),
        (["a"], [20], [], "0 seeds"),
        (["a"], [19], [0], "1 to 10 seconds"),
        (["a"], [201], [0], "1 to 10 seconds"),
        ([" "], [20], [0], "describes a motion"),
    ],
)
def test_bad_requests_are_refused(captions, frames, seeds, message):
    with pytest.raises(UserError, match=message):
        make_generator().generate(captions, frames, seeds, sampler=FEW)


def test_betas_without_their_skeleton_are_refused():
    with pytest.raises(UserError, match="together"):
        make_generator().generate(["a"], [20], [0], betas=torch.zeros(10))


def test_encoder_of_another_width_is_refused():
    model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=16, depth=1, heads=2, hidden=16, text_dim=9)))
    with pytest.raises(UserError, match="width 9"):
        MotionGenerator(model, LetterEncoder())


def test_hash_tells_weights_apart():
    first, second = make_generator().model, make_generator().model
    assert hash_weights(first) != hash_weights(second)
    second.load_state_dict(first.state_dict())
    assert hash_weights(first) == hash_weights(second)


def test_frames_are_rounded_to_the_nearest():
    assert [frames_of(seconds) for seconds in (1.0, 3.35, 3.36, 10.0)] == [20, 67, 67, 200]


def test_names_are_safe_for_files():
    assert clip_id("An old man/woman walks… slowly!", 3) == "an-old-man-woman-walks-slowly-3"
    assert clip_id("走る", 4) == "4"
    long = clip_id("word" * 100, 12)
    assert len(long) <= 80
    assert long.endswith("-12")
