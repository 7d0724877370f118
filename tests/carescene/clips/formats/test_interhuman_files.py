"""InterHuman's official folder: lists with and without a last newline, damaged clips by name, published statistics."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips.dropped import DropReport
from carescene.clips.formats.interhuman import decode_pair, encode_pair
from carescene.clips.formats.interhuman_files import PairEntry, list_pairs, read_pair
from carescene.clips.formats.interhuman_stats import load_pair_statistics
from carescene.errors import UserError


def read_all(root: Path, on_bad: Any = "refuse", source_fps: float | int = 30) -> tuple[list[str], DropReport]:
    report = DropReport("clips", on_bad)
    entries = list_pairs(root, report)
    return [entry.name for entry in entries if read_pair(entry, report, source_fps) is not None], report


@pytest.mark.parametrize("last_newline", [True, False])
def test_no_clip_is_lost_at_the_end_of_a_list(interhuman_layout: Any, tmp_path: Path, last_newline: bool) -> None:
    root = interhuman_layout.write(tmp_path, {"train": 2, "val": 1, "test": 1}, last_newline=last_newline)
    entries = list_pairs(root, DropReport("clips"))
    assert [(entry.split, entry.name) for entry in entries] == [
        ("train", "0"),
        ("train", "1"),
        ("val", "2"),
        ("test", "3"),
    ]


def test_a_clip_is_read_as_it_was_recorded(interhuman_layout: Any, interhuman_source: Path) -> None:
    report = DropReport("clips")
    entry = list_pairs(interhuman_source, report)[1]
    recording = read_pair(entry, report)
    assert recording is not None
    for person, (positions, rotations, _) in enumerate(interhuman_layout.pair(48, 1)):
        np.testing.assert_allclose(recording.positions[person], positions, atol=1e-6)
        np.testing.assert_allclose(recording.rotations[person], rotations[:, 1:22], atol=1e-6)
    assert recording.texts[1] == interhuman_layout.captions[1]
    assert len(recording.texts) == 3
    assert report.kept == 1


def test_at_60_frames_per_second_every_second_frame_is_used(interhuman_source: Path) -> None:
    entry = list_pairs(interhuman_source, DropReport("clips"))[0]
    whole, half = (read_pair(entry, DropReport("clips"), fps) for fps in (30, 59.94))
    assert whole is not None
    assert half is not None
    np.testing.assert_array_equal(half.positions, whole.positions[:, ::2])
    with pytest.raises(UserError, match="multiple of 30, but got 50"):
        read_pair(entry, DropReport("clips"), 50)


def test_lists_may_lie_one_folder_higher(interhuman_folder: Path) -> None:
    for path in list((interhuman_folder / "split").iterdir()):
        path.rename(interhuman_folder / path.name)
    assert len(read_all(interhuman_folder)[0]) == 7


def test_the_ignore_list_and_short_clips_are_counted_and_no_mistake(interhuman_folder: Path) -> None:
    (interhuman_folder / "split" / "ignore_list.txt").write_text("2\n0")
    for number in (1, 2):
        path = interhuman_folder / "motions_processed" / f"person{number}" / "3.npy"
        np.save(path, np.load(path)[:14])
    names, report = read_all(interhuman_folder, "refuse")
    assert names == ["1", "4", "5", "6"]
    assert report.counts == {"on the ignore list": 2, "shorter than 15 frames": 1}


def ruin(root: Path, problem: str) -> None:
    """Damage clip 1."""
    second = root / "motions_processed" / "person2" / "1.npy"
    text = root / "annots" / "1.txt"
    motion = np.load(second)
    if problem == "missing person 2":
        second.unlink()
    elif problem == "missing person 1":
        (root / "motions_processed" / "person1" / "1.npy").unlink()
    elif problem == "missing text":
        text.unlink()
    elif problem == "empty text":
        text.write_text("\n \n")
    elif problem == "wrong width":
        np.save(second, motion[:, :263])
    elif problem == "NaN":
        motion[7, 12] = np.nan
        np.save(second, motion)
    elif problem == "cut short":
        second.write_bytes(second.read_bytes()[:-1000])
    elif problem == "people of different length":
        np.save(second, motion[:-3])


CASES = [
    ("missing person 2", "missing person 2", "Expected person 2 of '1' at"),
    ("missing person 1", "missing person 1", "Expected person 1 of '1' at"),
    ("missing text", "missing text", "but the file is not there"),
    ("empty text", "missing text", "but the file is empty"),
    ("wrong width", "wrong width", r"\(frame, 492\).*got \(48, 263\)"),
    ("NaN", "NaN", "1 of 48 frames, first in frame 7"),
    ("cut short", "unreadable motion", "cut short or damaged"),
    ("people of different length", "people of different length", "got 48 and 45"),
]


@pytest.mark.parametrize(("damage", "problem", "message"), CASES)
def test_a_damaged_clip_is_refused_by_name_or_skipped_and_counted(
    interhuman_folder: Path, damage: str, problem: str, message: str
) -> None:
    ruin(interhuman_folder, damage)
    with pytest.raises(UserError, match=message):
        read_all(interhuman_folder, "refuse")
    names, report = read_all(interhuman_folder, "skip")
    assert names == ["0", "2", "3", "4", "5", "6"]
    assert report.counts == {problem: 1}
    assert set(report.reasons) == {"1"}


def test_nan_in_fingers_disturbs_nobody(interhuman_folder: Path) -> None:
    path = interhuman_folder / "motions_processed" / "person1" / "1.npy"
    motion = np.load(path)
    motion[:, 70:186] = np.nan
    np.save(path, motion)
    assert "1" in read_all(interhuman_folder)[0]


def test_another_folder_a_missing_list_and_a_clip_in_two_splits_are_refused(interhuman_folder: Path) -> None:
    with pytest.raises(UserError, match="motions_processed/person1"):
        list_pairs(interhuman_folder / "annots", DropReport("clips"))
    (interhuman_folder / "split" / "val.txt").write_text("0\n4\n")
    with pytest.raises(UserError, match="got '0' in train and val"):
        list_pairs(interhuman_folder, DropReport("clips"))
    (interhuman_folder / "split" / "val.txt").unlink()
    with pytest.raises(UserError, match="Expected the list"):
        list_pairs(interhuman_folder, DropReport("clips"))


# ------------------------------------------------------------------------------------------------------- statistics


def write_statistics(folder: Path, mean: np.ndarray, std: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / "global_mean.npy", mean)
    np.save(folder / "global_std.npy", std)
    return folder


@pytest.fixture
def statistics(interhuman_layout: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std of people and their mirror images."""
    positions, rotations = (
        np.stack(arrays) for arrays in zip(*[p[:2] for p in interhuman_layout.pair(60, 1)], strict=True)
    )
    features = encode_pair(positions, rotations[:, :, 1:22]).reshape(-1, 262).astype(np.float64)
    mean, std = features.mean(0), features.std(0) + 0.02
    swap = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20]
    spread = std[:66].reshape(22, 3)
    std[:66] = np.sqrt((spread**2 + spread[swap] ** 2) / 2).ravel()
    return mean, std


