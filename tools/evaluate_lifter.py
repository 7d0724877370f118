"""How well the lifter's poses fit people it has not seen, from ward cameras and with a detector's errors.

    F=data/prepared; python tools/evaluate_lifter.py --data $F/mocap,$F/simulated_2,$F/controlled,$F/controlled_2

Clips of the test splits, cut to 10 s, each filmed by one camera drawn by chance; points with 3 px of noise in 1280x720,
10 % missing, 5 % outliers 80 px away. The camera is known; the pose alone is judged. Prints a table by what people do.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from carescene.clips.taxonomy import OMNIFALL16
from carescene.errors import UserError
from carescene.evaluation.reconstructed import mpjpe, pa_mpjpe
from carescene.humans.kinematics import forward_kinematics, global_rotations
from carescene.humans.rotations import rotvec_to_matrix
from carescene.humans.skeleton import JOINT, NUM_JOINTS
from reconstruction.landmarks import free_landmarks
from reconstruction.lifter import lift, lift_samples
from reconstruction.lifter_file import LoadedLifter, load_lifter
from reconstruction.lifter_network import tangent
from reconstruction.observations import PoseLabels
from reconstruction.seen_clips import DetectorErrors, SeenClip, draw_clips, see_clip

_SAMPLES: Final = 32
# Toes and hands never move in the recordings: their deviations would always hold.
_STILL: Final = [JOINT[name] for name in ("left_foot", "right_foot", "left_hand", "right_hand")]
# Rows of the table and the frame labels that each is about.
_CLASSES: Final[dict[str, tuple[str, ...]]] = {
    "walking": ("walk",),
    "falling": ("fall",),
    "lying": ("lying", "fallen"),
    "sitting": ("sitting",),
    "sitting, lying down, getting up": ("sit_down", "lie_down", "stand_up"),
    "standing": ("standing",),
    "other": ("other", "kneel_down", "kneeling", "squat_down", "squatting", "crawl", "jump"),
}


class Scores(NamedTuple):
    """One row for each person and frame, millimetres; `within`: share of the moving joints' angles within one sigma."""

    label: np.ndarray
    error: np.ndarray
    aligned: np.ndarray
    best: np.ndarray
    best_aligned: np.ndarray
    turn_deg: np.ndarray
    within: np.ndarray


def main() -> None:
    """Film clips, lift them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folders, joined by commas")
    parser.add_argument("--weights", type=Path, help="weights file; the shipped one by default")
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=4, help="judge every so-many-th frame")
    parser.add_argument("--noise", type=float, default=3.0, help="of the points, pixels")
    parser.add_argument("--missing", type=float, default=0.1, help="share of missing points")
    parser.add_argument("--outliers", type=float, default=0.05, help="share of outliers")
    parser.add_argument("--no-gravity", action="store_true", help="do not tell the lifter what is upright")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folders = [Path(name) for name in args.data.split(",") if name]
    errors = DetectorErrors(args.noise, args.missing, args.outliers)
    lifter = load_lifter(args.weights)
    parts = []
    for number, clip in enumerate(tqdm(draw_clips(folders, args.clips, args.seed, args.split), unit="clip")):
        seen = see_clip(clip, args.seed + number, errors)
        parts.append(scores(seen, lifter, gravity_known=not args.no_gravity, every=args.every))
    sys.stdout.write(table(parts))


def scores(seen: SeenClip, lifter: LoadedLifter, *, gravity_known: bool, every: int) -> Scores:
    """How far the labels of one clip are from the truth, on the person's true body."""
    labels = lift(seen.keypoints, seen.camera, gravity_known=gravity_known, lifter=lifter)
    samples = lift_samples(seen.keypoints, seen.camera, _SAMPLES, gravity_known=gravity_known, lifter=lifter)
    rows = []
    for person in range(seen.clip.num_persons):
        frames = np.flatnonzero(labels.valid[person] & seen.clip.valid[person])[::every]
        rows.append(_person(seen, labels, samples, person, frames))
    return Scores(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))


def _person(seen: SeenClip, labels: PoseLabels, samples: np.ndarray, person: int, frames: np.ndarray) -> Scores:
    rest = torch.from_numpy(free_landmarks().rest(seen.clip.betas[person].astype(np.float64))[0])

    def joints(rotations: np.ndarray) -> np.ndarray:
        turned = torch.from_numpy(np.asarray(rotations, np.float64))
        return forward_kinematics(turned, torch.zeros(*turned.shape[:-3], 3, dtype=turned.dtype), rest)[0].numpy()

    true = rotvec_to_matrix(torch.from_numpy(seen.clip.poses[person, frames].astype(np.float64)))
    true[:, 0] = torch.from_numpy(seen.camera.rotation) @ true[:, 0]
    truth, found = joints(true.numpy()), joints(labels.rotations[person, frames])
    drawn = joints(samples[person, frames])
    every_truth = np.broadcast_to(truth[:, None], drawn.shape)
    mean = torch.from_numpy(labels.rotations[person, frames])
    w = tangent(mean, true).numpy()
    std = np.sqrt(np.diagonal(labels.covariance[person, frames], axis1=1, axis2=2))
    world, true_world = global_rotations(mean), global_rotations(true)
    turns = tangent(world, true_world).unflatten(-1, (NUM_JOINTS, 3)).norm(dim=-1).mean(-1).numpy()
    return Scores(
        seen.clip.frame_label[person, frames],
        1000 * mpjpe(found, truth).mean(-1),
        1000 * pa_mpjpe(found, truth).mean(-1),
        1000 * mpjpe(drawn, every_truth).mean(-1).min(-1),
        1000 * pa_mpjpe(drawn, every_truth).mean(-1).min(-1),
        np.rad2deg(turns),
        np.delete((np.abs(w) <= std).reshape(-1, NUM_JOINTS, 3), _STILL, axis=1).mean((1, 2)),
    )


def table(parts: Sequence[Scores]) -> str:
    """The table in Markdown."""
    every = Scores(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    lines = [
        f"| | frames | MPJPE mm | PA-MPJPE mm | best of {_SAMPLES}: MPJPE | PA-MPJPE | turned by deg | in 1 sigma % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups = {name: np.isin(every.label, [OMNIFALL16.index(label) for label in _CLASSES[name]]) for name in _CLASSES}
    for name, rows in (groups | {"all": np.ones(len(every.label), bool)}).items():
        if rows.any():
            means = [float(column[rows].mean()) for column in every[1:]]
            cells = [f"{value:.0f}" for value in means[:4]] + [f"{means[4]:.1f}", f"{100 * means[5]:.0f}"]
            lines.append(f"| {name} | {int(rows.sum())} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
