"""Exporting key points: COCO pictures for pose networks, and skeletons in time for skeleton networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.clips.formats import (
    CocoImage,
    CocoPerson,
    SkeletonSample,
    coco_person,
    read_coco,
    skeleton_sample,
    write_coco,
    write_mmaction,
)
from carescene.clips.prepare.splits import SPLITS
from carescene.clips.rendered import FilmLabels, label_name, load_item
from carescene.export.films import labelled_films, left_out_notes
from carescene.export.frames import chosen_frames, film_frames, save_jpeg
from carescene.export.manifest import Manifest
from carescene.export.settings import Exported, ExportSettings
from carescene.export.sources import FilmSource
from carescene.export.splits import split_films, split_notes
from carescene.export.work import work_through

SKELETONS_NAME: Final = "carescene.pkl"


def export_mmaction(films: Sequence[FilmSource], settings: ExportSettings) -> Exported:
    """Write all films' key points as `carescene.pkl` with the splits train, val and test.

    Films without a label are left out. It is one file: a run that was stopped begins anew.

    Raises:
        UserError: no film has a label, the folder cannot be written, or it holds another export.
    """
    labelled = labelled_films(films)
    split_of = split_films(labelled, settings.split)
    manifest = Manifest(settings.out, "mmaction", {})
    manifest.begin([SKELETONS_NAME])
    results, failures = work_through(_skeleton, labelled, None, settings, "film")
    splits = {split: [name for name in sorted(results) if split_of[name] == split] for split in SPLITS}
    write_mmaction(settings.out / SKELETONS_NAME, [results[name] for name in sorted(results)], splits)
    manifest.finish([SKELETONS_NAME])
    notes = [*left_out_notes(films, labelled), *split_notes(labelled, split_of, settings.split)]
    return Exported("skeleton", len(results), 0, failures, notes)


def export_coco(films: Sequence[FilmSource], settings: ExportSettings) -> Exported:
    """Take pictures out of films as `SPLIT/NAME_000012.jpg` (number of the picture in its film), and write
    `annotations/person_keypoints_SPLIT.json`.

    Raises:
        UserError: the folder cannot be written, or holds another export.
    """
    split_of = split_films(films, settings.split)
    manifest = Manifest(settings.out, "coco", {"modality": settings.modality, "rate": settings.rate})
    files = {film.name: _coco_files(film, split_of[film.name], settings.rate) for film in films}
    kept = {film.name for film in films if all(manifest.done(name, film.modified) for name in files[film.name])}
    manifest.begin(name for names in files.values() for name in names)
    todo = [film for film in films if film.name not in kept]
    shared = (settings.out, split_of, settings.modality, settings.rate)
    results, failures = work_through(_pictures, todo, shared, settings, "film")
    there = [film for film in films if film.name in kept or film.name in results]
    pictures = 0
    for split in SPLITS:
        images: list[CocoImage] = []
        people: list[CocoPerson] = []
        for film in (film for film in there if split_of[film.name] == split):
            first = len(images)
            more, inside = read_coco(settings.out / _part_name(film, split))
            images += more
            people += [_moved(person, first) for person in inside]
        write_coco(settings.out / "annotations" / f"person_keypoints_{split}.json", images, people, "carescene")
        pictures += len(images)
    manifest.finish(name for film in there for name in files[film.name])
    notes = [f"{pictures} pictures", *split_notes(films, split_of, settings.split)]
    return Exported("film", len(results), len(kept), failures, notes)


def _skeleton(film: FilmSource, _shared: Any) -> SkeletonSample:
    labels, camera = load_item(film.folder).labels, film.card.camera
    shape = (int(camera["height"]), int(camera["width"]))
    return skeleton_sample(film.name, film.card.label_id, shape, labels.keypoints)


def _part_name(film: FilmSource, split: str) -> str:
    return f".parts/{split}/{film.name}.json"


def _picture_name(film: FilmSource, frame: int) -> str:
    return f"{film.name}_{frame:06d}.jpg"


def _coco_files(film: FilmSource, split: str, rate: float) -> list[str]:
    frames = chosen_frames(film.card.frames, film.card.fps, rate)
    return [_part_name(film, split), *(f"{split}/{_picture_name(film, frame)}" for frame in frames)]


def _pictures(film: FilmSource, shared: tuple[Path, dict[str, str], str, float]) -> str:
    """Pictures of one film, and last of all the part of the annotations that is about them."""
    out, split_of, modality, rate = shared
    split = split_of[film.name]
    labels = load_item(film.folder).labels
    chosen = chosen_frames(film.card.frames, film.card.fps, rate)
    areas = _areas(film, chosen, len(labels.valid))
    images: list[CocoImage] = []
    people: list[CocoPerson] = []
    for frame, picture in film_frames(film.file(modality), chosen):
        save_jpeg(out / split / _picture_name(film, frame), picture)
        extra = {"film": film.card.id, "frame": frame, "time_s": round(float(labels.times[frame]), 6)}
        images.append(CocoImage(_picture_name(film, frame), picture.shape[1], picture.shape[0], extra))
        people += _people(labels, frame, len(images) - 1, areas)
    write_coco(out / _part_name(film, split), images, people)
    return film.name


def _areas(film: FilmSource, frames: list[int], persons: int) -> dict[tuple[int, int], float]:
    """Visible pixels by frame and person, where the item has a film of instances."""
    if "instances" not in film.card.modalities:
        return {}
    areas = {}
    for frame, ids in film_frames(film.file("instances"), frames, gray=True):
        counts = np.bincount(ids.ravel(), minlength=persons + 1)
        areas |= {(frame, person): float(counts[1 + person]) for person in range(persons)}
    return areas


def _people(labels: FilmLabels, frame: int, image: int, areas: dict[tuple[int, int], float]) -> list[CocoPerson]:
    """Everybody of whom something is seen in this picture."""
    people = []
    for person in range(len(labels.valid)):
        corners = labels.box[person, frame]
        if not labels.valid[person, frame] or not np.isfinite(corners).all():
            continue
        extra = {
            "person": person,
            "omnifall": label_name(int(labels.frame_label[person, frame])),
            "visible_fraction": round(float(labels.visible_fraction[person, frame]), 4),
        }
        area = areas.get((frame, person))
        people.append(coco_person(image, corners, labels.keypoints[person, frame], area, extra))
    return people


def _moved(person: CocoPerson, by: int) -> CocoPerson:
    return CocoPerson(person.image + by, person.box, person.keypoints, person.area, person.crowd, person.extra)
