"""Our own text-motion encoder: sentences and motions in one space, so that the field's metrics can be taken without
the files of an official evaluator.

A motion becomes tokens of four frames by two temporal convolutions over what the action recogniser sees, and a small
transformer sums them up; a sentence is summed up from the token features of a frozen sentence encoder. Both ends are
unit vectors, trained so that a motion lies nearest to its own sentence (CLIP, Radford et al. 2021; for motion: TMR,
Petrovich et al. 2023).
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, NamedTuple

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from carescene.errors import UserError
from carescene.evaluation.diversity import facing_direction
from carescene.evaluation.recogniser import NUM_FEATURES, motion_features
from carescene.humans.skeleton import MODEL_JOINTS

# The weights that ship.
BUNDLED: Final = "text_motion.safetensors"
# What stands in the metadata of its files, so that no other file is taken for it.
FORMAT: Final = "carescene text-motion encoder 1"
# Frames per token.
STRIDE: Final = 4
# Where a person is and faces, seen from the first person's first frame: x, y, sine and cosine.
_PLACE: Final = 4


class PeopleMotion(NamedTuple):
    """Everybody's motion in one clip: joints in metres in the z-up world at 20 frames per second, and who is there."""

    joints: Float[Tensor, "person frame 22 3"]
    there: Bool[Tensor, "person frame"]


@dataclass(frozen=True)
class TextMotionConfig:
    """Size of the encoder.

    Attributes:
        width, heads, layers: of the transformers; with the defaults 0.9 million parameters, 1.8 MB as they are stored.
        embedding: numbers of an embedding; few, so that some hundred clips fill a covariance.
        text_width: channels of a token of the frozen sentence encoder (MiniLM: 384).
        dropout: in training.
        fps: frame rate of all motions.
    """

    width: int = 128
    heads: int = 4
    layers: int = 2
    embedding: int = 128
    text_width: int = 384
    dropout: float = 0.1
    fps: float = 20.0


