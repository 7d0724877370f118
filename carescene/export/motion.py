"""Exporting motion: one AMASS or BVH file per person, one glTF file per clip."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch

from carescene.clips.clip import Clip
from carescene.clips.files import load_clip
from carescene.clips.formats import RestBody, bvh_text, glb_bytes, write_amass
from carescene.clips.formats._npz import open_npz, read_array
from carescene.errors import UserError
from carescene.export.manifest import Manifest
from carescene.export.settings import Exported, ExportSettings
from carescene.export.sources import ClipSource
from carescene.export.work import work_through
from carescene.files import write_atomically
from carescene.humans.body import Body, load_body

ENDINGS: Final[dict[str, str]] = {"amass": "npz", "bvh": "bvh", "gltf": "glb"}


def export_motion(sources: Sequence[ClipSource], kind: str, settings: ExportSettings) -> Exported:
    """Write every clip as `amass`, `bvh` or `gltf`, and pass over those whose files are newer than they are.

    Files are called `NAME.bvh`; of several people `NAME_p0.bvh`, `NAME_p1.bvh` and so on.

    Raises:
        UserError: the folder cannot be written, holds another export, or every clip fails.
    """
    # Read here once, so that a wrong file is told before any work.
    load_body(settings.body)
    manifest = Manifest(settings.out, kind, {"body": None if settings.body is None else settings.body.name})
    done, todo = [], []
    for source in sources:
        names = _file_names(source, kind)
        known = bool(names) and all(manifest.done(name, source.modified) for name in names)
        (done if known else todo).append((source, names))
    manifest.begin(name for _, names in (*done, *todo) for name in names)
    shared = (kind, settings.out, settings.body)
    results, failures = work_through(_write, [source for source, _ in todo], shared, settings, "clip")
    kept = [name for _, names in done for name in names]
    manifest.finish([*kept, *(name for names in results.values() for name in names)])
    return Exported("clip", len(results), len(done), failures)


def rest_body(body: Body, clip: Clip, person: int) -> RestBody:
    """The body of one person of a clip."""
    betas = torch.from_numpy(clip.betas[person]).float()
    with torch.no_grad():
        vertices, joints = body.rest_vertices(betas), body.rest_joints(betas)
    return RestBody(vertices.numpy(), joints.numpy(), body.faces.numpy(), body.lbs_weights.numpy())


def _file_names(source: ClipSource, kind: str) -> list[str]:
    ending = ENDINGS[kind]
    if kind == "gltf":
        return [f"{source.name}.{ending}"]
    persons = _count_persons(source.clip)
    if persons == 1:
        return [f"{source.name}.{ending}"]
    return [f"{source.name}_p{person}.{ending}" for person in range(persons)]


def _count_persons(clip: Path) -> int:
    """People in a clip; 0 if its arrays cannot be read, which `load_clip` will explain."""
    try:
        with open_npz(clip.with_suffix(".npz")) as archive:
            return len(read_array(archive, "betas", clip.name))
    except UserError:
        return 0


@lru_cache(maxsize=1)
def _body(path: Path | None) -> Body:
    return load_body(path)


def _write(source: ClipSource, shared: tuple[str, Path, Path | None]) -> list[str]:
    kind, out, body_path = shared
    clip, names = load_clip(source.clip), _file_names(source, kind)
    body = _body(body_path)
    if kind == "gltf":
        data = glb_bytes(clip, [rest_body(body, clip, person) for person in range(clip.num_persons)])
        write_atomically(out / names[0], lambda file: file.write(data))
        return names
    for person, name in enumerate(names):
        if kind == "amass":
            write_amass(clip, person, out / name, smpl_betas=body_path is not None)
        else:
            text = bvh_text(clip, person, rest_body(body, clip, person))
            write_atomically(out / name, lambda file, text=text: file.write(text.encode()))
    return names
