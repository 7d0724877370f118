"""Official files of evaluators: loaded strictly from the published layout, refused with the name of what they are."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.evaluation import official_files
from carescene.evaluation.interclip import InterClip
from carescene.evaluation.official_files import INTERCLIP_FILE, T2M_FILE, evaluator_name, load_interclip, load_t2m
from carescene.evaluation.t2m import MotionEncoder, MovementEncoder, TextEncoder


@pytest.fixture(scope="module")
def t2m_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official layout with random weights (60 MB), made once."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("t2m")
    content = {
        "movement_encoder": MovementEncoder().half().state_dict(),
        "motion_encoder": MotionEncoder().half().state_dict(),
        "text_encoder": TextEncoder().half().state_dict(),
        "epoch": 28,
        "iter": 1234,
    }
    (folder / T2M_FILE).parent.mkdir(parents=True)
    torch.save(content, folder / T2M_FILE)
    blocks = ((1, 0.000515), (2, 0.000677), (1, 0.006121), (63, 0.12256), (126, 0.30039), (66, 0.01954), (4, 0.014095))
    np.save(folder / "t2m_std.npy", np.concatenate([np.full(count, value) for count, value in blocks]))
    np.save(folder / "t2m_mean.npy", np.zeros(263))
    (folder / "glove").mkdir()
    np.save(folder / "glove" / "our_vab_data.npy", np.random.default_rng(0).normal(size=(4, 300)))
    words = ["unk", "walk", "sos", "eos"]
    (folder / "glove" / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    (folder / "glove" / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: at for at, word in enumerate(words)}))
    return folder


@pytest.fixture
def t2m_folder(t2m_source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(t2m_source, tmp_path / "t2m"))


def test_published_layout_loads_and_embeds(t2m_source):
    evaluator = load_t2m(t2m_source)
    motion = torch.zeros(40, 263)
    motion[:, 67:193] = torch.tensor([1.0, 0.0, 0.0]).repeat(42)
    assert evaluator.embed_motions([motion]).shape == (1, 512)
    assert evaluator.embed_texts([("walk/VERB",)]).shape == (1, 512)
    assert "E263" in evaluator.name


def test_what_is_missing_is_named_with_where_to_get_it(t2m_folder):
    (t2m_folder / "t2m_std.npy").unlink()
    (t2m_folder / "glove" / "our_vab_idx.pkl").unlink()
    with pytest.raises(UserError, match=r"our_vab_idx.pkl is missing.*EricGuo5513/text-to-motion"):
        load_t2m(t2m_folder)
    with pytest.raises(UserError, match=r"interclip.ckpt is missing.*tr3e/InterGen"):
        load_interclip(t2m_folder)


def test_training_statistics_are_refused(t2m_folder):
    blocks = ((1, 0.012826), (2, 0.016927), (1, 0.15377), (63, 0.12224), (126, 0.29969), (66, 0.01947), (4, 0.35593))
    np.save(t2m_folder / "t2m_std.npy", np.concatenate([np.full(count, value) for count, value in blocks]))
    with pytest.raises(UserError, match="which is for training generators"):
        load_t2m(t2m_folder)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"state_dict": {"model.textTransEncoder.layers.0.linear1.weight": torch.zeros(1)}}, "InterCLIP"),
        ({"state_dict": {"textencoder.a": torch.zeros(1), "motionencoder.b": torch.zeros(1)}}, "TMR"),
        ({"seqTransEncoder.layers.0.linear1.weight": torch.zeros(1)}, "MDM family"),
        ({"something": torch.zeros(1)}, "unknown \\(something\\)"),
        (torch.zeros(3), "unknown \\(Tensor\\)"),
    ],
)
def test_the_checkpoint_of_another_evaluator_is_refused_by_name(t2m_folder, content, name):
    torch.save(content, t2m_folder / T2M_FILE)
    with pytest.raises(UserError, match=f"Expected the checkpoint of T2M evaluator.*got that of .*{name}"):
        load_t2m(t2m_folder)


@pytest.mark.parametrize(("width", "name"), [(247, "KIT-ML"), (67, "E67"), (259, "HumanML3D"), (30, "30 features")])
def test_relatives_of_the_t2m_evaluator_are_told_apart_by_their_input(width, name):
    weights = {"main.0.weight": torch.zeros(512, width, 4)}
    content = {"movement_encoder": weights, "motion_encoder": {}, "text_encoder": {}}
    assert name in evaluator_name(content)


def test_another_version_is_refused_with_the_weights_that_differ(t2m_folder):
    content = torch.load(t2m_folder / T2M_FILE, weights_only=True)
    content["text_encoder"]["pos_emb.weight"] = torch.zeros(300, 14)
    del content["text_encoder"]["hidden"]
    torch.save(content, t2m_folder / T2M_FILE)
    with pytest.raises(UserError, match=r"2 of 19 weights differ: hidden missing for \(2, 1, 512\); pos_emb.weight"):
        load_t2m(t2m_folder)


def test_a_file_that_could_run_code_is_refused(t2m_folder):
    torch.save({"movement_encoder": Path("x")}, t2m_folder / T2M_FILE)
    with pytest.raises(UserError, match="cannot be read"):
        load_t2m(t2m_folder)
    (t2m_folder / T2M_FILE).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match="cannot be read"):
        load_t2m(t2m_folder)


def test_interclip_loads_from_its_checkpoint_and_refuses_others(tmp_path, monkeypatch):
    from carescene.evaluation.interclip import InterClipConfig

    small = InterClipConfig(16, 24, 8, 4, 8, 40, 7, 6)
    source = InterClip(small)
    (tmp_path / INTERCLIP_FILE).parent.mkdir()
    weights = {f"model.{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / INTERCLIP_FILE)
    # At its published size (600 MB) the file of another size is refused.
    with pytest.raises(UserError, match="weights differ"):
        load_interclip(tmp_path)
    monkeypatch.setattr(official_files, "InterClip", lambda: InterClip(small))
    evaluator = load_interclip(tmp_path)
    for name, value in evaluator.model.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[name])
    assert evaluator.name == "InterCLIP"
    torch.save({"movement_encoder": {}, "motion_encoder": {}, "text_encoder": {}}, tmp_path / INTERCLIP_FILE)
    with pytest.raises(UserError, match=r"Expected the checkpoint of InterCLIP.*T2M-like"):
        load_interclip(tmp_path)
