"""Captions as the T2M evaluator reads them: GloVe vectors and parts of speech, with lengths that cannot be wrong.

In several published code bases a caption's length was taken after padding and was therefore always 22, which spoils
R-precision. Here a caption is a list of its own tokens until it becomes a batch, and its length is counted there.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from carescene.errors import UserError

WORD_WIDTH: Final = 300
# Longest caption, without the words for its start and end.
MAX_WORDS: Final = 20
START: Final = "sos/OTHER"
END: Final = "eos/OTHER"
UNKNOWN: Final = "unk/OTHER"

_PARTS: Final = (
    *("VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV"),
    *("Loc_VIP", "Body_VIP", "Obj_VIP", "Act_VIP", "Desc_VIP", "OTHER"),
)
POS_CLASSES: Final = len(_PARTS)
_OTHER: Final = _PARTS.index("OTHER")
# Words that matter for motion have classes of their own, whatever their part of speech (text-to-motion, MIT licence).
_SPECIAL: Final[dict[str, str]] = {
    "Loc_VIP": "left right clockwise counterclockwise anticlockwise forward back backward up down straight curve",
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift lower raise "
    "wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread climb",
    "Desc_VIP": "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly",
}
_CLASS_OF: Final = {word: name for name, words in reversed(_SPECIAL.items()) for word in words.split()}


class WordBatch(NamedTuple):
    """Padded word vectors and parts of speech, and how many tokens of each caption are its own."""

    words: Float[Tensor, "caption token 300"]
    parts: Float[Tensor, "caption token 15"]
    lengths: Int[Tensor, "caption"]


def frame_tokens(tokens: Sequence[str]) -> list[str]:
    """Tokens of a caption between the words for its start and end, at most 20 of its own.

    Args:
        tokens: `word/PART`, as in HumanML3D's text files; not framed, not padded.

    Raises:
        UserError: no tokens, one without a part of speech, or tokens that were framed or padded before.
    """
    if not tokens or any("/" not in token for token in tokens):
        raise UserError(
            f"Expected tokens such as 'walk/VERB', but got {list(tokens)[:5]}. Pass the second field of a line of "
            "HumanML3D's texts, split at spaces."
        )
    if START in tokens or END in tokens or tokens[-1] == UNKNOWN:
        raise UserError(
            "Expected the tokens of a caption alone, but got some with start, end or padding. Lengths are counted "
            "here; pass them as the text file holds them."
        )
    return [START, *tokens[:MAX_WORDS], END]


class WordVectors:
    """GloVe vectors of the evaluator's vocabulary (`glove/our_vab_*`).

    Args:
        vectors: one row per word.
        rows: row of each word; must know `unk`.

    Raises:
        UserError: another width, rows that do not exist, or no vector for unknown words.
    """

    def __init__(self, vectors: Float[np.ndarray, "word 300"], rows: dict[str, int]) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != WORD_WIDTH or "unk" not in rows:
            raise UserError(
                f"Expected word vectors of {WORD_WIDTH} numbers with one for 'unk', but got {vectors.shape}. "
                "The glove folder holds another vocabulary; fetch HumanML3D's our_vab files."
            )
        if rows and not 0 <= min(rows.values()) <= max(rows.values()) < len(vectors):
            raise UserError("Expected a vector for every word, but the index points past the end. Fetch glove/ anew.")
        self._vectors, self._rows = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32)), rows

    def batch(self, captions: Sequence[Sequence[str]]) -> WordBatch:
        """Vectors, one-hot parts of speech and lengths of framed captions (see `frame_tokens`)."""
        lengths = torch.tensor([len(tokens) for tokens in captions])
        words = torch.zeros(len(captions), int(lengths.max()), WORD_WIDTH)
        parts = torch.zeros(len(captions), int(lengths.max()), POS_CLASSES)
        for row, tokens in enumerate(captions):
            for at, token in enumerate(tokens):
                vector, part = self._look_up(token)
                words[row, at] = self._vectors[vector]
                parts[row, at, part] = 1.0
        return WordBatch(words, parts, lengths)

    def _look_up(self, token: str) -> tuple[int, int]:
        word, part = token.rsplit("/", 1)
        if word not in self._rows:
            return self._rows["unk"], _OTHER
        name = _CLASS_OF.get(word, part)
        return self._rows[word], _PARTS.index(name) if name in _PARTS else _OTHER


def load_words(folder: Path) -> WordVectors:
    """Word vectors of a `glove` folder: our_vab_data.npy, our_vab_words.pkl and our_vab_idx.pkl.

    Raises:
        UserError: missing or damaged files, or ones that hold more than words and numbers.
    """
    try:
        vectors = np.load(folder / "our_vab_data.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"Expected word vectors in '{folder / 'our_vab_data.npy'}', but got: {error}.") from error
    words, rows = _plain(folder / "our_vab_words.pkl"), _plain(folder / "our_vab_idx.pkl")
    if not isinstance(words, list) or not isinstance(rows, dict) or not all(word in rows for word in words):
        raise UserError(f"Expected a list of words and their rows in '{folder}', but got others. Fetch glove/ anew.")
    return WordVectors(vectors, {str(word): int(rows[word]) for word in words})


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, dicts, strings and numbers, and refuses everything that could run code."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"it refers to {module_name}.{global_name}")


def _plain(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file).load()
    except (OSError, pickle.UnpicklingError, EOFError, ValueError, IndexError, AttributeError) as error:
        raise UserError(
            f"Expected words and numbers in '{path}', but got: {error}. Fetch HumanML3D's glove folder anew."
        ) from error
