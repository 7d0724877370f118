"""Train the lifter that ships, and write carescene/assets/lifter.safetensors.

    F=data/prepared; python tools/train_lifter.py --data $F/mocap,$F/simulated_2,$F/controlled,$F/controlled_2

An hour on one CPU core. A stopped run goes on from its last saved step when it is started again. Only the training
splits are opened, but for the last step: how far its uncertainty is to be trusted is measured on the validation splits.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from carescene.errors import UserError
from carescene.files import write_atomically
from reconstruction.lifter_calibration import calibrated
from reconstruction.lifter_file import lifter_bytes
from reconstruction.lifter_network import Lifter
from reconstruction.lifter_training import LifterLoss, LifterTraining, train_lifter
from reconstruction.seen_motion import read_bank


def main() -> None:
    """Read the folders, train, calibrate, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folders, joined by commas")
    parser.add_argument("--out", type=Path, default=Path("carescene/assets/lifter.safetensors"))
    parser.add_argument("--steps", type=int, default=LifterTraining().steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--licence",
        default="CC BY-NC-SA 4.0 (non-commercial, from the training recordings)",
        help="licence of the weights, noted in the file",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folders = [Path(name) for name in args.data.split(",") if name]
    with tqdm(unit="clip", desc="reading", dynamic_ncols=True) as bar:
        train = read_bank(folders, "train", bar.update)
        val = read_bank(folders, "val", bar.update)
    training = replace(LifterTraining(), steps=args.steps, seed=args.seed)
    notes = {"data": "+".join(folder.name for folder in folders), "licence": args.licence, "training": str(training)}

    def write(step: int, model: Lifter) -> None:
        content = lifter_bytes(model, calibrated(model, val), notes | {"steps_done": str(step)})
        write_atomically(args.out, lambda file: file.write(content))

    state = args.out.with_suffix(".training.pt")
    with tqdm(total=args.steps, unit="step", dynamic_ncols=True, mininterval=5) as bar:
        mean: list[LifterLoss] = []

        def on_step(step: int, loss: LifterLoss) -> None:
            bar.update(step + 1 - bar.n)
            mean.append(loss)
            if len(mean) == 250:
                joints, turns, likelihood = (sum(part) / len(mean) for part in list(zip(*mean, strict=True))[1:])
                tqdm.write(f"step {step + 1}: joints {1000 * joints:.1f} mm, turns {turns:.4f}, flow {likelihood:.3f}")
                mean.clear()

        train_lifter(train, training=training, on_step=on_step, on_save=write, state=state)
    state.unlink(missing_ok=True)
    sys.stdout.write(f"wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
