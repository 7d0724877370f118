"""Clips in stages: the first knows nothing of the event, the second begins with what the first made."""

import dataclasses

import pytest
import torch

from carescene.clips import OMNIFALL_ID
from carescene.humans.body import load_body
from carescene.situations import parse_situation
from diffusion.asking.compile import compile_situation
from diffusion.asking.sampling import Settings, before_settings, sample_asked
from diffusion.asking.stages import first_stage, hold_beginning, next_stage, onset_frames
from diffusion.denoiser import DenoiserConfig
from diffusion.generator import MotionGenerator
from diffusion.model import ModelConfig, MotionModel
from diffusion.sampler import SamplerConfig
from diffusion.steering import LieLow

# The onset is in frame 42, half way through a token.
WALKS_THEN_FALLS = """
seconds: 4
persons:
  - {role: patient, age_years: 80, start: {state: walking}}
  - {role: staff, start: {state: standing}}
events:
  - {label: fall, cause: trip, onset_s: 2.1}
"""


@pytest.fixture(scope="module")
def asked():
    return compile_situation(parse_situation(WALKS_THEN_FALLS), None, 3, body=load_body())


def compiled(text: str):
    return compile_situation(parse_situation(text), None, 3, body=load_body())


def test_the_first_stage_has_no_word_of_the_event(asked):
    stage = first_stage(asked)
    assert onset_frames(asked) == (42,)
    assert stage is not None
    assert stage.text == "an old man walks; a nurse stands"
    assert "fall" not in stage.text
    assert "trip" not in stage.text
    assert stage.frames == 46
    assert stage.there.sum(-1).tolist() == [46, 46]
    label = stage.known.event[0].argmax(-1)
    assert (label[0] == OMNIFALL_ID["walk"]).all()
    assert stage.given.event[0, 0].all()
    assert not [energy for energy in stage.energies if isinstance(energy, LieLow)]
    assert first_stage(stage) is None
    assert stage.seed != asked.seed


def test_a_stage_is_no_shorter_than_what_the_model_has_seen():
    stage = first_stage(compiled(WALKS_THEN_FALLS.replace("2.1", "0.5")))
    assert stage is not None
    assert stage.frames == 24
    assert first_stage(compiled(WALKS_THEN_FALLS.replace("2.1", "0.1"))) is None


def test_one_stage_for_each_onset():
    text = WALKS_THEN_FALLS + "  - {person: 1, label: kneel_down, onset_s: 3.0}\n"
    asked = compiled(text)
    assert onset_frames(asked) == (42, 60)
    before = first_stage(asked)
    assert before is not None
    assert "falls" in before.text
    assert "kneel" not in before.text
    first = first_stage(before)
    assert first is not None
    assert "falls" not in first.text


def test_who_rises_before_falling_is_said_to_rise():
    text = """
seconds: 6
persons: [{role: patient, age_years: 84, sex: male, start: {state: lying}}]
events: [{label: fall, cause: weight_shift, onset_s: 3.0}]
"""
    stage = first_stage(compiled(text))
    assert stage is not None
    assert stage.text == "an old man sits up on the edge of the bed and stands up"


def test_the_next_stage_begins_with_what_was_made(asked):
    motion = torch.randn(2, 48, 201)
    whole = next_stage(asked, motion)
    assert whole.held == 42
    assert whole.given.motion[0, :, :10].all()
    assert not whole.given.motion[0, :, 10:].any()
    torch.testing.assert_close(whole.known.motion[0, :, :42], motion[:, :42])
    assert whole.text == asked.text
    assert not asked.given.motion.any(), "what was asked stays as it was"
    assert all(round(each.time_s * 20) >= 42 for each in whole.constraints)


def test_motion_goes_on_from_where_it_was_at_the_speed_it_had():
    known, motion = torch.randn(2, 1, 40, 201), torch.randn(2, 1, 40, 201)
    there = torch.ones(2, 1, 40, dtype=torch.bool)
    there[1] = torch.arange(40) >= 30
    joined = hold_beginning(motion, known, there, 20, 20)
    torch.testing.assert_close(joined[0, :, :20], known[0, :, :20])
    speed = joined[0, 0, 20] - joined[0, 0, 19]
    torch.testing.assert_close(speed, known[0, 0, 19] - known[0, 0, 18])
    torch.testing.assert_close(joined[0, :, 27:, 2:], motion[0, :, 27:, 2:])
    way = joined[0, :, 20:, :2] - motion[0, :, 20:, :2]
    torch.testing.assert_close(way, way[:, :1].expand_as(way), msg="a way that goes on elsewhere is moved as a whole")
    # Who comes later has no beginning to go on from.
    torch.testing.assert_close(joined[1], motion[1])
    assert hold_beginning(motion, known, there, 0, 20) is motion


def test_a_sampled_clip_begins_with_its_first_stage(asked, letter_encoder):
    torch.manual_seed(0)
    model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=16, depth=1, heads=2, hidden=16)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.05 * torch.randn_like(parameter))
    generator = MotionGenerator(model, letter_encoder)
    settings = Settings(SamplerConfig(steps=4, guidance=1.0), energies=0.0)
    stage = first_stage(asked)
    assert stage is not None
    assert before_settings(settings).sampler.steps == 3
    before = sample_asked(generator, [stage], before_settings(settings)).motion
    after = sample_asked(generator, [asked], settings).motion
    torch.testing.assert_close(after[:, :, :42], before[:, :, :42], atol=1e-5, rtol=0)
    other = sample_asked(generator, [dataclasses.replace(asked, seed=9)], settings).motion
    assert not torch.allclose(other[:, :, :42], before[:, :, :42])
