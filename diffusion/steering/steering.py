"""Steering of sampling: energies pull, projection decides, at every step on the estimate of x_0."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.errors import UserError
from diffusion.steering.bodies import bodies_of_features
from diffusion.steering.energies import Energy
from diffusion.steering.guidance import check_sane, guidance_step
from diffusion.steering.metric import Metric
from diffusion.steering.projection import Problem
from diffusion.steering.rows import ClipConstraints
from diffusion.world import World


@dataclass(frozen=True)
class SteeringConfig:
    """How to steer.

    Attributes:
        metric: which corrections are likely, see `Metric`.
        energy_from: share of sampling after which energies pull; before, the estimate is a blur without bodies.
        rounds: gradient steps for each energy at every sampling step.
        last_rounds: gradient steps at the last sampling step, whose result the network no longer mends.
        furthest_m: a body part further than this from the start means that something blew up.
    """

    metric: Metric = field(default_factory=Metric)
    energy_from: float = 0.3
    rounds: int = 2
    last_rounds: int = 4
    furthest_m: float | int = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.energy_from <= 1:
            raise UserError(f"Expected energy_from within 0..1, but got {self.energy_from}. It is a share.")
        if min(self.rounds, self.last_rounds) < 1:
            raise UserError("Expected at least 1 gradient step, but got less. Leave out the energies to have none.")


class Steering:
    """The `steer` of `MotionModel.sample_world`: changes estimates of a batch so that wishes come true.

    Args:
        clips: constraints of each clip of the batch, see `compile_constraints`; an empty list of constraints is fine.
        energies: wishes that are not linear; each holds for all clips of the batch.
        given: frames that are given and must stay, `(clip, person, frame)`.
        there: frames in which each person is there; whole clips when left out.

    Raises:
        UserError: for constraints on given frames; when called, for a weight that makes numbers explode, by name.
    """

    def __init__(
        self,
        clips: Sequence[ClipConstraints],
        energies: Sequence[Energy] = (),
        *,
        config: SteeringConfig | None = None,
        given: Bool[Tensor, "batch person frame"] | None = None,
        there: Bool[Tensor, "batch person frame"] | None = None,
    ) -> None:
        if not clips:
            raise UserError("Expected constraints for at least one clip, but got none. Pass one set per clip.")
        self.clips, self.energies, self.config = tuple(clips), tuple(energies), config or SteeringConfig()
        self._given, self._there = given, there
        self._problem = self._build(max(c.persons for c in clips), max(c.frames for c in clips), torch.device("cpu"))

    def __call__(self, world: World, progress: float) -> World:
        """The estimate with the energies lowered and all constraints met (`progress` 0..1, 1 at the last step)."""
        check_sane(world.motion, "the guidance weights of the sampler", furthest_m=self.config.furthest_m)
        if len(world.motion) != len(self.clips):
            raise UserError(
                f"Expected {len(self.clips)} clips, as there are constraints, but got {len(world.motion)}. "
                "Pass one set per clip."
            )
        problem = self._problem_for(world.motion)
        motion = world.motion
        if self.energies and progress >= self.config.energy_from:
            motion = self._lower_energies(motion, problem, progress)
        motion = problem.project(motion, progress)
        check_sane(motion, "the constraints", furthest_m=self.config.furthest_m)
        return world._replace(motion=motion.to(world.motion), event=problem.project_events(world.event))

    def residual(self, world: World) -> Float[Tensor, "batch equation"]:
        """How far each equation is off in the features (metres)."""
        return self._problem_for(world.motion).residual(world.motion)

    def _lower_energies(self, motion: Tensor, problem: Problem, progress: float) -> Tensor:
        rounds = self.config.last_rounds if progress >= 1 else self.config.rounds
        there, scale = self._presence(motion), self._scale(motion)
        for energy in self.energies:

            def value(features: Tensor, energy: Energy = energy) -> Tensor:
                return energy(bodies_of_features(features, there, scale, self.clips[0].fps))

            for _ in range(rounds):
                change = guidance_step(motion, value, problem, weight=energy.weight, progress=progress, there=there)
                motion = motion + change
                cause = f"the energy {type(energy).__name__} of weight {energy.weight:g}"
                check_sane(motion, cause, furthest_m=self.config.furthest_m)
        return motion

    def _presence(self, motion: Tensor) -> Bool[Tensor, "batch person frame"]:
        there = torch.zeros(motion.shape[:3], dtype=torch.bool, device=motion.device)
        for index, clip in enumerate(self.clips):
            there[index, : clip.persons, : clip.frames] = True
        if self._there is not None:
            persons, frames = self._there.shape[1:]
            there[:, :persons, :frames] &= self._there.to(motion.device)
        return there

    def _scale(self, motion: Tensor) -> Float[Tensor, "batch person"]:
        scale = torch.ones(motion.shape[:2], dtype=motion.dtype, device=motion.device)
        for index, clip in enumerate(self.clips):
            scale[index, : clip.persons] = (1 / clip.ratio).to(motion)
        return scale

    def _problem_for(self, motion: Tensor) -> Problem:
        """The problem at the size of the estimate, which is padded to whole patches."""
        persons, frames = motion.shape[1:3]
        if (persons, frames, motion.device) != (self._problem.persons, self._problem.frames, self._problem.device):
            self._problem = self._build(persons, frames, motion.device)
        return self._problem

    def _build(self, persons: int, frames: int, device: torch.device) -> Problem:
        fixed = None
        if self._given is not None:
            fixed = torch.zeros(len(self.clips), persons, frames, dtype=torch.bool)
            fixed[:, : self._given.shape[1], : self._given.shape[2]] = self._given.cpu()[:, :persons, :frames]
        return Problem(
            self.clips, persons=persons, frames=frames, metric=self.config.metric, fixed=fixed, device=device
        )
