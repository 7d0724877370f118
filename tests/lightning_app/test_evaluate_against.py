"""`lightning evaluate distribution --against`: the whole table in one command, from prepared and official folders."""

import json
from pathlib import Path

import pytest
import torch

from carescene.clips import load_clip
from carescene.clips.formats.humanml3d import decode_vectors
from carescene.errors import UserError
from carescene.evaluation.t2m import T2MEvaluator
from carescene.evaluation.text_motion import load_text_motion
from diffusion import FEATURES, DenoiserConfig, ModelConfig, MotionModel, Normaliser, encode_motion
from diffusion.checkpoint import save_checkpoint
from lightning_app.evaluation.described import people_motion
from lightning_app.evaluation.real_sets import HumanML3DSet, Judge, PreparedSet, people_of
from lightning_app.main import main


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Walks to test on: one batch of R-precision, some that are left over, and some that are too short."""
    return _conftest().write_prepared(tmp_path_factory.mktemp("prepared"), train=1, val=1, test=48)


def _conftest():
    # Fixtures' helpers live beside them; importlib mode has no package to import them from.
    import importlib.util

    spec = importlib.util.spec_from_file_location("shared_helpers", Path(__file__).parents[1] / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    torch.manual_seed(0)
    clip = load_clip(prepared / "clips" / "test-0")
    features = encode_motion(*(torch.from_numpy(array[0]) for array in (clip.poses, clip.trans, clip.frame_label)))
    normaliser = Normaliser(features.mean(0), torch.full((FEATURES,), 0.05))
    model = MotionModel(ModelConfig(denoiser=DenoiserConfig(dim=32, depth=1, heads=2, hidden=32)), normaliser)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(model, path)
    return path


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch, letter_encoder):
    for module in ("diffusion.text", "diffusion.generator"):
        monkeypatch.setattr(f"{module}.load_text_encoder", lambda name="minilm", cache=None: letter_encoder)
    return letter_encoder


def test_the_whole_table_against_prepared_folders_in_one_command(prepared, checkpoint, tmp_path, capsys):
    options = [f"--data={prepared}", f"--out={tmp_path}", f"--checkpoint={checkpoint}", "--against=prepared"]
    options += ["--steps=2", "--replications=2", "--captions=3", "--repeats=2", "--seed=5", "--cleanup=false"]
    assert main(["evaluate", "distribution", *options]) == 0
    text = capsys.readouterr().out
    name = load_text_motion(lambda _: (torch.zeros(0), torch.zeros(0))).name
    for part in (
        name, "- N: ", "- seed: 5", "- sampler: dpmpp", "- steps: 2", "- guidance:", "- replications: 2",
        "- checkpoint: tiny.safetensors:", "- split: test", "| generated | real | real, other half |", "FID", "MM-dist",
        "R-precision top 3", "multimodality", "coverage", "foot skating", "R-precision batch: 32",
    ):  # fmt: skip
        assert part in text, part
    numbers = json.loads((tmp_path / "distribution_prepared.json").read_text())
    # A network that was never trained lets people stand still.
    assert numbers["generated"]["fid"]["mean"] > 10 * numbers["real"]["fid"]["mean"]
    assert numbers["real"]["fid"]["replications"] == 2
    assert numbers["generated"]["jerk"]["mean"] < 0.1 * numbers["real"]["jerk"]["mean"]
    assert numbers["real_other_half"]["fid"]["mean"] > numbers["real"]["fid"]["mean"]
    assert 32 <= numbers["settings"]["N"] < 48
    assert "r_top1" not in numbers["real_other_half"]  # too few to fill a batch
    assert len(list((tmp_path / "samples" / "multimodality").glob("*.npz"))) == 6
    # The samples of a finished run are used again, and give the same table.
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "samples").rglob("*.npz")}
    assert main(["evaluate", "distribution", *options]) == 0
    assert json.loads((tmp_path / "distribution_prepared.json").read_text()) == numbers
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "samples").rglob("*.npz")} == made


def test_the_whole_table_against_the_official_layout(official_source, checkpoint, tmp_path, capsys):
    options = [f"--data={official_source}", f"--out={tmp_path}", f"--checkpoint={checkpoint}", "--against=humanml3d"]
    options += ["--steps=1", "--replications=1", "--captions=0", "--cleanup=false"]
    assert main(["evaluate", "distribution", *options]) == 0
    text = capsys.readouterr().out
    assert "HumanML3D in" in text
    assert "- N: 4" in text
    assert "carescene text-motion" in text
    numbers = json.loads((tmp_path / "distribution_humanml3d.json").read_text())
    assert numbers["generated"]["fid"]["mean"] > numbers["real"]["fid"]["mean"]
    assert numbers["real"]["penetration"]["mean"] < 0.01


def test_real_against_real_needs_no_model(official_source, tmp_path):
    options = [f"--data={official_source}", f"--out={tmp_path}", "--against=humanml3d", "--real_only=true"]
    assert main(["evaluate", "distribution", *options, "--replications=2", "--checkpoint=nowhere"]) == 0
    numbers = json.loads((tmp_path / "distribution_humanml3d.json").read_text())
    assert "generated" not in numbers
    assert "steps" not in numbers["settings"]


def test_mistakes_are_told(prepared, official_source, tmp_path, capsys):
    base = ["evaluate", "distribution", "--against=humanml3d", f"--out={tmp_path}"]
    assert main(base) == 2
    assert "Expected --data and --out with --against" in capsys.readouterr().err
    assert main([*base, f"--data={official_source}", f"--evaluator={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert "finest.tar" in error
    assert "github.com/EricGuo5513/text-to-motion" in error
    assert main([*base, f"--data={official_source}", "--real_only=true", "--replications=0"]) == 2
    assert "at least 1 replication" in capsys.readouterr().err


def test_draws_differ_by_replication_and_repeat_by_seed(prepared, official_source):
    for real in (PreparedSet([prepared], "test"), HumanML3DSet(official_source, "test")):
        one, same, other = real.draw(3, 0), real.draw(3, 0), real.draw(3, 1)
        assert [row.caption for row in one] == [row.caption for row in same]
        assert [row.frames for row in one] == [row.frames for row in same]
        assert [(row.caption, row.frames) for row in one] != [(row.caption, row.frames) for row in other]
        assert all(row.frames % 4 == 0 for row in one)


def test_a_part_of_a_set_is_drawn_by_the_seed(prepared):
    ids = [[row.id for row in PreparedSet([prepared], "test", 10, seed).draw(0, 0)] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    assert len(set(ids[0])) == 10


def test_vectors_become_joints_in_our_world(official_source):
    real = HumanML3DSet(official_source, "test")
    drawn = real.draw(0, 0)[0]
    people = people_of(drawn.motion)
    y_up = decode_vectors(torch.from_numpy(drawn.motion))
    torch.testing.assert_close(people.joints[0, ..., 2], y_up[..., 1].float(), atol=1e-5, rtol=0)
    assert people.joints[0, :, 15, 2].mean() > people.joints[0, :, 0, 2].mean()  # heads are above hips
    clip = load_clip_of(official_source)
    assert len(real.of_clip(clip)) == clip.num_frames - 1
    assert real.frames_to_make(drawn) == drawn.frames + 1


def load_clip_of(folder: Path):
    from carescene.clips.formats.humanml3d import load_vectors, vectors_to_clip

    return vectors_to_clip(load_vectors(folder / "new_joint_vecs" / "000020.npy"), "x", ["a walk"])


def test_joints_are_no_input_of_the_official_evaluator(prepared):
    official = object.__new__(T2MEvaluator)  # refused before its networks are asked
    motion = people_motion(load_clip(prepared / "clips" / "test-0"))
    with pytest.raises(UserError, match="lightning export --format humanml3d"):
        Judge(official).embed_motions([motion])
    assert people_of(motion) is motion
