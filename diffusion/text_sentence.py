"""CLIP's sentence vector, as MDM and many others condition on it: one token per text."""

from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from diffusion.text import ClipEncoder, import_clip

# MDM reads 20 tokens between start and end and drops the rest of longer captions.
SENTENCE_TOKENS: Final = 22


class ClipSentenceEncoder(ClipEncoder):
    """The vector that CLIP compares with images: the end token's state, projected (Radford et al. 2021).

    Texts are cut to 22 tokens, the last of them the end token, because MDM was trained so.

    Args:
        name: `ViT-B/32`, `ViT-L/14`, or a file in OpenAI's formats.
        cache: folder of the disk cache, or None.
    """

    def __init__(self, name: str, cache: Path | None = None) -> None:
        super().__init__(name, cache)
        self.width = int(self._network.text_projection.shape[1])
        # Other numbers than the token states of the same file.
        self.model_id = f"{self.model_id}-sentence-{SENTENCE_TOKENS}"

    def _compute(self, text: str) -> Float[Tensor, "token channel"]:
        length = min(SENTENCE_TOKENS, self._network.context_length)
        ids = import_clip().tokenize(text, context_length=length, truncate=True)
        # The network has as many positions as its context; attention is causal, so padding changes nothing.
        padded = torch.nn.functional.pad(ids, (0, self._network.context_length - length))
        return self._network.encode_text(padded)
