"""The ward recogniser: what it sees, its losses, and that it learns three written-down events with their onsets."""

import dataclasses

import numpy as np
import pytest
import torch

from carescene.clips import Event
from carescene.errors import UserError
from carescene.evaluation.tracks import tracks_of
from carescene.evaluation.ward_recogniser import (
    STRIDE,
    WardConfig,
    WardRecogniser,
    onset_token,
    pad_samples,
    ward_metadata,
    ward_recogniser_from,
)
from carescene.evaluation.ward_samples import DIRECTIONS, context_of, cut, mirrored, samples_of
from carescene.evaluation.ward_training import train_ward_recogniser, ward_loss

SMALL = WardConfig(width=24, blocks=3, epochs=12, batch=12, embedding=8, learning_rate=5e-3)


def _named(clip, event, onset, direction=None, name="a"):
    label = "fall" if event.startswith("fall") else "walk"
    end = clip.seconds
    return dataclasses.replace(
        clip, id=name, events=[Event(0, label, onset, end, ward_event=event, direction=direction)]
    )


@pytest.fixture
def samples(play, key):
    """Falls to both sides at different times, and walks."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(12):
        onset = float(rng.uniform(0.8, 2.2))
        side = 1.0 if number % 2 else -1.0
        stand = (0.0, 0.0, 0.95)
        down = (0.55 * side, 0.0, 0.17)
        fall = [
            key(0.0, stand),
            key(onset, stand),
            key(onset + 0.7, down, roll=90.0 * side),
            key(4.0, down, roll=90.0 * side),
        ]
        direction = "left" if side > 0 else "right"
        made += samples_of(_named(play(fall), "fall_bump", onset, direction, f"fall-{number}"))
        walk = [key(0.0, stand), key(3.0, (0.0, -1.0 - 0.2 * number, 0.95))]
        made += samples_of(_named(play(walk), "walk_free", 0.0, None, f"walk-{number}"))
    return made


def test_samples_say_what_the_clip_says(play):
    clip = _named(play("falls left"), "fall_bump", 1.5, "left")
    sample = samples_of(clip)[0]
    assert (sample.event, sample.onset, DIRECTIONS[sample.direction]) == ("fall_bump", 30, "left")
    assert sample.joints.shape == (clip.num_frames, 22, 3)
    swapped = mirrored(sample)
    assert DIRECTIONS[swapped.direction] == "right"
    assert mirrored(swapped).joints == pytest.approx(sample.joints)
    part = cut(sample, 10, 60)
    assert (part.onset, len(part.joints), len(part.context)) == (20, 50, 50)
    assert cut(sample, 40, 60).onset == -1


def test_the_act_counts_and_not_the_walk_before_it(play):
    clip = _named(play("falls left"), "fall_bump", 1.5)
    clip.events.insert(0, Event(0, "walk", 0.0, 1.5, ward_event="walk_free"))
    assert samples_of(clip)[0].event == "fall_bump"
    clip.attributes["action"] = "walk_free"
    assert samples_of(clip)[0].event == "walk_free"
    recorded = dataclasses.replace(clip, events=[], attributes={"action": "sit_down"})
    assert samples_of(recorded)[0].event == "chair_sit"
    assert samples_of(dataclasses.replace(recorded, attributes={})) == []


def test_context_knows_who_is_where(play):
    clip = play("standing")
    both = dataclasses.replace(
        clip,
        **{name: np.concatenate([getattr(clip, name)] * 2) for name in ("poses", "betas", "frame_label", "valid")},
        trans=np.concatenate([clip.trans, clip.trans + np.float32([1.5, 0, 0])]),
        events=[Event(0, "standing", 0.0, 3.0, ward_event="turn_reach")],
    )
    one, two = tracks_of(both)
    # Facing -y, the left hand side is +x.
    assert context_of(one, [two])[0, :5].tolist() == pytest.approx([0, 0, 1, 0.0, 0.5], abs=1e-4)
    assert context_of(two, [one])[0, 4].item() == pytest.approx(-0.5, abs=1e-4)
    assert context_of(one, []).abs().sum() == 0


@torch.no_grad()
def test_padding_changes_nothing(samples):
    torch.manual_seed(0)
    model = WardRecogniser(("fall_bump", "walk_free"), SMALL).eval()
    short = cut(samples[0], 0, 40)
    alone = model(*pad_samples([short]))
    beside = model(*pad_samples([short, samples[0]]))
    assert beside.event[0] == pytest.approx(alone.event[0], abs=1e-5)
    assert beside.embedding[0] == pytest.approx(alone.embedding[0], abs=1e-5)
    assert torch.isinf(beside.onset[0, 20:]).all()


def test_onset_between_tokens():
    logits = torch.full((9,), -20.0)
    logits[3:5] = 5.0
    assert onset_token(logits) == pytest.approx(3.5, abs=1e-3)
    logits[3:5] = torch.tensor((5.0, 0.0))
    assert onset_token(logits) == pytest.approx(3.0, abs=0.02)


def test_loss_is_least_for_the_truth(samples):
    fall = samples[0]
    model = WardRecogniser(("fall_bump", "walk_free"), SMALL).eval()
    output = model(*pad_samples([fall]))
    config = dataclasses.replace(SMALL, label_smoothing=0.0)
    sure = output._replace(
        event=torch.tensor([[20.0, -20.0]]),
        direction=torch.nn.functional.one_hot(torch.tensor([fall.direction]), 5) * 40.0,
        onset=torch.full_like(output.onset, -30.0).index_fill(1, torch.tensor([round(fall.onset / STRIDE)]), 30.0),
    )
    wrong = sure._replace(event=-sure.event)
    assert ward_loss(sure, [fall], model.events, config) < ward_loss(wrong, [fall], model.events, config)
    late = sure._replace(onset=sure.onset.roll(6, dims=1))
    assert ward_loss(sure, [fall], model.events, config) < ward_loss(late, [fall], model.events, config)


def test_learns_events_directions_and_onsets(samples):
    model = train_ward_recogniser(samples[:18], samples[18:], SMALL)
    said = model.judge(samples[18:])
    assert [one.event for one in said] == [one.event for one in samples[18:]]
    errors = [
        abs(one.onset_s - sample.onset / 20)
        for one, sample in zip(said, samples[18:], strict=True)
        if sample.onset >= 0
    ]
    assert max(errors) < 0.35
    again = train_ward_recogniser(samples[:18], samples[18:], SMALL)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    loaded = ward_recogniser_from(model.state_dict(), ward_metadata(model))
    assert torch.equal(loaded.embeddings(samples[:3]), model.embeddings(samples[:3]))
    assert model.embeddings([]).shape == (0, 8)


def test_refuses_too_little(samples):
    with pytest.raises(UserError, match="at least 2 events"):
        train_ward_recogniser(samples[:3], samples[3:], SMALL)
    with pytest.raises(UserError, match="validate"):
        train_ward_recogniser(samples, [], SMALL)
