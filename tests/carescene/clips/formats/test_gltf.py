"""glTF: a small reader of its own evaluates skin and animation, and must find the bodies that `Body.pose` poses."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation, Slerp

from carescene.clips import Clip
from carescene.clips.formats import RestBody, glb_bytes
from carescene.clips.formats.gltf import four_joints
from carescene.errors import UserError
from carescene.humans.body import load_body

UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # z up to y up
DTYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def two_people(frames: int = 8) -> Clip:
    rng = np.random.default_rng(3)
    poses = np.cumsum(rng.normal(0, 0.04, (2, frames, 24, 3)), axis=1).astype(np.float32)
    poses[:, :, 0, 0] += np.pi / 2
    poses[:, :, 18, 1] += 1.2
    return Clip(
        id="two",
        fps=20.0,
        poses=poses,
        trans=rng.normal(0, 1, (2, frames, 3)).astype(np.float32),
        betas=rng.normal(0, 1, (2, 10)).astype(np.float32),
        frame_label=np.zeros((2, frames), np.int8),
        valid=np.ones((2, frames), dtype=bool),
    )


def rest_bodies(clip: Clip) -> list[RestBody]:
    body = load_body()
    with torch.no_grad():
        betas = torch.from_numpy(clip.betas)
        return [
            RestBody(vertices.numpy(), joints.numpy(), body.faces.numpy(), body.lbs_weights.numpy())
            for vertices, joints in zip(body.rest_vertices(betas), body.rest_joints(betas), strict=True)
        ]


class Reader:
    """As much of glTF as these files use, written from the specification."""

    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<II", data, 12)
        assert kind == 0x4E4F534A and size % 4 == 0
        self.document: dict[str, Any] = json.loads(data[20 : 20 + size])
        binary, kind = struct.unpack_from("<II", data, 20 + size)
        assert kind == 0x004E4942 and binary % 4 == 0 and 28 + size + binary == length
        self.binary = data[28 + size :]

    def array(self, index: int) -> np.ndarray:
        accessor = self.document["accessors"][index]
        view = self.document["bufferViews"][accessor["bufferView"]]
        dtype, width = np.dtype(DTYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
        assert view["byteOffset"] % dtype.itemsize == 0
        assert accessor["count"] * width * dtype.itemsize == view["byteLength"]
        assert view["byteOffset"] + view["byteLength"] <= self.document["buffers"][0]["byteLength"]
        flat = np.frombuffer(self.binary, dtype, accessor["count"] * width, view["byteOffset"])
        values = flat if width == 1 else flat.reshape(-1, width)
        if "min" in accessor:
            np.testing.assert_array_equal(values.reshape(len(values), -1).min(axis=0), np.float32(accessor["min"]))
            np.testing.assert_array_equal(values.reshape(len(values), -1).max(axis=0), np.float32(accessor["max"]))
        return values

    def property(self, node: int, path: str, time: float) -> np.ndarray:
        animation = self.document["animations"][0]
        found = [c for c in animation["channels"] if c["target"] == {"node": node, "path": path}]
        if not found:
            default = {"translation": [0.0, 0, 0], "rotation": [0.0, 0, 0, 1], "scale": [1.0, 1, 1]}[path]
            return np.array(self.document["nodes"][node].get(path, default))
        sampler = animation["samplers"][found[0]["sampler"]]
        times, values = self.array(sampler["input"]).astype(float), self.array(sampler["output"])
        assert "min" in self.document["accessors"][sampler["input"]]
        clipped = float(np.clip(time, times[0], times[-1]))
        if sampler["interpolation"] == "STEP":
            return values[np.searchsorted(times, clipped, side="right") - 1]
        if path == "rotation":
            np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
            return Slerp(times, Rotation.from_quat(values))(clipped).as_quat()
        return np.stack([np.interp(clipped, times, column) for column in values.T])

    def matrix(self, node: int, time: float) -> np.ndarray:
        matrix = np.eye(4)
        rotation = Rotation.from_quat(self.property(node, "rotation", time)).as_matrix()
        matrix[:3, :3] = rotation * self.property(node, "scale", time)
        matrix[:3, 3] = self.property(node, "translation", time)
        return matrix

    def world(self, time: float) -> dict[int, np.ndarray]:
        nodes = self.document["nodes"]
        found: dict[int, np.ndarray] = {}
        waiting = [(root, np.eye(4)) for root in self.document["scenes"][0]["nodes"]]
        while waiting:
            node, above = waiting.pop()
            found[node] = above @ self.matrix(node, time)
            waiting += [(child, found[node]) for child in nodes[node].get("children", [])]
        assert len(found) == len(nodes)
        return found

    def skinned(self, time: float) -> list[np.ndarray]:
        """Vertices of every skinned mesh in glTF's world."""
        world, meshes = self.world(time), []
        for node in (node for node in self.document["nodes"] if "skin" in node):
            skin = self.document["skins"][node["skin"]]
            bind = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
            joints = np.stack([world[joint] @ inverse for joint, inverse in zip(skin["joints"], bind, strict=True)])
            attributes = self.document["meshes"][node["mesh"]]["primitives"][0]["attributes"]
            weights = self.array(attributes["WEIGHTS_0"])
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
            blended = np.einsum("vk,vkij->vij", weights, joints[self.array(attributes["JOINTS_0"])])
            points = np.c_[self.array(attributes["POSITION"]), np.ones(len(weights))]
            meshes.append(np.einsum("vij,vj->vi", blended, points)[:, :3])
        return meshes


