"""Two processes through gloo: the same gradients as one batch, exact resumption, predictions without loss, no waiting.

All parts run in one script, so that torch and Lightning are loaded once; each test looks at what one part left.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from callbacks import predicted_clips
from carescene.clips import load_clip

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def ran(prepared_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the script filled."""
    out = tmp_path_factory.mktemp("processes")
    data = out / "prepared"
    data.mkdir()
    (data / "clips").symlink_to(prepared_source / "clips")
    (data / "splits").mkdir()
    lists = {"train": [f"train-{n}" for n in range(9)], "val": ["val-0", "val-1", "val-2"]}
    lists["test"] = ["train-9", "train-10", "train-11", "val-0", "test-0", "test-1", "test-2"]
    for split, ids in lists.items():
        (data / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in ids))
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(HERE / "two_processes.py"), str(data), str(out)],
        env=environment, cwd=out, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    codes = torch.load(out / "codes.pt", weights_only=True)
    expected = {"cut": [1, 9], "predict": [1, 9], "reference": [0], "alone": [0]}
    wrong = {name: found for name, found in codes.items() if found != expected.get(name, [0, 0])}
    # A process that has lost the other one may end with any error; the one that was killed must have been.
    wrong = {name: found for name, found in wrong.items() if name not in ("cut", "predict") or found[1] != 9}
    assert not wrong, done.stderr[-3000:]
    return out


def load(path: Path) -> Any:
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", ["ours", "mdm"])
def test_two_processes_have_the_gradients_of_a_doubled_batch(ran: Path, name: str) -> None:
    """One half of the batch is long and the other short: a mean of means would weight their frames differently."""
    two, one = (load(ran / "gradients" / f"{name}-{count}.pt") for count in ("two", "one"))
    assert two.keys() == one.keys()
    largest = max(float(value.abs().max()) for value in one.values())
    assert largest > 1e-3
    for key, value in one.items():
        assert float((two[key] - value).abs().max()) <= 1e-6 * largest, key


def test_two_processes_share_the_data_and_keep_the_same_weights(ran: Path) -> None:
    first, second = (load(ran / "straight" / f"rank-{rank}.pt") for rank in (0, 1))
    for one, other in zip(first["ids"], second["ids"], strict=True):
        assert len(one) == len(other) == 2
        assert not set(one) & set(other)
    for key, value in first["averaged"].items():
        assert torch.equal(second["averaged"][key], value), key


def test_a_run_that_lost_a_process_goes_on_exactly(ran: Path) -> None:
    straight, resumed = load(ran / "straight" / "rank-0.pt"), load(ran / "cut" / "rank-0-resumed.pt")
    assert not (ran / "cut" / "rank-0.pt").exists(), "the run was cut short"
    assert straight["step"] == resumed["step"] == 6
    assert resumed["ids"] == straight["ids"][4:]
    for kind in ("averaged", "last"):
        for key, value in straight[kind].items():
            assert torch.equal(resumed[kind][key], value), (kind, key)


def test_predictions_are_finished_without_loss_or_doubles(ran: Path) -> None:
    """The second process died after one clip; both runs together make each clip once, as one process does."""
    before, after = (predicted_clips(ran / name) for name in ("predict_before", "predict"))
    assert [path.parent.name for path in before].count("rank-0") == 4
    assert [path.parent.name for path in before].count("rank-1") == 1
    names = sorted(["train-9", "train-10", "train-11", "val-0", "test-0", "test-1", "test-2"])
    assert sorted(path.stem for path in after) == names
    assert not {path.relative_to(ran / "predict_before") for path in before} - {
        path.relative_to(ran / "predict") for path in after
    }
    alone = {path.stem: load_clip(path) for path in predicted_clips(ran / "alone")}
    assert sorted(alone) == names
    for path in after:
        np.testing.assert_allclose(load_clip(path).poses, alone[path.stem].poses, atol=1e-4)


def test_the_first_process_alone_draws_and_nobody_waits(ran: Path) -> None:
    """Drawing of step 2 ends after the second process began step 5, or training would have stood still."""
    drawn = sorted(path.name for path in (ran / "videos").glob("drawn-by-*"))
    assert drawn == ["drawn-by-0-step-2"]
    assert (ran / "videos" / "rank-1-step-5").exists()
