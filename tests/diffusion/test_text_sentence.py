"""CLIP's sentence vectors against CLIP's own code, and the cut after 22 tokens."""

from pathlib import Path

import torch

from diffusion.mdm_model import sentence
from diffusion.text import import_clip, load_text_encoder
from diffusion.text_sentence import ClipSentenceEncoder


def test_is_the_vector_of_clip_itself(clip_file: Path) -> None:
    encoder = load_text_encoder(f"clip-sentence:{clip_file}", cache=False)
    vector = encoder.encode_one("a person falls")
    assert vector.shape == (1, encoder.width) == (1, 32)
    assert isinstance(encoder, ClipSentenceEncoder)
    expected = encoder._network.encode_text(import_clip().tokenize("a person falls"))
    torch.testing.assert_close(vector, expected, rtol=0, atol=2e-3)


def test_long_texts_are_cut_where_mdm_cuts_them(clip_file: Path) -> None:
    encoder = ClipSentenceEncoder(str(clip_file))
    words = ["walk", "turn", "sit", "stand", "lie", "roll", "jump", "wave", "hold", "crawl"]
    words += ["reach", "bend", "stop", "look", "fall", "rise", "step", "push", "pull", "lift"]
    twenty, longer = (encoder.encode_one(" ".join(text)) for text in (words, [*words, "run", "swim"]))
    assert len(words) == 20
    assert torch.equal(twenty, longer), "what follows the twentieth word is not read"
    assert not torch.equal(twenty, encoder.encode_one(" ".join(words[:19])))


def test_has_a_cache_key_of_its_own(clip_file: Path) -> None:
    plain = load_text_encoder(f"clip:{clip_file}", cache=False)
    assert ClipSentenceEncoder(str(clip_file)).model_id != plain.model_id


def test_sentence_is_the_mean_of_the_tokens_that_are_there() -> None:
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [torch.nan, 9.0]], [[5.0, 6.0], [7.0, 7.0], [8.0, 8.0]]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert sentence(tokens, mask).tolist() == [[2.0, 3.0], [5.0, 6.0]]
    assert sentence(tokens, torch.zeros_like(mask)).tolist() == [[0.0, 0.0], [0.0, 0.0]]