def test_skin_and_animation_pose_the_same_bodies() -> None:
    clip = two_people()
    reader = Reader(glb_bytes(clip, rest_bodies(clip)))
    body = load_body()
    with torch.no_grad():
        posed = body.pose(
            torch.from_numpy(clip.poses), torch.from_numpy(clip.trans), torch.from_numpy(clip.betas)[:, None]
        ).vertices.numpy()
    for frame in (0, 3, 7):
        for person, vertices in enumerate(reader.skinned(frame / clip.fps)):
            np.testing.assert_allclose(vertices, posed[person, frame] @ UP.T, atol=1e-3)
            # All but a few of the bundled body's vertices have no more than four joints: those are exact.
            assert np.quantile(np.abs(vertices - posed[person, frame] @ UP.T), 0.99) < 1e-5


def test_people_move_smoothly_between_keys() -> None:
    clip = two_people()
    clip.poses[0, :, 0] = np.linspace(0, 3.5 * np.pi, clip.num_frames)[:, None] * np.array([0, 0, 1], np.float32)
    reader = Reader(glb_bytes(clip, rest_bodies(clip)))
    before, middle, after = (reader.skinned(time / clip.fps)[0] for time in (2.0, 2.5, 3.0))
    # Turning by 90 degrees from key to key, half-way it has turned by 45 about the moving pelvis.
    pelvis = [clip.trans[0, 2], (clip.trans[0, 2] + clip.trans[0, 3]) / 2, clip.trans[0, 3]]
    arms = [mesh - UP @ place for mesh, place in zip((before, middle, after), pelvis, strict=True)]
    radius = [np.linalg.norm(arm[:, [0, 2]], axis=1).max() for arm in arms]
    assert radius[1] == pytest.approx(radius[0], rel=0.15)


def test_who_is_away_has_no_size() -> None:
    clip = two_people()
    clip.valid[1, :3] = False
    clip.poses[1, :3] = np.nan
    clip.valid[1, 6] = False
    reader = Reader(glb_bytes(clip, rest_bodies(clip)))
    heights = [np.ptp(reader.skinned((frame + 0.01) / clip.fps)[1], axis=0).max() for frame in range(8)]
    assert [height > 0.5 for height in heights] == [False, False, False, True, True, True, False, True]


def test_trimesh_reads_it(tmp_path: Path) -> None:
    clip = two_people()
    bodies = rest_bodies(clip)
    (tmp_path / "two.glb").write_bytes(glb_bytes(clip, bodies))
    scene = trimesh.load(tmp_path / "two.glb")
    assert len(scene.geometry) == 2
    for mesh, body in zip(scene.geometry.values(), bodies, strict=True):
        np.testing.assert_allclose(mesh.vertices, body.vertices, atol=1e-6)
        np.testing.assert_array_equal(mesh.faces, body.faces)
        # Normals point outwards, as those that trimesh works out.
        plain = trimesh.Trimesh(body.vertices, body.faces, process=False)
        assert np.mean((plain.vertex_normals * mesh.vertex_normals).sum(axis=1) > 0.7) > 0.99


def test_colors_are_kept() -> None:
    clip = two_people(2)
    bodies = rest_bodies(clip)
    colors = [np.random.default_rng(person).random(body.vertices.shape) for person, body in enumerate(bodies)]
    reader = Reader(glb_bytes(clip, bodies, colors))
    for mesh, color in zip(reader.document["meshes"], colors, strict=True):
        np.testing.assert_array_equal(reader.array(mesh["primitives"][0]["attributes"]["COLOR_0"]), np.float32(color))


def test_four_joints() -> None:
    shares = np.zeros((2, 24))
    shares[0, [0, 1, 2, 4, 7]] = 0.1, 0.3, 0.2, 0.35, 0.05
    shares[1, 2] = 1.0
    joints, weights = four_joints(shares)
    assert joints.tolist() == [[4, 1, 2, 0], [2, 0, 0, 0]]
    np.testing.assert_allclose(weights[0], np.array([0.35, 0.3, 0.2, 0.1]) / 0.95, atol=1e-7)
    assert weights[1].tolist() == [1, 0, 0, 0]


def test_refusals() -> None:
    clip = two_people(2)
    with pytest.raises(UserError, match="a body for each of 2, but got 1"):
        glb_bytes(clip, rest_bodies(clip)[:1])
    clip.valid[:] = False
    with pytest.raises(UserError, match="expected people in some frame"):
        glb_bytes(clip, rest_bodies(clip))
