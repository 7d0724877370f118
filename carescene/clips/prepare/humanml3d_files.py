"""What building HumanML3D needs and nobody may pass on: which files, from whom, under what licence; finding them."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from carescene.errors import UserError

_REPOSITORY: Final = "https://github.com/EricGuo5513/HumanML3D (commit 9176e8f)"
_AMASS: Final = "https://amass.is.tue.mpg.de (register, Download, the 'SMPL+H G' body data of each data set)"
_AMASS_LICENCE: Final = "AMASS licence: non-commercial research, no redistribution; each data set adds its own citation"
_MIT: Final = "MIT"

# Data sets under the name that HumanML3D's index uses, and the name that AMASS' download page uses now.
AMASS_SETS: Final[dict[str, str]] = {
    "ACCAD": "ACCAD",
    "BMLhandball": "BMLhandball",
    "BMLmovi": "BMLmovi",
    "BioMotionLab_NTroje": "BMLrub",
    "CMU": "CMU",
    "DFaust_67": "DFaust",
    "EKUT": "EKUT",
    "Eyes_Japan_Dataset": "EyesJapanDataset",
    "HumanEva": "HumanEva",
    "KIT": "KIT",
    "MPI_HDM05": "HDM05",
    "MPI_Limits": "PosePrior",
    "MPI_mosh": "MoSh",
    "SFU": "SFU",
    "SSM_synced": "SSM",
    "TotalCapture": "TotalCapture",
    "Transitions_mocap": "Transitions",
}
HUMANACT12: Final = "humanact12"
_PLACES: Final = ("", "amass", "amass_data")
_ACT_PLACES: Final = ("pose_data/humanact12/humanact12", "pose_data/humanact12", "humanact12/humanact12", "humanact12")


@dataclass(frozen=True)
class NeededFile:
    """One thing to fetch.

    Attributes:
        path: where it is looked for, below the source folder.
        source: who gives it.
        licence: under what terms.
        purpose: what it is needed for.
        checksum: `sha256:...`, or `git:...` for the id that git gives the file in its repository; None where unknown.
    """

    path: str
    source: str
    licence: str
    purpose: str
    checksum: str | None = None


PUBLISHED_FILES: Final[tuple[NeededFile, ...]] = (
    NeededFile(
        "index.csv",
        _REPOSITORY,
        _MIT,
        "which frames of which recording make which clip",
        "sha256:80226910d7259655ab5f411fd807b7651037341b4806fde025946a74d62b1065",
    ),
    NeededFile(
        "train.txt",
        _REPOSITORY,
        _MIT,
        "training list (folder HumanML3D of the repository)",
        "sha256:e3e6975099b19964ee085db3e1d1160365a27e275f4f2b3d37c8ef24cccf4ce9",
    ),
    NeededFile(
        "val.txt",
        _REPOSITORY,
        _MIT,
        "validation list (folder HumanML3D)",
        "sha256:effa9e866f7c2bd3e5bb518600f95a5fd780a2dcf72c3cdb1e0caf5c93051e17",
    ),
    NeededFile(
        "test.txt",
        _REPOSITORY,
        _MIT,
        "test list (folder HumanML3D)",
        "sha256:b89bc7df558df6246840702d0976a5d37ecbc4f055642b5c99e509a2d85ac12e",
    ),
    NeededFile(
        "texts.zip",
        _REPOSITORY,
        _MIT,
        "captions (folder HumanML3D); a folder texts with the unpacked files serves as well",
        "git:7e061edb480f78f6732e58c5d3e6ca5e535cf15b",
    ),
)
_ACT_FILE: Final = NeededFile(
    "humanact12.zip",
    f"{_REPOSITORY}, folder pose_data",
    "HumanAct12: non-commercial research (Guo et al. 2020, from PHSPD)",
    "joints of the HumanAct12 clips; a folder humanact12 with the unpacked files serves as well",
    "git:4d112496d51efdca6b8ca06e64d9cc0e3d5d76de",
)
_BODY_SOURCE: Final = "https://mano.is.tue.mpg.de (register, Download, 'Extended SMPL+H model', as used in AMASS)"


def body_file(gender: str) -> NeededFile:
    """The SMPL-H model of one gender; DMPLs are not needed, since soft tissue moves no joint."""
    return NeededFile(
        f"smplh/{gender}/model.npz",
        _BODY_SOURCE,
        "MANO / SMPL+H licence: non-commercial research, no redistribution",
        f"joints of {gender} bodies",
    )


def amass_file(dataset: str) -> NeededFile:
    """The AMASS data set of the given name in HumanML3D's index."""
    name = AMASS_SETS.get(dataset, dataset)
    return NeededFile(f"amass/{dataset}", _AMASS, _AMASS_LICENCE, f"recordings of {name}")


