"""InterCLIP: published layout, a plain second implementation of its transformers, raw motion only."""

import numpy as np
import pytest
import torch

from carescene.errors import UserError
from carescene.evaluation.interclip import InterClip, InterClipConfig, InterClipEvaluator

SMALL = InterClipConfig(width=16, hidden=24, layers=2, heads=4, text_width=8, vocabulary=40, context=7, embedding=6)


def _layers(prefix: str, width: int, hidden: int) -> dict[str, tuple[int, ...]]:
    layer = {
        "self_attn.in_proj_weight": (3 * width, width),
        "self_attn.in_proj_bias": (3 * width,),
        "self_attn.out_proj.weight": (width, width),
        "self_attn.out_proj.bias": (width,),
        "linear1.weight": (hidden, width),
        "linear1.bias": (hidden,),
        "linear2.weight": (width, hidden),
        "linear2.bias": (width,),
        "norm1.weight": (width,),
        "norm1.bias": (width,),
        "norm2.weight": (width,),
        "norm2.bias": (width,),
    }
    return {f"{prefix}.layers.{number}.{name}": shape for number in range(8) for name, shape in layer.items()}


# Names and shapes of interclip.ckpt without its prefix "model." (InterGen, datasets/evaluator_models.py).
PUBLISHED = {
    "latent_scale": (1,),
    "positional_embedding": (77, 768),
    "token_embedding.weight": (49408, 768),
    "motion_encoder.query_token": (1, 1024),
    "motion_encoder.embed_motion.weight": (1024, 516),
    "motion_encoder.embed_motion.bias": (1024,),
    "motion_encoder.sequence_pos_encoder.pe": (2000, 1024),
    **_layers("motion_encoder.transformer", 1024, 2048),
    "motion_encoder.out_ln.weight": (1024,),
    "motion_encoder.out_ln.bias": (1024,),
    "motion_encoder.out.weight": (512, 1024),
    "motion_encoder.out.bias": (512,),
    **_layers("textTransEncoder", 768, 2048),
    "text_ln.weight": (768,),
    "text_ln.bias": (768,),
    "out.weight": (512, 768),
    "out.bias": (512,),
}


def raw_pair(frames: int, seed: int = 0) -> torch.Tensor:
    """Numbers that look like raw InterHuman ones: rotations are unit vectors."""
    generator = torch.Generator().manual_seed(seed)
    motion = torch.randn(2, frames, 262, generator=generator)
    rotations = torch.randn(2, frames, 42, 3, generator=generator)
    motion[..., 132:258] = torch.nn.functional.normalize(rotations, dim=-1).flatten(2)
    return motion


def tokens(captions: list[str]) -> torch.Tensor:
    """Tokens as CLIP's: words, the highest number at the end, zeros."""
    rows = torch.zeros(len(captions), SMALL.context, dtype=torch.long)
    for row, caption in zip(rows, captions, strict=True):
        words = [38, *(1 + len(word) for word in caption.split()), 39]
        row[: len(words)] = torch.tensor(words)
    return rows


def small_evaluator() -> InterClipEvaluator:
    torch.manual_seed(0)
    model = InterClip(SMALL)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.latent_scale.data[:] = 1.7
    return InterClipEvaluator(model, tokens)


def test_layout_is_the_published_one():
    with torch.device("meta"):
        model = InterClip()
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == PUBLISHED


# ------------------------------------------------------------------------------------- a second implementation, plain


def _norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias


def _transformer(x: np.ndarray, w: dict[str, np.ndarray], prefix: str, heads: int) -> np.ndarray:
    def erf(value):
        return torch.erf(torch.from_numpy(value)).numpy()

    for number in range(SMALL.layers):
        p = {name.removeprefix(f"{prefix}.layers.{number}."): value for name, value in w.items()}
        q, k, v = np.split(x @ p["self_attn.in_proj_weight"].T + p["self_attn.in_proj_bias"], 3, axis=-1)
        size = x.shape[-1] // heads
        answers = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            score = q[:, part] @ k[:, part].T / np.sqrt(size)
            score = np.exp(score - score.max(-1, keepdims=True))
            answers.append(score / score.sum(-1, keepdims=True) @ v[:, part])
        attended = np.concatenate(answers, -1) @ p["self_attn.out_proj.weight"].T + p["self_attn.out_proj.bias"]
        x = _norm(x + attended, p["norm1.weight"], p["norm1.bias"])
        hidden = x @ p["linear1.weight"].T + p["linear1.bias"]
        hidden = hidden * 0.5 * (1 + erf(hidden / np.sqrt(2)))
        x = _norm(x + hidden @ p["linear2.weight"].T + p["linear2.bias"], p["norm2.weight"], p["norm2.bias"])
    return x


def test_motion_embedding_agrees_with_a_plain_implementation():
    evaluator = small_evaluator()
    w = {name: value.double().numpy() for name, value in evaluator.model.state_dict().items()}
    mine = "motion_encoder."
    m = {name.removeprefix(mine): value for name, value in w.items() if name.startswith(mine)}
    motions = [raw_pair(9, 1), raw_pair(20, 2)]
    got = evaluator.embed_motions(motions)
    for row, motion in zip(got, motions, strict=True):
        frames = np.concatenate([motion[0, :, :258], motion[1, :, :258]], axis=-1).astype(np.float64)
        x = np.concatenate([m["query_token"], frames @ m["embed_motion.weight"].T + m["embed_motion.bias"]])
        angle = np.arange(len(x))[:, None] / 10000 ** (np.arange(0, SMALL.width, 2) / SMALL.width)
        x[:, 0::2] += np.sin(angle)
        x[:, 1::2] += np.cos(angle)
        # No padding at all here: the batch's must not be seen.
        x = _norm(_transformer(x, m, "transformer", SMALL.heads)[0], m["out_ln.weight"], m["out_ln.bias"])
        out = m["out.weight"] @ x + m["out.bias"]
        np.testing.assert_allclose(row.numpy(), 1.7 * out / np.linalg.norm(out), atol=1e-5)


def test_text_embedding_agrees_with_a_plain_implementation():
    evaluator = small_evaluator()
    w = {name: value.double().numpy() for name, value in evaluator.model.state_dict().items()}
    captions = ["two people bow", "hug"]
    got = evaluator.embed_texts(captions)
    for row, ids in zip(got, tokens(captions).numpy(), strict=True):
        x = w["token_embedding.weight"][ids] + w["positional_embedding"]
        x = _norm(_transformer(x, w, "textTransEncoder", SMALL.heads), w["text_ln.weight"], w["text_ln.bias"])
        out = w["out.weight"] @ x[ids.argmax()] + w["out.bias"]
        np.testing.assert_allclose(row.numpy(), 1.7 * out / np.linalg.norm(out), atol=1e-5)


def test_embeddings_have_the_length_of_the_latent_scale():
    evaluator = small_evaluator()
    assert evaluator.embed_motions([raw_pair(5)]).norm().item() == pytest.approx(1.7, rel=1e-5)
    assert evaluator.batch == 96


def test_normalised_and_misshapen_motions_are_refused():
    evaluator = small_evaluator()
    with pytest.raises(UserError, match="raw InterHuman numbers"):
        evaluator.embed_motions([(raw_pair(30) - 0.3) / 0.4])
    with pytest.raises(UserError, match="two people"):
        evaluator.embed_motions([raw_pair(301)])
    with pytest.raises(UserError, match="NaN"):
        evaluator.embed_motions([raw_pair(30) * torch.nan])
