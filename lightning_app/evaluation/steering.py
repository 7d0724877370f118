"""Steering: does a recogniser of real actions recognise what the text asked for?"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from tqdm import tqdm

from carescene import UserError
from carescene.clips import Clip
from carescene.evaluation import ActionRecogniser, LabelledMotion, RecogniserConfig, confusion_matrix, train_recogniser
from carescene.evaluation.plots import bar_chart, confusion_chart
from carescene.evaluation.recogniser import recogniser_from, recogniser_metadata
from carescene.files import write_atomically
from lightning_app.evaluation.prepared import labelled, load_split, split_ids
from lightning_app.evaluation.reports import markdown_table, wilson_interval, write_report

# The bounds of the project: the recogniser must be trustworthy on real motion before its word on generated counts.
REAL_BOUND: Final = 0.95
GENERATED_BOUND: Final = 0.85

# Fewer training clips than this teach nothing about a class; its clips are left out of training and judgement.
MIN_CLIPS: Final = 8


def get_recogniser(data: Path, path: Path, config: RecogniserConfig, by: str = "class") -> ActionRecogniser:
    """The recogniser of one attribute: read from `path`, or trained on the data's training split and written there.

    The epoch is chosen on the validation split; the test split is not touched.

    Raises:
        UserError: a damaged file, or one trained on other data.
    """
    fingerprint = f"{by}:{data_fingerprint(data)}"
    if path.is_file():
        return _read(path, fingerprint)
    train, val = labelled(load_split(data, "train"), by), labelled(load_split(data, "val"), by)
    counts = Counter(motion.label for motion in train)
    kept = {name for name, count in counts.items() if count >= min(MIN_CLIPS, max(counts.values()))}
    train = [motion for motion in train if motion.label in kept]
    val = [motion for motion in val if motion.label in kept]
    with tqdm(total=config.epochs, desc="recogniser", unit="epoch") as bar:

        def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", val=f"{accuracy:.3f}")
            bar.update()

        model = train_recogniser(train, val, config, on_epoch)
    metadata = recogniser_metadata(model) | {"data": fingerprint}
    content = safetensors.torch.save(model.state_dict(), metadata)
    write_atomically(path, lambda file: file.write(content))
    return model


def judge(model: ActionRecogniser, motions: Sequence[LabelledMotion]) -> dict[str, Any]:
    """Accuracy of a recogniser on motions of its classes: overall, per class, and the confusion matrix.

    Motions of classes it has not learned are counted as `left_out`.
    """
    known = [motion for motion in motions if motion.label in model.classes]
    truth, guesses = [motion.label for motion in known], model.predict([motion.joints for motion in known])
    matrix = confusion_matrix(truth, guesses, model.classes)
    hits, total = int(matrix.diagonal().sum()), len(known)
    rows = {name: int(count) for name, count in zip(model.classes, matrix.sum(1), strict=True)}
    shares = {name: int(matrix[i, i]) / rows[name] for i, name in enumerate(model.classes) if rows[name] > 0}
    return {
        "clips": total,
        "left_out": len(motions) - total,
        "accuracy": hits / max(total, 1),
        "interval": wilson_interval(hits, total),
        "class_mean": sum(shares.values()) / max(len(shares), 1),
        "per_class": {name: {"clips": rows[name], "accuracy": shares.get(name)} for name in model.classes},
        "confusion": matrix.tolist(),
    }


def report_steering(
    out: Path, model: ActionRecogniser, real: Sequence[Clip], generated: Sequence[Clip], settings: dict[str, Any]
) -> str:
    """Write steering.json, steering.md and their pictures, and return the one line that sums them up.

    For anything but the class of action, files are called steering_<attribute>, and nothing is passed or failed.
    """
    by = str(settings["by"])
    name = "steering" if by == "class" else f"steering_{by}"
    scores = {"real": judge(model, labelled(real, by)), "generated": judge(model, labelled(generated, by))}
    bounds = dict(zip(scores, (REAL_BOUND, GENERATED_BOUND), strict=True)) if by == "class" else {}
    passed = all(scores[side]["accuracy"] >= bound for side, bound in bounds.items()) if bounds else None
    numbers = {"settings": settings, "classes": list(model.classes), **scores, "passed": passed}
    write_report(out, name, numbers, _markdown(model, scores, bounds, settings))
    _draw(out, name, by, model.classes, scores)
    parts = [
        f"{result['accuracy']:.1%} of {result['clips']} {side} clips"
        + (f" (bound {bounds[side]:.0%})" if bounds else "")
        for side, result in scores.items()
    ]
    verdict = "" if passed is None else ": passed" if passed else ": not passed"
    return f"{by} recognised in {' and '.join(parts)}{verdict}; wrote {out / name}.md"


def _draw(out: Path, name: str, by: str, classes: Sequence[str], scores: dict[str, Any]) -> None:
    shown = [label for label in classes if scores["generated"]["per_class"][label]["clips"]]
    if shown:
        shares = {side: [one["per_class"][label]["accuracy"] or 0.0 for label in shown] for side, one in scores.items()}
        bar_chart(out / f"{name}.png", f"{by} recognised as asked", shares, shown, "share of clips")
    for side, result in scores.items():
        title = f"{side} clips: true class by row"
        confusion_chart(out / f"{name}_confusion_{side}.png", title, classes, result["confusion"])


def _markdown(
    model: ActionRecogniser, scores: dict[str, Any], bounds: dict[str, float], settings: dict[str, Any]
) -> str:
    overview = [
        [
            side,
            result["clips"],
            f"{result['accuracy']:.1%}",
            f"{result['interval'][0]:.1%} to {result['interval'][1]:.1%}",
            f"{result['class_mean']:.1%}",
            result["left_out"],
            f"{bounds[side]:.0%}" if bounds else None,
        ]
        for side, result in scores.items()
    ]
    rows = []
    for label in model.classes:
        sides = [result["per_class"][label] for result in scores.values()]
        rows.append([label, *(side[key] for side in sides for key in ("clips", "accuracy"))])
    header = ["set", "clips", "recognised", "95 % interval", "mean over classes", "left out", "bound"]
    confusions = "".join(_confusions(side, model.classes, scores[side]["confusion"]) for side in scores)
    return (
        f"# Steering: is the {settings['by']} of generated clips what their captions ask for?\n\n"
        f"Recogniser trained on the real training split, epoch chosen on val. Split judged: {settings['split']}. "
        f"Left out: clips of classes with fewer than {MIN_CLIPS} training clips.\n\n"
        + markdown_table(header, overview)
        + "\n"
        + markdown_table(["class", "real clips", "recognised", "generated clips", "recognised"], rows)
        + f"\n## Most frequent confusions\n\n{confusions}"
    )


def _confusions(side: str, classes: Sequence[str], matrix: list[list[int]]) -> str:
    pairs = [
        (count, classes[row], classes[column])
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    lines = [f"- {side}: {true} taken for {guess}: {count}" for count, true, guess in sorted(pairs, reverse=True)[:10]]
    return "\n".join(lines or [f"- {side}: none"]) + "\n"


def data_fingerprint(data: Path) -> str:
    """Hash of the training and validation clips' ids and files' sizes: cheap, and enough to see that data changed."""
    digest = sha256()
    for split in ("train", "val"):
        for name in split_ids(data, split):
            path = data / "clips" / f"{name}.npz"
            digest.update(f"{split}/{name}/{path.stat().st_size if path.is_file() else 0}\n".encode())
    return digest.hexdigest()[:16]


def _read(path: Path, fingerprint: str) -> ActionRecogniser:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model = recogniser_from(weights, metadata)
    except (safetensors.SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"Expected a recogniser in '{path}', but got: {error}. Delete the file; it is trained again then."
        ) from error
    if metadata.get("data") != fingerprint:
        raise UserError(
            f"Expected the recogniser in '{path}' to be trained on this data folder and attribute, but it was "
            "trained on others. Delete the file (it is trained again then) or choose another --recogniser."
        )
    return model
