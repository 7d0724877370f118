"""The joint optimisation from start to end, with progress, and resumable after a kill."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carescene.errors import UserError
from reconstruction.landmarks import LandmarkModel
from reconstruction.optimiser import Optimiser
from reconstruction.problem import Problem, State, load_state
from reconstruction.schedule import STAGES, Run, SolverOptions
from reconstruction.solution import Solution, make_solution


@dataclass(frozen=True)
class Progress:
    """One iteration that is done: its number, its stage, the share of all work done so far, energies by term."""

    iteration: int
    stage: str
    share: float
    energies: dict[str, float]


def solve(
    problem: Problem,
    initial: State | None = None,
    options: SolverOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
    resume: Path | None = None,
    model: LandmarkModel | None = None,
) -> Solution:
    """People, camera and error bars that explain all observations best.

    Args:
        problem: what is observed.
        initial: where to start; `reconstruction.initial.initial_state(problem)` if not given.
        options: standard deviations, iterations, tolerance.
        progress: called after every iteration.
        resume: an .npz file that is written after every iteration; if it exists, the run goes on from there.
        model: landmarks of the body, if not those of the bundled one.

    Raises:
        UserError: if `resume` belongs to other observations or cannot be read or written.
    """
    optimiser = Optimiser(problem, initial, options, model)
    if resume is not None and resume.is_file():
        optimiser.run = load_run(resume, problem)
    while not optimiser.done:
        stage = STAGES[optimiser.run.stage]
        energies = optimiser.step()
        if resume is not None:
            save_run(optimiser.run, resume)
        if progress is not None:
            progress(Progress(len(optimiser.run.energies), stage, optimiser.share, energies))
    return make_solution(optimiser)


def save_run(run: Run, path: Path) -> None:
    """Write an optimisation that is under way.

    Raises:
        UserError: if the file cannot be written.
    """
    run.state.save(path, **run_arrays(run))


def run_arrays(run: Run) -> dict[str, np.ndarray]:
    """Where an optimisation is, beside its state, as plain arrays."""
    names = sorted({name for entry in run.energies for name in entry})
    table = np.array([[entry.get(name, np.nan) for name in names] for entry in run.energies]).reshape(-1, len(names))
    return {
        "progress": np.array([run.stage, run.round], np.int64),
        "damping": np.array(run.damping),
        "energies": table,
        "energy_names": np.array(names, dtype=np.str_),
    }


def run_from(state: State, arrays: dict[str, np.ndarray]) -> Run:
    """An optimisation under way, from what `run_arrays` gave."""
    names = [str(name) for name in arrays["energy_names"]]
    energies = [
        {name: float(value) for name, value in zip(names, row, strict=True) if not np.isnan(value)}
        for row in arrays["energies"]
    ]
    stage, rounds = (int(number) for number in arrays["progress"])
    return Run(state, stage, rounds, float(arrays["damping"]), energies)


def load_run(path: Path, problem: Problem) -> Run:
    """An optimisation of this problem that `save_run` wrote.

    Raises:
        UserError: if the file cannot be read, or has other people or frames.
    """
    state, arrays = load_state(path)
    expected = (problem.persons, problem.frames)
    if state.trans.shape[:2] != expected or "progress" not in arrays:
        raise UserError(
            f"Expected an optimisation of {expected[0]} people and {expected[1]} frames in '{path}', but got "
            f"{state.trans.shape[0]} and {state.trans.shape[1]}. It belongs to other key points. "
            "Delete it, or give another folder."
        )
    return run_from(state, arrays)
