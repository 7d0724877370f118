"""Memory of a long stream: the peak of resident memory after every minute that is made.

    python tools/stream_memory.py SITUATION.yaml [--minutes 10] [--checkpoint FILE] [--steps 20] [--energies 1]

The stream is made as `lightning generate` makes it and thrown away. The peak of a process never falls, so one run shows
whether ten minutes need more than two.
"""

import argparse
import dataclasses
import resource
import sys
import tempfile
from pathlib import Path

import torch
from tqdm import tqdm

from carescene.errors import UserError
from carescene.humans.body import load_body
from carescene.situations import load_situation
from carescene.situations.situation import StreamRequest
from diffusion.asking.sampling import Settings
from diffusion.asking.stream import make_stream
from diffusion.generator import MotionGenerator
from diffusion.sampler import SamplerConfig


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB of 10^6 bytes."""
    # Linux counts in kibibytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("situation", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--steps", type=int, default=SamplerConfig().steps)
    parser.add_argument("--energies", type=float, default=1.0, help="weight of gradient guidance; 0 is faster")
    parser.add_argument("--tries", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    situation = load_situation(arguments.situation)
    stream = situation.stream or StreamRequest(arguments.minutes)
    situation = dataclasses.replace(situation, stream=dataclasses.replace(stream, minutes=arguments.minutes))
    generator, body = MotionGenerator.load(arguments.checkpoint), load_body()
    settings = Settings(SamplerConfig(steps=arguments.steps), energies=arguments.energies)
    peaks, made = [("loaded", peak_mb())], 0.0
    with tqdm(total=arguments.minutes * 60, desc="stream", unit="s", dynamic_ncols=True) as bar:

        def note(seconds: float) -> None:
            nonlocal made
            bar.update(seconds)
            whole, made = int(made // 60), made + seconds
            if int(made // 60) > whole:
                peaks.append((f"{int(made // 60)}", peak_mb()))

        with tempfile.TemporaryDirectory() as folder:
            make_stream(generator, situation, Path(folder), settings, body=body, tries=arguments.tries, on_seconds=note)
    lines = ["| minutes made | peak of resident memory, MB |", "|---|---|"]
    lines += [f"| {minutes} | {peak:.0f} |" for minutes, peak in peaks]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
