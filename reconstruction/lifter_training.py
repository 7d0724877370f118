"""Training of the lifter: regression of the best pose, likelihood of the flow around it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carescene.files import write_atomically
from carescene.humans.kinematics import forward_kinematics
from carescene.training_state import read_training_state
from reconstruction.lifter_network import TANGENT, Lifted, Lifter, LifterConfig, perturbed, tangent
from reconstruction.seen_motion import MotionBank, SeenWindows, frame_weights, seen_windows

# Noise on the truth for the flow, radians: hands that never move would have infinite density, and labels no width.
_SOFTEN: Final = 0.02


@dataclass(frozen=True)
class LifterTraining:
    """Training settings.

    Attributes:
        steps, batch: 23,000 x 512 take an hour of one CPU core.
        learning_rate, weight_decay, warm_up: AdamW; the rate rises over `warm_up` steps and falls as a cosine.
        average: decay of the moving average of the weights, which is what is kept.
        joints, turns, likelihood: weights of the losses: joints relative to the pelvis (metres), matrices of the
            rotations, and the flow's negative log-density per number.
        seed: of everything drawn.
    """

    steps: int = 23_000
    batch: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: int = 300
    average: float = 0.999
    joints: float = 10.0
    turns: float = 1.0
    likelihood: float = 0.1
    seed: int = 0


class LifterLoss(NamedTuple):
    """The sum, and its parts in their own units."""

    total: Float[Tensor, ""]
    joints_m: float
    turns: float
    likelihood: float


def lifter_loss(
    model: Lifter, lifted: Lifted, windows: SeenWindows, training: LifterTraining, generator: torch.Generator
) -> LifterLoss:
    """What a batch costs.

    Distances are not squared: where a picture leaves two poses open, the better one is a better answer than their mean.
    The flow learns how the best pose errs, so its loss does not move that pose.
    """
    zero = torch.zeros_like(windows.rest[:, 0])
    found, _ = forward_kinematics(lifted.rotations, zero, windows.rest)
    true, _ = forward_kinematics(windows.rotations, zero, windows.rest)
    joints = (found - true).square().sum(-1).add(1e-8).sqrt().mean()
    turns = (lifted.rotations - windows.rotations).square().sum((-1, -2)).add(1e-6).sqrt().mean()
    soft = _SOFTEN * torch.randn(len(zero), TANGENT, generator=generator)
    w = tangent(lifted.rotations.detach(), perturbed(windows.rotations, soft))
    with _half():
        likelihood = -model.flow.log_prob(w, lifted.context).mean() / TANGENT
    total = training.joints * joints + training.turns * turns + training.likelihood * likelihood
    return LifterLoss(total, joints.item(), turns.item(), likelihood.item())


def train_lifter(
    bank: MotionBank,
    config: LifterConfig | None = None,
    training: LifterTraining | None = None,
    on_step: Callable[[int, LifterLoss], None] | None = None,
    on_save: Callable[[int, Lifter], None] | None = None,
    state: Path | None = None,
    save_every: int = 1000,
) -> Lifter:
    """Train a lifter and return the moving average of its weights.

    Args:
        bank: motion to learn from; every window is seen by a new camera and detector.
        on_step: called after each step with its number and loss.
        on_save: called every `save_every` steps with the averaged network.
        state: file that keeps the training; a run that was stopped goes on from it, also with another number of steps.

    Raises:
        UserError: a state of other settings.
    """
    config, training = config or LifterConfig(), training or LifterTraining()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model, average = Lifter(config), Lifter(config)
    average.load_state_dict(model.state_dict())
    generator = torch.Generator().manual_seed(training.seed)
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}],
        training.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    first, weights = 0, frame_weights(bank)
    if state is not None and state.is_file():
        kept = read_training_state(state, _identity(config, training))
        model.load_state_dict(kept["model"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        generator.set_state(kept["generator"])
        first = kept["step"]
    for step in range(first, training.steps):
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * _rate(step, training)
        rows = torch.multinomial(weights, training.batch, replacement=True, generator=generator)
        windows = seen_windows(bank, rows, generator, vary=True)
        with _half():
            lifted = model(windows.seen.features)
        loss = lifter_loss(model, lifted, windows, training, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        _follow(average, model, min(training.average, (1 + step) / (10 + step)))
        if on_step is not None:
            on_step(step, loss)
        if (step + 1) % save_every == 0 or step + 1 == training.steps:
            if state is not None:
                content = {
                    "identity": _identity(config, training),
                    "step": step + 1,
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "generator": generator.get_state(),
                }
                write_atomically(state, lambda file, content=content: torch.save(content, file))
            if on_save is not None:
                on_save(step + 1, average)
    return average.eval()


def _half() -> torch.autocast:
    """Wide matrix products in bfloat16, twice as fast; around networks only, as rotations need all their digits."""
    return torch.autocast("cpu", dtype=torch.bfloat16)


def _rate(step: int, training: LifterTraining) -> float:
    """Share of the learning rate: a straight rise, then half a cosine down to 1 %."""
    rise = min((step + 1) / training.warm_up, 1.0)
    done = torch.tensor(torch.pi * min(step / training.steps, 1.0))
    return rise * (0.01 + 0.99 * 0.5 * (1 + float(done.cos())))


@torch.no_grad()
def _follow(average: Lifter, model: Lifter, decay: float) -> None:
    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)


def _identity(config: LifterConfig, training: LifterTraining) -> str:
    # Without the number of steps: that may change while a run is stopped.
    return f"{config} batch={training.batch} seed={training.seed}"
