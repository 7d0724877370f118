"""A rendered item on disk: one clip filmed by one camera, its labels, and a card that says how it was made.

The card is written last: a folder that has one is complete, and nothing else counts as an item.
"""

import dataclasses
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8

from carescene.clips.clip import Clip, Event, Generator, PersonInfo, Source, Weight
from carescene.clips.files import load_clip
from carescene.clips.taxonomy import OMNIFALL16, OMNIFALL_ID, UNKNOWN_LABEL
from carescene.errors import UserError
from carescene.files import write_atomically, write_npz

RENDERED_SCHEMA_VERSION: Final = 1

CARD_NAME: Final = "card.json"
LABELS_NAME: Final = "labels.npz"
SCENE_NAME: Final = "scene.json"
UNKNOWN_NAME: Final = "unknown"

# What a film may consist of, and the file of each: mp4 (H.264) for eyes and networks, mkv (FFV1, lossless) for values.
MODALITY_FILES: Final[dict[str, str]] = {
    "rgb": "rgb.mp4",
    "nir": "nir.mp4",
    "depth": "depth.mkv",
    "silhouette": "silhouette.mkv",
    "instances": "instances.mkv",
    "parts": "parts.mkv",
    "normals": "normals.mkv",
    "keypoints": "keypoints.json",
    "overlay": "overlay.mp4",
    "preview": "preview.mp4",
}

# COCO's 17 key points in COCO's order; left is the person's own left.
COCO_KEYPOINTS: Final[tuple[str, ...]] = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

# Acts that change the posture. They are short, so counting frames alone would call every film after a posture.
_CHANGES: Final = ("sit_down", "lie_down", "stand_up", "kneel_down", "squat_down", "jump")
# A change that fills less of the film than this is a flicker of the labels or cut off at an end.
_LEAST_SHARE: Final = 0.05


@dataclass(frozen=True)
class FilmLabels:
    """What is true in every picture of a film, read from the picture's own geometry.

    Attributes:
        times: seconds of every picture from the film's beginning, which is the clip's.
        frame_label: OmniFall-16 id, -1 where unknown or where the person does not exist.
        box: x0, y0, x1, y1 of the visible pixels (x1 and y1 past the last), NaN where nothing is seen.
        keypoints: COCO-17 as x, y in pixels and 2 seen, 1 occluded, 0 outside (x = y = 0 then).
        joints: SMPL's 24 joints in the world, metres.
        visible_fraction: seen pixels over pixels of the whole silhouette, 0 to 1.
        valid: pictures in which the person exists.
    """

    times: Float[np.ndarray, "frame"]
    frame_label: Int8[np.ndarray, "person frame"]
    box: Float32[np.ndarray, "person frame 4"]
    keypoints: Float32[np.ndarray, "person frame 17 3"]
    joints: Float32[np.ndarray, "person frame 24 3"]
    visible_fraction: Float32[np.ndarray, "person frame"]
    valid: Bool[np.ndarray, "person frame"]


_LABEL_DTYPES: Final[dict[str, type]] = {
    "times": np.float64,
    "frame_label": np.int8,
    "box": np.float32,
    "keypoints": np.float32,
    "joints": np.float32,
    "visible_fraction": np.float32,
    "valid": np.bool_,
}
_PER_PERSON: Final[dict[str, tuple[int, ...]]] = {
    "frame_label": (),
    "box": (4,),
    "keypoints": (len(COCO_KEYPOINTS), 3),
    "joints": (24, 3),
    "visible_fraction": (),
    "valid": (),
}


