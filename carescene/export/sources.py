"""What is exported: every clip of a folder, or every film of a folder of rendered items."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from carescene.clips.clip import Source
from carescene.clips.files import list_clips
from carescene.clips.prepare.splits import take_group
from carescene.clips.rendered import CARD_NAME, LABELS_NAME, Card, list_items, load_card
from carescene.errors import UserError


@dataclass(frozen=True)
class ClipSource:
    """One clip to be exported: the name of what is written for it, and its json file."""

    name: str
    clip: Path

    @property
    def modified(self) -> int:
        """Time of the last change, in nanoseconds."""
        return max(path.stat().st_mtime_ns for path in (self.clip, self.clip.with_suffix(".npz")))


@dataclass(frozen=True)
class FilmSource:
    """One film to be exported: the name of what is written for it, its folder and its card."""

    name: str
    folder: Path
    card: Card

    @property
    def group(self) -> str:
        """What films share that may not be on two sides of a split: the recorded performer, recording or clip."""
        return group_of(self.card.source, self.card.clip)

    @property
    def modified(self) -> int:
        """Time of the last change, in nanoseconds."""
        return max((self.folder / name).stat().st_mtime_ns for name in (CARD_NAME, LABELS_NAME))

    def file(self, modality: str) -> Path:
        """Path of one modality's file, which the item must have."""
        return self.folder / self.card.modalities[modality]


def group_of(source: Source | None, clip_id: str) -> str:
    """The recorded performer where the recording's name tells (AMASS: its folder), else the recording, else the clip.

    All views of a clip carry its id, and all cuts of a recording its name.
    """
    if source is None:
        return f"clip/{clip_id}"
    if source.dataset == "amass" and "/" in source.original_id:
        return f"amass/{PurePosixPath(source.original_id).parent}"
    return take_group(source.dataset, source.original_id)


def has_items(folder: Path) -> bool:
    """Whether a folder is, or holds, rendered items."""
    return (folder / CARD_NAME).is_file() or next(folder.glob(f"*/{CARD_NAME}"), None) is not None


def find_clips(folder: Path) -> list[ClipSource]:
    """Clips of a folder of clips or of rendered items, sorted by name.

    Several cameras may film one clip: it is taken once. Where it was filmed at several places, each is taken, under
    the item's name.

    Raises:
        UserError: there is no such folder, or it holds neither.
    """
    if not folder.is_dir():
        raise UserError(f"Expected a folder of clips at '{folder}', but it does not exist. Check the path.")
    if not has_items(folder):
        clips = [ClipSource(safe_name(path.stem), path) for path in list_clips(folder)]
        check_names(clips)
        return clips
    variants: dict[str, dict[str, tuple[str, Path]]] = defaultdict(dict)
    for item in list_items(folder):
        path = item / f"{load_card(item).clip}.json"
        arrays = path.with_suffix(".npz")
        if not (path.is_file() and arrays.is_file()):
            raise UserError(f"Expected the clip '{path.stem}' in '{item}', but it is gone. Render the item again.")
        digest = hashlib.blake2b(arrays.read_bytes(), digest_size=16).hexdigest()
        variants[path.stem].setdefault(digest, (item.name, path))
    sources = []
    for clip, places in variants.items():
        alone = len(places) == 1
        sources += [ClipSource(safe_name(clip if alone else item), path) for item, path in places.values()]
    check_names(sources)
    return sorted(sources, key=lambda source: source.name)


def find_films(folder: Path, modality: str | None) -> list[FilmSource]:
    """Films of a folder of rendered items, sorted by name; all of them have the modality, if one is asked for.

    Raises:
        UserError: there is no such folder, it holds plain clips or nothing, or items lack the modality.
    """
    if not folder.is_dir():
        raise UserError(f"Expected a folder of rendered items at '{folder}', but it does not exist. Check the path.")
    if not has_items(folder) and any(path.with_suffix(".npz").exists() for path in folder.glob("*.json")):
        raise UserError(
            f"Expected rendered items in '{folder}', but it holds plain clips. Run `lightning render {folder} "
            f"--modalities {modality or 'keypoints'} --out FOLDER` first and export that folder."
        )
    films = [FilmSource(safe_name(item.name), item, load_card(item)) for item in list_items(folder)]
    lacking = [film.folder.name for film in films if modality not in film.card.modalities]
    if modality is not None and lacking:
        raise UserError(
            f"Expected {modality} in all {len(films)} items of '{folder}', but {len(lacking)} lack it, such as "
            f"'{lacking[0]}'. Render them again with --modalities {modality}, or choose another --modality."
        )
    check_names(films)
    return films


def safe_name(name: str) -> str:
    """A name of letters, digits, - and _ only.

    Lists of videos separate by spaces, and WebDataset and OmniFall's tools take what follows a dot for an ending.
    """
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)


def check_names(sources: Sequence[ClipSource | FilmSource]) -> None:
    """Refuse two sources of one name (UserError)."""
    names = [source.name for source in sources]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise UserError(
            f"Expected names that differ by more than signs and spaces, but got '{sorted(twice)[0]}' twice. "
            "Exported files have letters, digits, - and _ in their names; rename one of the two."
        )
