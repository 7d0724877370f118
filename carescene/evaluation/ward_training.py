"""Training of the ward recogniser: balanced epochs, cuts, mirror images, and the best epoch by the validation split."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from carescene.clips.taxonomy import UNKNOWN_LABEL
from carescene.errors import UserError
from carescene.evaluation.ward_recogniser import (
    STRIDE,
    WardConfig,
    WardOutput,
    WardRecogniser,
    pad_samples,
)
from carescene.evaluation.ward_samples import WardSample, cut, mirrored

# Fewer training clips than this teach nothing about an event.
MIN_SAMPLES = 6
# What is kept around the onset when a sample is cut, frames.
_AROUND_ONSET = 10
# The event is the main question; frames and onsets are many and easy, or sharp.
_WEIGHTS = {"event": 1.0, "direction": 0.3, "onset": 0.5, "frames": 0.7}


def train_ward_recogniser(
    train: Sequence[WardSample],
    val: Sequence[WardSample],
    config: WardConfig | None = None,
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> WardRecogniser:
    """Train a ward recogniser and return the epoch that is best on `val` (never on the test split).

    The same input, configuration and number of threads give the same weights.

    Args:
        train: samples to learn from; events with fewer than 6 are left out.
        val: samples that choose the epoch; events that are not learned do not count.
        config: size and training.
        on_epoch: called after each epoch with its number, the mean training loss and the accuracy on `val`.

    Raises:
        UserError: nothing to learn from or to choose by.
    """
    config = config or WardConfig()
    counts = Counter(sample.event for sample in train)
    events = sorted(name for name, count in counts.items() if count >= MIN_SAMPLES)
    known = [sample for sample in val if sample.event in events]
    if len(events) < 2 or not known:
        raise UserError(
            f"Expected at least 2 events with {MIN_SAMPLES} or more training clips and some clips to validate on, but "
            f"got {len(events)} events and {len(known)} clips. Prepare more clips, or name more --data folders."
        )
    by_event = defaultdict(list)
    for sample in train:
        by_event[sample.event].append(sample)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = torch.Generator().manual_seed(config.seed)
        model = WardRecogniser(events, config)
        optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        size = sum(min(len(by_event[name]), config.per_event) for name in events)
        steps = config.epochs * math.ceil(size / config.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps)
        best_score, best_state = (-1.0, -math.inf), {}
        for epoch in range(config.epochs):
            model.train()
            total = 0.0
            drawn = _draw([by_event[name] for name in events], config.per_event, generator)
            for batch in _batches(drawn, config.batch, generator):
                changed = [_augment(sample, config, generator) for sample in batch]
                loss = ward_loss(model(*pad_samples(changed)), changed, model.events, config)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                total += loss.item() * len(batch)
            score = _score(model, known)
            if score > best_score:
                best_score = score
                best_state = {name: value.clone() for name, value in model.state_dict().items()}
            if on_epoch is not None:
                on_epoch(epoch, total / size, score[0])
        model.load_state_dict(best_state)
    return model.eval()


def ward_loss(output: WardOutput, samples: Sequence[WardSample], events: Sequence[str], config: WardConfig) -> Tensor:
    """Sum of the losses of events, directions, onsets and frame labels; what a sample does not know counts nothing."""
    truth = torch.tensor([events.index(sample.event) for sample in samples])
    losses = {"event": F.cross_entropy(output.event, truth, label_smoothing=config.label_smoothing)}
    direction = torch.tensor([sample.direction for sample in samples])
    if bool((direction >= 0).any()):
        losses["direction"] = F.cross_entropy(output.direction, direction, ignore_index=-1)
    onset = torch.tensor([sample.onset for sample in samples])
    if bool((onset >= 0).any()):
        rows = torch.nonzero(onset >= 0)[:, 0]
        away = torch.arange(output.onset.shape[1]) - onset[rows, None] / STRIDE
        target = (-0.5 * (away / config.onset_spread) ** 2).masked_fill(output.onset[rows].isinf(), -torch.inf)
        chances = output.onset[rows].log_softmax(-1).masked_fill(output.onset[rows].isinf(), 0.0)
        losses["onset"] = -(target.softmax(-1) * chances).sum(-1).mean()
    labels = nn.utils.rnn.pad_sequence(
        [sample.frame_label[::STRIDE] for sample in samples], batch_first=True, padding_value=UNKNOWN_LABEL
    )
    if bool((labels >= 0).any()):
        losses["frames"] = F.cross_entropy(output.frames.flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN_LABEL)
    return torch.stack([_WEIGHTS[name] * loss for name, loss in losses.items()]).sum()


def _draw(groups: list[list[WardSample]], most: int, generator: torch.Generator) -> list[WardSample]:
    """Up to `most` samples of each group, others every epoch."""
    drawn = []
    for group in groups:
        chosen = torch.randperm(len(group), generator=generator)[:most].tolist()
        drawn += [group[i] for i in chosen]
    return drawn


def _batches(samples: list[WardSample], size: int, generator: torch.Generator) -> list[list[WardSample]]:
    # About the same length together, so that little of a batch is padding; which, and in what order, differs.
    lengths = torch.tensor([len(sample.joints) for sample in samples], dtype=torch.float32)
    order = (lengths * (1 + 0.2 * torch.rand(len(samples), generator=generator))).argsort().tolist()
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    shuffled = torch.randperm(len(chunks), generator=generator).tolist()
    return [[samples[i] for i in chunks[c]] for c in shuffled]


def _augment(sample: WardSample, config: WardConfig, generator: torch.Generator) -> WardSample:
    """A mirrored half of the time, with cut ends (never through the onset) and position noise."""
    coin, before, after, noise = torch.rand(4, generator=generator).tolist()
    changed = mirrored(sample) if coin < 0.5 else sample
    frames = len(sample.joints)
    # An event with an onset must stay whole; others may lose a tenth at both ends.
    room = max(sample.onset - _AROUND_ONSET, 0) if sample.onset >= 0 else frames // 10
    first = round(before * min(room, frames // 3))
    last = frames - round(after * frames / 10)
    changed = cut(changed, first, max(last, first + 4)) if frames > 8 else changed
    moved = changed.joints + noise * config.noise_m * torch.randn(changed.joints.shape, generator=generator)
    return WardSample(
        moved,
        changed.context,
        changed.frame_label,
        changed.event,
        changed.onset,
        changed.direction,
        changed.name,
    )


def _score(model: WardRecogniser, samples: Sequence[WardSample]) -> tuple[float, float]:
    # Mean accuracy over events, so that rare ones count; the likelihood decides between equals.
    hits, sure = defaultdict(list), []
    for sample, said in zip(samples, model.judge(samples), strict=True):
        hits[sample.event].append(said.event == sample.event)
        sure.append(float(said.events[model.events.index(sample.event)].clamp(min=1e-9).log()))
    shares = [sum(rows) / len(rows) for rows in hits.values()]
    return sum(shares) / len(shares), sum(sure) / len(sure)
