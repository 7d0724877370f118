"""Levenberg-Marquardt over all people of a video: one step is one outer iteration.

People are independent of each other once the shared unknowns are given: each person's chain is factorised on its own,
its share of the border is taken off the shared equations (Schur complement), and its step follows from theirs. Where
people touch, each sees the others where they were before the step, with the curvature doubled: a block-coordinate
majoriser, so that a step still lowers the energy. Kernels, contacts and surfaces are refreshed before each step.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from carescene.humans.turns import exp_turn
from carescene.rendering.camera import lens_folds
from reconstruction.block_cholesky import NotPositiveError
from reconstruction.camera_parameters import camera_of
from reconstruction.chains import make_chains
from reconstruction.contacts import (
    chain_joints,
    contact_places,
    contact_probability,
    other_spheres,
    surfaces_near,
)
from reconstruction.energy import chain_energy
from reconstruction.initial import complete_labels, initial_state
from reconstruction.landmarks import LandmarkModel, free_landmarks
from reconstruction.normal_equations import Collector
from reconstruction.placing import moved_places
from reconstruction.posed import FREE_JOINTS, world_rotations
from reconstruction.problem import Problem, State
from reconstruction.reduction import Elimination, ReducedChain
from reconstruction.residuals_prior import common_energy, shape_energy
from reconstruction.schedule import STAGES, Run, SolverOptions
from reconstruction.window import (
    AFFINITY,
    BETAS,
    CAMERA,
    NUM_COMMON,
    OFFSET_BASIS,
    OFFSETS,
    Common,
    Context,
)

_START_DAMPING: Final = 1e-3
_LEAST_DAMPING: Final = 1e-6
_MOST_DAMPING: Final = 1e6
# A step that went too far is shortened before the equations are solved again: that costs a tenth of solving.
_SHORTER: Final = (1.0, 0.4, 0.1)
# No step turns a joint further than this, where linear slopes say nothing any more, radians.
_LONGEST_TURN: Final = 1.0


@dataclass
class Bodies:
    """The unknowns, chain by chain."""

    rotations: list[np.ndarray]
    trans: list[np.ndarray]
    betas: list[np.ndarray]
    state: State


@dataclass
class Step:
    """A change of the unknowns: of the frames of each chain, of what all share, of each chain's betas."""

    frames: list[np.ndarray]
    common: np.ndarray
    betas: np.ndarray


