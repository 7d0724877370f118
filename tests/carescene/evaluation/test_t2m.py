"""The T2M evaluator: published layout, a plain second implementation, and the known mistakes, which cannot be made."""

import numpy as np
import pytest
import torch

from carescene.clips.formats.humanml3d import Statistics, read_statistics
from carescene.errors import UserError
from carescene.evaluation.t2m import MotionEncoder, MovementEncoder, T2MEvaluator, TextEncoder, check_statistics
from carescene.evaluation.t2m_words import WordVectors, frame_tokens, load_words

# Names and shapes in the published finest.tar (text-to-motion, networks/modules.py and its options).
PUBLISHED = {
    "movement": {
        "main.0.weight": (512, 259, 4),
        "main.0.bias": (512,),
        "main.3.weight": (512, 512, 4),
        "main.3.bias": (512,),
        "out_net.weight": (512, 512),
        "out_net.bias": (512,),
    },
    "motion": {
        "hidden": (2, 1, 1024),
        "input_emb.weight": (1024, 512),
        "input_emb.bias": (1024,),
        **{f"gru.weight_{kind}_l0{end}": (3072, 1024) for kind in ("ih", "hh") for end in ("", "_reverse")},
        **{f"gru.bias_{kind}_l0{end}": (3072,) for kind in ("ih", "hh") for end in ("", "_reverse")},
        "output_net.0.weight": (1024, 2048),
        "output_net.0.bias": (1024,),
        "output_net.1.weight": (1024,),
        "output_net.1.bias": (1024,),
        "output_net.3.weight": (512, 1024),
        "output_net.3.bias": (512,),
    },
    "text": {
        "hidden": (2, 1, 512),
        "pos_emb.weight": (300, 15),
        "pos_emb.bias": (300,),
        "input_emb.weight": (512, 300),
        "input_emb.bias": (512,),
        **{f"gru.weight_{kind}_l0{end}": (1536, 512) for kind in ("ih", "hh") for end in ("", "_reverse")},
        **{f"gru.bias_{kind}_l0{end}": (1536,) for kind in ("ih", "hh") for end in ("", "_reverse")},
        "output_net.0.weight": (512, 1024),
        "output_net.0.bias": (512,),
        "output_net.1.weight": (512,),
        "output_net.1.bias": (512,),
        "output_net.3.weight": (512, 512),
        "output_net.3.bias": (512,),
    },
}
WORDS = ("unk", "sos", "eos", "a", "person", "walk", "slowly")
CAPTION = ("a/DET", "person/NOUN", "walk/VERB", "slowly/ADV")


def evaluator_std() -> np.ndarray:
    """The seven published values of t2m_std.npy."""
    blocks = ((1, 0.000515), (2, 0.000677), (1, 0.006121), (63, 0.12256), (126, 0.30039), (66, 0.01954), (4, 0.014095))
    return np.concatenate([np.full(count, value) for count, value in blocks])


def raw_motion(frames: int, seed: int = 0) -> torch.Tensor:
    """Numbers that look like raw HumanML3D features: rotations are unit vectors."""
    generator = torch.Generator().manual_seed(seed)
    motion = torch.randn(frames, 263, generator=generator) * torch.from_numpy(evaluator_std()).float()
    rotations = torch.randn(frames, 42, 3, generator=generator)
    motion[:, 67:193] = torch.nn.functional.normalize(rotations, dim=-1).flatten(1)
    return motion


def small_evaluator() -> T2MEvaluator:
    torch.manual_seed(0)
    words = WordVectors(np.random.default_rng(0).normal(size=(7, 300)), {word: at for at, word in enumerate(WORDS)})
    mean = np.linspace(-0.2, 0.2, 263)
    return T2MEvaluator(
        MovementEncoder(259, 8, 8), MotionEncoder(8, 16, 6), TextEncoder(hidden=12, outputs=6),
        Statistics(mean, evaluator_std()), words,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [("movement", MovementEncoder), ("motion", MotionEncoder), ("text", TextEncoder)]
)
def test_layout_is_the_published_one(name, kind):
    with torch.device("meta"):
        module = kind()
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == PUBLISHED[name]


