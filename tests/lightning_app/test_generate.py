"""`lightning generate` from end to end with a tiny random model, and every way to misuse it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from carescene.clips import list_clips, load_clip
from diffusion.model import MotionModel
from lightning_app.main import main

TEXT = "an old man walks slowly and turns left"


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[float], Path]) -> Path:
    return tiny_checkpoint(0.1)


def generate(checkpoint: Path, out: Path, **options: object) -> int:
    chosen = {"text": TEXT, "seconds": 1, "steps": 2, "render": "false", "checkpoint": checkpoint, "out": out} | options
    return main(["generate", *(f"--{name}={value}" for name, value in chosen.items() if value is not None)])


@pytest.mark.parametrize(("seconds", "frames"), [(1, 20), (3.35, 67), (10, 200)])
def test_length_is_honoured_to_the_frame(checkpoint, tmp_path, seconds, frames):
    assert generate(checkpoint, tmp_path, seconds=seconds) == 0
    clip = load_clip(list_clips(tmp_path)[0])
    assert clip.num_frames == frames
    assert clip.fps == 20
    assert clip.valid.all()


def test_everything_is_written(checkpoint, tmp_path, capsys):
    assert generate(checkpoint, tmp_path / "new" / "folder", num=2, seed=5, render="true", size=64) == 0
    folder = tmp_path / "new" / "folder"
    stems = ["an-old-man-walks-slowly-and-turns-left-5", "an-old-man-walks-slowly-and-turns-left-6"]
    expected = {f"{stem}.{kind}" for stem in stems for kind in ("npz", "json", "mp4")} | {"contact_sheet.png"}
    assert {path.name for path in folder.iterdir()} == expected
    assert str(folder) in capsys.readouterr().out
    for stem in stems:
        with av.open(str(folder / f"{stem}.mp4")) as file:
            assert sum(1 for _ in file.decode(video=0)) == 20
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 500


def test_clip_says_how_it_was_made(checkpoint, tmp_path):
    generate(checkpoint, tmp_path, seed=7, sampler="ddim", steps=3, guidance=1.5)
    clip = load_clip(list_clips(tmp_path)[0])
    made, record = clip.generator, json.loads(checkpoint.with_suffix(".json").read_text())
    assert (made.seed, made.sampler, made.steps, made.guidance) == (7, "ddim", 3, 1.5)
    assert record["sha256"].startswith(made.model_hash)
    assert clip.text == [TEXT]
    assert (clip.persons[0].age_years, clip.persons[0].sex) == (78, "male")
    assert np.isfinite(list(clip.quality.values())).all()
    assert set(clip.quality) == {"skate", "jerk", "penetration"}


def test_same_seed_gives_the_same_clips_whatever_the_number(checkpoint, tmp_path):
    generate(checkpoint, tmp_path / "one", num=1, seed=4)
    generate(checkpoint, tmp_path / "three", num=3, seed=3)
    one = load_clip(list_clips(tmp_path / "one")[0])
    three = {clip.generator.seed: clip for clip in map(load_clip, list_clips(tmp_path / "three"))}
    np.testing.assert_array_equal(one.poses, three[4].poses)
    np.testing.assert_array_equal(one.trans, three[4].trans)
    assert not np.array_equal(one.poses, three[5].poses)


def test_cleanup_can_be_left_out(checkpoint, tmp_path):
    generate(checkpoint, tmp_path / "raw", cleanup="false")
    generate(checkpoint, tmp_path / "clean")
    raw, clean = (load_clip(list_clips(tmp_path / name)[0]) for name in ("raw", "clean"))
    assert not np.array_equal(raw.poses, clean.poses)


def test_options_shape_the_body(checkpoint, tmp_path):
    generate(checkpoint, tmp_path / "text")
    generate(checkpoint, tmp_path / "told", age=30, height=1.6, weight=55, sex="female")
    generate(checkpoint, tmp_path / "plain", text="a person walks")
    text, told, plain = (load_clip(list_clips(tmp_path / name)[0]) for name in ("text", "told", "plain"))
    assert not np.allclose(text.betas, told.betas)
    assert not plain.betas.any()
    assert (told.persons[0].age_years, told.persons[0].height_m, told.persons[0].sex) == (30, 1.6, "female")


BAD: dict[str, tuple[dict[str, object], str]] = {
    "empty text": ({"text": ""}, "what the person does"),
    "blank text": ({"text": " \n\t "}, "what the person does"),
    "long text": ({"text": "walks " * 200}, "at most 1000 characters"),
    "many tokens": ({"text": "? " * 300}, "256 tokens"),
    "too short": ({"seconds": 0.99}, "1 to 10 seconds"),
    "too long": ({"seconds": 10.01}, "1 to 10 seconds"),
    "not a length": ({"seconds": "nan"}, "seconds"),
    "seconds in words": ({"seconds": "five"}, "seconds"),
    "no clip": ({"num": 0}, "--num"),
    "half a clip": ({"num": 1.5}, "num"),
    "negative seed": ({"seed": -1}, "--seed"),
    "no batch": ({"batch": 0}, "--batch"),
    "no steps": ({"steps": 0}, "step"),
    "too many steps": ({"steps": 5000}, "steps"),
    "unknown sampler": ({"sampler": "euler"}, "dpmpp"),
    "negative guidance": ({"guidance": -1}, "guidance"),
    "tiny picture": ({"size": 8}, "--size"),
    "unknown sex": ({"sex": "m"}, "female or male"),
    "negative age": ({"age": -5}, "--age"),
    "giant": ({"height": 3.5}, "height"),
    "no checkpoint": ({"checkpoint": "nowhere.safetensors"}, "nowhere.safetensors"),
    "no body": ({"body": "nowhere.npz"}, "nowhere.npz"),
    "body and height": ({"body": "nowhere.npz", "height": 1.7}, "--body"),
    "unknown option": ({"colour": "red"}, "colour"),
    "no text at all": ({"text": None}, "text"),
    "no folder": ({"out": None}, "out"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(checkpoint, tmp_path, capsys, case):
    options, message = BAD[case]
    assert generate(**{"checkpoint": checkpoint, "out": tmp_path / "out"} | options) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("error: ")
    assert streams.err.count("\n") == 1
    assert message in streams.err
    assert "Traceback" not in streams.err
    assert list(tmp_path.iterdir()) == []


def test_broken_checkpoint_is_told(checkpoint, tmp_path, capsys):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:1000])
    shutil.copy(checkpoint.with_suffix(".json"), broken.with_suffix(".json"))
    assert generate(broken, tmp_path / "out") == 2
    assert "broken.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unwritable_folder_is_told_before_sampling(checkpoint, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(MotionModel, "sample", lambda *_: pytest.fail("sampled although nothing can be written"))
    assert generate(checkpoint, tmp_path / "file" / "out") == 2
    error = capsys.readouterr().err
    assert "Choose a folder you may write to" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