class Optimiser:
    """The joint optimisation of a problem, one iteration at a time.

    Args:
        problem: what to explain.
        initial: where to start; `initial_state(problem)` if not given.
        options: how to run.
        model: landmarks of the body, if not those of the bundled one.
    """

    def __init__(
        self,
        problem: Problem,
        initial: State | None = None,
        options: SolverOptions | None = None,
        model: LandmarkModel | None = None,
    ) -> None:
        self.problem, self.options = problem, options or SolverOptions()
        self.model = model or free_landmarks()
        labels = complete_labels(problem, self.model)
        self.run = Run(initial or initial_state(problem, labels, self.model))
        self.chains = make_chains(problem, labels, self.options.sigmas)
        self._skip_empty_stages()

    @property
    def done(self) -> bool:
        """Whether all stages are over."""
        return self.run.stage >= len(STAGES)

    @property
    def share(self) -> float:
        """How much of the work is done, if every stage used all its iterations; 0 to 1."""
        return self.options.share(self.run.stage, self.run.round)

    def step(self) -> dict[str, float]:
        """One outer iteration; returns the energy of every term after it, their total and what the step gained."""
        run, options = self.run, self.options
        bodies, contexts, free = self.take(run.state), self.contexts(), self._free()
        gained, energies = 0.0, {}
        while run.damping < _MOST_DAMPING and not gained:
            before, step = self.solve_step(bodies, contexts, free, run.damping)
            energies = energies or before
            for length in _SHORTER:
                if step is None:
                    continue
                trial = self.moved(bodies, step, length, free)
                if lens_folds(camera_of(trial.state.camera, self.problem.camera)):
                    continue
                after = self.energies_of(trial, contexts, free)
                gain = sum(before.values()) - sum(after.values())
                if gain > 0:
                    run.damping = max(run.damping / 4, _LEAST_DAMPING) if length == 1 else run.damping * 3
                    bodies, gained, energies = trial, gain, after
                    break
            else:
                run.damping *= 10
        if not gained:
            # Nothing lowers this energy; the next one has another kernel or other contacts.
            run.damping = _START_DAMPING
            energies = energies or self.energies_of(bodies, contexts, free)
        run.state = self._give(bodies)
        total = sum(energies.values())
        entry = energies | {
            "total": total, "gained": gained, "iteration": float(len(run.energies)), "stage": float(run.stage),
            "kernel": contexts[0].kernel, "damping": run.damping,
        }  # fmt: skip
        run.energies.append(entry)
        run.round += 1
        # A stage in which something still narrows is not over because one of its steps was small.
        small = options.settled(run.stage, run.round - 1) and gained < options.tolerance * total
        if small or run.round >= options.most(run.stage):
            run.stage, run.round, run.damping = run.stage + 1, 0, _START_DAMPING
            self._skip_empty_stages()
        return entry

    def contexts(self) -> list[Context]:
        """Kernels, contacts, surfaces and other people at the present state, one for each chain."""
        run, options = self.run, self.options
        sigmas = options.surfaces(run.stage, run.round)
        kernel = options.kernel(run.stage, run.round)
        forward = camera_of(run.state.camera, self.problem.camera).rotation[2]
        view = self.problem.camera.focal, forward, max(abs(float(run.state.affinity[0])), 1e-9)
        if run.stage < STAGES.index("contact") or options.contact_iterations == 0:
            return [Context(kernel, *view)] * len(self.chains)
        bodies = self.take(run.state)
        motions = list(zip(self.chains, bodies.rotations, bodies.trans, bodies.betas, strict=True))
        joints = [chain_joints(chain, self.model, *motion) for chain, *motion in motions]
        contexts = []
        for index, (chain, *motion) in enumerate(motions):
            places = contact_places(chain, self.model, *motion)
            surfaces, touched = surfaces_near(places, self.problem.surroundings, sigmas)
            others = [pair for at, pair in enumerate(zip(self.chains, joints, strict=True)) if at != index]
            spheres, radii = other_spheres(chain, others, self.problem.frames)
            contact = contact_probability(chain, places, touched)
            contexts.append(Context(kernel, *view, contact, surfaces, touched, spheres, radii))
        return contexts

    def eliminate(self, index: int, context: Context, ridge: float) -> Elimination:
        """The present equations of one chain, all joints and shared unknowns free, with its frames eliminated."""
        columns = np.concatenate([self.shared_unknowns(), BETAS])
        elimination = Elimination(len(self.chains[index]), 3 + 3 * len(FREE_JOINTS), columns, ridge)
        self.chain(self.take(self.run.state), index, context, FREE_JOINTS, elimination)
        return elimination

    def shared_unknowns(self) -> np.ndarray:
        """Which of the common unknowns (affinity, camera, offsets) are free."""
        free = np.zeros(NUM_COMMON, bool)
        free[AFFINITY] = self.problem.depth is not None
        free[CAMERA] = self.problem.camera_free
        free[OFFSETS] = self.options.offsets
        return np.flatnonzero(free)

    def common_equations(self) -> tuple[np.ndarray, np.ndarray]:
        """Curvature and gradient of the priors of the common unknowns at the present state."""
        _, square, slope = common_energy(self.problem, self.run.state, self.options.sigmas)
        return square, slope

    def _free(self) -> tuple[int, ...]:
        return (0,) if STAGES[self.run.stage] == "root" else FREE_JOINTS

    def _skip_empty_stages(self) -> None:
        while not self.done and self.options.most(self.run.stage) == 0:
            self.run.stage += 1

    def take(self, state: State) -> Bodies:
        """The unknowns of a state, chain by chain."""
        return Bodies(
            [state.rotations[chain.person, chain.frames] for chain in self.chains],
            [state.trans[chain.person, chain.frames] for chain in self.chains],
            [state.betas[chain.person] for chain in self.chains],
            state,
        )

    def _give(self, bodies: Bodies) -> State:
        rotations, trans = bodies.state.rotations.copy(), bodies.state.trans.copy()
        betas = bodies.state.betas.copy()
        for index, chain in enumerate(self.chains):
            rotations[chain.person, chain.frames] = bodies.rotations[index]
            trans[chain.person, chain.frames] = bodies.trans[index]
            betas[chain.person] = bodies.betas[index]
        return dataclasses.replace(bodies.state, rotations=rotations, trans=trans, betas=betas)

    def chain(
        self,
        bodies: Bodies,
        index: int,
        context: Context,
        free: tuple[int, ...],
        into: Collector | None = None,
    ) -> dict[str, float]:
        """Energies of one chain with its person's shape; its normal equations go `into` a collector."""
        state = bodies.state
        common = Common(camera_of(state.camera, self.problem.camera), state.affinity, state.offsets)
        energies = chain_energy(
            self.chains[index], bodies.rotations[index], bodies.trans[index], bodies.betas[index], self.model, common,
            context, self.options.sigmas, free=free, into=None if into is None else into.add,
        )  # fmt: skip
        person = self.chains[index].person
        energies["shape"], square, slope = shape_energy(
            bodies.betas[index], float(self.problem.stature[person]), float(self.problem.stature_sigma[person]),
            self.options.sigmas,
        )  # fmt: skip
        if into is not None:
            into.corner[BETAS[:, None], BETAS] += square
            into.shared_slope[BETAS] += slope
        return energies

    def energies_of(self, bodies: Bodies, contexts: list[Context], free: tuple[int, ...]) -> dict[str, float]:
        """Energies of all terms by name, summed over people."""
        total, _, _ = common_energy(self.problem, bodies.state, self.options.sigmas)
        for index, context in enumerate(contexts):
            energies = self.chain(bodies, index, context, free)
            total = {name: total.get(name, 0.0) + energies.get(name, 0.0) for name in total | energies}
        return total

    def solve_step(
        self, bodies: Bodies, contexts: list[Context], free: tuple[int, ...], damping: float
    ) -> tuple[dict[str, float], Step | None]:
        """Energies before a damped step, and the step; nothing and None if the equations could not be solved."""
        total, square, slope = common_energy(self.problem, bodies.state, self.options.sigmas)
        alone = free != FREE_JOINTS
        unknown = np.zeros(0, np.int64) if alone else self.shared_unknowns()
        own = BETAS[:0] if alone else BETAS
        width = len(unknown) + len(own) * len(self.chains)
        corner, right = np.zeros((width, width)), np.zeros(width)
        corner[: len(unknown), : len(unknown)] = square[unknown[:, None], unknown]
        right[: len(unknown)] = slope[unknown]
        solved = []
        try:
            for index, context in enumerate(contexts):
                energies, reduced = self._reduced(bodies, index, context, free, np.concatenate([unknown, own]), damping)
                total = {name: total.get(name, 0.0) + energies.get(name, 0.0) for name in total | energies}
                first = len(unknown) + len(own) * index
                at = np.concatenate([np.arange(len(unknown)), np.arange(first, first + len(own))])
                corner[at[:, None], at] += reduced.corner
                right[at] += reduced.slope
                solved.append((at, reduced.carried, reduced.alone))
            corner[np.diag_indices(width)] *= 1 + damping
            shared = -cho_solve(cho_factor(corner, lower=True), right) if width else right
        except (NotPositiveError, np.linalg.LinAlgError):
            return {}, None
        steps = [step - carried @ shared[at] for at, carried, step in solved]
        change = np.zeros(NUM_COMMON)
        change[unknown] = shared[: len(unknown)]
        betas = shared[len(unknown) :].reshape(len(self.chains), -1) if len(own) else np.zeros((len(self.chains), 10))
        return total, Step(steps, change, betas)

    def _reduced(
        self,
        bodies: Bodies,
        index: int,
        context: Context,
        free: tuple[int, ...],
        columns: np.ndarray,
        damping: float,
    ) -> tuple[dict[str, float], ReducedChain]:
        # A function of its own: the factor is the largest of all arrays, and only one person's may live at a time.
        elimination = Elimination(len(self.chains[index]), 3 + 3 * len(free), columns, damping)
        energies = self.chain(bodies, index, context, free, elimination)
        return energies, elimination.finish()

    def moved(self, bodies: Bodies, step: Step, length: float, free: tuple[int, ...]) -> Bodies:
        """The bodies after a part of a step."""
        state, rotations, trans = bodies.state, [], []
        change = length * step.common
        state = dataclasses.replace(
            state,
            affinity=state.affinity + change[AFFINITY],
            camera=state.camera + change[CAMERA],
            offsets=state.offsets + OFFSET_BASIS @ change[OFFSETS],
        )
        betas = [before + length * more for before, more in zip(bodies.betas, step.betas, strict=True)]
        first = self.problem.camera
        cameras = camera_of(bodies.state.camera, first), camera_of(state.camera, first)
        for chain, own, before, place in zip(self.chains, step.frames, bodies.rotations, bodies.trans, strict=True):
            moved = length * own.reshape(len(chain), -1)
            turns = moved[:, 3:].reshape(len(moved), len(free), 3)
            turns = (
                turns * np.minimum(1.0, _LONGEST_TURN / np.maximum(np.linalg.norm(turns, axis=-1), 1e-12))[..., None]
            )
            world = world_rotations(before)[:, list(free)]
            after = before.copy()
            after[:, list(free)] = before[:, list(free)] @ exp_turn((world.swapaxes(-1, -2) @ turns[..., None])[..., 0])
            rotations.append(after)
            trans.append(moved_places(place, moved[:, :3], cameras, change[CAMERA]))
        return Bodies(rotations, trans, betas, state)