def test_normalising_and_back(statistics: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    found = load_pair_statistics(write_statistics(tmp_path / "own", *statistics))
    features = np.random.default_rng(0).normal(size=(2, 9, 262))
    normalised = found.normalise(features)
    np.testing.assert_allclose(normalised, (features - statistics[0]) / statistics[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.denormalise(normalised), features, atol=1e-6)


def test_the_published_statistics_pass(shared_data: Path) -> None:
    published = load_pair_statistics(shared_data / "interhuman")
    assert published.mean.shape == (262,)
    # Row by row: the entries on the diagonal are the ones near 1.
    assert published.mean[132:258].reshape(21, 6)[:, [0, 3]].min() > 0.5


def test_statistics_of_other_data_sets_are_told_by_their_values(
    statistics: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    mean, std = statistics
    columns = mean.copy()
    columns[132:258] = mean[132:258].reshape(21, 3, 2).transpose(0, 2, 1).ravel()
    centimetres, slow, one_sided = mean * 100, std.copy(), std.copy()
    slow[66:132] = 1.0
    one_sided[3:6] *= 1.5
    zero = std.copy()
    zero[40] = 0
    for case, pair, message in (
        ("width", (np.zeros(263), np.ones(263)), "statistics of HumanML3D"),
        ("other", (np.zeros(100), np.ones(100)), r"array of shape \(100,\)"),
        ("columns", (columns, std), "row by row"),
        ("exchanged", (std, np.abs(mean) + 0.1), "mean heights"),
        ("units", (centimetres, std), "mean heights"),
        ("per second", (mean, slow), "velocities spread by up to 1.0000"),
        ("one side", (mean, one_sided), "without mirrored clips"),
        ("zero", (mean, zero), "1 entries that are not positive"),
        ("nan", (np.full(262, np.nan), std), "finite numbers"),
    ):
        folder = write_statistics(tmp_path / case.replace(" ", ""), *pair)
        with pytest.raises(UserError, match=message):
            load_pair_statistics(folder)
    with pytest.raises(UserError, match="no such file"):
        load_pair_statistics(tmp_path / "nowhere")


def test_real_humanml3d_statistics_are_not_taken_for_interhumans(shared_data: Path, tmp_path: Path) -> None:
    mean, std = (np.load(shared_data / "humanml3d" / name) for name in ("Mean.npy", "Std.npy"))
    with pytest.raises(UserError, match="HumanML3D"):
        load_pair_statistics(write_statistics(tmp_path / "hml", mean, std))
    with pytest.raises(UserError, match="probably those of another data set"):
        load_pair_statistics(write_statistics(tmp_path / "cut", mean[:262], std[:262]))


def test_reading_then_encoding_is_within_a_millimetre_of_the_file(interhuman_source: Path) -> None:
    report = DropReport("clips")
    entry: PairEntry = list_pairs(interhuman_source, report)[2]
    recording = read_pair(entry, report)
    assert recording is not None
    decoded, _ = decode_pair(encode_pair(recording.positions, recording.rotations))
    frames = decoded.shape[1]
    for person in range(2):
        gaps = decoded[person, :, 1:] - decoded[person, :, :1]
        assert (
            np.abs(
                gaps[..., 2]
                - (recording.positions[person, :frames, 1:] - recording.positions[person, :frames, :1])[..., 2]
            ).max()
            < 1e-3
        )