@dataclass
class Card:
    """How one item was made and what it shows.

    Attributes:
        id: name of the item and its folder.
        clip: id of the clip, whose files lie in the folder as it was filmed.
        seed: of this item's camera, clothes, light and noise.
        version: of the program that wrote it.
        scene: `id` and `preset` of the room.
        camera: `name`, `K`, `distortion`, `R` (world to camera), `eye`, `width`, `height`, `hfov_deg`, `height_m`,
            `tilt_deg`.
        fps, frames: pictures per second, and how many.
        light: name of the light.
        sensor: `name` and settings of the sensor model.
        modalities: file of each modality.
        settings: what was asked for; a rerun with other settings is told by it.
        persons: one entry per person.
        events: segments in the film's seconds.
        label, label_id: one OmniFall-16 name and id for the whole film; "unknown" and -1 if nobody is ever seen.
    """

    id: str
    clip: str
    seed: int
    version: str
    scene: dict[str, Any]
    camera: dict[str, Any]
    fps: float
    frames: int
    light: str
    sensor: dict[str, Any]
    modalities: dict[str, str]
    persons: list[PersonInfo] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    label: str = UNKNOWN_NAME
    label_id: int = UNKNOWN_LABEL
    weight: Weight | None = None
    source: Source | None = None
    generator: Generator | None = None
    licence: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RenderedItem:
    """One complete item: its folder, card and labels. Films and the clip are read when asked for."""

    folder: Path
    card: Card
    labels: FilmLabels

    @property
    def id(self) -> str:
        """Name of the item."""
        return self.card.id

    def file(self, modality: str) -> Path:
        """Path of one modality's file.

        Raises:
            UserError: if the item has no such modality.
        """
        if modality not in self.card.modalities:
            raise UserError(
                f"Expected '{self.folder}' to hold {modality}, but it holds {', '.join(self.card.modalities)}. "
                f"Render it again with --modalities {modality} --overwrite true."
            )
        return self.folder / self.card.modalities[modality]

    def load_clip(self) -> Clip:
        """The clip as it was filmed, in the room's coordinates."""
        return load_clip(self.folder / f"{self.card.clip}.json")

    @property
    def scene_path(self) -> Path:
        """File of the room."""
        return self.folder / SCENE_NAME


def item_name(clip_id: str, camera: str, view: int = 0) -> str:
    """Name of an item's folder: clip, camera, and the number of the view from the second on."""
    return f"{clip_id}.{camera}" + (f".v{view}" if view else "")


def main_label(
    frame_label: Int8[np.ndarray, "person frame"], seen: Bool[np.ndarray, "person frame"] | None = None
) -> int:
    """One OmniFall-16 id for a whole film, -1 if no frame of it has a known label.

    In this order: `fall` if anybody falls in any frame; `fallen` if anybody lies after a fall; the change of posture
    (sitting down, rising, ...) of most frames, if it fills a twentieth of the labelled ones; the label of most frames.
    A rare short act thus gives the film its name, as it does in data sets of acts (NTU RGB+D, Kinetics).

    Args:
        frame_label: ids, -1 where unknown.
        seen: frames that count, such as those in which the person is in the picture; None counts all.
    """
    known = frame_label[(frame_label != UNKNOWN_LABEL) & (True if seen is None else seen)]
    counts = np.bincount(known, minlength=len(OMNIFALL16))
    if not counts.any():
        return UNKNOWN_LABEL
    for name in ("fall", "fallen"):
        if counts[OMNIFALL_ID[name]]:
            return OMNIFALL_ID[name]
    change = max((OMNIFALL_ID[name] for name in _CHANGES), key=lambda label: (counts[label], -label))
    if counts[change] >= _LEAST_SHARE * counts.sum():
        return change
    return int(np.argmax(counts))


def label_name(label: int) -> str:
    """OmniFall-16 name of an id; "unknown" for -1."""
    return UNKNOWN_NAME if label == UNKNOWN_LABEL else OMNIFALL16[label]


def save_labels(labels: FilmLabels, folder: Path) -> Path:
    """Write `labels.npz`, complete or not at all, and return its path.

    Raises:
        UserError: if the folder cannot be written.
    """
    arrays = {name: np.asarray(getattr(labels, name), dtype) for name, dtype in _LABEL_DTYPES.items()}
    write_npz(folder / LABELS_NAME, arrays)
    return folder / LABELS_NAME


