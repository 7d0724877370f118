"""Physics of whole sets of clips, real or generated, by one path: pose the body, measure, pool, and compare."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.evaluation import physics
from carescene.evaluation.physics import Total
from carescene.humans.body import Body
from carescene.humans.skeleton import MODEL_JOINTS


@dataclass(frozen=True)
class Measure:
    """One number about a set of clips: what it is, its unit, and how far generated clips may be from real ones.

    A generated set passes when its value is at most `factor` times the real one plus `slack`.
    """

    text: str
    unit: str
    factor: float | None = None
    slack: float = 0.0

    def limit(self, real: float) -> float | None:
        """Largest value that passes beside this real one; None when the measure is only reported."""
        return None if self.factor is None else self.factor * real + self.slack


# The bounds are those that the project sets itself: skating at most 1.3 times, jerk at most 1.2 times, penetration at
# most 1 cm above the real test split's.
MEASURES: Final[dict[str, Measure]] = {
    "skating": Measure("mean speed of standing feet", "m/s", factor=1.3),
    "sliding": Measure("stance intervals faster than 0.15 m/s", "share"),
    "support": Measure("mean speed of the slowest foot point near the floor", "m/s"),
    "jerk": Measure("mean third derivative of joint positions", "m/s3", factor=1.2),
    "penetration": Measure("mean depth of the lowest vertex below the floor", "m", factor=1.0, slack=0.01),
    "deepest": Measure("mean over clips of the deepest penetration", "m", factor=1.0, slack=0.01),
    "floating": Measure("frames with nothing within 5 cm of the floor", "share"),
}

# Sum and count of each measure for one clip; clips are pooled by adding both.
ClipScore = Mapping[str, tuple[float, float]]

# Frames posed at once: bounds memory at some 100 MB whatever a clip's length.
_CHUNK: Final = 256


def person_motion(clip: Clip, person: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Poses `(frame, 24, 3)`, pelvis positions `(frame, 3)` and betas `(10,)` of the frames a person is there.

    Raises:
        UserError: when the person is valid in fewer than four frames, too few for any derivative.
    """
    valid = clip.valid[person]
    if valid.sum() < 4:
        raise UserError(
            f"Clip '{clip.id}': expected at least 4 valid frames of person {person}, but got {int(valid.sum())}. "
            "Too short to be measured; leave it out."
        )
    poses, trans = clip.poses[person][valid], clip.trans[person][valid]
    return (
        torch.from_numpy(poses).float(),
        torch.from_numpy(trans).float(),
        torch.from_numpy(clip.betas[person]).float(),
    )


def score_clip(clip: Clip, body: Body) -> ClipScore:
    """Every measure of `MEASURES` for the first person of a clip, as sum and count.

    Args:
        clip: metres, z up, floor at z = 0.
        body: poses the clip's shape; its mesh meets the floor, its joints skate and jerk.

    Raises:
        UserError: fewer than four valid frames.
    """
    poses, trans, betas = person_motion(clip)
    joints, lowest = [], []
    for start in range(0, len(poses), _CHUNK):
        part = slice(start, start + _CHUNK)
        mesh = body.pose(poses[part], trans[part], betas.expand(len(poses[part]), 10))
        joints.append(mesh.joints[:, :MODEL_JOINTS])
        # Only the lowest vertex of each frame matters from here on.
        frame = torch.arange(len(mesh.vertices))
        lowest.append(mesh.vertices[frame, mesh.vertices[..., 2].argmin(-1)])
    positions, points = torch.cat(joints), torch.cat(lowest)[:, None]
    totals = {
        "skating": physics.foot_skating_total(positions, clip.fps),
        "sliding": physics.sliding_total(positions, clip.fps),
        "support": physics.support_speed_total(positions, clip.fps),
        "jerk": physics.jerk_total(positions, clip.fps),
        "penetration": physics.penetration_total(points),
        "deepest": Total(physics.penetration_depth(points).amax(), torch.tensor(1)),
        "floating": physics.floating_total(points),
    }
    return {name: (float(total.sum), float(total.count)) for name, total in totals.items()}


def score_clips(clips: Iterable[Clip], body: Body, on_clip: Callable[[], object] | None = None) -> list[ClipScore]:
    """`score_clip` of each clip; `on_clip` is called after each, for progress bars."""
    scores = []
    for clip in clips:
        scores.append(score_clip(clip, body))
        if on_clip is not None:
            on_clip()
    return scores


def pool(scores: Sequence[ClipScore]) -> dict[str, float]:
    """Values of a set of clips: sums over counts (not means of clip means: a clip with few stances weighs little)."""
    table = _table(scores)
    return dict(zip(MEASURES, (table[..., 0].sum(0) / table[..., 1].sum(0).clip(min=1)).tolist(), strict=True))


def ratio_intervals(
    generated: Sequence[ClipScore], real: Sequence[ClipScore], draws: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap interval, over clips of both sets, of the generated value over the real one.

    Measures whose real value is zero in a draw count as infinite there.
    """
    rng = np.random.default_rng(seed)

    def values(table: Float[np.ndarray, "clip measure 2"]) -> np.ndarray:
        weights = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=draws)
        sums = np.einsum("dc,cmk->dmk", weights, table)
        return sums[..., 0] / sums[..., 1].clip(min=1)

    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.nan_to_num(values(_table(generated)) / values(_table(real)), nan=1.0, posinf=np.inf)
    low, high = np.quantile(ratios, (0.025, 0.975), axis=0, method="nearest")
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(MEASURES)}


def _table(scores: Sequence[ClipScore]) -> Float[np.ndarray, "clip measure 2"]:
    if not scores:
        raise UserError("Expected at least one clip to score, but got none. Check the folder and the split.")
    return np.array([[score[name] for name in MEASURES] for score in scores], dtype=np.float64)
