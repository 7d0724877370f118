"""Text encoders: their cache, their independence of batches, CLIP files, and what they refuse."""

import urllib.error
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from diffusion.text import ClipEncoder, TextEncoder, TransformersEncoder, find_clip_file, load_text_encoder
from diffusion.text_cache import TextCache, cache_folder


class CountingEncoder(TextEncoder):
    """Counts how often its network runs."""

    width = 4
    model_id = "counting"
    runs = 0

    def _compute(self, text: str) -> torch.Tensor:
        self.runs += 1
        return torch.full((len(text.split()), 4), 1 / 3)


def test_pads_with_zeros_and_masks() -> None:
    features = CountingEncoder().encode(["one two three", "one"])
    assert features.tokens.shape == (2, 3, 4)
    assert features.mask.tolist() == [[True, True, True], [True, False, False]]
    assert features.tokens[1, 1:].eq(0).all()


def test_no_texts_give_an_empty_batch() -> None:
    features = CountingEncoder().encode([])
    assert features.tokens.shape == (0, 0, 4)
    assert features.mask.shape == (0, 0)


def test_cache_serves_the_same_bits_without_the_network(tmp_path: Path) -> None:
    first = CountingEncoder(tmp_path)
    fresh = first.encode_one("a person walks")
    second = CountingEncoder(tmp_path)
    assert torch.equal(second.encode_one("a  person walks\n"), fresh), "white space does not change a caption"
    assert (first.runs, second.runs) == (1, 0)


def test_cache_distinguishes_texts_and_encoders(tmp_path: Path) -> None:
    paths = {TextCache(tmp_path, model).path(text) for model in ("a", "b") for text in ("walk", "Walk", "run")}
    assert len(paths) == 6


def test_damaged_cache_entry_is_replaced(tmp_path: Path) -> None:
    encoder = CountingEncoder(tmp_path)
    expected = encoder.encode_one("walk")
    path = TextCache(tmp_path, encoder.model_id).path("walk")
    path.write_bytes(path.read_bytes()[:40])
    assert torch.equal(encoder.encode_one("walk"), expected)
    assert encoder.runs == 2
    assert np.load(path).shape == (1, 4)


def test_cache_leaves_no_partial_files(tmp_path: Path) -> None:
    CountingEncoder(tmp_path).encode(["walk", "run"])
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".npy"}


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARESCENE_CACHE", str(tmp_path))
    assert cache_folder("text") == tmp_path / "text"
    monkeypatch.delenv("CARESCENE_CACHE")
    assert cache_folder("text").parts[-2:] == ("carescene", "text")


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_refuses_empty_text(text: str) -> None:
    with pytest.raises(UserError, match="Expected a text that describes a motion"):
        CountingEncoder().encode([text])


@pytest.fixture(scope="module")
def minilm() -> TransformersEncoder:
    return TransformersEncoder("minilm")


def test_minilm_gives_one_vector_per_word_piece(minilm: TransformersEncoder) -> None:
    features = minilm.encode_one("a man walks")
    assert features.shape == (5, 384), "three words between the start and end tokens"
    assert minilm.width == 384


def test_minilm_does_not_depend_on_the_batch(minilm: TransformersEncoder) -> None:
    texts = ["a man walks", "an old woman slowly sits down on a chair, rests, and gets up again"]
    together = minilm.encode(texts)
    assert torch.equal(together.tokens[0, :5], minilm.encode(texts[:1]).tokens[0])


def test_minilm_sentence_vectors_know_meaning(minilm: TransformersEncoder) -> None:
    """all-MiniLM-L6-v2 is trained so that the mean over tokens is near for paraphrases."""
    one, same, other = (
        minilm.encode_one(text).mean(0)
        for text in ("a man walks slowly", "someone is strolling at a slow pace", "a dog eats a bone")
    )
    similarity = torch.nn.functional.cosine_similarity
    assert similarity(one, same, dim=0) > similarity(one, other, dim=0) + 0.2


def test_minilm_refuses_long_text(minilm: TransformersEncoder) -> None:
    assert len(minilm.encode_one("walk " * 254)) == 256
    with pytest.raises(UserError, match="at most 256 tokens, but got 257"):
        minilm.encode_one("walk " * 255)


def test_local_folder_is_known_by_content(minilm: TransformersEncoder, tmp_path: Path) -> None:
    folder = Path(minilm._source)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"):
        (tmp_path / name).symlink_to(folder / name)
    copy = TransformersEncoder(str(tmp_path))
    assert copy.model_id == minilm.model_id
    assert torch.equal(copy.encode_one("a man walks"), minilm.encode_one("a man walks"))


def test_unknown_encoder_is_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="could not be loaded") as caught:
        load_text_encoder(str(empty))
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------- CLIP


def test_clip_tokens_agree_with_encode_text(clip_file: Path) -> None:
    """CLIP's own sentence vector is the projection of its end-of-text token, our last one."""
    from diffusion.text import import_clip

    encoder = load_text_encoder(f"clip:{clip_file}", cache=False)
    tokens = encoder.encode_one("a person falls")
    assert encoder.width == 64
    assert tokens.shape == (5, 64), "three words between the start and end tokens"
    network = encoder._network
    expected = network.encode_text(import_clip().tokenize("a person falls"))[0]
    torch.testing.assert_close(tokens[-1] @ network.text_projection, expected, rtol=0, atol=2e-3)


def test_clip_reads_the_official_archive(clip_state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """OpenAI's files are TorchScript archives whose state dict holds three sizes besides the weights."""
    path = tmp_path / "archive.pt"
    _script(clip_state, path)
    plain = tmp_path / "plain.pt"
    torch.save(clip_state, plain)
    text = "someone lies down"
    assert torch.equal(ClipEncoder(str(path)).encode_one(text), ClipEncoder(str(plain)).encode_one(text))


def _script(state: dict[str, torch.Tensor], path: Path) -> None:
    root = torch.nn.Module()
    sizes = {name: torch.tensor(value) for name, value in (("input_resolution", 32), ("context_length", 77))}
    for name, value in {**state, **sizes, "vocab_size": torch.tensor(49408)}.items():
        *parents, last = name.split(".")
        module = root
        for parent in parents:
            if not hasattr(module, parent):
                module.add_module(parent, torch.nn.Module())
            module = getattr(module, parent)
        module.register_buffer(last, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch advises against archives; OpenAI's are some
        torch.jit.script(root).save(str(path))


def test_clip_refuses_long_text(clip_file: Path) -> None:
    with pytest.raises(UserError, match="at most 77 tokens"):
        ClipEncoder(str(clip_file)).encode_one("walk " * 76)


def test_clip_damaged_file_is_one_sentence(clip_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    path.write_bytes(clip_file.read_bytes()[: 1 << 20])
    with pytest.raises(UserError, match="download it again"):
        ClipEncoder(str(path))


def test_clip_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_text_encoder(f"clip:{tmp_path / 'none.pt'}")


@pytest.mark.parametrize(("name", "file"), [("ViT-B/32", "ViT-B-32.pt"), ("ViT-L/14", "ViT-L-14.pt")])
def test_clip_without_network_says_what_to_download_and_where(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(url: str) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError) as caught:
        find_clip_file(name)
    message = str(caught.value)
    assert "https://openaipublic.azureedge.net/clip/models/" in message
    assert str(tmp_path / ".cache" / "clip" / file) in message
    assert "\n" not in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing half-written"


def test_clip_already_downloaded_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache" / "clip" / "ViT-B-32.pt"
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_clip_file("ViT-B/32") == path
