"""What rooms, events and simulated falls are worth: the same model trained without each, judged in the same way.

    python tools/ablate_world.py --start model.safetensors --situations "[a.yaml, b.yaml]" --out runs/ablation

Every variant starts from the same weights and trains for as many steps on the same batches (but for what it lacks);
then it makes the same situations with the same seeds, one try each, which `lightning evaluate situations` judges.
Variants that are finished are kept, so that the command goes on after a kill.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace

from carescene.files import write_atomically

FOLDERS = ("mocap", "simulated", "controlled", "scenes")


@dataclass(frozen=True)
class Variant:
    """A way to train, and what sampling must leave out with it."""

    name: str
    train: tuple[str, ...] = ()
    folders: tuple[str, ...] = FOLDERS
    guidance: dict[str, float] = field(default_factory=dict)


VARIANTS = (
    Variant("full model"),
    # Guidance 0 samples the model that does not see the room, or what was given of the events.
    Variant("no room", ("--model.loss.scene_dropout=1",), guidance={"scene": 0.0}),
    Variant("no events", ("--model.loss.event_dropout=1",), guidance={"constraints": 0.0}),
    Variant("no simulated falls", folders=("mocap", "controlled")),
)


def main() -> None:
    """Train, sample and judge every variant, and write one table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/prepared"))
    parser.add_argument("--start", type=Path, required=True, help="weights that all variants start from")
    parser.add_argument("--config", type=Path, default=Path("configs/diffusion/world.yaml"))
    parser.add_argument("--situations", type=list[Path], required=True, help="situation files to sample")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--count", type=int, default=8, help="clips of each situation")
    parser.add_argument("--recogniser", type=Path | None, default=None, help="trained ward recogniser to judge with")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    results = {variant.name: _measure(variant, args) for variant in VARIANTS}
    table = _table(results)
    write_atomically(args.out / "ablation.json", lambda file: file.write(json.dumps(results, indent=1).encode()))
    write_atomically(args.out / "ablation.md", lambda file: file.write(table.encode()))
    sys.stdout.write(table)


def _measure(variant: Variant, args: Namespace) -> list[dict[str, Any]]:
    folder = args.out / variant.name.replace(" ", "_")
    report = folder / "report" / "situations.json"
    if not report.is_file():
        weights = _train(variant, args, folder)
        for path in args.situations:
            _sample(variant, args, path, weights, folder)
        test = ",".join(str(args.data / name) for name in FOLDERS[1:])
        judge = [] if args.recogniser is None else [f"--recogniser={args.recogniser}"]
        _lightning(
            "evaluate", "situations", f"--dir={folder / 'clips'}", f"--data={test}",
            f"--out={folder / 'report'}", *judge,
        )  # fmt: skip
    return json.loads(report.read_text())["generated"]["promises"]


def _train(variant: Variant, args: Namespace, folder: Path) -> Path:
    weights = folder / "version_0" / "model.safetensors"
    if not weights.is_file():
        data = ",".join(str(args.data / name) for name in variant.folders)
        _lightning(
            "fit", f"--config={args.config}", f"--data.data_dirs=[{data}]", f"--data.batch_size={args.batch}",
            f"--data.pack_dir={args.out / 'packs'}", f"--trainer.max_steps={args.steps}",
            "--trainer.limit_val_batches=0", f"--trainer.logger.init_args.save_dir={folder}",
            f"--model.start_from={args.start}", "--model.warmup_steps=50", *variant.train,
        )  # fmt: skip
    return weights


def _sample(variant: Variant, args: Namespace, path: Path, weights: Path, folder: Path) -> None:
    settings = yaml.safe_load(path.read_text()) | {"count": args.count, "guidance": variant.guidance}
    asked = folder / "situations" / path.name
    asked.parent.mkdir(parents=True, exist_ok=True)
    asked.write_text(yaml.safe_dump(settings))
    _lightning("generate", str(asked), f"--checkpoint={weights}", "--tries=1", "--render=false",
               f"--out={folder / 'clips' / path.stem}")  # fmt: skip


def _lightning(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "lightning_app", *arguments], check=True)


def _table(results: dict[str, list[dict[str, Any]]]) -> str:
    rows = next(iter(results.values()))
    lines = [
        "| measure | on | " + " | ".join(results) + " |",
        "|" + "---|" * (2 + len(results)),
    ]
    for number, row in enumerate(rows):
        values = [promises[number]["value"] for promises in results.values()]
        shown = ["-" if value is None else f"{value:.3g}" for value in values]
        if any(value is not None for value in values):
            lines.append(f"| {row['measure']} | {row['on']} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
