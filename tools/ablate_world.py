"""What rooms, events and simulated falls are worth: the same model trained without each, judged in the same way.

    python tools/ablate_world.py --start model.safetensors --situations "[a.yaml, b.yaml]" --out runs/ablation

Every variant starts from the same weights, which should know recorded motion alone, and trains for as many steps on the
same folders (but for what it lacks). Two judgements follow: the error of its estimates of held-out motion, given
everything else that it may know, and the same situations with the same seeds, one try each, which
`lightning evaluate situations` judges. A run that was stopped goes on with the same command.
"""

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from jsonargparse import ArgumentParser, Namespace

from carescene.clips import load_clip
from carescene.files import write_atomically
from datamodules import SceneDataModule
from diffusion.checkpoint import load_checkpoint
from lightning_app.main import main as lightning

_SPLITS: Final = ("train", "val", "test")
# Noise of held-out clips is drawn once, by this seed, so that all variants denoise the same numbers.
_SEED: Final = 5


@dataclass(frozen=True)
class Variant:
    """A way to train: what of rooms and events is left out, in training and in sampling, and which data."""

    name: str
    no_room: bool = False
    no_events: bool = False
    simulated: bool = True
    # Guidance 0 samples the model that does not see the room, or what was given of the events.
    guidance: dict[str, float] = field(default_factory=dict)


VARIANTS: Final = (
    Variant("full model"),
    Variant("no room", no_room=True, guidance={"scene": 0.0}),
    Variant("no events", no_events=True, guidance={"constraints": 0.0}),
    Variant("no simulated falls", simulated=False),
)


