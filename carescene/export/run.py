"""One call for every format: `export(folder, format, settings)`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from carescene.errors import UserError
from carescene.export.films import export_kinetics, export_omnifall
from carescene.export.humanml3d import export_humanml3d
from carescene.export.motion import ENDINGS, export_motion
from carescene.export.points import export_coco, export_mmaction
from carescene.export.settings import Exported, ExportSettings
from carescene.export.shards import export_webdataset
from carescene.export.sources import FilmSource, find_clips, find_films
from carescene.files import writable_folder

_FILM_FORMATS: Final[dict[str, Callable[[Sequence[FilmSource], ExportSettings], Exported]]] = {
    "kinetics": export_kinetics,
    "omnifall": export_omnifall,
    "coco": export_coco,
    "mmaction": export_mmaction,
    "webdataset": export_webdataset,
}
# Skeletons come from labels alone, so that their items need no video.
_WITHOUT_VIDEO: Final = ("mmaction",)

EXPORT_FORMATS: Final[tuple[str, ...]] = (*_FILM_FORMATS, *ENDINGS, "humanml3d")


def export(folder: Path, kind: str, settings: ExportSettings) -> Exported:
    """Write a folder of clips, or of rendered items, in a format that others read.

    What is done is kept: a run that was stopped goes on where it was, and a rerun after more rendering adds what is
    new. Files that an earlier export wrote and that are no longer wanted, such as a video whose split has changed,
    are removed.

    Args:
        folder: clips or rendered items for `amass`, `bvh` and `gltf`, prepared clips for `humanml3d`, rendered items
            for the others.
        kind: one of `EXPORT_FORMATS`.
        settings: where to, and how.

    Raises:
        UserError: unknown format, nothing to export, a modality that is missing, another export in the folder, or a
            folder that cannot be written.
    """
    if kind not in EXPORT_FORMATS:
        raise UserError(f"Expected a format out of {', '.join(EXPORT_FORMATS)}, but got '{kind}'. Choose one of these.")
    if settings.out.resolve() == folder.resolve():
        raise UserError(f"Expected another folder to write to than '{folder}', which is exported. Change --out.")
    if kind == "humanml3d":
        return export_humanml3d([folder], settings)
    if kind in ENDINGS:
        clips = find_clips(folder)
        writable_folder(settings.out)
        return export_motion(clips, kind, settings)
    films = find_films(folder, None if kind in _WITHOUT_VIDEO else settings.modality)
    writable_folder(settings.out)
    return _FILM_FORMATS[kind](films, settings)
