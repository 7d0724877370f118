"""Exporting folders: what is written, what real readers make of it, reruns, changes, and refusals."""

import json
import os
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, Clip, Source, save_clip
from carescene.clips.formats import (
    frame_labels_of,
    read_amass,
    read_bvh,
    read_coco,
    read_kinetics,
    read_mmaction,
    read_omnifall,
    read_shard_index,
    read_split_list,
    read_video_list,
)
from carescene.clips.rendered import list_items, load_item
from carescene.errors import UserError
from carescene.export import EXPORT_FORMATS, ExportSettings, export
from carescene.export.manifest import MANIFEST_NAME
from carescene.rendering.video import iterate_video


def settings(out: Path, **changes: Any) -> ExportSettings:
    return ExportSettings(out=out, **({"workers": 1, "progress": False} | changes))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def group(name: str) -> str:
    """The two cuts of recordings count as one (see the fixture), all cameras of one clip as well."""
    clip = name.split("_")[0]
    return clip[:-1] if clip[-1] in "01" else clip


# --- videos ---------------------------------------------------------------------------------------------------------


def test_kinetics_splits_hold_whole_groups_and_every_label(rendered: Path, tmp_path: Path) -> None:
    done = export(rendered, "kinetics", settings(tmp_path / "out"))
    assert (done.written, done.kept, done.failures, done.notes) == (30, 0, [], [])
    found = read_kinetics(tmp_path / "out")
    places = {split: {group(path.stem) for path, _ in videos} for split, videos in found.items()}
    assert not places["train"] & places["val"] and not places["train"] & places["test"]
    assert not places["val"] & places["test"]
    for split, videos in found.items():
        assert {label for _, label in videos} == {"fall", "sitting", "walk"}
        listed = read_video_list(tmp_path / "out" / f"{split}.csv")
        assert {tmp_path / "out" / video.path for video in listed} == {path for path, _ in videos}
        assert all(video.label == OMNIFALL_ID[video.path.split("/")[1]] for video in listed)
    some = found["train"][0][0]
    original = rendered / some.stem.replace("_", ".") / "rgb.mp4"
    assert some.read_bytes() == original.read_bytes()


class _Decoder:
    """What torchvision asks of torchcodec's decoder, by PyAV."""

    def __init__(self, path: str, dimension_order: str = "NCHW") -> None:
        import torch

        pictures = torch.from_numpy(np.stack(list(iterate_video(Path(path)))))
        self.pictures = pictures if dimension_order == "NHWC" else pictures.permute(0, 3, 1, 2)
        self.metadata = types.SimpleNamespace(num_frames=len(pictures), average_fps=10.0)

    def get_frames_at(self, indices: list[int]) -> Any:
        return types.SimpleNamespace(data=self.pictures[indices])


