"""Makes world packs: reads clips of prepared folders and writes what `datamodules.world_pack` opens."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from carescene.clips import Clip, load_clip
from carescene.clips.mirror_text import mirror_text
from carescene.errors import UserError
from carescene.scenes import Scene, load_scene, scene_from_dict
from datamodules.pack import MODEL_FPS, SPLITS, hash_prepared, read_split
from datamodules.pack_files import as_npy, build_folder, save_array, write_text
from datamodules.stored_motion import NUMBERS, restored, stored
from datamodules.world_pack import WorldSequence
from diffusion.canonical import canonical_frame, move
from diffusion.feature_moves import mirror_features
from diffusion.normaliser import Normaliser
from diffusion.objects import encode_scene, object_distance
from diffusion.representation import EVENT_CLASSES, encode_motion
from diffusion.text import TextEncoder, load_text_encoder
from diffusion.world import BETAS, MAX_PERSONS, OBJECT_FEATURES, ROLES

# Part of the key: raise it when the meaning of the arrays changes.
_PACK_VERSION: Final = 2
# Means and spreads of 100,000 frames and their mirror images are exact enough, however large the data set is.
_STATISTICS_FRAMES: Final = 100_000
# Points of a path that are looked at to find what is near it: four a second.
_PATH_STEP: Final = 5
_STREAMS: Final = {
    "path": (np.float32, (3,)),
    "numbers": (np.int16, (NUMBERS,)),
    "label": (np.int8, ()),
    "valid": (np.bool_, ()),
}


def pack_worlds(data_dirs: list[Path], pack_dir: Path, encoder_name: str = "minilm", mirror: bool = True) -> Path:
    """Pack prepared folders together, unless that has been done, and return the folder of the pack.

    Safe when several processes do it at once.

    Args:
        data_dirs: folders with `clips` and `splits`, as `lightning prepare` writes them.
        pack_dir: where packs lie, one folder each.
        encoder_name: text encoder, see `load_text_encoder`.
        mirror: add the captions of left-right mirrored copies of training clips; their motion is made when it is used.

    Raises:
        UserError: if a folder is not a prepared one, a clip is damaged or does not fit, or nothing can be written.
    """
    hashes = [hash_prepared(folder) for folder in data_dirs]
    encoder = load_text_encoder(encoder_name)
    facts = {"version": _PACK_VERSION, "data": hashes, "text_encoder": encoder.model_id, "mirror": mirror}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return build_folder(
        pack_dir / f"world-{key}", lambda building: _Writer(building, mirror).write(data_dirs, encoder, facts)
    )


class WorldArrays(NamedTuple):
    """One clip as it is stored, in a frame of its own: see `datamodules.world_pack` for the arrays.

    Attributes:
        path, numbers, label, valid: `(person, frame, ...)`.
        shape: `(person, 10)`.
        objects: `(thing, 29)`.
    """

    path: np.ndarray
    numbers: np.ndarray
    label: np.ndarray
    valid: np.ndarray
    shape: np.ndarray
    objects: np.ndarray


def encode_world(clip: Clip, clips: Path, rest: Float[Tensor, "11 24 3"]) -> WorldArrays:
    """A clip's features and the things of its room, seen from the first person who is there in the first frame.

    Args:
        clip: at the model's frame rate.
        clips: folder of the clip, to which the name of a scene file is relative.
        rest: from `rest_of_shapes`.

    Raises:
        UserError: a clip of another frame rate or of too many people, a missing scene file, joints far out.
    """
    _check(clip)
    betas = torch.from_numpy(clip.betas.astype(np.float32))
    # Frames without the person may hold anything, NaN included.
    there = torch.from_numpy(clip.valid)[..., None]
    trans = torch.where(there, torch.from_numpy(clip.trans), 0.0)
    poses = torch.where(there[..., None], torch.from_numpy(clip.poses), 0.0)
    # Any frame of reference would do; this one makes statistics of all clips comparable.
    first = int(clip.valid[:, 0].argmax())
    angle, origin = canonical_frame(poses[first], trans[first])
    poses, trans = move(poses, trans, angle, origin)
    label = np.where(clip.valid, clip.frame_label, -1).astype(np.int8)
    own = rest[0] + torch.einsum("pk,kjc->pjc", betas, rest[1:]) if betas.any() else None
    path, numbers = stored(encode_motion(poses, trans, torch.from_numpy(label), own), clip.id)
    there_at = path[:, ::_PATH_STEP][clip.valid[:, ::_PATH_STEP]]
    things = _things(clip, clips, angle, origin, there_at[:, :2])
    return WorldArrays(path, numbers, label, clip.valid, betas.numpy(), things)


def motion_statistics(path: np.ndarray, numbers: np.ndarray, mirror: bool) -> np.ndarray:
    """Mean and std of frames, and of their mirror images if asked for, `(2, 217)`.

    Args:
        path, numbers: rows of people who are there, as stored.
        mirror: whether mirror images count as well.
    """
    motion = restored(torch.from_numpy(path), torch.from_numpy(numbers))
    features = torch.nn.functional.pad(motion, (0, EVENT_CLASSES))
    normaliser = Normaliser.fit(torch.cat((features, mirror_features(features))) if mirror else features)
    return torch.stack((normaliser.mean, normaliser.std)).numpy()


class _Writer:
    """Fills the folder of a new pack."""

    def __init__(self, folder: Path, mirror: bool) -> None:
        self._folder, self._mirror = folder, mirror
        self._rest = rest_of_shapes()
        self._sequences: list[WorldSequence] = []
        self._persons = 0
        self._captions: dict[str, int] = {}
        self._shapes: list[np.ndarray] = []
        self._objects: list[np.ndarray] = []
        self._rows = 0
        self._things = 0

    def write(self, data_dirs: list[Path], encoder: TextEncoder, facts: dict[str, Any]) -> None:
        """Write everything; `pack.json` comes last."""
        files = {name: (self._folder / f"{name}.raw").open("wb") for name in _STREAMS}
        try:
            entries = [
                (number, split, clip_id)
                for number, folder in enumerate(data_dirs)
                for split in SPLITS
                for clip_id in read_split(folder, split)
            ]
            for number, split, clip_id in tqdm(entries, desc="packing clips", unit="clip", disable=None):
                self._add(data_dirs[number] / "clips", number, split, clip_id, files)
        finally:
            for file in files.values():
                file.close()
        if not any(sequence.split == "train" for sequence in self._sequences):
            names = ", ".join(f"'{folder}/splits/train.txt'" for folder in data_dirs)
            raise UserError(f"Expected clips in {names}, but it is empty. Prepare the data again.")
        for name, (dtype, shape) in _STREAMS.items():
            as_npy(self._folder / f"{name}.raw", self._folder / f"{name}.npy", dtype, (self._rows, *shape))
        save_array(self._folder / "shape.npy", np.concatenate(self._shapes))
        things = np.zeros((0, OBJECT_FEATURES + 1), np.float32)
        save_array(self._folder / "objects.npy", np.concatenate([things, *self._objects]))
        save_array(self._folder / "rest.npy", self._rest.numpy())
        save_array(self._folder / "stats.npy", self._statistics())
        captions = write_text(self._folder, list(self._captions), encoder)
        header = {
            "facts": facts,
            "sequences": [asdict(sequence) for sequence in self._sequences],
            "captions": [asdict(caption) for caption in captions],
        }
        (self._folder / "pack.json").write_text(json.dumps(header, ensure_ascii=False), encoding="utf-8")

    def _add(self, clips: Path, folder: int, split: str, clip_id: str, files: Mapping[str, BinaryIO]) -> None:
        clip = load_clip(clips / clip_id)
        arrays = encode_world(clip, clips, self._rest)
        for name in _STREAMS:
            files[name].write(np.ascontiguousarray(getattr(arrays, name)).tobytes())
        persons, frames = clip.poses.shape[:2]
        mirrored = [mirror_text(text) for text in clip.text] if self._mirror and split == "train" else []
        self._sequences.append(
            WorldSequence(
                id=clip.id,
                folder=folder,
                split=split,
                group=group_of(clip),
                start=self._rows,
                frames=frames,
                persons=persons,
                person=self._persons,
                roles=roles_of(clip),
                captions=self._caption_numbers(clip.text),
                mirrored_captions=self._caption_numbers(mirrored),
                thing=self._things,
                things=len(arrays.objects),
            )
        )
        self._shapes.append(arrays.shape)
        self._objects.append(arrays.objects)
        self._persons += persons
        self._rows += persons * frames
        self._things += len(arrays.objects)

    def _caption_numbers(self, texts: list[str]) -> list[int]:
        return [self._captions.setdefault(text, len(self._captions)) for text in texts]

    def _statistics(self) -> np.ndarray:
        """Mean and std of training frames and their mirror images, `(2, 217)`."""
        read = {name: np.load(self._folder / f"{name}.npy", mmap_mode="r") for name in _STREAMS}
        train = [s for s in self._sequences if s.split == "train"]
        rows = np.concatenate([np.arange(s.start, s.start + s.persons * s.frames) for s in train])
        rows = rows[read["valid"][rows]]
        rows = rows[:: -(-len(rows) // _STATISTICS_FRAMES)]
        return motion_statistics(read["path"][rows], read["numbers"][rows], self._mirror)


def rest_of_shapes() -> Float[Tensor, "11 24 3"]:
    """Rest joints at betas 0 and what each beta adds to them (the body is linear in its betas), metres."""
    # Late: smplx is heavy, and packs that exist do not need it.
    from carescene.humans.body import load_body

    joints = load_body().rest_joints(torch.cat((torch.zeros(1, BETAS), torch.eye(BETAS))))
    return torch.cat((joints[:1], joints[1:] - joints[:1]))


def _check(clip: Clip) -> None:
    problem = None
    if clip.num_persons > MAX_PERSONS:
        problem = f"at most {MAX_PERSONS} persons, but got {clip.num_persons}"
    elif clip.fps != MODEL_FPS:
        problem = f"{MODEL_FPS} frames per second, but got {clip.fps:g}"
    elif not clip.valid[:, 0].any():
        problem = "somebody to be there in the first frame, but got nobody"
    if problem:
        raise UserError(f"Clip '{clip.id}': expected {problem}. Prepare it again with `lightning prepare`.")


def group_of(clip: Clip) -> str:
    """What a clip counts as when classes are balanced."""
    named = clip.attributes.get("class") or clip.attributes.get("action")
    shown = next((event.ward_event for event in clip.events if event.ward_event), None)
    return named or shown or "unknown"


def roles_of(clip: Clip) -> list[int]:
    """Indices into `ROLES` of a clip's persons; 0 where the role is not known."""
    names = [person.role for person in clip.persons] or ["unknown"] * clip.num_persons
    return [ROLES.index(name) if name in ROLES else 0 for name in names]


