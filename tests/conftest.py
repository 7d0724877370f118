"""Fixtures that every part of the test tree may use."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from carescene.clips import Clip, save_clip
from carescene.clips.formats.humanml3d import (
    TaggedCaption,
    clip_to_vectors,
    plain_captions,
    write_lists,
    write_statistics,
    write_vectors,
)
from carescene.humans.kinematics import forward_kinematics
from carescene.humans.reference import reference_rest_joints
from diffusion.text import TextEncoder

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_data() -> Path:
    """Folder of real recordings beside the checkout; the test is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real recordings are not beside this checkout (expected a folder shared/data)")
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state, so that a failure can be repeated."""
    torch.manual_seed(0)


class LetterEncoder(TextEncoder):
    """A text encoder that needs no network: one token per word, made of its letters."""

    width = 384
    model_id = "letters"

    def _compute(self, text: str) -> torch.Tensor:
        words = [torch.tensor([ord(letter) / 128 for letter in word]) for word in text.split()]
        return torch.stack([word.repeat(-(-self.width // len(word)))[: self.width] for word in words])


@pytest.fixture
def letter_encoder(monkeypatch: pytest.MonkeyPatch) -> TextEncoder:
    """`minilm` stands for `LetterEncoder` in this test, so that it need not wait for transformers."""
    encoder = LetterEncoder()
    packing = ("world_packing", "humanml3d_pack", "shard_writing", "shards")
    for module in (*(f"datamodules.{name}" for name in packing), "callbacks.samples"):
        monkeypatch.setattr(f"{module}.load_text_encoder", lambda name="minilm", cache=None: encoder)
    return encoder


def write_prepared(folder: Path, train: int = 12, val: int = 3, test: int = 3) -> Path:
    """A folder like `lightning prepare mocap` writes: people on the reference body who walk, 1 to 3 s each."""
    splits = {"train": train, "val": val, "test": test}
    rng = np.random.default_rng(0)
    for split, count in splits.items():
        names = [f"{split}-{number}" for number in range(count)]
        for number, name in enumerate(names):
            save_clip(_walk(name, 20 + int(rng.integers(0, 41)), speed=0.5 + 0.1 * number), folder / "clips")
        (folder / "splits").mkdir(exist_ok=True)
        (folder / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def _walk(name: str, frames: int, speed: float) -> Clip:
    time = np.arange(frames) / 20
    poses = np.zeros((1, frames, 24, 3), np.float32)
    poses[0, :, 0, 0] = np.pi / 2  # upright, facing -y
    poses[0, :, 1, 0] = 0.4 * np.sin(6 * speed * time)
    poses[0, :, 2, 0] = -poses[0, :, 1, 0]
    trans = np.zeros((1, frames, 3), np.float32)
    trans[0, :, 1] = -speed * time
    trans[0, :, 2] = 0.93
    return Clip(
        id=name,
        fps=20.0,
        poses=poses,
        trans=trans,
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.where(time < 0.5, -1, 0).astype(np.int8)[None],
        valid=np.ones((1, frames), dtype=bool),
        text=["a person walks", f"someone walks at {speed:.1f} metres per second and lifts the left hand", "walking"],
    )


@pytest.fixture(scope="session")
def prepared_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny prepared folder that is shared: read only."""
    return write_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def prepared_folder(prepared_source: Path, tmp_path: Path) -> Path:
    """A tiny prepared folder of this test's own."""
    return Path(shutil.copytree(prepared_source, tmp_path / "prepared"))


def write_official(folder: Path) -> Path:
    """A folder in HumanML3D's layout: 8, 3 and 4 clips of people who walk and turn, mirrored ids, a part with times."""
    splits = {"train": ["000001", "000002", "000003", "000004"], "val": ["000010", "000011", "000012"]}
    splits["train"] += [f"M{name}" for name in splits["train"]]
    splits["test"] = ["000020", "000021", "000022", "000023"]
    rng = np.random.default_rng(1)
    for name in [name for ids in splits.values() for name in ids]:
        clip = _walk(name, int(rng.integers(42, 90)), speed=float(rng.uniform(0.4, 1.2)))
        clip.poses += (
            rng.normal(0, 0.1, (24, 3)) * np.sin(np.arange(clip.num_frames) / 7)[None, :, None, None]
        ).astype(np.float32)
        made = clip_to_vectors(clip)
        whole = plain_captions([f"a person walks to the left, {name}", "somebody walks."])
        part = [TaggedCaption("a step", ("a/DET", "step/NOUN"), 0.0, 2.05, 3)] if name == "000002" else []
        write_vectors(folder, name, made.vectors, made.joints[:-1], [*whole, *part])
    write_lists(folder, splits)
    write_statistics(folder, [name for ids in splits.values() for name in ids])
    return folder