def dataset_of(source_path: str) -> str:
    """Data set of a path of the index, such as `./pose_data/KIT/3/kick_poses.npy`."""
    parts = PurePosixPath(source_path).parts
    if len(parts) < 3 or parts[0] != "pose_data":
        raise UserError(
            f"Expected paths such as ./pose_data/KIT/3/walk_poses.npy in index.csv, but got '{source_path}'. "
            "Take HumanML3D's own index.csv."
        )
    return parts[1]


class RecordingFinder:
    """Finds what paths of the index stand for, below the folder of the user's files.

    AMASS data sets lie in it or in `amass` or `amass_data`, under the name of the index or today's; HumanAct12 in
    `humanact12` or `humanact12.zip`, or below `pose_data` as in HumanML3D's repository.
    """

    def __init__(self, source: Path) -> None:
        """Raises UserError for a damaged zip."""
        self._source = source
        self._roots: dict[str, list[Path]] = {}
        self._zipped: dict[str, tuple[Path, str]] = {}
        for path in (source / "humanact12.zip", source / "pose_data" / "humanact12.zip"):
            if path.is_file():
                self._zipped |= {PurePosixPath(name).name: (path, name) for name in _zip_names(path)}

    def find(self, source_path: str) -> Path | tuple[Path, str] | None:
        """The file for a path of the index, or a zip and the name in it; None where it is missing.

        Raises:
            UserError: if the path is not one of HumanML3D's index.
        """
        dataset = dataset_of(source_path)
        if dataset == HUMANACT12:
            name = PurePosixPath(source_path).name
            places = (self._source / place / name for place in _ACT_PLACES)
            return next((path for path in places if path.is_file()), self._zipped.get(name))
        inside = PurePosixPath(*PurePosixPath(source_path).parts[2:]).with_suffix(".npz")
        return next((root / inside for root in self._roots_of(dataset) if (root / inside).is_file()), None)

    def _roots_of(self, dataset: str) -> list[Path]:
        if dataset not in self._roots:
            names = dict.fromkeys((dataset, AMASS_SETS.get(dataset, dataset)))
            folders = [self._source / place / name for place in _PLACES for name in names]
            # Archives hold the data set's folder once more when they are unpacked into a folder of that name.
            both = [root for folder in folders for root in (folder, folder / dataset)]
            self._roots[dataset] = [root for root in both if root.is_dir()]
        return self._roots[dataset]


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"Expected a zip in '{path}', but it cannot be read ({error}). Download it again.") from error


def manifest(source: Path, source_paths: Iterable[str], missing: Counter[str], *, smplh: bool) -> list[dict[str, Any]]:
    """Every file that is needed, with its source, licence, checksum and whether it is there.

    Args:
        source: folder of the user's files.
        source_paths: of the index, one for each clip.
        missing: number of clips whose recording was not found, by data set.
        smplh: whether SMPL-H's models are needed.
    """
    datasets = Counter(dataset_of(path) for path in source_paths)
    needed = [*PUBLISHED_FILES, *((body_file("male"), body_file("female")) if smplh else ())]
    entries = [asdict(file) | {"state": _state(source, file)} for file in needed]
    for dataset, clips in sorted(datasets.items()):
        file = _ACT_FILE if dataset == HUMANACT12 else amass_file(dataset)
        lost = missing[dataset]
        state = "found" if not lost else "missing" if lost == clips else f"{lost} of {clips} recordings missing"
        entries.append(asdict(file) | {"state": state, "clips": clips})
    return entries


def _state(source: Path, file: NeededFile) -> str:
    path = source / file.path
    if not path.is_file():
        return "found, unpacked" if (source / Path(file.path).stem).is_dir() else "missing"
    if file.checksum is None:
        return "found"
    kind, wanted = file.checksum.split(":")
    content = path.read_bytes()
    if kind == "git":
        # What git calls a blob: a header with the length, then the file.
        digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:
        digest = hashlib.sha256(content).hexdigest()
    return "found, checksum right" if digest == wanted else "found, but not the published file"
