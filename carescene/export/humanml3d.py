"""Exporting clips in HumanML3D's layout, so that what trains or evaluates on that data set takes ours."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.clips.formats.humanml3d import (
    MIN_FRAMES,
    ExportedVectors,
    clip_to_vectors,
    plain_captions,
    write_lists,
    write_statistics,
    write_vectors,
)
from carescene.clips.mirror_text import mirror_text
from carescene.clips.prepare.splits import SPLITS, SplitItem, make_splits
from carescene.errors import UserError
from carescene.export.manifest import Manifest
from carescene.export.settings import Exported, ExportSettings
from carescene.export.sources import ClipSource, check_names, find_clips, group_of
from carescene.export.work import work_through
from carescene.files import writable_folder, write_atomically
from carescene.humans.mirror import mirror_motion

FLAGS_NAME: Final = "undefined_headings.json"
# Why a clip has no place in the layout.
_LEFT_OUT: Final = ("of several people", "without a caption", f"of less than {MIN_FRAMES + 1} frames")


def export_humanml3d(folders: Sequence[Path], settings: ExportSettings) -> Exported:
    """Write one-person clips of prepared folders as `new_joint_vecs`, `new_joints`, `texts`, lists, Mean and Std.

    Motion goes on the published skeleton at 20 frames per second and on the published floor (the lowest joint).
    Training clips get a mirrored copy with an M before the name, as in the published set; validation and test do not,
    as the same clip twice is no second example. Lists are those of the prepared folders, or drawn by shares
    (`settings.split`) where a folder has none. Mean and Std are of the training list. Clips in which the format has no
    heading that means anything (falls that roll past 90 degrees) are written and named in `undefined_headings.json`.

    Args:
        folders: prepared folders, or folders of clips.
        settings: where to, the shares, and how many processes.

    Raises:
        UserError: nothing to export, two clips of one name, another export in the folder, or it cannot be written.
    """
    sources, split_of = _find(folders, settings)
    writable_folder(settings.out)
    manifest = Manifest(settings.out, "humanml3d", {"layout": 1})
    flags = _read_flags(settings.out / FLAGS_NAME)
    done = [source for source in sources if manifest.done(_vectors_name(source.name), source.modified)]
    names = {source.name for source in done}
    todo = [source for source in sources if source.name not in names]
    manifest.begin(file for source in sources for file in _files(source.name, split_of[source.name]))
    results, failures = work_through(_write, todo, (settings.out, split_of), settings, "clip")
    left_out = Counter(reason for reason in results.values() if isinstance(reason, str))
    written = {name: flagged for name, flagged in results.items() if not isinstance(flagged, str)}
    kept = [*names, *written]
    flags = {name: flags[name] for name in names if name in flags} | {n: f for n, f in written.items() if f}
    text = json.dumps(flags, indent=0, sort_keys=True) + "\n"
    write_atomically(settings.out / FLAGS_NAME, lambda file: file.write(text.encode()))
    lists = {split: sorted(name for name in kept if split_of[name] == split) for split in SPLITS}
    lists["train"] += [f"M{name}" for name in lists["train"]]
    if not lists["train"]:
        raise UserError(
            "Expected clips of one person with captions for training, but got none "
            f"({_counts(left_out) or 'all failed'}). Choose other folders."
        )
    write_lists(settings.out, lists)
    write_statistics(settings.out, lists["train"])
    manifest.finish(file for name in kept for file in _files(name, split_of[name]))
    notes = [_counts(left_out)] if left_out else []
    if flags:
        notes.append(f"{len(flags)} clips have frames without a heading that means anything, see {FLAGS_NAME}")
    return Exported("clip", len(written), len(done), failures, notes)


def mirrored(clip: Clip) -> Clip:
    """The left-right mirror image of a clip, its captions included, under the name M<id>."""
    poses, trans = mirror_motion(torch.from_numpy(clip.poses), torch.from_numpy(clip.trans))
    fields = vars(clip) | {
        "id": f"M{clip.id}",
        "poses": poses.numpy(),
        "trans": trans.numpy(),
        "text": [mirror_text(text) for text in clip.text],
    }
    return Clip(**fields)


def _write(source: ClipSource, shared: tuple[Path, dict[str, str]]) -> list[int] | str:
    """Write a clip; returns its frames without a heading, or why it has no place here."""
    out, split_of = shared
    clip = load_clip(source.clip)
    if clip.num_persons != 1:
        return _LEFT_OUT[0]
    captions = plain_captions(clip.text)
    if not captions:
        return _LEFT_OUT[1]
    made = clip_to_vectors(clip)
    if len(made.vectors) < MIN_FRAMES:
        return _LEFT_OUT[2]
    _save(out, source.name, made, clip.text)
    if split_of[source.name] == "train":
        twin = mirrored(clip)
        _save(out, f"M{source.name}", clip_to_vectors(twin), twin.text)
    return [int(frame) for frame in made.undefined.nonzero()[0]]


def _save(out: Path, name: str, made: ExportedVectors, texts: list[str]) -> None:
    write_vectors(out, name, made.vectors, made.joints[:-1], plain_captions(texts))


def _find(folders: Sequence[Path], settings: ExportSettings) -> tuple[list[ClipSource], dict[str, str]]:
    sources: list[ClipSource] = []
    split_of: dict[str, str] = {}
    for folder in folders:
        clips = folder / "clips" if (folder / "clips").is_dir() else folder
        found = find_clips(clips)
        lists = clips.parent / "splits"
        if lists.is_dir():
            by_id = {
                line.strip(): split
                for split in SPLITS
                for line in (lists / f"{split}.txt").read_text(encoding="utf-8").splitlines()
                if line.strip()
            }
            found = [source for source in found if source.clip.stem in by_id]
            split_of |= {source.name: by_id[source.clip.stem] for source in found}
        else:
            split_of |= _drawn(found, settings.split)
        sources += found
    check_names(sources)
    return sources, split_of


def _drawn(sources: Sequence[ClipSource], shares: tuple[float, float, float]) -> dict[str, str]:
    items = {}
    for source in sources:
        clip = load_clip(source.clip)
        items[source.name] = SplitItem(group_of(clip.source, clip.id), "", clip.num_frames)
    splits = make_splits(items, validation_share=shares[1], test_share=shares[2])
    return {name: split for split, names in splits.items() for name in names}


def _files(name: str, split: str) -> list[str]:
    names = [name, f"M{name}"] if split == "train" else [name]
    return [file for stem in names for file in (_vectors_name(stem), f"new_joints/{stem}.npy", f"texts/{stem}.txt")]


def _vectors_name(name: str) -> str:
    return f"new_joint_vecs/{name}.npy"


def _read_flags(path: Path) -> dict[str, list[int]]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"Expected JSON in '{path}', but got: {error}. Delete the file and export again.") from error


def _counts(left_out: Counter[str]) -> str:
    if not left_out:
        return ""
    return "left out: " + ", ".join(f"{count} clips {reason}" for reason, count in sorted(left_out.items()))
