"""Exporting films as labelled videos: Kinetics-style folders and OmniFall's csv."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from carescene.clips.formats import (
    LabelledSegment,
    ListedVideo,
    kinetics_path,
    label_segments,
    write_kinetics_lists,
    write_omnifall,
    write_split_list,
)
from carescene.clips.prepare.splits import SPLITS
from carescene.clips.rendered import FilmLabels, load_item
from carescene.errors import UserError
from carescene.export.manifest import Manifest
from carescene.export.settings import Exported, ExportSettings
from carescene.export.sources import FilmSource
from carescene.export.splits import missing_labels, split_films, split_notes
from carescene.export.work import work_through
from carescene.files import atomic_path

DATASET_NAME: Final = "carescene"
_UNKNOWN: Final = -1
# Unfinished copies wait here and not beside finished ones: torchvision takes every .mp4 in a class folder for a video.
_ARRIVING: Final = ".arriving"


@dataclass(frozen=True)
class _Copy:
    """A film and where it belongs, relative to the export's folder."""

    film: FilmSource
    place: str

    @property
    def name(self) -> str:
        return self.film.name


def export_kinetics(films: Sequence[FilmSource], settings: ExportSettings) -> Exported:
    """Copy films to `SPLIT/LABEL/NAME.mp4` and write `train.csv`, `val.csv`, `test.csv` and `classes.txt`.

    Films without a label are left out.

    Raises:
        UserError: no film has a label, the folder cannot be written, or it holds another export.
    """
    labelled = labelled_films(films)
    split_of = split_films(labelled, settings.split)
    copies = [_Copy(film, str(kinetics_path(split_of[film.name], film.card.label_id, film.name))) for film in labelled]
    written, kept, failures = _copy_all(copies, "kinetics", settings)
    there = {copy.name: copy for copy in copies if copy.name in written | kept}
    lists: dict[str, list[ListedVideo]] = {split: [] for split in SPLITS}
    for name, copy in there.items():
        lists[split_of[name]].append(ListedVideo(copy.place, copy.film.card.label_id))
    write_kinetics_lists(settings.out, lists)
    notes = [*left_out_notes(films, labelled), *split_notes(labelled, split_of, settings.split)]
    for split, labels in missing_labels(labelled, split_of).items():
        notes.append(f"{split} has no {', '.join(labels)}, so that torchvision numbers its classes otherwise")
    return Exported("video", len(written), len(kept), failures, notes)


def export_omnifall(films: Sequence[FilmSource], settings: ExportSettings) -> Exported:
    """Copy films to `videos/NAME.mp4`, write `labels/carescene.csv`, and splits as OmniFall lays them out.

    Subjects are numbered by recorded performer, or by recording where performers are not known; -1 for generated
    people, as in OF-Syn. Cameras are numbered by name.

    Raises:
        UserError: the folder cannot be written, or holds another export.
    """
    split_of = split_films(films, settings.split)
    copies = [_Copy(film, f"videos/{film.name}.mp4") for film in films]
    written, kept, failures = _copy_all(copies, "omnifall", settings)
    subjects = sorted({film.group for film in films if film.card.source is not None})
    cameras = sorted({str(film.card.camera.get("name", "")) for film in films})
    rows: list[LabelledSegment] = []
    there = [film for film in films if film.name in written | kept]
    for film in there:
        subject = subjects.index(film.group) if film.card.source is not None else _UNKNOWN
        rows += _segments(film, subject, cameras.index(str(film.card.camera.get("name", ""))), settings.people)
    write_omnifall(settings.out / "labels" / f"{DATASET_NAME}.csv", rows)
    for split in SPLITS:
        names = [film.name for film in there if split_of[film.name] == split]
        write_split_list(settings.out / "splits" / "cs" / DATASET_NAME / f"{split}.csv", names)
    return Exported(
        "video",
        len(written),
        len(kept),
        failures,
        [f"{len(rows)} segments", *split_notes(films, split_of, settings.split)],
    )


def labelled_films(films: Sequence[FilmSource]) -> list[FilmSource]:
    """Films that have a label.

    Raises:
        UserError: none has.
    """
    labelled = [film for film in films if film.card.label_id >= 0]
    if not labelled:
        raise UserError(
            f"Expected films with a label, but none of {len(films)} has one. The clips' frames have no labels, or "
            "nobody is in the pictures; `--format webdataset` writes films without labels too."
        )
    return labelled


def left_out_notes(films: Sequence[FilmSource], labelled: Sequence[FilmSource]) -> list[str]:
    """A note that says how many films have no label."""
    count = len(films) - len(labelled)
    return [f"{count} without a label left out"] if count else []


def main_person(labels: FilmLabels, label: int) -> int:
    """The person after whom a film is named: who has its label in most frames, else who is labelled in most."""
    named = (labels.frame_label == label).sum(axis=1)
    known = (labels.frame_label >= 0).sum(axis=1)
    return int(np.lexsort((known, named))[-1]) if label >= 0 else int(np.argmax(known))


def _segments(film: FilmSource, subject: int, camera: int, people: str) -> list[LabelledSegment]:
    labels = load_item(film.folder).labels
    everybody = range(len(labels.frame_label)) if people == "all" else [main_person(labels, film.card.label_id)]
    rows = []
    for person in everybody:
        segments = label_segments(
            labels.frame_label[person], film.card.fps, film.name, subject=subject, cam=camera, dataset=DATASET_NAME
        )
        rows += [_with_person(segment, person) for segment in segments] if people == "all" else segments
    return rows


def _with_person(segment: LabelledSegment, person: int) -> LabelledSegment:
    segment.extra["person"] = str(person)
    return segment


def _copy_all(
    copies: Sequence[_Copy], kind: str, settings: ExportSettings
) -> tuple[set[str], set[str], list[tuple[str, str]]]:
    """Names written now, names that were there, and failures."""
    manifest = Manifest(settings.out, kind, {"modality": settings.modality})
    kept = {copy.name for copy in copies if manifest.done(copy.place, copy.film.modified)}
    manifest.begin(copy.place for copy in copies)
    todo = [copy for copy in copies if copy.name not in kept]
    results, failures = work_through(_copy, todo, (settings.out, settings.modality), settings, "video")
    shutil.rmtree(settings.out / _ARRIVING, ignore_errors=True)
    there = kept | set(results)
    manifest.finish(copy.place for copy in copies if copy.name in there)
    return set(results), kept, failures


def _copy(copy: _Copy, shared: tuple[Path, str]) -> str:
    out, modality = shared
    arriving, place = out / _ARRIVING / f"{copy.name}.mp4", out / copy.place
    with atomic_path(arriving) as temporary:
        shutil.copyfile(copy.film.file(modality), temporary)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        arriving.replace(place)
    except OSError as error:
        raise UserError(
            f"Expected to be able to write '{place}', but got: {error.strerror}. Choose a folder you may write to."
        ) from error
    return copy.name
