"""Train the text-motion encoder that ships, and write carescene/assets/text_motion.safetensors.

    F=data/prepared; python tools/train_text_motion.py --data $F/mocap,$F/simulated,$F/controlled,$F/scenes

Some minutes on one CPU core. A stopped run goes on after its last finished epoch when it is started again.
The epoch is chosen on the validation splits; the test splits are not opened.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from carescene.errors import UserError
from carescene.evaluation.text_motion import text_motion_bytes
from carescene.evaluation.text_motion_training import TextMotionTraining, train_text_motion
from carescene.files import write_atomically
from diffusion.text import load_text_encoder
from lightning_app.evaluation.described import caption_features, described_clips
from lightning_app.evaluation.steering import data_fingerprint


def main() -> None:
    """Read the folders, train, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folders, joined by commas")
    parser.add_argument("--out", type=Path, default=Path("carescene/assets/text_motion.safetensors"))
    parser.add_argument("--epochs", type=int, default=TextMotionTraining().epochs)
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
    train, val = described_clips(folders, "train"), described_clips(folders, "val")
    encoder = load_text_encoder()
    captions = [text for row in (*train, *val) for text in (*row.captions, *row.mirrored)]
    texts = caption_features(captions, encoder)
    training = replace(TextMotionTraining(), epochs=args.epochs, seed=args.seed)
    notes = {
        "data": "+".join(f"{folder.name}:{data_fingerprint(folder)}" for folder in folders),
        "text_encoder": encoder.model_id,
        "licence": args.licence,
        "training": str(training),
    }
    state = args.out.with_suffix(".training.pt")
    with tqdm(total=args.epochs * (len(train) // training.batch), unit="step", dynamic_ncols=True) as bar:

        def on_epoch(epoch: int, loss: float, score: float) -> None:
            tqdm.write(f"epoch {epoch}: loss {loss:.3f}, R-precision top 3 of 32 on val {score:.3f}")

        def on_step(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}")
            bar.update()

        model = train_text_motion(train, val, texts, training=training, on_epoch=on_epoch, on_step=on_step, state=state)
    content = text_motion_bytes(model, notes)
    write_atomically(args.out, lambda file: file.write(content))
    state.unlink(missing_ok=True)
    sys.stdout.write(f"wrote {args.out} ({len(content) / 1e6:.1f} MB)\n")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