def _things(
    clip: Clip, clips: Path, angle: Tensor, origin: Tensor, path: Float[np.ndarray, "point 2"]
) -> Float[np.ndarray, "thing 29"]:
    """Vectors of all things of a clip's room in the pack's frame, most important first, and how far from people.

    Args:
        clips: folder of the clip, to which the name of a scene file is relative.
        angle, origin: of the pack's frame in the clip's world.
        path: where people are, in the pack's frame.

    Raises:
        UserError: if the scene file is missing or the room is damaged.
    """
    scene = _scene(clip, clips)
    if scene is None:
        return np.zeros((0, OBJECT_FEATURES + 1), np.float32)
    cos, sin = float(torch.cos(angle)), float(torch.sin(angle))
    in_world = path @ np.array([[cos, sin], [-sin, cos]]) + origin.numpy()
    # The room, at most a corner for each of its own, and everything in it.
    slots = 1 + len(scene.polygon) + len(scene.objects)
    vectors = encode_scene(scene, float(angle), origin.numpy(), slots, in_world).numpy()
    vectors = vectors[vectors[:, 0] > 0]
    return np.concatenate([vectors, object_distance(vectors, path)[:, None]], axis=1).astype(np.float32)


def _scene(clip: Clip, clips: Path) -> Scene | None:
    if isinstance(clip.scene, str):
        return load_scene(clips / clip.scene)
    return None if clip.scene is None else scene_from_dict(clip.scene, f"the scene of clip '{clip.id}'", clips)
