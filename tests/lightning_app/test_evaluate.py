"""`lightning evaluate` end to end: tiny synthetic data, a tiny random model, real reports, and errors told well."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.clips import Clip, Source, load_clip, save_clip
from carescene.humans import matrix_to_rotvec, rotation_about
from diffusion import FEATURES, DenoiserConfig, ModelConfig, MotionModel, Normaliser, encode_motion
from diffusion.checkpoint import save_checkpoint
from lightning_app.evaluation.diversity import plan_groups
from lightning_app.evaluation.prepared import clip_joints, load_split
from lightning_app.evaluation.reports import markdown_table, wilson_interval
from lightning_app.evaluation.samples import Prompt, plan_prompts, sample_set
from lightning_app.main import main

TURNS = {"walk": 0.0, "walk-turn-left": 1.0, "walk-turn-right": -1.0}
SETTINGS = {"checkpoint": "a", "seed": 0}


def walker(name: str, action: str, frames: int, start: float) -> Clip:
    """Somebody stiff who glides on an arc."""
    seconds = torch.arange(frames) / 20
    heading = start + TURNS[action] * seconds
    root = rotation_about("z", heading) @ rotation_about("x", torch.tensor(math.pi / 2))
    poses = torch.zeros(1, frames, 24, 3)
    poses[0, :, 0] = matrix_to_rotvec(root)
    step = torch.stack((heading.sin(), -heading.cos(), 0 * heading), dim=-1) / 20  # upright, SMPL faces world -y
    trans = step.cumsum(0)[None] + torch.tensor([0.0, 0.0, 0.96])
    return Clip(
        id=name,
        fps=20.0,
        poses=poses.numpy(),
        trans=trans.numpy(),
        betas=np.zeros((1, 10), np.float32),
        frame_label=np.zeros((1, frames), np.int8),
        valid=np.ones((1, frames), bool),
        text=[f"a person does {action}", f"someone does {action} slowly"],
        attributes={"action": action, "style": "normal"},
        source=Source("synthetic", "none", name),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "splits").mkdir()
    for split, count in (("train", 24), ("val", 6), ("test", 6)):
        names = []
        for index in range(count):
            name = f"{split}{index:02d}"
            action = list(TURNS)[index % 3]
            save_clip(walker(name, action, int(rng.integers(24, 40)), float(rng.uniform(0, 6))), folder / "clips")
            names.append(name)
        (folder / "splits" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    clip = walker("typical", "walk", 30, 0.0)
    features = encode_motion(*(torch.from_numpy(array[0]) for array in (clip.poses, clip.trans, clip.frame_label)))
    # Around a standing person, as a trained model's statistics would be: its noise is a twitching person.
    normaliser = Normaliser(features.mean(0), torch.full((FEATURES,), 0.05))
    config = ModelConfig(denoiser=DenoiserConfig(dim=32, depth=2, heads=2, hidden=32))
    model = MotionModel(config, normaliser)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(model, path)
    return path


def evaluate(measure: str, data: Path, checkpoint: Path, out: Path, *more: str) -> int:
    options = ["--data", str(data), "--checkpoint", str(checkpoint), "--out", str(out), "--steps", "2", *more]
    return main(["evaluate", measure, *options])


@pytest.mark.slow
def test_every_measure_reports(data: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """All four measures in one folder: the samples are made once and shared."""
    out = tmp_path / "out"
    epochs = ("--recogniser_epochs", "3")
    assert evaluate("steering", data, checkpoint, out, "--num", "7", *epochs) == 0
    made = {path: path.stat().st_mtime_ns for path in (out / "samples").glob("*.npz")}
    assert len(made) == 7
    assert evaluate("physics", data, checkpoint, out, "--num", "7") == 0
    groups = ("--groups", "2", "--group_size", "3", "--train_sample", "5")
    assert evaluate("diversity", data, checkpoint, out, "--num", "7", *groups) == 0
    assert evaluate("steps", data, checkpoint, out, "--num", "3", "--step_counts", "[1, 2]", *epochs) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "samples").glob("*.npz")} == made
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert evaluate("steering", data, checkpoint, out, "--num", "7", "--by", "style", *epochs) == 0
    for line, name in zip(lines, ("steering", "physics", "diversity", "steps"), strict=True):
        assert "passed" in line
        assert f"wrote {out / name}.md" in line
        numbers = json.loads((out / f"{name}.json").read_text())
        assert numbers["passed"] in (True, False)
        assert (out / f"{name}.md").read_text().startswith("# ")
        assert (out / f"{name}.png").stat().st_size > 1000
    physics = json.loads((out / "physics.json").read_text())["measures"]
    assert physics["support"]["real"] == pytest.approx(
        1.0, abs=0.1
    )  # the walkers glide at 1 m/s; on arcs, one foot slower
    assert physics["skating"]["real"] == 0.0  # faster than any stance
    steering = json.loads((out / "steering.json").read_text())
    assert steering["generated"]["clips"] == 7
    assert sum(map(sum, steering["real"]["confusion"])) == 6
    assert (out / "steering_style.json").is_file()
    steps = json.loads((out / "steps.json").read_text())
    assert set(steps["rows"]) == {"1", "2"}
    assert all(row["seconds_batch_16"] > 0 for row in steps["rows"].values())
    near = json.loads((out / "diversity.json").read_text())["nearest_neighbour_m"]
    assert near["generated"]["q50"] > near["test"]["q50"]  # noise is farther from training clips than walks are


def test_samples_of_other_settings_are_refused(data: Path, checkpoint: Path, tmp_path: Path, capsys):
    folder = tmp_path / "samples"
    prompts = plan_prompts(load_split(data, "test"), 2, seed=0)
    sample_set(folder, prompts, lambda: fake_maker([]), SETTINGS, batch=2)
    assert evaluate("physics", data, checkpoint, tmp_path, "--num", "2", "--samples", str(folder)) == 2
    error = capsys.readouterr().err
    assert "seed 0 -> " not in error
    assert "checkpoint a -> tiny.safetensors" in error


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--split", "holdout"], "holdout"),
        (["--num", "0"], "--num"),
        (["--steps", "0"], "step"),
        (["--sampler", "euler"], "dpmpp"),
        (["--threads", "0"], "--threads"),
        (["--nonsense", "1"], "nonsense"),
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    data: Path, checkpoint: Path, tmp_path: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
):
    assert evaluate("physics", data, checkpoint, tmp_path / "out", *more) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "beauty"]) == 2
    assert "steering" in capsys.readouterr().err


def test_a_damaged_recogniser_is_named(data: Path, checkpoint: Path, tmp_path: Path, capsys):
    file = tmp_path / "recogniser.safetensors"
    file.write_bytes(b"not weights")
    assert evaluate("steering", data, checkpoint, tmp_path, "--recogniser", str(file)) == 2
    assert "recogniser.safetensors" in capsys.readouterr().err


def fake_maker(calls: list[list[int]]):
    def make(captions: list[str], frames: list[int], seeds: list[int]) -> list[Clip]:
        calls.append(seeds)
        return [walker("x", "walk", number, 0.0) for number in frames]

    return make


def test_prompts_use_every_clip_before_any_twice(data: Path):
    clips = load_split(data, "test")
    prompts = plan_prompts(clips, 15, seed=3)
    counts = [sum(prompt.id.startswith(clip.id) for prompt in prompts) for clip in clips]
    assert sorted(counts) == [2, 2, 2, 3, 3, 3]
    assert len({prompt.id for prompt in prompts}) == len({prompt.seed for prompt in prompts}) == 15
    lengths = {clip.id: clip.num_frames for clip in clips}
    assert all(prompt.frames == lengths[prompt.id.rsplit("-", 1)[0]] for prompt in prompts)
    assert plan_prompts(clips, 15, seed=3) == prompts
    assert plan_prompts(clips, 15, seed=4) != prompts


def test_a_stopped_sample_set_goes_on(data: Path, tmp_path: Path):
    prompts = plan_prompts(load_split(data, "test"), 6, seed=0)
    calls: list[list[int]] = []
    clips = sample_set(tmp_path, prompts, lambda: fake_maker(calls), SETTINGS, batch=2)
    assert [clip.id for clip in clips] == [prompt.id for prompt in prompts]
    assert [clip.num_frames for clip in clips] == [prompt.frames for prompt in prompts]
    assert clips[0].text == [prompts[0].caption]
    assert clips[0].attributes == prompts[0].attributes
    assert [len(seeds) for seeds in calls] == [2, 2, 2]
    for suffix in ("npz", "json"):
        (tmp_path / f"{prompts[4].id}.{suffix}").unlink()
    calls.clear()
    sample_set(tmp_path, prompts, lambda: fake_maker(calls), SETTINGS, batch=2)
    assert calls == [[prompts[4].seed]]
    sample_set(tmp_path, prompts, lambda: pytest.fail("nothing is missing"), SETTINGS, batch=2)


def test_groups_take_different_actions_first(data: Path):
    real, prompts = plan_groups(load_split(data, "train"), groups=3, size=4, seed=0)
    assert {label.split("/")[1] for label in real} == set(TURNS)
    assert len(prompts) == 12
    for label, clips in real.items():
        mine = [prompt for prompt in prompts if prompt.attributes["label"] == label]
        assert len({prompt.caption for prompt in mine}) == 1
        assert [prompt.frames for prompt in mine] == [clip.num_frames for clip in clips]
    assert all(isinstance(prompt, Prompt) for prompt in prompts)


def test_joints_of_a_clip_stand_on_the_floor(data: Path):
    clip = load_clip(data / "clips" / "train00")
    joints = clip_joints(clip)
    assert joints.shape == (clip.num_frames, 22, 3)
    assert 0.0 < joints[..., 2].min() < 0.1
    assert 1.3 < joints[..., 2].max() < 1.9


def test_tables_round_to_what_counts():
    table = markdown_table(["a", "b", "c", "d"], [[1234.56, 0.012345, True, None], ["x", 12, 0.0, float("nan")]])
    assert table.splitlines()[2:] == ["| 1235 | 0.0123 | yes | - |", "| x | 12 | 0 | - |"]


def test_wilson_interval_of_nothing_and_of_everything():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    low, high = wilson_interval(20, 20)
    assert low == pytest.approx(20 / (20 + 1.959964**2))
    assert high == pytest.approx(1.0)
