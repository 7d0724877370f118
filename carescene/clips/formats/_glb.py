"""Putting a .glb file together: one JSON chunk, and one binary chunk that it points into."""

import json
import struct
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped

_COMPONENTS: Final[dict[str, int]] = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
_TYPES: Final[dict[int, str]] = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_VERTEX_TARGET: Final = 34962
_INDEX_TARGET: Final = 34963
_JSON_CHUNK: Final = 0x4E4F534A
_BINARY_CHUNK: Final = 0x004E4942


class GlbBuilder:
    """Collects nodes, meshes and animation channels; every array becomes a buffer view and an accessor of its own."""

    def __init__(self, extras: dict[str, Any]) -> None:
        self.nodes: list[dict[str, Any]] = []
        self._roots: list[int] = []
        self._meshes: list[dict[str, Any]] = []
        self._materials: list[dict[str, Any]] = []
        self._skins: list[dict[str, Any]] = []
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._samplers: list[dict[str, Any]] = []
        self._channels: list[dict[str, Any]] = []
        self._binary = bytearray()
        self._extras = extras

    def add_node(self, node: dict[str, Any], *, root: bool) -> int:
        """Index of a new node; roots belong to the scene itself."""
        self.nodes.append(node)
        if root:
            self._roots.append(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def add_mesh(self, name: str, primitive: dict[str, Any]) -> int:
        """Index of a new mesh of one primitive."""
        self._meshes.append({"name": name, "primitives": [primitive]})
        return len(self._meshes) - 1

    def add_material(self, material: dict[str, Any]) -> int:
        """Index of a new material."""
        self._materials.append(material)
        return len(self._materials) - 1

    def add_skin(self, skin: dict[str, Any]) -> int:
        """Index of a new skin."""
        self._skins.append(skin)
        return len(self._skins) - 1

    def add_channel(self, node: int, path: str, times: int, values: int, *, steps: bool = False) -> None:
        """Move one property of a node: `times` and `values` are accessors."""
        interpolation = "STEP" if steps else "LINEAR"
        self._samplers.append({"input": times, "output": values, "interpolation": interpolation})
        self._channels.append({"sampler": len(self._samplers) - 1, "target": {"node": node, "path": path}})

    def add_vertices(self, array: Shaped[np.ndarray, "vertex channel"], *, limits: bool = False) -> int:
        """Accessor of a vertex attribute; positions need their limits."""
        return self._add(array, _VERTEX_TARGET, limits)

    def add_indices(self, faces: Shaped[np.ndarray, "face 3"]) -> int:
        """Accessor of triangles."""
        return self._add(faces.reshape(-1), _INDEX_TARGET, False)

    def add_values(self, array: Shaped[np.ndarray, "item *channel"], *, limits: bool = False) -> int:
        """Accessor of anything else; key times need their limits."""
        return self._add(array, None, limits)

    def _add(self, array: np.ndarray, target: int | None, limits: bool) -> int:
        # Offsets must be multiples of the component's size; four suits all.
        self._binary += b"\0" * (-len(self._binary) % 4)
        data = np.ascontiguousarray(array).tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._binary += data
        self._views.append(view)
        accessor: dict[str, Any] = {
            "bufferView": len(self._views) - 1,
            "componentType": _COMPONENTS[array.dtype.name],
            "count": len(array),
            "type": _TYPES[1 if array.ndim == 1 else array.shape[1]],
        }
        if limits:
            columns = array.reshape(len(array), -1)
            accessor["min"] = [float(x) for x in columns.min(axis=0)]
            accessor["max"] = [float(x) for x in columns.max(axis=0)]
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def to_bytes(self, name: str) -> bytes:
        """The whole file."""
        document = {
            "asset": {"version": "2.0", "generator": "carescene", "extras": self._extras},
            "scene": 0,
            "scenes": [{"name": name, "nodes": self._roots}],
            "nodes": self.nodes,
            "meshes": self._meshes,
            "materials": self._materials,
            "skins": self._skins,
            "animations": [{"name": name, "samplers": self._samplers, "channels": self._channels}],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._binary)}],
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        chunks = struct.pack("<II", len(text), _JSON_CHUNK) + text
        chunks += struct.pack("<II", len(binary), _BINARY_CHUNK) + binary
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks
