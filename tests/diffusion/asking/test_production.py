"""Producing clips with a tiny random model: files, seeds, attempts, batches, resuming, reports, streams."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import load_clip
from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.situations import parse_situation
from diffusion.asking import production
from diffusion.asking.production import Producer, clip_seed, report_of
from diffusion.asking.sampling import Settings
from diffusion.asking.stream import STATE, STREAM, make_stream
from diffusion.chain import BlewUpError
from diffusion.denoiser import DenoiserConfig
from diffusion.generator import MotionGenerator
from diffusion.model import ModelConfig, MotionModel
from diffusion.sampler import SamplerConfig

SITUATION = """
seconds: 2
persons:
  - {role: patient, age_years: 80, start: {state: walking}}
events:
  - {label: fall, direction: left, onset_s: 1.0}
count: 2
seed: 5
"""


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture
def generator(letter_encoder) -> MotionGenerator:
    torch.manual_seed(0)
    model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=16, depth=1, heads=2, hidden=16)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.05 * torch.randn_like(parameter))
    return MotionGenerator(model, letter_encoder)


SETTINGS = Settings(SamplerConfig(steps=2, guidance=1.0), energies=0.0)


def produce(generator, body, out, text=SITUATION, **options):
    chosen = {"tries": 2, "batch": 1} | options
    return Producer(generator, body, SETTINGS, **chosen).run(parse_situation(text, "s.yaml"), out)


def test_clips_report_and_attempts(generator, body, tmp_path):
    steps, more = [], []
    producer = Producer(generator, body, SETTINGS, tries=2)
    situation = parse_situation(SITUATION, "s.yaml")
    report = producer.run(situation, tmp_path, on_step=steps.append, on_more=more.append)
    clip = load_clip(tmp_path / "s-5-0001.json")
    assert clip.num_frames == 40
    assert clip.persons[0].age_years == 80
    attempts = json.loads(clip.attributes["attempts"])
    assert clip.quality["tries"] == len(attempts)
    # A random network does not do what is asked: everything is tried, and that is told.
    assert attempts == [False, False]
    assert clip.quality["hit"] == 0
    assert report["attempts"] == 4
    assert report["rejection_rate"] == 0.5
    assert set(report["knobs"]) == {"event", "direction"}
    assert report["not_met"] == ["s-5-0000", "s-5-0001"]
    assert sum(steps) == 8
    assert more == [2, 2]
    assert json.loads((tmp_path / "report.json").read_text()) == report
    requested = json.loads(clip.attributes["requested"])
    assert requested["events"][0]["direction"] == "left"
    assert requested["attempt"] in (1, 2)
    assert clip.generator.seed == clip_seed(5, 1, requested["attempt"] - 1)


def test_the_same_seed_gives_the_same_clips_in_any_batch(generator, body, tmp_path):
    produce(generator, body, tmp_path / "one")
    produce(generator, body, tmp_path / "two", batch=2)
    for name in ("s-5-0000", "s-5-0001"):
        one, two = (load_clip(tmp_path / folder / name) for folder in ("one", "two"))
        np.testing.assert_allclose(one.trans, two.trans, atol=1e-4)
    first, second = (load_clip(tmp_path / "one" / name) for name in ("s-5-0000", "s-5-0001"))
    assert not np.allclose(first.trans, second.trans)


def test_what_is_there_is_kept(generator, body, tmp_path):
    produce(generator, body, tmp_path)
    before = (tmp_path / "s-5-0000.npz").stat().st_mtime_ns
    (tmp_path / "s-5-0001.npz").unlink()
    produce(generator, body, tmp_path)
    assert (tmp_path / "s-5-0000.npz").stat().st_mtime_ns == before
    assert (tmp_path / "s-5-0001.npz").is_file()


def test_guidance_that_blows_up_leaves_nothing_behind(generator, body, tmp_path):
    with torch.no_grad():
        generator.model.denoiser.out.weight.mul_(1e4)
    with pytest.raises(UserError, match=r"finite|within"):
        produce(generator, body, tmp_path)
    assert not list(tmp_path.glob("*.npz"))


@pytest.mark.parametrize(("error", "count"), [(BlewUpError("too strong"), 1), (UserError("no way"), 8)])
def test_a_room_is_tried_again_unless_numbers_explode(generator, body, tmp_path, monkeypatch, error, count):
    calls = []

    def fails(*_args, **_options):
        calls.append(1)
        raise error

    monkeypatch.setattr(production, "sampled_room", fails)
    with pytest.raises(UserError):
        produce(generator, body, tmp_path, SITUATION + "scene: sample\n")
    assert len(calls) == count


def test_who_comes_later_and_weights_are_in_the_clip(generator, body, tmp_path):
    text = SITUATION + "oversample:\n  company: {alone: 0.5, with_staff: 0.5}\n"
    report = produce(generator, body, tmp_path, text.replace("count: 2", "count: 4"), tries=1)
    clips = [load_clip(tmp_path / f"s-5-000{number}") for number in range(4)]
    assert report["clips"] == 4
    for clip in clips:
        alone = clip.attributes["drawn_company"] == "alone"
        assert clip.num_persons == (1 if alone else 2)
        assert clip.weight.p == pytest.approx(0.88 if alone else 0.12)
        assert clip.weight.q == 0.5
    assert {clip.num_persons for clip in clips} == {1, 2}
    assert report_of(parse_situation(text.replace("count: 2", "count: 4"), "s.yaml"), tmp_path) == report


STREAM_TEXT = """
persons:
  - {role: patient, age_years: 80, start: {near: bed, state: lying}}
