"""Time our sampler beside a network of the sizes MDM publishes, in one run on one machine.

    .venv/bin/python tools/benchmark_peer.py [--threads 2] [--repeats 5]

The peer is a stand-in with random weights: torch's own transformer encoder with 8 layers of 512 channels, 4 heads and
1024 hidden, one token per frame and one for the text, 263 features in and out (Tevet et al. 2022, "Human Motion
Diffusion Model"). Time does not depend on weights, so the ratio holds for the trained network; quality is not compared
here. Both sides run guidance as one batch of two.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

from diffusion.generator import MotionGenerator, frames_of
from diffusion.sampler import SamplerConfig

SECONDS = 5.0


class PeerNetwork(nn.Module):
    """Transformer encoder of MDM's sizes: 17.9 M parameters in the original, counted here as well."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(512, 4, 1024, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 8, enable_nested_tensor=False)
        self.into, self.text, self.out = nn.Linear(263, 512), nn.Linear(512, 512), nn.Linear(512, 263)

    def forward(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Frames `(batch, frame, 263)` and a text vector `(batch, 512)` to frames."""
        tokens = torch.cat((self.text(text)[:, None], self.into(x)), dim=1)
        return self.out(self.encoder(tokens)[:, 1:])


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of `repeats` runs after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


@torch.no_grad()
def main() -> None:
    """Print a Markdown table of seconds per clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    # MDM's frames are 20 a second as well; its released model always denoises 196 of them, whatever is asked for.
    peer = PeerNetwork().eval()
    x, text = torch.randn(2, 196, 263), torch.randn(2, 512)
    evaluation = median_seconds(lambda: peer(x, text), arguments.repeats)

    generator = MotionGenerator.load()
    default = SamplerConfig()

    def ours(steps: int, batch: int) -> float:
        config = SamplerConfig(steps=steps)
        captions, frames = ["an old man walks slowly and turns left"] * batch, [frames_of(SECONDS)] * batch
        seeds = list(range(batch))
        run = lambda: generator.generate(captions, frames, seeds, sampler=config)  # noqa: E731
        return median_seconds(run, arguments.repeats) / batch

    rows = [
        ("peer, one guided evaluation (measured)", evaluation),
        ("peer, 50 guided steps (50 evaluations)", 50 * evaluation),
        ("peer, 1000 guided steps (1000 evaluations)", 1000 * evaluation),
        (f"ours, {default.steps} guided steps and clean-up, batch 1 (default)", ours(default.steps, 1)),
        (f"ours, {default.steps} guided steps and clean-up, batch 16, per clip", ours(default.steps, 16)),
        ("ours, 50 guided steps and clean-up, batch 1", ours(50, 1)),
    ]
    millions = sum(p.numel() for p in peer.parameters()) / 1e6
    our_millions = sum(p.numel() for p in generator.model.parameters()) / 1e6
    lines = [
        f"{SECONDS:.0f}-s clip, {arguments.threads} CPU threads, torch {torch.__version__}; "
        f"parameters: peer {millions:.1f} M, ours {our_millions:.1f} M",
        "",
        "| what | seconds | ours at batch 1 is faster by |",
        "|---|---|---|",
    ]
    reference = rows[3][1]
    lines += [f"| {name} | {seconds:.3f} | {seconds / reference:.1f} x |" for name, seconds in rows]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
