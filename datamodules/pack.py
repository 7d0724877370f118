"""Prepared clips packed into a few memory-mapped arrays, so that training reads frames without opening files.

A pack is a folder named by the hash of all that went into it; it is complete or absent.

    motion.npy    (frame, 217) float32   features of all sequences, not normalised
    label.npy     (frame,) int8          OmniFall-16 ids, -1 unknown
    text.npy      (token, channel) float16   token features of all captions
    stats.npy     (2, 217) float32       mean and std of the training split
    pack.json     the rest: sequences, captions, versions
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tqdm import tqdm

from carescene.clips import Clip, load_clip
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from carescene.humans.mirror import mirror_motion
from datamodules.pack_files import Caption, as_npy, build_folder, save_array, write_text
from diffusion.canonical import canonicalise
from diffusion.normaliser import Normaliser
from diffusion.representation import FEATURES, encode_motion
from diffusion.text import TextEncoder, load_text_encoder

SPLITS: Final = ("train", "val", "test")
MODEL_FPS: Final = 20

# Part of the key: raise it when the meaning of the arrays changes.
_PACK_VERSION: Final = 2
# Means and spreads of 200,000 frames (three hours) are exact enough and fit in memory however large the data set is.
_STATISTICS_FRAMES: Final = 200_000


@dataclass(frozen=True)
class Sequence:
    """One motion in the pack: rows `start` to `start + frames`, and the captions that describe it."""

    id: str
    split: str
    mirrored: bool
    start: int
    frames: int
    captions: list[int]


@dataclass(frozen=True)
class Pack:
    """An opened pack; its arrays are mapped when first used, once per process."""

    folder: Path
    data_hash: str
    sequences: list[Sequence]
    captions: list[Caption]

    @cached_property
    def motion(self) -> np.ndarray:
        """Features of all sequences, `(frame, 217)`."""
        return np.load(self.folder / "motion.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def label(self) -> np.ndarray:
        """OmniFall-16 ids, `(frame,)`, -1 unknown."""
        return np.load(self.folder / "label.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def text(self) -> np.ndarray:
        """Token features of all captions, `(token, channel)`."""
        return np.load(self.folder / "text.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def normaliser(self) -> Normaliser:
        """Statistics of the training split."""
        mean, std = torch.from_numpy(np.load(self.folder / "stats.npy", allow_pickle=False))
        return Normaliser(mean, std)

    def __getstate__(self) -> dict[str, Any]:
        # Worker processes map the files themselves instead of receiving copies.
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def read_split(data_dir: Path, split: str) -> list[str]:
    """Clip ids of one split of a prepared folder, in the file's order.

    Raises:
        UserError: if the folder was not made by `lightning prepare`.
    """
    path = data_dir / "splits" / f"{split}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"Expected a prepared data folder at '{data_dir}', but '{path}' does not exist. "
            "Run `lightning prepare mocap --source DIR --out DIR` and give its --out as data.data_dir."
        ) from error
    return [line.strip() for line in lines if line.strip()]


def hash_prepared(data_dir: Path) -> str:
    """sha256 over splits and clips of a prepared folder: the identity of the training data.

    Raises:
        UserError: if a split or a clip of a split is missing.
    """
    digest = hashlib.sha256()
    for split in SPLITS:
        for clip_id in read_split(data_dir, split):
            digest.update(f"{split}\0{clip_id}\0".encode())
            for suffix in (".json", ".npz"):
                path = data_dir / "clips" / f"{clip_id}{suffix}"
                try:
                    digest.update(hashlib.sha256(path.read_bytes()).digest())
                except FileNotFoundError as error:
                    raise UserError(
                        f"Expected clip '{clip_id}' of the {split} split at '{path}', but it is not there. "
                        "Prepare the data again."
                    ) from error
    return digest.hexdigest()


def pack_clips(data_dir: Path, pack_dir: Path, encoder_name: str = "minilm", mirror: bool = True) -> Path:
    """Pack a prepared folder, unless that has been done, and return the folder of the pack.

    Safe when several processes do it at once: each works in a folder of its own, and the first to finish wins.

    Args:
        data_dir: folder with `clips` and `splits`, as `lightning prepare` writes it.
        pack_dir: where packs lie, one folder each.
        encoder_name: text encoder, see `load_text_encoder`.
        mirror: add the left-right mirrored copy of every training clip, captions included.

    Raises:
        UserError: if the folder is not a prepared one, a clip is damaged or does not fit, or nothing can be written.
    """
    data_hash = hash_prepared(data_dir)
    encoder = load_text_encoder(encoder_name)
    facts = {"version": _PACK_VERSION, "data": data_hash, "text_encoder": encoder.model_id, "mirror": mirror}
    folder = pack_dir / hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return build_folder(folder, lambda building: _write_pack(building, data_dir, encoder, mirror, facts))


def open_pack(folder: Path) -> Pack:
    """Open a pack made by `pack_clips`."""
    header = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
    return Pack(
        folder,
        header["facts"]["data"],
        [Sequence(**fields) for fields in header["sequences"]],
        [Caption(**fields) for fields in header["captions"]],
    )


def _write_pack(folder: Path, data_dir: Path, encoder: TextEncoder, mirror: bool, facts: dict[str, Any]) -> None:
    sequences: list[Sequence] = []
    caption_ids: dict[str, int] = {}
    labels: list[np.ndarray] = []
    with (folder / "motion.raw").open("wb") as motion:
        entries = [(split, clip_id) for split in SPLITS for clip_id in read_split(data_dir, split)]
        for split, clip_id in tqdm(entries, desc="packing motion", unit="clip", disable=None):
            clip = load_clip(data_dir / "clips" / clip_id)
            _check(clip)
            for mirrored in (False, True) if mirror and split == "train" else (False,):
                texts = [mirror_text(text) for text in clip.text] if mirrored else clip.text
                features = _features(clip, mirrored)
                motion.write(features.tobytes())
                labels.append(clip.frame_label[0])
                captions = [caption_ids.setdefault(text, len(caption_ids)) for text in texts]
                start = sequences[-1].start + sequences[-1].frames if sequences else 0
                sequences.append(Sequence(clip.id, split, mirrored, start, len(features), captions))
    _require_training(sequences, data_dir)
    total = sequences[-1].start + sequences[-1].frames
    as_npy(folder / "motion.raw", folder / "motion.npy", np.float32, (total, FEATURES))
    save_array(folder / "label.npy", np.concatenate(labels).astype(np.int8))
    save_array(folder / "stats.npy", _statistics(np.load(folder / "motion.npy", mmap_mode="r"), sequences))
    captions = write_text(folder, list(caption_ids), encoder)
    header = {
        "facts": facts,
        "sequences": [asdict(sequence) for sequence in sequences],
        "captions": [asdict(caption) for caption in captions],
    }
    (folder / "pack.json").write_text(json.dumps(header, ensure_ascii=False), encoding="utf-8")


def _features(clip: Clip, mirrored: bool) -> np.ndarray:
    poses, trans = torch.from_numpy(clip.poses[0]), torch.from_numpy(clip.trans[0])
    rest = None
    if clip.betas.any():
        # Late: smplx is heavy, and clips on the reference body do not need it.
        from carescene.humans.body import load_body

        rest = load_body().rest_joints(torch.from_numpy(clip.betas[0]))
    if mirrored:
        poses, trans = mirror_motion(poses, trans)
    poses, trans = canonicalise(poses, trans)
    return encode_motion(poses, trans, torch.from_numpy(clip.frame_label[0]), rest).numpy()


def _check(clip: Clip) -> None:
    problem = None
    if clip.num_persons != 1:
        problem = f"one person, but got {clip.num_persons}"
    elif clip.fps != MODEL_FPS:
        problem = f"{MODEL_FPS} frames per second, but got {clip.fps}"
    elif not clip.valid.all():
        problem = f"a person in every frame, but got {int((~clip.valid).sum())} frames without"
    elif not clip.text:
        problem = "at least one caption, but got none"
    if problem:
        raise UserError(f"Clip '{clip.id}': expected {problem}. Prepare it again with `lightning prepare mocap`.")


def _require_training(sequences: Iterable[Sequence], data_dir: Path) -> None:
    if not any(sequence.split == "train" for sequence in sequences):
        raise UserError(f"Expected clips in '{data_dir}/splits/train.txt', but it is empty. Prepare the data again.")


def _statistics(motion: np.ndarray, sequences: list[Sequence]) -> np.ndarray:
    """Mean and std of the training frames, `(2, 217)`."""
    # Training sequences come first, so they are one stretch of rows.
    rows = sum(sequence.frames for sequence in sequences if sequence.split == "train")
    step = -(-rows // _STATISTICS_FRAMES)
    normaliser = Normaliser.fit(torch.from_numpy(np.array(motion[:rows:step])))
    return torch.stack((normaliser.mean, normaliser.std)).numpy()
