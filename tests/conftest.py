"""Fixtures that every part of the test tree may use."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import Clip, save_clip
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
    for module in ("datamodules.pack", "datamodules.world_packing", "callbacks.samples"):
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