@pytest.fixture(scope="session")
def official_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny folder in HumanML3D's layout that is shared: read only."""
    return write_official(tmp_path_factory.mktemp("humanml3d"))


@pytest.fixture
def official_folder(official_source: Path, tmp_path: Path) -> Path:
    """A tiny folder in HumanML3D's layout of this test's own."""
    return Path(shutil.copytree(official_source, tmp_path / "humanml3d"))


class InterHumanLayout:
    """Folders in InterHuman's official layout, of two walking bodies whose motion is known in closed form."""

    captions = (
        "two people greet each other, take {}",
        "one raises the left hand and turns clockwise while the other stands upright",
        "a person bows and the other one answers",
    )

    def person(
        self, frames: int, seed: int, place: tuple[float, float] = (0.3, 0.1), turn: float = 0.4, size: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions `(frame, 22, 3)`, rotations `(frame, 24, 3, 3)` and rest joints; turn 0 faces -y, 30 frames/s."""
        rng = np.random.default_rng(seed)
        time = np.arange(frames) / 30
        swing = np.sin(time[:, None, None] * rng.uniform(1, 5, (1, 24, 1)))
        swing = rng.normal(0, 0.15, (1, 24, 3)) + rng.normal(0, 0.25, (1, 24, 3)) * swing
        swing[:, 22:] = 0
        rotations = Rotation.from_rotvec(swing.reshape(-1, 3)).as_matrix().reshape(frames, 24, 3, 3)
        heading = turn + 0.2 * time
        upright = Rotation.from_euler("z", heading[:, None]) * Rotation.from_euler("x", np.pi / 2)
        rotations[:, 0] = upright.as_matrix() @ rotations[:, 0]
        rest = reference_rest_joints().double().numpy() * size
        ahead = 0.8 * time[:, None] * np.stack((np.sin(heading), -np.cos(heading)), axis=-1)
        trans = np.concatenate((np.array(place) + ahead, np.full((frames, 1), 0.95 * size)), axis=1)
        joints, _ = forward_kinematics(*(torch.from_numpy(array) for array in (rotations, trans, rest)))
        return joints[:, :22].numpy(), rotations, rest

    def pair(self, frames: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Two people of different size who walk about in one world."""
        return [
            self.person(frames, 2 * seed + 1),
            self.person(frames, 2 * seed + 2, place=(0.2, -1.2), turn=2.9, size=1.05),
        ]

    def write_clip(self, root: Path, name: str, frames: int) -> None:
        """Motion files `(frame, 492)` whose fingers hold nines, which nobody may read, and three captions."""
        for number, (positions, rotations, _) in enumerate(self.pair(frames, int(name)), start=1):
            motion = np.full((frames, 492), 9.0, np.float32)
            motion[:, :66] = positions.reshape(frames, -1)
            # Row by row, the first two columns: spelt out, since the reader must not be tested by itself.
            entries = [rotations[:, 1:22, row, column] for row in range(3) for column in range(2)]
            motion[:, 186:312] = np.stack(entries, axis=-1).reshape(frames, -1)
            np.save(root / "motions_processed" / f"person{number}" / f"{name}.npy", motion)
        (root / "annots" / f"{name}.txt").write_text("\n".join(self.captions).format(name))

    def write(self, root: Path, counts: dict[str, int], frames: int = 45, *, last_newline: bool = True) -> Path:
        """Clips numbered through train, val and test, each 3 frames longer than the one before."""
        for name in ("motions_processed/person1", "motions_processed/person2", "annots", "split"):
            (root / name).mkdir(parents=True, exist_ok=True)
        number = 0
        for split, count in counts.items():
            names = [str(number + step) for step in range(count)]
            for name in names:
                self.write_clip(root, name, frames + 3 * int(name))
            (root / "split" / f"{split}.txt").write_text("\n".join(names) + "\n" * last_newline)
            number += count
        return root


@pytest.fixture(scope="session")
def interhuman_layout() -> InterHumanLayout:
    """Makes folders in InterHuman's official layout."""
    return InterHumanLayout()


@pytest.fixture(scope="session")
def interhuman_source(interhuman_layout: InterHumanLayout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An official folder of 4 training, 2 validation and 1 test clips that is shared: read only."""
    return interhuman_layout.write(tmp_path_factory.mktemp("interhuman"), {"train": 4, "val": 2, "test": 1})


@pytest.fixture
def interhuman_folder(interhuman_source: Path, tmp_path: Path) -> Path:
    """An official folder of this test's own."""
    return Path(shutil.copytree(interhuman_source, tmp_path / "interhuman"))
