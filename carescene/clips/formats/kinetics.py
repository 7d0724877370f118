"""Kinetics-style folders `split/class/video.mp4`, and lists of videos with their class, one list per split.

Who reads what: the folders `torchvision.datasets.Kinetics` and everything built on class folders; the lists PySlowFast,
TimeSformer, VideoMAE and pytorchvideo. A list is called `train.csv` as those ask, but its two columns are separated by
a space.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.files import write_atomically

SPLITS: Final[tuple[str, ...]] = ("train", "val", "test")
CLASSES_NAME: Final = "classes.txt"


@dataclass(frozen=True)
class ListedVideo:
    """One line of a list: a path relative to the list's folder, and the number of its class."""

    path: str
    label: int


def kinetics_path(split: str, label: int, name: str) -> PurePosixPath:
    """Where a video belongs, relative to the data set's folder.

    Raises:
        UserError: the name holds white space, which the lists cannot, or the class is not one of OmniFall-16.
    """
    if name.split() != [name]:
        raise UserError(
            f"Expected a name without white space, but got {name!r}. Lists separate by it; rename the item."
        )
    if not 0 <= label < len(OMNIFALL16):
        raise UserError(
            f"Expected a class from 0 to {len(OMNIFALL16) - 1} for '{name}', but got {label}. Leave it out."
        )
    return PurePosixPath(split) / OMNIFALL16[label] / f"{name}.mp4"


def write_video_list(path: Path, videos: Iterable[ListedVideo]) -> None:
    """Write `path label` lines, complete or not at all.

    Raises:
        UserError: if the folder cannot be written.
    """
    text = "".join(f"{video.path} {video.label}\n" for video in videos)
    write_atomically(path, lambda file: file.write(text.encode()))


def read_video_list(path: Path) -> list[ListedVideo]:
    """Read a list of videos; columns are separated by a space or a comma, and a path may hold spaces.

    Raises:
        UserError: the file is missing, or a line is not a path and a whole number.
    """
    videos = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Expected a list of videos at '{path}', but it cannot be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, separator, label = line.strip().replace(",", " ").rpartition(" ")
        if not separator or not label.removeprefix("-").isdigit():
            raise UserError(
                f"Expected a path and a class number in line {number} of '{path}', but got {line.strip()[:80]!r}. "
                "Separate them by one space."
            )
        videos.append(ListedVideo(name.strip(), int(label)))
    return videos


def write_kinetics_lists(folder: Path, videos: Mapping[str, Sequence[ListedVideo]]) -> None:
    """Write `train.csv`, `val.csv`, `test.csv` and `classes.txt` (line number, from 0, is the class number).

    Class numbers are OmniFall-16's in every split. torchvision numbers the folders that it finds, in the order of the
    alphabet, so its numbers differ from these, and between splits that lack a class.

    Raises:
        UserError: if the folder cannot be written.
    """
    for split in SPLITS:
        write_video_list(folder / f"{split}.csv", videos.get(split, ()))
    text = "".join(f"{name}\n" for name in OMNIFALL16)
    write_atomically(folder / CLASSES_NAME, lambda file: file.write(text.encode()))


def read_kinetics(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Videos and class names of every split of a Kinetics-style folder, sorted by path.

    Raises:
        UserError: the folder holds no split with videos.
    """
    found = {
        split: [(path, path.parent.name) for path in sorted((folder / split).glob("*/*.mp4")) if path.name[0] != "."]
        for split in SPLITS
    }
    if not any(found.values()):
        raise UserError(
            f"Expected videos in '{folder}' at train/CLASS/NAME.mp4, val/ or test/, but found none. Check the folder."
        )
    return found