class TextMotionEncoder(nn.Module):
    """Embeds motions and sentences; make one with `train_text_motion`, load the shipped one with `load_text_motion`."""

    def __init__(self, config: TextMotionConfig | None = None) -> None:
        super().__init__()
        self.config = config or TextMotionConfig()
        width = self.config.width
        # Two convolutions in place of one long one: a heel strike lasts two frames.
        self.stem = nn.Conv1d(NUM_FEATURES + _PLACE, width, kernel_size=5, padding=2, stride=2)
        self.stem_norm = nn.LayerNorm(width)
        self.tokens = nn.Conv1d(width, width, kernel_size=5, padding=2, stride=2)
        self.person = nn.Embedding(2, width)  # the first person, and others
        self.motion_tower = _Tower(self.config)
        self.words = nn.Linear(self.config.text_width, width)
        self.text_tower = _Tower(self.config)
        # Starts at 14, as in CLIP.
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_motion(
        self, joints: Float[Tensor, "batch person frame 22 3"], there: Bool[Tensor, "batch person frame"]
    ) -> Float[Tensor, "batch embedding"]:
        """Unit vectors of motions, blind to where in the world and in which direction they begin.

        Args:
            joints: metres, z up; anything where nobody is.
            there: frames in which a person is there; the first person must be in the first frame.
        """
        batch, persons = there.shape[:2]
        # A person who is not there stands where the last one stood, so that nothing jumps to the origin.
        flat, mask = joints.flatten(0, 1), there.flatten(0, 1)
        features = torch.cat((motion_features(flat, mask, self.config.fps), _places(joints, there).flatten(0, 1)), -1)
        x = F.gelu(self.stem_norm(self.stem(features.transpose(1, 2)).transpose(1, 2)))
        x = x * mask[:, ::2, None]
        x = self.tokens(x.transpose(1, 2)).transpose(1, 2)
        x = x + _time_code(x.shape[1], x.shape[2]).to(x)
        who = torch.arange(persons, device=x.device).clamp(max=1).repeat(batch)
        x = x + self.person(who)[:, None]
        kept = mask[:, ::STRIDE]
        return self.motion_tower(
            x.unflatten(0, (batch, persons)).flatten(1, 2), kept.unflatten(0, (batch, persons)).flatten(1, 2)
        )

    def embed_text(
        self, tokens: Float[Tensor, "batch token channel"], mask: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch embedding"]:
        """Unit vectors of sentences, from token features of the frozen sentence encoder."""
        x = self.words(tokens)
        return self.text_tower(x + _time_code(x.shape[1], x.shape[2]).to(x), mask)


class TextMotionEvaluator:
    """The encoder with its sentence encoder: motions and captions in, embeddings out.

    Args:
        model: the trained encoder; put into evaluation mode.
        encode: frozen sentence encoder, texts -> (token features, mask), as `diffusion.text.TextEncoder.encode`.
        digest: identity of the weights.

    Attributes:
        name: stands beside every number that comes from this evaluator; `key` where a name has no spaces.
        batch: captions among which R-precision looks for the right one.
    """

    batch = 32

    def __init__(
        self, model: TextMotionEncoder, encode: Callable[[list[str]], tuple[Tensor, Tensor]], digest: str
    ) -> None:
        self.model, self._encode, self.digest = model.eval(), encode, digest
        self.name = f"carescene text-motion ({digest[:8]})"
        self.key = f"text-motion-{digest[:8]}"

    @torch.no_grad()
    def embed_motions(self, motions: Sequence[PeopleMotion], batch_size: int = 64) -> Float[Tensor, "motion embedding"]:
        """Embeddings of motions, in their order.

        Raises:
            UserError: fewer than four frames, other joints, or numbers that are not finite.
        """
        order = sorted(range(len(motions)), key=lambda at: motions[at].there.shape)
        parts = []
        for start in range(0, len(order), batch_size):
            joints, there = pad_people([motions[at] for at in order[start : start + batch_size]])
            parts.append(self.model.embed_motion(joints, there))
        return _back_in_order(parts, order, self.model.config.embedding)

    @torch.no_grad()
    def embed_texts(self, captions: Sequence[str], batch_size: int = 256) -> Float[Tensor, "caption embedding"]:
        """Embeddings of captions, in their order."""
        order = sorted(range(len(captions)), key=lambda at: len(captions[at]))
        parts = []
        for start in range(0, len(order), batch_size):
            tokens, mask = self._encode([captions[at] for at in order[start : start + batch_size]])
            parts.append(self.model.embed_text(tokens, mask))
        return _back_in_order(parts, order, self.model.config.embedding)


def pad_people(
    motions: Sequence[PeopleMotion],
) -> tuple[Float[Tensor, "batch person frame 22 3"], Bool[Tensor, "batch person frame"]]:
    """Motions of different lengths and numbers of people as one batch; the last frame is repeated where nobody is.

    Raises:
        UserError: fewer than four frames of the first person, other joints, or numbers that are not finite.
    """
    for motion in motions:
        frames, joints = motion.joints.shape[1:3]
        if joints != MODEL_JOINTS or int(motion.there[0].sum()) < STRIDE or not bool(motion.there[0, 0]):
            raise UserError(
                f"Expected motions of {MODEL_JOINTS} joints with the first person in at least {STRIDE} frames from the "
                f"first on, but got {joints} joints and {int(motion.there[0].sum())} of {frames} frames. Leave it out."
            )
        if not bool(motion.joints[motion.there].isfinite().all()):
            raise UserError("Expected finite joints, but got NaN or infinity. The clip holds broken poses; find it.")
    persons = max(len(motion.there) for motion in motions)
    frames = max(motion.there.shape[1] for motion in motions)
    joints = torch.zeros(len(motions), persons, frames, MODEL_JOINTS, 3)
    there = torch.zeros(len(motions), persons, frames, dtype=torch.bool)
    for row, motion in enumerate(motions):
        count, length = motion.there.shape
        there[row, :count, :length] = motion.there
        for person in range(count):
            known = motion.there[person].nonzero()[:, 0]
            if len(known):
                # The nearest earlier frame in which the person was there, else the first one.
                rows = (torch.searchsorted(known, torch.arange(frames), right=True) - 1).clamp(min=0)
                joints[row, person] = motion.joints[person, known[rows]].float()
    return joints, there


def load_text_motion(
    encode: Callable[[list[str]], tuple[Tensor, Tensor]], path: Path | None = None
) -> TextMotionEvaluator:
    """The evaluator of a weights file; the shipped one when None.

    Raises:
        UserError: no such file, a damaged one, or one of another kind.
    """
    with ExitStack() as stack:
        found = path or stack.enter_context(as_file(files("carescene") / "assets" / BUNDLED))
        if not found.is_file():
            raise UserError(
                f"Expected the text-motion encoder at '{found}', but there is no such file. Train one with "
                "`python tools/train_text_motion.py`, or correct the path."
            )
        content = found.read_bytes()
        try:
            with safetensors.safe_open(found, framework="pt") as file:
                metadata = file.metadata() or {}
                weights: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except safetensors.SafetensorError as error:
            raise UserError(f"Expected a text-motion encoder in '{found}', but it is damaged ({error}).") from error
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"Expected a file with format '{FORMAT}' at '{found}', but got '{metadata.get('format', 'none')}'. "
            "It holds another model; give the file that tools/train_text_motion.py wrote."
        )
    defaults = asdict(TextMotionConfig())
    config = TextMotionConfig(**{name: type(value)(metadata[name]) for name, value in defaults.items()})
    model = TextMotionEncoder(config)
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return TextMotionEvaluator(model, encode, sha256(content).hexdigest()[:16])


