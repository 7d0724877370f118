"""Time clips of situations: seconds per 6-s, 2-person clip at batch 1 and more, with and without gradient guidance.

    .venv/bin/python tools/benchmark_model.py [--checkpoint FILE] [--threads 2] [--batches 1 64] [--repeats 3]

Two people walk in a furnished ward (`lightning generate` of such a situation, one try); sampling, decoding and clean-up
are included, choosing places and writing files are not. The peer has MDM's sizes and random weights, as in
benchmark_peer.py, and makes one person without a room: per clip it is counted twice.
"""

import argparse
import sys
from pathlib import Path

import torch
import yaml
from benchmark_peer import PeerNetwork, median_seconds

from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.scenes import generate_scene
from carescene.situations import parse_situation
from diffusion.asking.compile import Asked, compile_situation
from diffusion.asking.sampling import Settings, sample_asked, to_clip
from diffusion.generator import MotionGenerator
from diffusion.sampler import SamplerConfig

SITUATION = {
    "seconds": 6,
    "text": "a nurse and an old man walk through the room",
    "persons": [
        {"role": "patient", "age_years": 80, "sex": "male", "start": {"state": "walking"}},
        {"role": "staff", "start": {"state": "walking"}},
    ],
    "scene": "ward_two_bed",
}
# The bounds of the project, seconds per clip at batch 1 on two CPU cores.
BOUNDS = {False: 1.5, True: 4.0}


def asked_clips(count: int) -> list[Asked]:
    """Compiled situations of `count` clips in one ward."""
    situation, body = parse_situation(yaml.safe_dump(SITUATION)), load_body()
    scene = generate_scene("ward_two_bed", 3)
    made: list[Asked] = []
    for seed in range(20 * count):
        try:
            made.append(compile_situation(situation, scene, seed, body=body))
        except UserError:
            # Not every draw of places leaves two people room to walk.
            continue
        if len(made) == count:
            return made
    raise UserError(f"Expected {count} draws of places that fit the room, but got {len(made)}.")


def ours(generator: MotionGenerator, batch: int, gradients: bool, repeats: int) -> float:
    """Seconds per clip: sampling, decoding and clean-up."""
    settings = Settings(SamplerConfig(), energies=1.0 if gradients else 0.0)
    asked = asked_clips(batch)

    def run() -> None:
        world = sample_asked(generator, asked, settings)
        for row, one in enumerate(asked):
            to_clip(one, world.motion[row], world.event[row], f"clip-{row}", generator, settings)

    return median_seconds(run, repeats) / batch


@torch.no_grad()
def peer_evaluation(repeats: int) -> float:
    """Seconds of one guided evaluation of a network of MDM's sizes, one clip of one person."""
    peer = PeerNetwork().eval()
    x, text = torch.randn(2, 196, 263), torch.randn(2, 512)
    return median_seconds(lambda: peer(x, text), repeats)


def main() -> None:
    """Print a Markdown table of seconds per clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 64])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generator = MotionGenerator.load(arguments.checkpoint)
    steps = SamplerConfig().steps
    lines = [
        f"6-s clip of 2 people in a ward, {arguments.threads} CPU threads, torch {torch.__version__}, {steps} steps; "
        f"{sum(p.numel() for p in generator.model.parameters()) / 1e6:.1f} M parameters",
        "",
        "| what | batch | seconds per clip | bound |",
        "|---|---|---|---|",
    ]
    for gradients in (False, True):
        for batch in arguments.batches:
            seconds = ours(generator, batch, gradients, arguments.repeats if batch == 1 else 1)
            name = "with gradient guidance" if gradients else "without gradient guidance"
            bound = f"<= {BOUNDS[gradients]} s" if batch == 1 else "-"
            lines.append(f"| ours, {name} | {batch} | {seconds:.2f} | {bound} |")
    evaluation = peer_evaluation(arguments.repeats)
    for count in (50, 1000):
        lines.append(f"| peer, {count} guided steps, both people | 1 | {2 * count * evaluation:.2f} | - |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