def test_torchvision_reads_kinetics(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import Kinetics

    try:
        import torchcodec  # noqa: F401
    except (ImportError, RuntimeError):
        # torchvision decodes with torchcodec, which needs FFmpeg on the machine; folders and labels are its own work.
        decoders = types.SimpleNamespace(VideoDecoder=_Decoder)
        monkeypatch.setitem(sys.modules, "torchcodec", types.SimpleNamespace(decoders=decoders))
    export(rendered, "kinetics", settings(tmp_path / "out"))
    for split in ("train", "val", "test"):
        dataset = Kinetics(tmp_path / "out", frames_per_clip=5, split=split, step_between_clips=5, num_workers=0)
        videos = read_kinetics(tmp_path / "out")[split]
        assert dataset.classes == ["fall", "sitting", "walk"] and len(dataset) == 2 * len(videos)
        for index, (path, label) in enumerate(videos):
            video, _, number = dataset[2 * index + 1]
            assert dataset.samples[index][0] == str(path) and dataset.classes[number] == label
            assert tuple(video.shape) == (5, 3, 32, 48)
            # The pictures of the second half are as bright as their numbers say.
            np.testing.assert_allclose(video.float().mean(dim=(1, 2, 3)), 20 * np.arange(5, 10), atol=4)


def test_omnifall_csv_says_what_the_frames_are(rendered: Path, tmp_path: Path) -> None:
    done = export(rendered, "omnifall", settings(tmp_path / "out"))
    rows = read_omnifall(tmp_path / "out/labels/carescene.csv")
    assert done.notes == [f"{len(rows)} segments"] and len(rows) == 60
    for folder in list_items(rendered):
        labels = load_item(folder).labels
        mine = [row for row in rows if row.path == folder.name.replace(".", "_")]
        np.testing.assert_array_equal(frame_labels_of(mine, labels.times, 10.0), labels.frame_label[0])
        assert (tmp_path / "out/videos" / f"{mine[0].path}.mp4").is_file()
        assert mine[0].cam == (1 if "wall" in folder.name else 0)
        assert (mine[0].subject >= 0) == (folder.name.split(".")[0][-1] in "01")
    lists = [read_split_list(tmp_path / f"out/splits/cs/carescene/{split}.csv") for split in ("train", "val", "test")]
    assert sorted(name for names in lists for name in names) == sorted({row.path for row in rows})


def test_omnifall_of_all_people(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "omnifall", settings(tmp_path / "out", people="all"))
    rows = [row for row in read_omnifall(tmp_path / "out/labels/carescene.csv") if row.path == "fall1_wall"]
    assert [(row.label, row.extra["person"]) for row in rows] == [(8, "0"), (1, "0"), (8, "1")]


# --- key points -----------------------------------------------------------------------------------------------------


def test_coco_pictures_and_points(rendered: Path, tmp_path: Path) -> None:
    from PIL import Image
    from pycocotools.coco import COCO

    done = export(rendered, "coco", settings(tmp_path / "out", rate=5.0))
    assert done.notes == ["150 pictures"]
    total = 0
    for split in ("train", "val", "test"):
        path = tmp_path / f"out/annotations/person_keypoints_{split}.json"
        images, people = read_coco(path)
        total += len(images)
        assert len(COCO(str(path)).getAnnIds(catIds=[1])) == len(people)
        for person in people:
            image = images[person.image]
            item = load_item(rendered / image.extra["film"])
            frame, who = image.extra["frame"], person.extra["person"]
            np.testing.assert_allclose(person.keypoints, item.labels.keypoints[who, frame], atol=0.006)
            x0, y0, x1, y1 = item.labels.box[who, frame]
            np.testing.assert_array_equal(person.box, [x0, y0, x1 - x0, y1 - y0])
            # Areas are counted in the film of instances: people fill their boxes here.
            assert person.area == (x1 - x0) * (y1 - y0)
        picture = np.asarray(Image.open(tmp_path / "out" / split / images[1].file_name))
        assert picture.shape == (32, 48, 3)
        assert picture.mean() == pytest.approx(20 * images[1].extra["frame"], abs=4)
    assert total == 150


def test_coco_without_a_film_of_instances(
    items_factory: Callable[..., Path], clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    items_factory(tmp_path / "in", clip_factory("a", "fall"), modalities=("rgb",))
    export(tmp_path / "in", "coco", settings(tmp_path / "out", rate=10.0))
    _, people = read_coco(tmp_path / "out/annotations/person_keypoints_train.json")
    assert len(people) == 10 and all(person.area == 12 * 24 for person in people)


def test_mmaction_skeletons(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "mmaction", settings(tmp_path / "out"))
    samples, splits = read_mmaction(tmp_path / "out/carescene.pkl")
    assert sorted(name for names in splits.values() for name in names) == [sample.frame_dir for sample in samples]
    assert not {group(name) for name in splits["train"]} & {group(name) for name in splits["test"]}
    for sample in samples:
        item = load_item(rendered / sample.frame_dir.replace("_", "."))
        assert sample.label == item.card.label_id and sample.img_shape == (32, 48)
        np.testing.assert_array_equal(sample.keypoint, item.labels.keypoints[..., :2])


# --- shards ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_the_shards(rendered: Path, tmp_path: Path) -> None:
    import webdataset as wds

    done = export(rendered, "webdataset", settings(tmp_path / "out", shard_bytes=40_000))
    assert done.written > 5
    seen = []
    for split in ("train", "val", "test"):
        entries = read_shard_index(tmp_path / f"out/{split}.json")
        assert all(entry.filesize <= 60_000 for entry in entries)
        urls = [str(tmp_path / "out" / entry.url) for entry in entries]
        for sample in wds.WebDataset(urls, shardshuffle=False).decode():
            item = load_item(rendered / sample["json"]["id"])
            assert sample["__key__"] == item.id.replace(".", "_") and sample["cls"] == item.card.label_id
            assert sample["mp4"] == item.file("rgb").read_bytes()
            assert sample["depth.mkv"] == item.file("depth").read_bytes()
            np.testing.assert_array_equal(sample["labels.npz"]["keypoints"], item.labels.keypoints)
            seen.append(item.id)
    assert sorted(seen) == [folder.name for folder in list_items(rendered)]


def test_a_lost_shard_is_written_again_and_nothing_else(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "webdataset", settings(tmp_path / "out", shard_bytes=40_000))
    before = files(tmp_path / "out")
    (tmp_path / "out/train-000002.tar").write_bytes(b"cut off")
    done = export(rendered, "webdataset", settings(tmp_path / "out", shard_bytes=40_000))
    assert done.written == 1 and files(tmp_path / "out") == before
    fewer = export(rendered, "webdataset", settings(tmp_path / "out"))
    assert fewer.written == 3
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == [
        f"{split}-000000.tar" for split in ("test", "train", "val")
    ]


# --- motion ---------------------------------------------------------------------------------------------------------


def test_motion_of_rendered_items_is_written_once_per_clip(rendered: Path, tmp_path: Path) -> None:
    done = export(rendered, "amass", settings(tmp_path / "out"))
    assert done.written == 15
    names = {path.name for path in (tmp_path / "out").glob("*.npz")}
    assert {"fall0.npz", "fall1_p0.npz", "fall1_p1.npz"} <= names and len(names) == 3 * 3 + 3 * 2 * 2
    clip = load_item(rendered / "fall1.wall").load_clip()
    np.testing.assert_allclose(read_amass(tmp_path / "out/fall1_p1.npz").trans, clip.trans[1], atol=1e-12)


def test_a_clip_filmed_at_two_places_is_two(
    items_factory: Callable[..., Path], clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    clip = clip_factory("a", "fall")
    items_factory(tmp_path / "in", clip, "wall")
    clip.trans += 1
    items_factory(tmp_path / "in", clip, "overhead")
    export(tmp_path / "in", "bvh", settings(tmp_path / "out"))
    moved = [read_bvh((tmp_path / f"out/a_{c}.bvh").read_text(), c).trans for c in ("wall", "overhead")]
    np.testing.assert_allclose(moved[1] - moved[0], 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["amass", "bvh", "gltf"])
def test_motion_of_plain_clips(clip_factory: Callable[..., Clip], tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        save_clip(clip_factory(name, "walk"), tmp_path / "in")
    assert export(tmp_path / "in", kind, settings(tmp_path / "out")).written == 2
    again = export(tmp_path / "in", kind, settings(tmp_path / "out"))
    assert (again.written, again.kept) == (0, 2)
    assert len(files(tmp_path / "out")) == 3


def test_a_broken_clip_does_not_stop_the_others(clip_factory: Callable[..., Clip], tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save_clip(clip_factory(name, "walk"), tmp_path / "in")
    with np.load(tmp_path / "in/b.npz") as file:
        content = {key: value for key, value in file.items() if key != "betas"}
    np.savez(tmp_path / "in/b.npz", **content)
    done = export(tmp_path / "in", "gltf", settings(tmp_path / "out"))
    assert done.written == 2 and [name for name, _ in done.failures] == ["b"] and "betas" in done.failures[0][1]
    assert {path.name for path in (tmp_path / "out").glob("*.glb")} == {"a.glb", "c.glb"}
    shutil.rmtree(tmp_path / "in")
    np.savez(tmp_path / "b.npz", **content)
    save_clip(clip_factory("b", "walk"), tmp_path / "in")
    shutil.copy(tmp_path / "b.npz", tmp_path / "in/b.npz")
    with pytest.raises(UserError, match=r"all failed.*betas"):
        export(tmp_path / "in", "bvh", settings(tmp_path / "other"))


# --- reruns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["kinetics", "omnifall", "coco"])
def test_a_rerun_writes_only_what_is_missing_or_older(rendered: Path, tmp_path: Path, kind: str) -> None:
    shutil.copytree(rendered, tmp_path / "in")
    export(tmp_path / "in", kind, settings(tmp_path / "out"))
    before = files(tmp_path / "out")
    again = export(tmp_path / "in", kind, settings(tmp_path / "out"))
    assert (again.written, again.kept) == (0, 30) and files(tmp_path / "out") == before
    lost = next(path for path in (tmp_path / "out").rglob("fall0_wall*") if path.suffix in (".mp4", ".jpg"))
    lost.unlink()
    card = tmp_path / "in/walk3.wall/card.json"
    later = card.stat().st_mtime_ns + 60_000_000_000
    os.utime(card, ns=(later, later))
    assert export(tmp_path / "in", kind, settings(tmp_path / "out")).written == 2
    assert files(tmp_path / "out") == before


def test_what_was_stopped_goes_on(rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = 0

    def stop_after_seven(*args: Any) -> Any:
        nonlocal copied
        copied += 1
        if copied > 7:
            raise KeyboardInterrupt
        return original(*args)

    original = shutil.copyfile
    monkeypatch.setattr("carescene.export.films.shutil.copyfile", stop_after_seven)
    with pytest.raises(KeyboardInterrupt):
        export(rendered, "kinetics", settings(tmp_path / "out"))
    videos = list((tmp_path / "out").rglob("*.mp4"))
    assert len(videos) == 7 and all(path.stat().st_size for path in videos)
    monkeypatch.undo()
    # A killed process cannot even tidy up.
    (videos[0].parent / ".half.4711.part.mp4").write_bytes(b"half")
    done = export(rendered, "kinetics", settings(tmp_path / "out"))
    assert (done.written, done.kept) == (23, 7)
    export(rendered, "kinetics", settings(tmp_path / "fresh"))
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_other_splits_move_videos_and_leave_foreign_files(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "kinetics", settings(tmp_path / "out"))
    (tmp_path / "out/train/fall/mine.mp4").write_bytes(b"mine")
    export(rendered, "kinetics", settings(tmp_path / "out", split=(0.0, 0.0, 1.0)))
    left = {path.name for path in (tmp_path / "out/train").rglob("*.mp4")}
    assert left == {"mine.mp4"} and len(list((tmp_path / "out/test").rglob("*.mp4"))) == 30


def test_other_settings_are_not_taken_for_done(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "coco", settings(tmp_path / "out", rate=5.0))
    done = export(rendered, "coco", settings(tmp_path / "out", rate=2.0))
    assert (done.written, done.kept, done.notes) == (30, 0, ["60 pictures"])
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 60


@pytest.mark.slow
def test_processes_write_the_same(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "kinetics", settings(tmp_path / "one"))
    export(rendered, "kinetics", settings(tmp_path / "two", workers=2))
    assert files(tmp_path / "one") == files(tmp_path / "two")


# --- refusals -------------------------------------------------------------------------------------------------------


def test_unknown_format_and_empty_or_wrong_folders(
    rendered: Path, clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=", ".join(EXPORT_FORMATS)):
        export(rendered, "fbx", settings(tmp_path / "out"))
    (tmp_path / "empty").mkdir()
    for kind in EXPORT_FORMATS:
        with pytest.raises(UserError, match=r"found none|does not exist"):
            export(tmp_path / "empty", kind, settings(tmp_path / "out"))
        with pytest.raises(UserError, match="does not exist"):
            export(tmp_path / "none", kind, settings(tmp_path / "out"))
    save_clip(clip_factory("a", "walk"), tmp_path / "clips")
    for kind in ("kinetics", "omnifall", "coco", "mmaction", "webdataset"):
        with pytest.raises(UserError, match=r"holds plain clips\. Run `lightning render"):
            export(tmp_path / "clips", kind, settings(tmp_path / "out"))
    with pytest.raises(UserError, match="another folder"):
        export(tmp_path / "clips", "bvh", settings(tmp_path / "clips"))
    assert not (tmp_path / "out").exists()


def test_missing_modality(
    items_factory: Callable[..., Path], clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    items_factory(tmp_path / "in", clip_factory("a", "fall"))
    items_factory(tmp_path / "in", clip_factory("b", "fall"), modalities=("depth",))
    with pytest.raises(UserError, match=r"1 lack it, such as 'b.wall'. Render them again with --modalities rgb"):
        export(tmp_path / "in", "kinetics", settings(tmp_path / "out"))
    # Skeletons come from the labels alone.
    assert export(tmp_path / "in", "mmaction", settings(tmp_path / "out")).written == 2


def test_films_without_a_label(
    items_factory: Callable[..., Path], clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    items_factory(tmp_path / "in", clip_factory("a", "fall"), label="unknown")
    for kind in ("kinetics", "mmaction"):
        with pytest.raises(UserError, match="none of 1 has one"):
            export(tmp_path / "in", kind, settings(tmp_path / kind))
    items_factory(tmp_path / "in", clip_factory("b", "fall"))
    done = export(tmp_path / "in", "kinetics", settings(tmp_path / "out"))
    assert done.written == 1
    assert done.notes == [
        "1 without a label left out",
        "no films for val and test: too few different clips or recordings (1)",
    ]


def test_rare_labels_are_spread_together(
    items_factory: Callable[..., Path], clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    for label in ("fall", "walk", "crawl", "jump"):
        items_factory(tmp_path / "in", clip_factory(label, label), label=label)
    done = export(tmp_path / "in", "mmaction", settings(tmp_path / "out"))
    assert done.notes == [] and all(read_mmaction(tmp_path / "out/carescene.pkl")[1].values())


def test_names_that_become_one(
    items_factory: Callable[..., Path], clip_factory: Callable[..., Clip], tmp_path: Path
) -> None:
    items_factory(tmp_path / "in", clip_factory("a b", "fall"))
    items_factory(tmp_path / "in", clip_factory("a_b", "fall"))
    with pytest.raises(UserError, match="'a_b_wall' twice"):
        export(tmp_path / "in", "kinetics", settings(tmp_path / "out"))


def test_another_export_in_the_folder(rendered: Path, tmp_path: Path) -> None:
    export(rendered, "amass", settings(tmp_path / "out"))
    with pytest.raises(UserError, match=r"holds one as amass\. Choose another folder"):
        export(rendered, "kinetics", settings(tmp_path / "out"))


def test_a_manifest_cannot_lead_outside(rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("keep me")
    content = {"format": "kinetics", "settings": {}, "files": ["../precious"]}
    (tmp_path / "out" / MANIFEST_NAME).write_text(json.dumps(content))
    with pytest.raises(UserError, match="names inside"):
        export(rendered, "kinetics", settings(tmp_path / "out"))
    (tmp_path / "out" / MANIFEST_NAME).write_text("{")
    with pytest.raises(UserError, match="earlier export"):
        export(rendered, "kinetics", settings(tmp_path / "out"))
    assert (tmp_path / "precious").exists()


def test_a_folder_that_cannot_be_written(rendered: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="able to write"):
        export(rendered, "kinetics", settings(tmp_path / "file/out"))


@pytest.mark.parametrize("kind", ["kinetics", "webdataset", "gltf", "coco"])
def test_a_full_disk_stops_the_run_and_leaves_nothing_half(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """From the tenth file on every write fails half-way, as on a full disk."""
    replaced = 0
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal replaced
        replaced += 1
        if replaced > 10:
            raise OSError(28, "No space left on device")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(UserError, match="No space left on device"):
        export(rendered, kind, settings(tmp_path / "out", shard_bytes=20_000))
    monkeypatch.undo()
    assert not [path for path in (tmp_path / "out").rglob("*") if ".part" in path.suffixes]
    export(rendered, kind, settings(tmp_path / "out", shard_bytes=20_000))
    export(rendered, kind, settings(tmp_path / "fresh", shard_bytes=20_000))
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


@pytest.mark.parametrize(
    "changes",
    [
        {"split": (0.5, 0.2, 0.2)},
        {"split": (-0.5, 0.5, 1.0)},
        {"split": (0.0, 0.5, 0.5)},
        {"modality": "depth"},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"shard_bytes": 0},
        {"people": "nobody"},
    ],
)
def test_bad_settings(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="Expected"):
        settings(tmp_path, **changes)


def test_performers_and_recordings_are_groups() -> None:
    from carescene.export import group_of

    first, second = (Source("amass", "", f"CMU/07/{name}_01_poses") for name in ("walk", "run"))
    assert group_of(first, "a") == group_of(second, "b") != group_of(Source("amass", "", "CMU/08/walk_01_poses"), "c")
    assert group_of(None, "a") == group_of(None, "a") != group_of(None, "b")
    cut = Source("bandai", "", "dataset-1_walk_normal_001"), Source("bandai", "", "dataset-1_walk_normal_002")
    assert group_of(cut[0], "a_00") == group_of(cut[1], "a_01")