def text_motion_bytes(model: TextMotionEncoder, notes: dict[str, str]) -> bytes:
    """The content of a weights file: half precision, with the config and notes (data, licence) beside it."""
    config = {name: str(value) for name, value in asdict(model.config).items()}
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    return safetensors.torch.save(weights, notes | config | {"format": FORMAT})


class _Tower(nn.Module):
    """A transformer over masked tokens, and a question asked of all of them, whose answer is the embedding."""

    def __init__(self, config: TextMotionConfig) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            2 * config.width,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)
        self.question = nn.Linear(config.width, config.heads)
        self.out = nn.Linear(config.heads * config.width, config.embedding)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm(self.layers(x, src_key_padding_mask=~mask))
        weight = self.question(x).masked_fill(~mask[..., None], -torch.inf).softmax(1)
        pooled = torch.einsum("btw,bth->bhw", x, weight).flatten(1)
        return F.normalize(self.out(pooled), dim=-1)


def _places(joints: Tensor, there: Tensor) -> Tensor:
    """Where everybody is and faces, seen from the first person's first frame."""
    ahead = facing_direction(joints)
    first = ahead[:, :1, :1]
    side = torch.stack((-first[..., 1], first[..., 0]), dim=-1)
    offset = joints[..., 0, :2] - joints[:, :1, :1, 0, :2]
    parts = [
        (offset * first).sum(-1) / 2,
        (offset * side).sum(-1) / 2,
        (ahead * side).sum(-1),
        (ahead * first).sum(-1),
    ]
    return torch.stack(parts, dim=-1) * there[..., None]


def _time_code(length: int, width: int) -> Tensor:
    """Sines and cosines of the position (Vaswani et al. 2017), a fifth as large as unit features."""
    position = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    return 0.2 * torch.stack((position.sin(), position.cos()), dim=-1).flatten(1)[:, :width]


def _back_in_order(parts: list[Tensor], order: list[int], width: int) -> Tensor:
    rows = torch.cat(parts) if parts else torch.zeros(0, width)
    out = torch.empty_like(rows)
    out[torch.tensor(order, dtype=torch.long)] = rows
    return out
