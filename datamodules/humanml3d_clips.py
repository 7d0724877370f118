"""An official HumanML3D folder as a prepared folder of our clips: made once, in parallel, resumable after a kill."""

from pathlib import Path
from typing import Final

from carescene.clips import save_clip
from carescene.clips.dropped import OnBad
from carescene.clips.formats.humanml3d import SPLITS, HumanML3DItem, read_humanml3d, vectors_to_clip
from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.jobs import run_jobs
from datamodules.humanml3d_key import folder_key, write_reports

# Part of the key: raise it when clips are made in another way.
_VERSION: Final = 1


def convert_humanml3d(folder: Path, out: Path, on_bad: OnBad = "refuse", workers: int | None = None) -> Path:
    """Turn every item of an official folder into a clip, unless that has been done, and return the prepared folder.

    About 0.1 s per clip and core. Clips that are there already are kept; the lists in `splits` are written last.

    Args:
        folder: official folder.
        out: where prepared folders lie, one for each state of the official one.
        on_bad: see `read_humanml3d`. What was left out stands in `report-*.json` and `summary.txt`.
        workers: processes; None for one per core.

    Raises:
        UserError: what `read_humanml3d` refuses, or nothing can be written.
    """
    prepared = out / f"clips-{folder_key(folder, version=_VERSION, on_bad=on_bad)}"
    lists = [prepared / "splits" / f"{split}.txt" for split in SPLITS]
    if all(path.is_file() for path in lists):
        return prepared
    read = [read_humanml3d(folder, split, on_bad=on_bad, progress=True) for split in SPLITS]
    items = [item for data in read for item in data.items]
    clips = prepared / "clips"
    missing = [item for item in items if not (clips / f"{item.id}.json").is_file()]
    for item, done in run_jobs(_convert, missing, clips, workers=workers, label="posing bodies", unit="clip"):
        if isinstance(done, UserError):
            raise UserError(f"Clip '{item.id}': {done}") from done
    write_reports(prepared, [data.report for data in read])
    for path, data in zip(lists, read, strict=True):
        text = "".join(f"{item.id}\n" for item in data.items)
        write_atomically(path, lambda file, text=text: file.write(text.encode()))
    return prepared


def _convert(item: HumanML3DItem, clips: Path) -> None:
    clip = vectors_to_clip(item.features(), item.id, [caption.text for caption in item.captions])
    save_clip(clip, clips)
