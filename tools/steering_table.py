"""How exactly and how naturally a trained model is steered: places, joints and keyframes of held-out recordings.

Run it on a quiet machine: `python tools/steering_table.py --data data/prepared/mocap --clips 32`. For captions of
held-out clips it asks for 1, 5 and 20 random path points, wrist positions or whole keyframes of the very recording, and
compares ways to meet them:

    free        nothing is asked for; the standard for sliding and jerk
    overwrite   numbers asked for are overwritten in the estimate (nearest in the Euclidean sense), then plain clean-up
    finish      nothing is asked for while sampling; the finished clip is moved onto the constraints
    steered     projection at every step, then finishing

and prints what the decoded clips miss (mm), how feet slide (m/s while they stand, and relative to free), jerk (m/s^3)
and seconds per clip at batch 1. The table stands in docs/benchmarks.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from carescene.clips import Clip, load_clip
from carescene.evaluation.physics import foot_skating, jerk, sliding_fraction
from carescene.humans.rotations import rotvec_to_matrix
from diffusion import canonicalise
from diffusion.generator import MotionGenerator
from diffusion.representation import TRANS, features_to_rotations, model_joints
from diffusion.sampler import SamplerConfig
from diffusion.steering import (
    ClipConstraints,
    Constraint,
    FinishConfig,
    JointTarget,
    KeepApart,
    Keyframe,
    PlantFeet,
    Problem,
    RootPoint,
    Steering,
    compile_constraints,
    finish,
)
from diffusion.world import World

_FRAMES: Final = 100
_COUNTS: Final = (1, 5, 20)
_KINDS: Final = ("path", "wrist", "keyframe")
_WAYS: Final = ("overwrite", "finish", "steered")


@dataclass(frozen=True)
class Truth:
    """A held-out recording in the model's world, and its caption."""

    caption: str
    poses: Float[Tensor, "frame 24 3"]
    trans: Float[Tensor, "frame 3"]
    joints: Float[Tensor, "frame 22 3"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a prepared folder with a test split")
    parser.add_argument("--checkpoint", type=Path, help="weights; the bundled ones when left out")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = MotionGenerator.load(args.checkpoint)
    truths = held_out(args.data, args.clips, args.seed)
    run = _Run(generator, truths, SamplerConfig(steps=args.steps), args.seed)
    free = run.finished(run.sample(None), [run.constraints([]) for _ in truths])
    base = float(foot_skating(free, 20.0))
    real = torch.stack([truth.joints for truth in truths])
    show("asked      n  way        off max mm   95 % mm  skate m/s  ratio  sliding  jerk m/s3")
    show(_line("nothing", 0, "recorded", torch.zeros(1), real, base))
    show(_line("nothing", 0, "free", torch.zeros(1), free, base))
    for kind in _KINDS:
        for count in _COUNTS:
            asked = [ask(truth, kind, count, args.seed + index) for index, truth in enumerate(truths)]
            compiled = [run.constraints(each) for each in asked]
            for way in _WAYS:
                joints = run.joints(way, compiled)
                off = torch.cat([misses(clip, motion) for clip, motion in zip(compiled, joints, strict=True)])
                show(_line(kind, count, way, off, joints, base))
    show("")
    show("seconds per clip of 5 s at batch 1")
    for name, seconds in run.seconds().items():
        show(f"{name:34s} {seconds:.2f}")


def show(line: str) -> None:
    """Write a line at once: a table takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def held_out(folder: Path, count: int, seed: int) -> list[Truth]:
    """Random clips of the test split that are long enough and have a caption."""
    names = (folder / "splits" / "test.txt").read_text().split()
    found: list[Truth] = []
    for name in np.random.default_rng(seed).permutation(names):
        clip: Clip = load_clip(folder / "clips" / str(name))
        if clip.num_frames < _FRAMES or not clip.text or clip.fps != 20:
            continue
        poses, trans = canonicalise(torch.tensor(clip.poses[0, :_FRAMES]), torch.tensor(clip.trans[0, :_FRAMES]))
        found.append(Truth(clip.text[0], poses, trans, posed_joints(poses, trans)))
        if len(found) == count:
            break
    return found


def posed_joints(poses: Float[Tensor, "frame 24 3"], trans: Float[Tensor, "frame 3"]) -> Float[Tensor, "frame 22 3"]:
    """Joints of the reference body, to which all recordings were retargeted."""
    return model_joints(rotvec_to_matrix(poses), trans)


def ask(truth: Truth, kind: str, count: int, seed: int) -> list[Constraint]:
    """Constraints at random times that the recording fulfils."""
    frames = np.random.default_rng(seed).choice(np.arange(1, _FRAMES), count, replace=False)
    asked: list[Constraint] = []
    for frame in sorted(int(frame) for frame in frames):
        if kind == "path":
            x, y = truth.trans[frame, :2].tolist()
            asked.append(RootPoint(0, frame / 20, x, y))
        elif kind == "wrist":
            name = "left_wrist" if seed % 2 else "right_wrist"
            x, y, z = truth.joints[frame, 20 if seed % 2 else 21].tolist()
            asked.append(JointTarget(0, frame / 20, name, x, y, z))
        else:
            asked.append(Keyframe(0, frame / 20, truth.poses[frame].numpy(), truth.trans[frame].numpy()))
    return asked


def misses(clip: ClipConstraints, joints: Float[Tensor, "frame 22 3"]) -> Float[Tensor, "miss"]:
    """Distances (m) from what is asked for, of equations and of the joints of keyframes."""
    off = (clip.rows.value - clip.rows.apply(joints[None].double())).abs()
    if not len(clip.poses):
        return off
    wanted = posed_joints(clip.poses[:, :24].float(), clip.poses[:, 24].float())
    return torch.cat((off, (joints[clip.pose_at[:, 1]] - wanted).norm(dim=-1).flatten().double()))


class _Run:
    def __init__(self, generator: MotionGenerator, truths: list[Truth], sampler: SamplerConfig, seed: int) -> None:
        self.generator, self.truths, self.sampler, self.seed = generator, truths, sampler, seed

    def constraints(self, asked: list[Constraint]) -> ClipConstraints:
        return compile_constraints(asked, persons=1, frames=_FRAMES, canonical=bool(asked))

    def sample(
        self, steer: Callable[[World, float], World] | None, chosen: slice = slice(None)
    ) -> Float[Tensor, "clip frame 201"]:
        captions = [truth.caption for truth in self.truths][chosen]
        seeds = [self.seed + index for index in range(len(self.truths))][chosen]
        text = self.generator.encoder.encode(captions)
        world = self.generator.model.sample_world(
            text.tokens, text.mask, [_FRAMES] * len(captions), seeds, self.sampler, steer=steer
        )
        return world.motion[:, 0, :_FRAMES]

    def finished(self, motion: Tensor, clips: list[ClipConstraints]) -> Float[Tensor, "clip frame 22 3"]:
        done = [finish(one[None], clip).motion[0] for one, clip in zip(motion, clips, strict=True)]
        return _posed(torch.stack(done)).float()

    def joints(self, way: str, clips: list[ClipConstraints]) -> Float[Tensor, "clip frame 22 3"]:
        if way == "steered":
            return self.finished(self.sample(Steering(clips)), clips)
        if way == "finish":
            return self.finished(self.sample(None), clips)
        problem = Problem(clips, frames=_FRAMES)
        empty = [self.constraints([]) for _ in clips]
        return self.finished(self.sample(lambda world, _: overwrite(world, problem)), empty)

    def seconds(self) -> dict[str, float]:
        """Median of three clips, each way once to warm up."""
        first = [compile_constraints(ask(self.truths[0], "path", 5, self.seed), persons=1, frames=_FRAMES)]
        energies = [PlantFeet(), KeepApart()]
        ways: dict[str, Callable[[World, float], World] | None] = {
            "free": None,
            "5 path points": Steering(first),
            "5 path points, two energies": Steering(first, energies),
        }
        result = {name: _median(lambda steer=steer: self.sample(steer, slice(0, 1))) for name, steer in ways.items()}
        motion = self.sample(Steering(first), slice(0, 1))
        result["finishing"] = _median(lambda: finish(motion, first[0], config=FinishConfig()))
        return result


def overwrite(world: World, problem: Problem) -> World:
    """The Euclidean projection A^T (A A^T)^-1 (b - A x), which moves only the numbers that are asked for."""
    motion = world.motion.double().clone()
    for index, (clip, features) in enumerate(zip(problem.clips, problem.key_features, strict=True)):
        motion[index, clip.pose_at[:, 0], clip.pose_at[:, 1]] = features
    off = problem.residual(motion)
    for index in range(len(motion)):
        rows, frames = problem.atom_row[index], problem.atom_frame[index]
        coef = problem.atom_coef[index]
        share = off[index][rows] / coef.square().sum(-1).clamp(min=1e-12)
        motion[index, 0].index_add_(0, frames, share[:, None] * coef)
    return world._replace(motion=motion.to(world.motion))


def _posed(motion: Float[Tensor, "clip frame 201"]) -> Float[Tensor, "clip frame 22 3"]:
    return model_joints(features_to_rotations(motion), motion[..., TRANS])


def _median(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[1]


def _line(kind: str, count: int, way: str, off: Tensor, joints: Float[Tensor, "clip frame 22 3"], base: float) -> str:
    skate = float(foot_skating(joints, 20.0))
    slides, shake = float(sliding_fraction(joints, 20.0)), float(jerk(joints, 20.0))
    worst, usual = float(off.max()) * 1000, float(off.quantile(0.95)) * 1000
    return (
        f"{kind:9s} {count:2d}  {way:10s} {worst:10.4f} {usual:9.4f} {skate:10.3f} {skate / base:6.2f} "
        f"{slides:8.3f} {shake:10.1f}"
    )


if __name__ == "__main__":
    main()
