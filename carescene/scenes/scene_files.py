"""Scene files: one room as JSON or YAML.

    {"schema": 1, "id": "...", "bounds": {"polygon": [[x, y], ...], "height": 2.7},
     "objects": [{"id": ..., "kind": ..., "center": [x, y, z], "size": [x, y, z], "yaw": ..., "params": {...}}, ...],
     "style": {...}, "preset": ..., "seed": ..., "mesh": ...}

Names of meshes are relative to the scene file.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from carescene.errors import UserError
from carescene.files import atomic_path, write_atomically
from carescene.scenes.check import validate_scene
from carescene.scenes.furniture import default_object
from carescene.scenes.scene import KINDS, SCENE_SCHEMA_VERSION, Scene, SceneObject
from carescene.scenes.user_mesh import bounds_of_mesh, centered_mesh, room_mesh

_JSON: Final = (".json",)
_YAML: Final = (".yaml", ".yml")
# Numbers beyond this mean nothing here; NaN and infinity are beyond as well.
_LARGEST: Final = 1e12
_SCENE_KEYS: Final = ("schema", "id", "bounds", "objects", "style", "preset", "seed", "mesh")
_OBJECT_KEYS: Final = ("id", "kind", "center", "size", "yaw", "params", "mesh")


def save_scene(scene: Scene, path: Path, *, meshes: Path | None = None) -> Path:
    """Write a scene as JSON (`.json`) or YAML (`.yaml`, `.yml`) and return the path.

    Args:
        meshes: folder to which the names of the scene's own meshes are relative, if it has any; the files are copied
            beside the scene file, so that it can be read where it lies.

    Raises:
        UserError: if the scene is not valid (see `validate_scene`), a mesh file is missing, the ending is another one,
            or a file cannot be written.
    """
    _check_ending(path)
    source = path.parent if meshes is None else meshes
    plain = scene_to_dict(validate_scene(scene, folder=source))
    for name in {scene.mesh, *(thing.mesh for thing in scene.objects)} - {None}:
        _copy(source / str(name), path.parent / str(name))
    if path.suffix.lower() in _JSON:
        text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # People read and edit these files: lists of numbers stay on one line.
        text = re.sub(r"\[[-+.\de,\s]+\]", lambda match: "".join(match[0].split()).replace(",", ", "), text)
    else:
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def load_scene(path: Path) -> Scene:
    """Read and check a scene file; a mesh file itself (glb, gltf, ply, obj, stl) is read as a room without boxes.

    What may be left out of a scene file: `bounds` if the scene has a `mesh` (then the floor plan is the convex hull of
    the mesh seen from above, and the height is its top); an object's `size` if its kind has a natural one or it has a
    mesh; the third number of `center` for things at their natural height; everything else but `id`, `kind` and
    `center`.

    Raises:
        UserError: if the file is missing, cut short, has unknown keys or another schema, or the scene is not valid.
    """
    if path.suffix.lower() in _JSON + _YAML:
        return validate_scene(scene_from_dict(_read(path), path.name, path.parent), folder=path.parent)
    scene = Scene(id=path.stem, polygon=[], mesh=path.name)
    _fill_bounds(scene, path.parent)
    return validate_scene(scene, folder=path.parent)


def scene_to_dict(scene: Scene) -> dict[str, Any]:
    """The scene as plain lists, dicts, numbers and words, as in a scene file; what is not set is left out."""
    plain: dict[str, Any] = {
        "schema": SCENE_SCHEMA_VERSION,
        "id": scene.id,
        "bounds": {"polygon": [_numbers(corner) for corner in scene.polygon], "height": float(scene.height)},
        "objects": [_object_to_dict(thing) for thing in scene.objects],
    }
    optional = {
        "style": {name: _numbers(color) for name, color in scene.style.items()},
        "preset": scene.preset,
        "seed": scene.seed,
        "mesh": scene.mesh,
    }
    return plain | {name: value for name, value in optional.items() if value not in (None, {})}


def scene_from_dict(plain: Any, where: str = "scene", folder: Path | None = None) -> Scene:
    """A scene from what `scene_to_dict` gives; not yet checked by `validate_scene`.

    Args:
        where: name of the file, for messages.
        folder: where names of meshes are relative to.

    Raises:
        UserError: for unknown or missing keys, another schema, or values of the wrong type.
    """
    fields = _mapping(plain, _SCENE_KEYS, where)
    schema = fields.get("schema", SCENE_SCHEMA_VERSION)
    if schema != SCENE_SCHEMA_VERSION:
        _refuse(where, f"schema {SCENE_SCHEMA_VERSION}", repr(schema), "Use the version of carescene that wrote it.")
    scene = Scene(
        id=_word(fields, "id", where),
        polygon=[],
        style={name: _triple(color, f"style '{name}' in {where}") for name, color in _style(fields, where)},
        preset=_optional(fields, "preset", str, where),
        seed=_optional(fields, "seed", int, where),
        mesh=_optional(fields, "mesh", str, where),
    )
    things = fields.get("objects") or []
    if not isinstance(things, list):
        _refuse(where, "objects to be a list", repr(things), "Write one entry for each object.")
    scene.objects = [_object_from_dict(thing, f"object {at} of {where}", folder) for at, thing in enumerate(things)]
    if fields.get("bounds") is not None:
        bounds = _mapping(fields["bounds"], ("polygon", "height"), f"bounds of {where}")
        corners = bounds.get("polygon")
        if not isinstance(corners, list) or not all(_is_numbers(corner, 2) for corner in corners):
            _refuse(f"bounds of {where}", "polygon to be a list of [x, y]", repr(corners), "Metres, counter-clockwise.")
        scene.polygon = [(float(x), float(y)) for x, y in corners]
        scene.height = _number(bounds, "height", scene.height, f"bounds of {where}")
    elif scene.mesh is None:
        _refuse(where, "bounds {polygon, height}, or a mesh", "neither", "Give the corners of the floor in metres.")
    else:
        _fill_bounds(scene, folder)
    return scene


def _copy(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _fill_bounds(scene: Scene, folder: Path | None) -> None:
    scene.polygon, scene.height = bounds_of_mesh(*room_mesh(scene, folder), scene.mesh or "")


def _object_to_dict(thing: SceneObject) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": thing.id,
        "kind": thing.kind,
        "center": _numbers(thing.center),
        "size": _numbers(thing.size),
        "yaw": float(thing.yaw),
    }
    if thing.params:
        plain["params"] = dict(thing.params)
    return plain if thing.mesh is None else plain | {"mesh": thing.mesh}


def _object_from_dict(plain: Any, where: str, folder: Path | None) -> SceneObject:
    fields = _mapping(plain, _OBJECT_KEYS, where)
    where = f"'{_word(fields, 'id', where)}' ({where})"
    kind, yaw = _word(fields, "kind", where), _number(fields, "yaw", 0.0, where)
    if kind not in KINDS:
        _refuse(where, f"kind to be one of {', '.join(KINDS)}", repr(kind), "Use 'other' for anything else.")
    params, mesh = fields.get("params") or {}, _optional(fields, "mesh", str, where)
    if not isinstance(params, dict) or not all(
        isinstance(value, bool | str) or _is_numbers([value], 1) for value in params.values()
    ):
        _refuse(where, "params to map names to numbers, words or true/false", repr(params), "Correct them.")
    center, size = fields.get("center", ()), fields.get("size")
    if not (_is_numbers(center, 3) or _is_numbers(center, 2)):
        _refuse(where, "center to be [x, y, z] or [x, y]", repr(center), "Metres; the middle of the box.")
    whole = _triple(size, f"size of {where}") if size is not None else None
    if mesh is not None:
        filled = whole or centered_mesh((folder or Path()) / mesh)[2]
        thing = SceneObject(fields["id"], kind, (0.0, 0.0, 0.0), filled, yaw, params, mesh)
    else:
        thing = default_object(
            kind,
            fields["id"],
            x=float(center[0]),
            y=float(center[1]),
            yaw=yaw,
            size=whole or (None, None, None),
            **params,
        )
    natural = thing.center[2] if mesh is None else thing.size[2] / 2
    thing.center = (float(center[0]), float(center[1]), float(center[2]) if len(center) == 3 else natural)
    return thing


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"Expected a scene file at '{path}', but there is none. Check its name.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Expected '{path}' to be a readable text file, but got: {error}. Check the file.") from error
    try:
        return json.loads(text) if path.suffix.lower() in _JSON else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(
            f"Expected '{path.name}' to be complete {path.suffix[1:].upper()}, but got: "
            f"{' '.join(str(error).split())}. "
            "It is probably cut short or was edited by hand; correct it or write it again."
        ) from error


def _check_ending(path: Path) -> None:
    if path.suffix.lower() not in _JSON + _YAML:
        raise UserError(f"Expected a scene file named .json, .yaml or .yml, but got '{path.name}'. Rename it.")


def _refuse(where: str, expected: str, got: str, advice: str) -> NoReturn:
    raise UserError(f"In {where}: expected {expected}, but got {got[:200]}. {advice}")


def _mapping(plain: Any, keys: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(plain, dict):
        _refuse(where, f"the keys {', '.join(keys)}", repr(plain), "Write them as names with values.")
    unknown = [str(key) for key in plain if key not in keys]
    if unknown:
        _refuse(where, f"only the keys {', '.join(keys)}", ", ".join(unknown), "Correct the spelling or remove it.")
    return plain


def _word(fields: dict[str, Any], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        _refuse(where, f"{key} to be a word", "nothing" if value is None else repr(value), f"Add {key}.")
    return value


def _optional(fields: dict[str, Any], key: str, kind: type, where: str) -> Any:
    value = fields.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        _refuse(where, f"{key} to be of type {kind.__name__}", repr(value), "Correct it or leave it out.")
    return value


def _style(fields: dict[str, Any], where: str) -> list[tuple[str, Any]]:
    style = fields.get("style") or {}
    if not isinstance(style, dict):
        _refuse(where, "style to map materials to [red, green, blue]", repr(style), "Correct it or leave it out.")
    return [(str(name), color) for name, color in style.items()]


def _number(fields: dict[str, Any], key: str, default: float, where: str) -> float:
    value = fields.get(key, default)
    if not _is_numbers([value], 1):
        _refuse(where, f"{key} to be a finite number", repr(value), "Correct it.")
    return float(value)


def _triple(value: Any, where: str) -> tuple[float, float, float]:
    if not _is_numbers(value, 3):
        _refuse(where, "three finite numbers", repr(value), "Correct them.")
    return float(value[0]), float(value[1]), float(value[2])


def _is_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == count
        and all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < _LARGEST for n in value)
    )


def _numbers(values: tuple[float, ...]) -> list[float]:
    return [float(value) for value in values]