def main() -> None:
    """Train, sample and judge every variant, and write one table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/prepared"))
    parser.add_argument("--simulated", default="simulated", help="folder of simulated falls, inside --data")
    parser.add_argument("--start", type=Path, required=True, help="weights that all variants start from")
    parser.add_argument("--config", type=Path, default=Path("configs/diffusion/world.yaml"))
    parser.add_argument("--situations", type=list[Path], default=[], help="situation files to sample")
    parser.add_argument("--ask", type=bool, default=False, help="train nothing: what --start loses when told less")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--count", type=int, default=8, help="clips of each situation")
    parser.add_argument("--recogniser", type=Path | None, default=None, help="trained ward recogniser to judge with")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.ask:
        sys.stdout.write(_table(_told_less(args), {}))
        return
    # All train first: a run that is stopped while sampling has the expensive part behind it.
    weights = {variant.name: _train(variant, args) for variant in VARIANTS}
    errors = {variant.name: _held_out_error(weights[variant.name], variant, args) for variant in VARIANTS}
    promises = {variant.name: _judge(weights[variant.name], variant, args) for variant in VARIANTS}
    results = {"steps": args.steps, "batch": args.batch, "held_out_error": errors, "promises": promises}
    table = _table(errors, promises)
    write_atomically(args.out / "ablation.json", lambda file: file.write(json.dumps(results, indent=1).encode()))
    write_atomically(args.out / "ablation.md", lambda file: file.write(table.encode()))
    sys.stdout.write(table)


# ------------------------------------------------------------------------------------------------------------- training


def _train(variant: Variant, args: Namespace) -> Path:
    folder = _folder(variant, args)
    weights = folder / "version_0" / "model.safetensors"
    if not weights.is_file():
        last = folder / "checkpoints" / "last.ckpt"
        resume = [f"--ckpt_path={last}"] if last.is_file() else []
        _lightning("fit", f"--config={_config(variant, args)}", *resume)
    return weights


def _config(variant: Variant, args: Namespace) -> Path:
    """The config of a variant: that of the shipped model, shortened to a run of --steps."""
    folder = _folder(variant, args)
    config = yaml.safe_load(args.config.read_text())
    trainer = config["trainer"]
    callbacks = {each["class_path"].rsplit(".")[-1]: each for each in trainer["callbacks"]}
    del callbacks["SampleVideos"]
    # The average must forget the weights that the run began with: here over its last twentieth.
    callbacks["EMAWeightAveraging"]["init_args"]["decay"] = 1 - 20 / args.steps
    callbacks["ModelCheckpoint"]["init_args"] |= {"dirpath": str(folder / "checkpoints"), "every_n_train_steps": 50}
    trainer |= {
        "max_steps": args.steps,
        "limit_val_batches": 0,
        "default_root_dir": str(folder),
        "callbacks": list(callbacks.values()),
    }
    trainer["logger"]["init_args"] |= {"save_dir": str(folder), "version": 0}
    config["model"] |= {
        "start_from": str(args.start),
        "warmup_steps": args.steps // 10,
        "curriculum_steps": max(args.steps // 4, 1),
        "loss": {"scene_dropout": 1.0 if variant.no_room else 0.1, "event_dropout": float(variant.no_events)},
    }
    config["data"] |= {
        "data_dirs": [str(path) for path in _folders(variant, args)],
        "batch_size": args.batch,
        "pack_dir": str(args.out / "packs"),
    }
    path = folder / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def _folders(variant: Variant, args: Namespace) -> list[Path]:
    if variant.simulated:
        return [args.data / name for name in ("mocap", args.simulated, "controlled", "scenes")]
    return [args.data / "mocap", args.data / "controlled", _unsimulated_scenes(args)]


def _unsimulated_scenes(args: Namespace) -> Path:
    """The clips in rooms that no simulated clip went into, as a folder of their own that borrows the files."""
    scenes, folder = args.data / "scenes", args.out / "scenes_without_simulated"
    (folder / "splits").mkdir(parents=True, exist_ok=True)
    if not (folder / "clips").exists():
        (folder / "clips").symlink_to((scenes / "clips").resolve())
    for split in _SPLITS:
        names = (scenes / "splits" / f"{split}.txt").read_text().split()
        kept = [name for name in names if "simulated_" not in load_clip(scenes / "clips" / name).attributes["sources"]]
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in kept))
    return folder


# -------------------------------------------------------------------------------------------------------------- judging


def _held_out_error(weights: Path, variant: Variant, args: Namespace) -> dict[str, float]:
    """Mean squared error of estimates of normalised motion, per folder, over the test split.

    All motion of a clip has one level of noise; text, body, room and events are known, but for what the variant lacks.
    """
    file = _folder(variant, args) / "held_out.json"
    if not file.is_file():
        errors = _errors(weights, args, scene_dropout=float(variant.no_room))
        write_atomically(file, lambda stream: stream.write(json.dumps(errors).encode()))
    return json.loads(file.read_text())


def _told_less(args: Namespace) -> dict[str, dict[str, float]]:
    """Errors of one model that is told everything, not the room, or not the events."""
    return {
        "all known": _errors(args.start, args, scene_dropout=0.0),
        "room not given": _errors(args.start, args, scene_dropout=1.0),
        "events not given": _errors(args.start, args, scene_dropout=0.0, known_event=0.0),
    }


@torch.no_grad()
def _errors(weights: Path, args: Namespace, **told: float) -> dict[str, float]:
    model, _ = load_checkpoint(weights)
    known = {"shared_level": 1.0, "known_event": 1.0, "known_shape": 1.0, "known_things": 1.0}
    known |= dict.fromkeys(("text_dropout", "known_tokens", "known_motion"), 0.0)
    model.config = replace(model.config, loss=replace(model.config.loss, **(known | told)))
    return {name: _error(model, args.data / name, args) for name in (args.simulated, "controlled", "scenes")}


def _error(model: Any, folder: Path, args: Namespace) -> float:
    data = SceneDataModule([folder], batch_size=args.batch, pack_dir=args.out / "packs")
    data.use_normaliser(model.normaliser)
    generator = torch.Generator().manual_seed(_SEED)
    total, clips = 0.0, 0
    for batch in data.test_dataloader():
        size = len(batch["motion"])
        total += size * float(model.loss(batch, generator)["x0_error"])
        clips += size
    return total / clips


def _judge(weights: Path, variant: Variant, args: Namespace) -> list[dict[str, Any]]:
    folder = _folder(variant, args)
    report = folder / "report" / "situations.json"
    if not report.is_file():
        for path in args.situations:
            _sample(variant, args, path, weights, folder)
        test = ",".join(str(args.data / name) for name in (args.simulated, "controlled", "scenes"))
        judge = [] if args.recogniser is None else [f"--recogniser={args.recogniser}"]
        _lightning(
            "evaluate", "situations", f"--dir={folder / 'clips'}", f"--data={test}",
            f"--out={folder / 'report'}", "--held_out=12", *judge,
        )  # fmt: skip
    return json.loads(report.read_text())["generated"]["promises"]


def _sample(variant: Variant, args: Namespace, path: Path, weights: Path, folder: Path) -> None:
    settings = yaml.safe_load(path.read_text()) | {"count": args.count, "guidance": variant.guidance}
    asked = folder / "situations" / path.name
    asked.parent.mkdir(parents=True, exist_ok=True)
    asked.write_text(yaml.safe_dump(settings))
    _lightning("generate", str(asked), f"--checkpoint={weights}", "--tries=1", "--render=false",
               f"--out={folder / 'clips' / path.stem}")  # fmt: skip


def _folder(variant: Variant, args: Namespace) -> Path:
    return args.out / variant.name.replace(" ", "_")


def _lightning(*arguments: str) -> None:
    # In this process: loading the libraries anew takes longer than sampling some clips.
    code = lightning(list(arguments))
    if code:
        raise SystemExit(code)


def _table(errors: dict[str, dict[str, float]], promises: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| measure | on | " + " | ".join(errors) + " |",
        "|" + "---|" * (2 + len(errors)),
    ]
    for name in next(iter(errors.values())):
        shown = [f"{error[name]:.4f}" for error in errors.values()]
        lines.append(f"| error of estimated motion | test split of {name} | " + " | ".join(shown) + " |")
    for number, row in enumerate(next(iter(promises.values()), [])):
        values = [variant[number]["value"] for variant in promises.values()]
        shown = ["-" if value is None else f"{value:.3g}" for value in values]
        if any(value is not None for value in values):
            lines.append(f"| {row['measure']} | {row['on']} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
