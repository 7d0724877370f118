"""The ward recogniser of some prepared folders: read from a file, or trained on their training splits."""

from collections.abc import Sequence
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor
from tqdm import tqdm

from carescene import UserError
from carescene.clips import load_clip
from carescene.evaluation.ward_recogniser import WardConfig, WardRecogniser, ward_metadata, ward_recogniser_from
from carescene.evaluation.ward_samples import WardSample, samples_of
from carescene.evaluation.ward_training import train_ward_recogniser
from carescene.files import write_atomically
from lightning_app.evaluation.prepared import split_ids
from lightning_app.evaluation.steering import data_fingerprint


def load_samples(folders: Sequence[Path], split: str) -> list[WardSample]:
    """Samples of one split of all folders, in the order of the split files.

    Raises:
        UserError: no such folder or split, or a damaged clip.
    """
    paths = [folder / "clips" / name for folder in folders for name in split_ids(folder, split)]
    samples = []
    for path in tqdm(paths, desc=f"read {split}", unit="clip"):
        samples += samples_of(load_clip(path))
    return samples


def get_ward_recogniser(
    folders: Sequence[Path], path: Path, config: WardConfig, *, any_data: bool = False
) -> WardRecogniser:
    """The recogniser of these folders: read from `path`, or trained on their training splits and written there.

    The epoch is chosen on the validation splits; the test splits are not touched.

    Args:
        folders: prepared folders.
        path: of the weights.
        config: for training.
        any_data: take a file that was trained on other folders as well, because somebody chose it.

    Raises:
        UserError: a damaged file, one that was trained on other data, or too little data.
    """
    fingerprint = "+".join(data_fingerprint(folder) for folder in folders)
    if path.is_file():
        return _read(path, None if any_data else fingerprint)
    train, val = load_samples(folders, "train"), load_samples(folders, "val")
    with tqdm(total=config.epochs, desc="ward recogniser", unit="epoch") as bar:

        def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", val=f"{accuracy:.3f}")
            bar.update()

        model = train_ward_recogniser(train, val, config, on_epoch)
    content = safetensors.torch.save(model.state_dict(), ward_metadata(model) | {"data": fingerprint})
    write_atomically(path, lambda file: file.write(content))
    return model


def _read(path: Path, fingerprint: str | None) -> WardRecogniser:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        model = ward_recogniser_from(weights, metadata)
    except (safetensors.SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"Expected a ward recogniser in '{path}', but got: {error}. Delete the file; it is trained again then."
        ) from error
    if fingerprint is not None and metadata.get("data") != fingerprint:
        raise UserError(
            f"Expected the ward recogniser in '{path}' to be trained on these data folders, but it was trained on "
            "others. Delete the file (it is trained again then) or choose another --recogniser."
        )
    return model