def save_card(card: Card, folder: Path) -> Path:
    """Write `card.json`, which makes the item complete: call it after everything else is in its place.

    Raises:
        UserError: if a file that the card names is missing, or the folder cannot be written.
    """
    missing = [name for name in card.modalities.values() if not (folder / name).is_file()]
    if missing:
        raise UserError(f"Expected {', '.join(missing)} in '{folder}' before its card, but got no such file.")
    text = json.dumps({"schema": RENDERED_SCHEMA_VERSION} | dataclasses.asdict(card), indent=1, ensure_ascii=False)
    write_atomically(folder / CARD_NAME, lambda file: file.write(f"{text}\n".encode()))
    return folder / CARD_NAME


def load_card(folder: Path) -> Card:
    """The card of one item.

    Raises:
        UserError: if it is missing, damaged, or of another schema version.
    """
    path = folder / CARD_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"Expected a rendered item in '{folder}', but it has no {CARD_NAME}. Rendering it was not finished; "
            "run the same `lightning render` again."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"Expected '{path}' to be JSON, but got: {error}. Render the item again.") from error
    schema = fields.pop("schema", None) if isinstance(fields, dict) else None
    if schema != RENDERED_SCHEMA_VERSION:
        raise UserError(
            f"Expected rendered schema {RENDERED_SCHEMA_VERSION} in '{path}', but got {schema}. Another version wrote "
            "it; render the item again with this one."
        )
    try:
        persons = [PersonInfo(**person) for person in fields.pop("persons")]
        events = [Event(**event) for event in fields.pop("events")]
        kinds = {"weight": Weight, "source": Source, "generator": Generator}
        known = {name: kind(**fields[name]) for name, kind in kinds.items() if fields.get(name) is not None}
        return Card(**(fields | known), persons=persons, events=events)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"Expected '{path}' to hold the fields of a card, but got: {error}. It was probably edited by hand; "
            "render the item again."
        ) from error


def load_item(folder: Path) -> RenderedItem:
    """One rendered item with its labels.

    Raises:
        UserError: if the item is not complete, damaged, or of another schema version.
    """
    card = load_card(folder)
    missing = [name for name in (*card.modalities.values(), SCENE_NAME) if not (folder / name).is_file()]
    if missing:
        raise UserError(f"Expected {', '.join(missing)} in '{folder}', but got no such file. Render the item again.")
    path = folder / LABELS_NAME
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name].astype(dtype, copy=False) for name, dtype in _LABEL_DTYPES.items()}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        raise UserError(
            f"Expected '{path}' to be an npz with {', '.join(_LABEL_DTYPES)}, but got: {error}. "
            "It is missing or damaged; render the item again."
        ) from error
    _check_labels(arrays, path)
    return RenderedItem(folder, card, FilmLabels(**arrays))


def list_items(folder: Path) -> list[Path]:
    """Folders of all complete items in a folder, sorted by name; the folder itself if it is an item.

    Raises:
        UserError: if there is no such folder or no complete item in it.
    """
    if not folder.is_dir():
        raise UserError(f"Expected a folder of rendered items at '{folder}', but it does not exist. Check the path.")
    if (folder / CARD_NAME).is_file():
        return [folder]
    items = sorted(card.parent for card in folder.glob(f"*/{CARD_NAME}") if not card.parent.name.startswith("."))
    if not items:
        raise UserError(
            f"Expected rendered items (folders with a {CARD_NAME}) in '{folder}', but found none. "
            "Make them with `lightning render`."
        )
    return items


def _check_labels(arrays: dict[str, np.ndarray], path: Path) -> None:
    persons, frames = arrays["valid"].shape if arrays["valid"].ndim == 2 else (0, 0)
    wanted = {"times": (frames,)} | {name: (persons, frames, *tail) for name, tail in _PER_PERSON.items()}
    for name, shape in wanted.items():
        if arrays[name].shape != shape or frames == 0:
            raise UserError(
                f"Expected {name} of shape {shape} in '{path}', but got {arrays[name].shape}. Render the item again."
            )