# ------------------------------------------------------------------------------------- a second implementation, plain


def _leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def _conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    padded = np.concatenate([np.zeros((1, x.shape[1])), x, np.zeros((1, x.shape[1]))])
    return np.stack([np.einsum("oik,ki->o", weight, padded[at : at + 4]) + bias for at in range(0, len(padded) - 3, 2)])


def _gru(x: np.ndarray, state: np.ndarray, w: dict[str, np.ndarray], end: str) -> np.ndarray:
    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    for row in x:
        left = w[f"gru.weight_ih_l0{end}"] @ row + w[f"gru.bias_ih_l0{end}"]
        right = w[f"gru.weight_hh_l0{end}"] @ state + w[f"gru.bias_hh_l0{end}"]
        (r, z, n), (r2, z2, n2) = np.split(left, 3), np.split(right, 3)
        reset, update = sigmoid(r + r2), sigmoid(z + z2)
        new = np.tanh(n + reset * n2)
        state = (1 - update) * new + update * state
    return state


def _summed_up(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    x = x @ w["input_emb.weight"].T + w["input_emb.bias"]
    first = w["hidden"][:, 0]
    both = np.concatenate([_gru(x, first[0], w, ""), _gru(x[::-1], first[1], w, "_reverse")])
    hidden = w["output_net.0.weight"] @ both + w["output_net.0.bias"]
    hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5)
    hidden = _leaky(hidden * w["output_net.1.weight"] + w["output_net.1.bias"])
    return w["output_net.3.weight"] @ hidden + w["output_net.3.bias"]


def _weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in module.state_dict().items()}


def test_motion_embedding_agrees_with_a_plain_implementation():
    evaluator = small_evaluator()
    motions = [raw_motion(frames, seed=frames) for frames in (196, 43, 120, 8)]
    got = evaluator.embed_motions(motions)
    movement, motion = _weights(evaluator._movement), _weights(evaluator._motion)
    mean = np.linspace(-0.2, 0.2, 263)
    for row, raw in zip(got, motions, strict=True):
        units = len(raw) // 4
        # As in the published loader: normalised, then zeros up to 196 frames.
        padded = np.zeros((196, 259))
        padded[: 4 * units] = ((raw.double().numpy() - mean) / evaluator_std())[: 4 * units, :259]
        x = _leaky(_conv(padded, movement["main.0.weight"], movement["main.0.bias"]))
        x = _leaky(_conv(x, movement["main.3.weight"], movement["main.3.bias"]))
        x = x @ movement["out_net.weight"].T + movement["out_net.bias"]
        np.testing.assert_allclose(row.numpy(), _summed_up(x[:units], motion), atol=2e-5)


def test_text_embedding_agrees_with_a_plain_implementation():
    evaluator = small_evaluator()
    captions = [("a/DET", "walk/NOUN"), CAPTION, ("dog/NOUN", "walk/VERB", "slowly/ADJ")]
    got = evaluator.embed_texts(captions)
    weights = _weights(evaluator._text)
    vectors = np.random.default_rng(0).normal(size=(7, 300)).astype(np.float32)
    parts = ["VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV"]
    parts += ["Loc_VIP", "Body_VIP", "Obj_VIP", "Act_VIP", "Desc_VIP", "OTHER"]
    special = {"walk": "Act_VIP", "slowly": "Desc_VIP"}
    for row, caption in zip(got, captions, strict=True):
        steps = []
        for token in ("sos/OTHER", *caption, "eos/OTHER"):
            word, part = token.split("/")
            known = word in WORDS
            one_hot = np.eye(15)[parts.index(special.get(word, part) if known else "OTHER")]
            position = weights["pos_emb.weight"] @ one_hot + weights["pos_emb.bias"]
            steps.append(vectors[WORDS.index(word if known else "unk")] + position)
        np.testing.assert_allclose(row.numpy(), _summed_up(np.stack(steps), weights), atol=2e-5)


