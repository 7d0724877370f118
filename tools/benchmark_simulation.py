"""How fast people are simulated: seconds of motion per core second, for what a fall consists of.

Run it as `python tools/benchmark_simulation.py`. Conversion from and to clips is counted, building the model is shown
on its own: it is built once per person. Core seconds are those of this process, so that other work on the machine
disturbs little. The table it prints stands in docs/benchmarks.md.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from carescene.clips import load_clip
from carescene.scenes import SceneObject, bed_surface, default_object
from carescene.simulation import (
    Assistance,
    PersonBody,
    Perturbation,
    Protect,
    Push,
    ReferenceMotion,
    Settle,
    build_humanoid,
    simulate,
)

_HIPS: Final = 0.97
_LYING: Final = 0.16


@dataclass(frozen=True)
class Case:
    """One row: what is simulated for how many seconds."""

    name: str
    reference: ReferenceMotion
    events: Sequence[Perturbation]
    furniture: Sequence[SceneObject]
    seconds: float


def walking(seconds: float) -> ReferenceMotion:
    """Somebody who walks along -y with swinging legs and arms, 20 frames per second."""
    time = np.arange(round(seconds * 20)) / 20
    poses = np.zeros((len(time), 24, 3))
    poses[:, 0, 0] = np.pi / 2
    swing = np.sin(2 * np.pi * time / 1.1)
    poses[:, 1, 0], poses[:, 2, 0] = 0.35 * swing, -0.35 * swing
    poses[:, 4, 0], poses[:, 5, 0] = 0.3 - 0.25 * swing, 0.3 + 0.25 * swing
    poses[:, 16, 2], poses[:, 17, 2] = -1.3, 1.3
    trans = np.stack((np.zeros_like(time), -1.1 * time, np.full_like(time, _HIPS - 0.02)), axis=1)
    return ReferenceMotion(poses, trans)


def lying(height: float) -> ReferenceMotion:
    """Somebody on the back, head towards -y, pelvis at this height in metres."""
    poses = np.zeros((1, 24, 3))
    # Half a turn about the axis between "up" and "to the back" lays the rest pose down.
    poses[0, 0] = np.array([0.0, 0.0, np.pi])
    poses[0, 16, 2], poses[0, 17, 2] = -1.3, 1.3
    return ReferenceMotion(poses, np.array([[0.0, 0.0, height]]))


def cases(walk: ReferenceMotion) -> list[Case]:
    """The rows of the table."""
    bed = default_object("bed", "bed-1", x=0.0, y=0.0, rails="none")
    chair = default_object("chair", "chair-1", x=1.2, y=-1.0)
    fall: list[Perturbation] = [Push(0.5, 0.25, "spine3", (250.0, 0.0, 0.0)), Assistance(0.5, 0.1, 0.0)]
    reacting = [*fall, Protect(0.5), Settle(0.8)]
    resting: list[Perturbation] = [Assistance(0.0, 0.0, 0.0), Settle(0.0, delay_s=0.0)]
    return [
        Case("walking, followed", walk, [], [], 6.0),
        Case("fall: push, reaction, rest", walk, reacting, [], 6.0),
        Case("the same beside a bed and a chair", walk, reacting, [bed, chair], 6.0),
        Case("lying on the floor", lying(_LYING), resting, [], 6.0),
        Case("lying in bed", lying(bed_surface(bed).height + _LYING), resting, [bed], 6.0),
    ]


def measure(case: Case, betas: Float[np.ndarray, "10"], repeats: int) -> tuple[float, float]:
    """Core seconds for the model, and seconds of motion per core second (the best of the repeats)."""
    start = time.process_time()
    humanoid = build_humanoid(PersonBody(betas), case.furniture)
    built = time.process_time() - start
    spent: list[float] = []
    for _ in range(repeats):
        start = time.process_time()
        simulate(case.reference, humanoid.person, case.events, case.furniture, seconds=case.seconds, humanoid=humanoid)
        spent.append(time.process_time() - start)
    return built, case.seconds / min(spent)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a prepared clip to follow in place of the made-up walk")
    parser.add_argument("--repeats", type=int, default=3, help="the best of this many counts (default: 3)")
    options = parser.parse_args()
    walk, betas = walking(6.0), np.zeros(10)
    if options.clip is not None:
        clip = load_clip(options.clip)
        walk = ReferenceMotion(clip.poses[0].astype(np.float64), clip.trans[0].astype(np.float64), clip.fps)
        betas = clip.betas[0].astype(np.float64)
    build_humanoid(PersonBody(betas))  # reads the body file once, outside of the timing
    lines = ["| what | times real time per core | building the model |", "|---|---|---|"]
    with threadpool_limits(1):
        for case in cases(walk):
            built, factor = measure(case, betas, options.repeats)
            lines.append(f"| {case.name} | {factor:.0f} | {1000 * built:.0f} ms |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