scene: {file: room.yaml}
stream: {minutes: 0.5, rates: {in_bed_turning: 120}, window_s: 4, prefix_s: 1, chunk_s: 10}
seed: 3
"""
ROOM = """
id: small
bounds: {polygon: [[0, 0], [5, 0], [5, 5], [0, 5]], height: 2.6}
objects:
  - {id: bed-1, kind: bed, center: [2.5, 2.5]}
"""


@pytest.fixture
def night(tmp_path):
    (tmp_path / "room.yaml").write_text(ROOM)
    return parse_situation(STREAM_TEXT, "night.yaml", tmp_path)


def test_a_stream_is_continuous_and_complete(generator, body, night, tmp_path):
    made = []
    report = make_stream(generator, night, tmp_path, SETTINGS, body=body, tries=1, on_seconds=made.append)
    manifest = json.loads((tmp_path / STREAM).read_text())
    chunks = [load_clip(tmp_path / f"{entry['clip']}.json") for entry in manifest["chunk_list"]]
    assert report["chunks"] == len(chunks) == 3
    assert [clip.num_frames for clip in chunks] == [200, 200, 200]
    assert [entry["start_s"] for entry in manifest["chunk_list"]] == [0.0, 10.0, 20.0]
    assert sum(made) == pytest.approx(30.0)
    assert not (tmp_path / STATE).exists()
    assert all(clip.scene["id"] == "small" for clip in chunks)
    # Nobody jumps where windows or chunks meet: steps there are like steps elsewhere.
    trans = np.concatenate([clip.trans[0] for clip in chunks])
    step = np.linalg.norm(np.diff(trans, axis=0), axis=1)
    seams = np.arange(80, 599, 60)
    inside = np.delete(step, [*(seams - 1), *seams])
    assert step[seams - 1].max() < 1.5 * np.percentile(inside, 99)


def test_a_stream_that_was_stopped_goes_on(generator, body, night, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    make_stream(generator, night, whole, SETTINGS, body=body, tries=1)

    class StoppedError(Exception):
        pass

    seconds = []

    def stop(done: float) -> None:
        seconds.append(done)
        if sum(seconds) > 15:
            raise StoppedError

    with pytest.raises(StoppedError):
        make_stream(generator, night, parts, SETTINGS, body=body, tries=1, on_seconds=stop)
    assert len(list(parts.glob("*.npz"))) == 2  # one chunk and the state
    make_stream(generator, night, parts, SETTINGS, body=body, tries=1)
    for path in whole.glob("night-*.npz"):
        one, other = load_clip(whole / path.name), load_clip(parts / path.name)
        np.testing.assert_allclose(one.trans, other.trans, atol=1e-5)
    first = json.loads((whole / STREAM).read_text())
    assert json.loads((parts / STREAM).read_text()) == first
    # A stream that is whole is left alone.
    assert make_stream(generator, night, whole, SETTINGS, body=body)["chunks"] == 3


def test_others_are_in_the_stream_too(generator, body, tmp_path):
    (tmp_path / "room.yaml").write_text(ROOM + "  - {id: chair-1, kind: chair, center: [4.2, 2.5]}\n")
    text = STREAM_TEXT.replace("scene:", "  - {role: visitor, start: {near: chair, state: sitting}}\nscene:")
    situation = parse_situation(text, "night.yaml", tmp_path)
    stream = dataclasses.replace(situation.stream, minutes=0.2)
    make_stream(generator, dataclasses.replace(situation, stream=stream), tmp_path, SETTINGS, body=body, tries=1)
    clip = load_clip(next(path for path in sorted(Path(tmp_path).glob("night-*.json"))))
    assert clip.num_persons == 2
