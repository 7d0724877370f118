"""Mean and Std: block averages, the evaluator's factor of 25, and files of other data sets told apart."""

from pathlib import Path

import numpy as np
import pytest

from carescene.clips.formats.humanml3d import (
    BLOCKS,
    block_statistics,
    name_statistics,
    read_humanml3d,
    read_statistics,
    write_statistics,
)
from carescene.errors import UserError


def test_block_averages() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(500, 263)) * rng.uniform(0.5, 2, 263) + rng.normal(size=263)).astype(np.float32)
    statistics = block_statistics(vectors)
    assert np.allclose(statistics.mean, vectors.mean(0), atol=1e-5)
    plain = vectors.std(0)
    assert len(np.unique(statistics.std)) == 7
    for block in BLOCKS.values():
        assert np.allclose(statistics.std[block], plain[block].mean(), rtol=1e-5)
    assert np.allclose(statistics.denormalise(statistics.normalise(vectors)), vectors, atol=1e-5)


def test_the_published_file_is_block_averaged_and_the_evaluators_root_25_times_smaller(shared_data: Path) -> None:
    folder = shared_data / "humanml3d"
    ours = read_statistics(folder)
    theirs = read_statistics(folder, "t2m_mean.npy", "t2m_std.npy")
    assert len(np.unique(ours.std)) == 7
    ratios = [float((ours.std[block] / theirs.std[block]).mean()) for block in BLOCKS.values()]
    assert np.allclose(ratios, [25, 25, 25, 1, 1, 1, 25], rtol=0.02)
    assert name_statistics(ours.std) == "humanml3d"
    assert name_statistics(theirs.std) == "evaluator"
    trained = ours.std.copy()
    for block in ("turn of the root", "way of the root", "height of the root", "foot contacts"):
        trained[BLOCKS[block]] /= 5
    assert name_statistics(trained) == "vq"
    assert name_statistics(np.ones(263)) == "unknown"


def test_streamed_statistics_are_the_plain_ones(official_folder: Path) -> None:
    ids = (official_folder / "all.txt").read_text().split()
    frames = np.concatenate([np.load(official_folder / "new_joint_vecs" / f"{name}.npy") for name in ids])
    wanted = block_statistics(frames.astype(np.float64))
    written = write_statistics(official_folder, ids)
    assert np.allclose(written.mean, wanted.mean, atol=1e-5)
    assert np.allclose(written.std, np.maximum(wanted.std, 1e-4), rtol=1e-4)
    assert np.array_equal(read_statistics(official_folder).std, written.std)
    with pytest.raises(UserError, match="Expected clips"):
        write_statistics(official_folder, [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda mean, std: (mean, std[:262]), "width of InterHuman"),
        (lambda mean, std: (mean[:251], std), "width of KIT-ML"),
        (lambda mean, std: (mean, std * 0), "above 0"),
        (lambda mean, std: (mean * np.nan, std), "NaN"),
        (lambda mean, std: (mean, std / 30), "of another data set"),
        (lambda mean, std: (mean + 40 * std, std), "of another data set"),
        (lambda mean, std: (mean, np.where(np.arange(263) < 3, std / 20, std)), "turn of the root.*another data set"),
    ],
)
def test_statistics_of_other_data_are_refused(official_folder: Path, change: object, says: str) -> None:
    mean, std = np.load(official_folder / "Mean.npy"), np.load(official_folder / "Std.npy")
    assert callable(change)
    mean, std = change(mean, std)
    np.save(official_folder / "Mean.npy", mean)
    np.save(official_folder / "Std.npy", std)
    # Also when damaged clips may be skipped: with wrong statistics no clip is right.
    with pytest.raises(UserError, match=says):
        read_humanml3d(official_folder, "val", on_bad="skip")


def test_the_evaluators_statistics_are_refused_by_name(shared_data: Path, official_folder: Path) -> None:
    for name in ("mean", "std"):
        values = np.load(shared_data / "humanml3d" / f"t2m_{name}.npy")
        np.save(official_folder / f"{name.capitalize()}.npy", values)
    with pytest.raises(UserError, match="the evaluator's own t2m_mean and t2m_std"):
        read_humanml3d(official_folder, "val")
    mean = np.load(shared_data / "interhuman" / "global_mean.npy")
    np.save(official_folder / "Mean.npy", mean)
    with pytest.raises(UserError, match=r"Mean\.npy.*InterHuman"):
        read_humanml3d(official_folder, "val")


def test_the_published_statistics_fit_the_real_clips(shared_data: Path, tmp_path: Path) -> None:
    """All real clips at hand pass with the published files; without a factor on the root none would be noticed."""
    (tmp_path / "new_joint_vecs").symlink_to(shared_data / "humanml3d" / "new_joint_vecs")
    (tmp_path / "texts").mkdir()
    ids = sorted(path.stem for path in (tmp_path / "new_joint_vecs").glob("*.npy"))
    for name in ids:
        (tmp_path / "texts" / f"{name}.txt").write_text("a person moves#a/DET person/NOUN move/VERB#0.0#0.0\n")
    (tmp_path / "test.txt").write_text("\n".join(ids))
    for name in ("Mean.npy", "Std.npy"):
        (tmp_path / name).write_bytes((shared_data / "humanml3d" / name).read_bytes())
    data = read_humanml3d(tmp_path, "test")
    assert (len(data), data.report.counts) == (22, {"too short": 3})