def test_embeddings_keep_the_order_of_what_came_in():
    evaluator = small_evaluator()
    motions = [raw_motion(frames, seed=frames) for frames in (40, 120, 80)]
    together = evaluator.embed_motions(motions, batch_size=2)
    alone = torch.cat([evaluator.embed_motions([motion]) for motion in motions])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


# ------------------------------------------------------------------------------------------------- the known mistakes


def test_caption_length_bug_is_impossible():
    """A caption's length is that of its own words: what fills up the batch changes nothing."""
    evaluator = small_evaluator()
    short = evaluator.embed_texts([CAPTION])
    beside_long = evaluator.embed_texts([CAPTION, ("walk/VERB",) * 20])[:1]
    torch.testing.assert_close(short, beside_long, atol=1e-6, rtol=1e-5)
    lengths = evaluator._words.batch([frame_tokens(CAPTION), frame_tokens(("walk/VERB",) * 30)]).lengths
    assert lengths.tolist() == [6, 22]  # the bug: 22 and 22
    # Nobody can hand in padded tokens, or a length.
    with pytest.raises(UserError, match="start, end or padding"):
        evaluator.embed_texts([("sos/OTHER", *CAPTION, "eos/OTHER", "unk/OTHER", "unk/OTHER")])
    with pytest.raises(UserError, match="start, end or padding"):
        evaluator.embed_texts([(*CAPTION, "unk/OTHER")])


def test_wrong_normalisation_bug_is_impossible(shared_data):
    """Raw motion goes in and the evaluator's own statistics are applied inside: any other way is refused."""
    folder = shared_data / "humanml3d"
    own, training = read_statistics(folder, "t2m_mean.npy", "t2m_std.npy"), read_statistics(folder)
    check_statistics(own)
    with pytest.raises(UserError, match=r"HumanML3D's Std.npy, which is for training"):
        check_statistics(training)
    with pytest.raises(UserError, match="another data set"):
        check_statistics(Statistics(own.mean, np.ones(263)))
    evaluator = small_evaluator()
    for path in sorted((folder / "new_joint_vecs").glob("*.npy")):
        motion = np.load(path, allow_pickle=False)[:196]
        evaluator.embed_motions([torch.from_numpy(motion)])
        for statistics in (own, training):
            with pytest.raises(UserError, match="raw HumanML3D features"):
                evaluator.embed_motions([torch.from_numpy(statistics.normalise(motion))])


def test_bad_motions_are_named():
    evaluator = small_evaluator()
    with pytest.raises(UserError, match=r"263 features, but got \(40, 251\)"):
        evaluator.embed_motions([torch.zeros(40, 251)])
    with pytest.raises(UserError, match="cut longer ones"):
        evaluator.embed_motions([raw_motion(200)])
    broken = raw_motion(40)
    broken[3, 5] = torch.nan
    with pytest.raises(UserError, match="NaN"):
        evaluator.embed_motions([broken])


def test_bad_tokens_are_named():
    with pytest.raises(UserError, match="such as 'walk/VERB'"):
        frame_tokens(["walk"])
    with pytest.raises(UserError, match="such as 'walk/VERB'"):
        frame_tokens([])


def test_word_files_are_read_without_running_what_they_hold(tmp_path):
    import pickle

    vectors = np.random.default_rng(0).normal(size=(7, 300)).astype(np.float32)
    np.save(tmp_path / "our_vab_data.npy", vectors)
    (tmp_path / "our_vab_words.pkl").write_bytes(pickle.dumps(list(WORDS)))
    (tmp_path / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: at for at, word in enumerate(WORDS)}))
    batch = load_words(tmp_path).batch([frame_tokens(("walk/VERB",))])
    np.testing.assert_array_equal(batch.words[0, 1].numpy(), vectors[5])
    assert batch.parts[0].argmax(-1).tolist() == [14, 12, 14]
    (tmp_path / "our_vab_words.pkl").write_bytes(pickle.dumps(np.array(WORDS)))
    with pytest.raises(UserError, match="Expected words and numbers"):
        load_words(tmp_path)
    with pytest.raises(UserError, match="Expected word vectors"):
        load_words(tmp_path / "nowhere")
