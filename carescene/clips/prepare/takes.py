"""Finding recordings in a folder and reading one of them."""

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from carescene.clips.formats.amass import is_amass, read_amass
from carescene.clips.formats.bvh import read_bvh
from carescene.clips.formats.deepmimic import read_deepmimic
from carescene.clips.formats.samp_circle import is_samp_circle, list_samp_circle, read_samp_circle
from carescene.errors import UserError
from carescene.humans.source_motion import SourceMotion

DATASETS: Final[tuple[str, ...]] = ("bandai", "samp_circle", "deepmimic", "bvh", "amass")

LICENCES: Final[dict[str, str]] = {
    "bandai": "CC BY-NC 4.0 (Bandai-Namco Research Motiondataset)",
    "samp_circle": "CC BY-NC-SA 4.0 (UniHSI; SAMP and CIRCLE)",
    "deepmimic": "MIT (DeepMimic)",
    "bvh": "unknown",
    "amass": "AMASS licence, non-commercial",
}


@dataclass(frozen=True)
class Take:
    """One recording in a folder of recordings.

    Attributes:
        dataset: one of `DATASETS`.
        path: the file that holds it.
        entry: name inside an archive, empty for a file of its own.
        original_id: the recording's own name, as captions are written from it.
    """

    dataset: str
    path: Path
    entry: str
    original_id: str

    @property
    def id(self) -> str:
        """Name for files: the data set and the original name, letters and digits only."""
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.original_id)
        return f"{self.dataset}_{safe}"


def find_takes(folder: Path) -> tuple[list[Take], list[tuple[str, str]]]:
    """All recordings below a folder, sorted by data set and name, and the files that could not be opened, with reasons.

    Zip archives are looked into; files of other kinds are passed over.

    Raises:
        UserError: the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(f"Expected a folder of recordings at '{folder}', but it does not exist. Check the path.")
    takes: list[Take] = []
    rejects: list[tuple[str, str]] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        try:
            takes.extend(_takes_in(path, str(path.relative_to(folder).with_suffix(""))))
        except UserError as error:
            rejects.append((str(path.relative_to(folder)), str(error)))
    return sorted(takes, key=lambda take: (DATASETS.index(take.dataset), take.id)), rejects


def _takes_in(path: Path, relative: str) -> Iterator[Take]:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        yield from _takes_in_zip(path)
    elif suffix == ".bvh":
        yield Take(_bvh_dataset(path.stem), path, "", path.stem)
    elif suffix == ".txt" and path.name.startswith("humanoid3d_"):
        yield Take("deepmimic", path, "", path.stem)
    elif suffix == ".npz":
        if is_samp_circle(path):
            for name in list_samp_circle(path):
                yield Take("samp_circle", path, name, name)
        elif is_amass(path):
            yield Take("amass", path, "", relative)


def _takes_in_zip(path: Path) -> Iterator[Take]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"Expected a zip archive in {path.name}, but it cannot be opened ({error}). "
            "It is truncated or damaged; copy it again."
        ) from error
    for name in names:
        inner = PurePosixPath(name)
        if inner.suffix.lower() == ".bvh":
            yield Take(_bvh_dataset(inner.stem), path, name, inner.stem)
        elif inner.suffix == ".txt" and inner.name.startswith("humanoid3d_"):
            yield Take("deepmimic", path, name, inner.stem)


def _bvh_dataset(stem: str) -> str:
    return "bandai" if stem.startswith(("dataset-1_", "dataset-2_")) else "bvh"


def source_hash(take: Take) -> str:
    """Fingerprint of a take's recorded content, to know whether it changed since it was prepared."""
    if take.dataset == "samp_circle":
        with zipfile.ZipFile(take.path) as archive:
            prefix = f"{take.entry}/"
            sums = sorted((i.filename, i.CRC) for i in archive.infolist() if i.filename.startswith(prefix))
        return hashlib.blake2b(repr(sums).encode(), digest_size=12).hexdigest()
    if take.entry:
        with zipfile.ZipFile(take.path) as archive:
            return f"{archive.getinfo(take.entry).CRC:08x}"
    return hashlib.blake2b(take.path.read_bytes(), digest_size=12).hexdigest()


def read_take(take: Take) -> tuple[SourceMotion, bool]:
    """Read one recording, and whether it is a cycle that continues at its start.

    Raises:
        UserError: with the take's name and what is wrong with it.
    """
    if take.dataset in ("bandai", "bvh"):
        return read_bvh(_text(take), take.original_id), False
    if take.dataset == "deepmimic":
        return read_deepmimic(_text(take), take.original_id)
    if take.dataset == "samp_circle":
        return read_samp_circle(take.path, take.entry), False
    return read_amass(take.path), False


def _text(take: Take) -> str:
    try:
        if not take.entry:
            return take.path.read_text(encoding="utf-8")
        with zipfile.ZipFile(take.path) as archive:
            return archive.read(take.entry).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, KeyError) as error:
        raise UserError(
            f"Expected readable text in {take.original_id}, but got: {error}. "
            "The file or its archive is damaged; copy it again."
        ) from error


def extend_cycle(motion: SourceMotion, seconds: float) -> SourceMotion:
    """Repeat a cyclic motion until it lasts `seconds`, each round beginning where and how the one before ended.

    The root's turn about the vertical and its way across the floor carry over; its height does not, so that a cycle
    recorded slightly downhill does not sink.
    """
    rounds = int(np.ceil(seconds / motion.times[-1]))
    step = motion.rotations[-1, 0] @ motion.rotations[0, 0].T
    yaw = np.arctan2(step[1, 0] - step[0, 1], step[0, 0] + step[1, 1])
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]])
    rotations, trans, times = [motion.rotations], [motion.trans], [motion.times]
    way = motion.trans - motion.trans[0]
    way[:, 2] = 0.0
    turned, origin = np.eye(3), motion.trans[0] * np.array([1.0, 1.0, 0.0])
    for round_number in range(1, rounds):
        origin = origin + turned @ way[-1]
        turned = turn @ turned
        # The last frame of a round is the first of the next.
        again = motion.rotations[1:].copy()
        again[:, 0] = turned @ again[:, 0]
        place = origin + way[1:] @ turned.T
        place[:, 2] = motion.trans[1:, 2]
        rotations.append(again)
        trans.append(place)
        times.append(round_number * motion.times[-1] + motion.times[1:])
    return SourceMotion(
        name=motion.name,
        joint_names=motion.joint_names,
        parents=motion.parents,
        rotations=np.concatenate(rotations),
        trans=np.concatenate(trans),
        offsets=motion.offsets,
        times=np.concatenate(times),
        betas=motion.betas,
    )
