"""`lightning generate SITUATION.yaml` with a tiny random model: every worked situation, options, refusals, weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import list_clips, load_clip
from diffusion.checkpoint import save_checkpoint
from lightning_app.main import main

SITUATIONS = Path(__file__).parents[2] / "configs" / "situations"
CLIPS = sorted(path.stem for path in SITUATIONS.glob("*.yaml") if "stream:" not in path.read_text())
FALL = """
seconds: 2
persons:
  - {role: patient, start: {state: walking}}
events:
  - {label: fall, onset_s: 1.0}
count: 2
"""


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[float], Path]) -> Path:
    return tiny_checkpoint(0.02)


def generate(situation: Path, model: Path, out: Path, **options: object) -> int:
    chosen = {"steps": 1, "tries": 1, "energies": 0, "checkpoint": model, "out": out} | options
    return main(["generate", str(situation), *(f"--{name}={value}" for name, value in chosen.items())])


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_worked_situations_run(name, checkpoint, tmp_path, capsys):
    assert generate(SITUATIONS / f"{name}.yaml", checkpoint, tmp_path, count=1) == 0
    (clip,) = [load_clip(path) for path in list_clips(tmp_path)]
    assert clip.attributes["situation"] == name
    assert np.isfinite(clip.poses).all()
    assert (clip.scene is None) == (name in ("react_to_somebody", "exactly_here"))
    assert json.loads((tmp_path / "report.json").read_text())["clips"] == 1
    assert "wrote 1 clip (npz + json) and report.json" in capsys.readouterr().out


def test_exact_wishes_hold_in_the_clip(checkpoint, tmp_path):
    assert generate(SITUATIONS / "exactly_here.yaml", checkpoint, tmp_path, count=1, steps=3) == 0
    clip = load_clip(list_clips(tmp_path)[0])
    for at, x, y in ((0.0, 0.0, 0.0), (2.0, 0.0, 1.8), (4.0, 1.0, 3.0)):
        assert clip.trans[0, round(20 * at), :2] == pytest.approx([x, y], abs=1e-4)


def test_somebody_played_stays_as_given(checkpoint, tmp_path):
    assert generate(SITUATIONS / "react_to_somebody.yaml", checkpoint, tmp_path, count=1) == 0
    clip, given = load_clip(list_clips(tmp_path)[0]), load_clip(SITUATIONS / "given_walk.json")
    np.testing.assert_array_equal(clip.poses[0], given.poses[0, : clip.num_frames])
    np.testing.assert_array_equal(clip.trans[0], given.trans[0, : clip.num_frames])
    assert clip.num_persons == 2


@pytest.fixture
def fall(tmp_path) -> Path:
    path = tmp_path / "fall.yaml"
    path.write_text(FALL)
    return path


def test_a_run_is_continued(fall, checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    assert generate(fall, checkpoint, out, count=1) == 0
    assert generate(fall, checkpoint, out) == 0
    assert "wrote 1 clip (npz + json) and report.json" in capsys.readouterr().out.splitlines()[-1]
    assert len(list_clips(out)) == 2


BAD = {
    "text as well": ({"text": "a man walks"}, "--text only without a situation"),
    "age as well": ({"age": 80}, "--age only without"),
    "no tries": ({"tries": 0}, "--tries of at least 1"),
    "no clip": ({"count": 0}, "--count of at least 1"),
    "negative seed": ({"seed": -1}, "--seed"),
    "no checkpoint": ({"checkpoint": "none.safetensors"}, "none.safetensors"),
    "stream with events at times": ({"stream_minutes": 1}, "stream.rates"),
    "endless stream": ({"stream_minutes": 1e9}, "--stream_minutes of 0.1 to 1440"),
    "too many steps": ({"steps": 100_000}, "sampling steps"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_refused_before_anything_is_written(case, fall, checkpoint, tmp_path, capsys):
    options, words = BAD[case]
    assert generate(fall, checkpoint, tmp_path / "out", **options) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_the_line_of_a_mistake_is_told(checkpoint, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text(FALL.replace("onset_s: 1.0", "onset_s: 7"))
    assert generate(path, checkpoint, tmp_path / "out") == 2
    assert "wrong.yaml, line 6: expected `events[0].onset_s`" in capsys.readouterr().err
    assert main(["generate", str(tmp_path / "missing.yaml"), f"--out={tmp_path}"]) == 2
    assert main(["generate", f"--out={tmp_path}"]) == 2
    assert "a situation file or --text" in capsys.readouterr().err


def test_guidance_that_blows_up_is_reported(fall, checkpoint, tmp_path, capsys):
    fall.write_text(FALL + "guidance: {text: 100, energies: 0}\n")
    broken = tmp_path / "broken.safetensors"
    for ending in (".safetensors", ".json"):
        shutil.copy(checkpoint.with_suffix(ending), broken.with_suffix(ending))
    from diffusion.checkpoint import load_checkpoint

    model, _ = load_checkpoint(broken)
    with torch.no_grad():
        model.denoiser.out.weight.mul_(1e5)
    save_checkpoint(model, broken)
    assert generate(fall, broken, tmp_path / "out") == 2
    assert "Nothing was written" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.npz"))


def test_weights_bring_back_the_priors(fall, checkpoint, tmp_path, capsys):
    fall.write_text(
        FALL.replace("count: 2", "count: 16")
        .replace("seconds: 2", "seconds: 1")
        .replace("onset_s: 1.0", "onset_s: 0.4")
        + "oversample:\n  sex: {female: 0.5, male: 0.5}\n"
    )
    out = tmp_path / "out"
    assert generate(fall, checkpoint, out, batch=16) == 0
    assert main(["evaluate", "distribution", f"--dir={out}"]) == 0
    assert "within 2%" in capsys.readouterr().out
    numbers = json.loads((out / "evaluation" / "distribution.json").read_text())
    table = numbers["attributes"]["sex"]
    shares = {row["value"]: row for row in table["rows"]}
    assert shares["female"]["drawn"] == pytest.approx(0.65, abs=0.02)
    assert shares["female"]["made"] == pytest.approx(0.5, abs=0.02)
    # Bodies are drawn to be women's and men's, and recognised as such.
    assert table["agreement"] > 0.9
    assert 8 < numbers["effective_sample_size"] < 16
    assert (out / "evaluation" / "distribution_sex.png").is_file()
    assert main(["evaluate", "distribution", f"--dir={SITUATIONS}"]) == 2
    assert "with weights" in capsys.readouterr().err


def test_draws_bring_back_the_priors_before_any_clip_is_made(tmp_path, capsys):
    rare = SITUATIONS / "rare_falls.yaml"
    assert main(["evaluate", "distribution", f"--situation={rare}", "--num=2048", f"--out={tmp_path}"]) == 0
    assert "within 2%" in capsys.readouterr().out
    numbers = json.loads((tmp_path / "distribution.json").read_text())
    assert numbers["draws"] == 2048
    assert numbers["worst_error_drawn"] < numbers["largest_standard_error"] < 0.02
    assert 0.2 < numbers["effective_sample_size"] / 2048 < 0.6
    cause = numbers["attributes"]["cause"]
    assert cause["agreement"] is None
    assert {row["value"]: row["drawn"] for row in cause["rows"]}["slip"] == pytest.approx(0.03 / 0.98, abs=0.002)


def test_draws_need_something_that_is_drawn_and_a_folder(tmp_path, capsys):
    plain = SITUATIONS / "faint.yaml"
    assert main(["evaluate", "distribution", f"--situation={plain}", f"--out={tmp_path}"]) == 2
    assert "with `oversample`" in capsys.readouterr().err
    assert main(["evaluate", "distribution", f"--situation={plain}"]) == 2
    assert "Name what is to be judged" in capsys.readouterr().err
