"""From key points to people in metres: camera, pose labels, joint optimisation, each kept in a work folder."""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from carescene.errors import UserError
from reconstruction.calibration import Calibration, calibrate
from reconstruction.calibration_priors import CameraPriors, GivenCamera
from reconstruction.camera_parameters import parameters_of
from reconstruction.code_version import code_version
from reconstruction.depth import (
    Affinity,
    depth_in_metres,
    depth_readings,
    fit_affinity,
    floor_from_depth,
    metres_affinity,
)
from reconstruction.floor_reading import FloorReading
from reconstruction.lifter import lift
from reconstruction.observations import DepthLabels, Keypoints, PoseLabels
from reconstruction.problem import DepthTerm, Problem, State, Surroundings
from reconstruction.schedule import SolverOptions
from reconstruction.solution import Solution
from reconstruction.solver import Progress, solve
from reconstruction.stage_progress import Report, StageProgress
from reconstruction.upright import STATURE, STATURE_SD
from reconstruction.work_files import WorkFolder, from_arrays, to_arrays, work_key

_T = TypeVar("_T")
# Key points, what the camera is, and whom to tell of progress, in; pose labels out.
Labeller = Callable[[Keypoints, Calibration, Report], PoseLabels]


@dataclass(frozen=True)
class Recovered:
    """People of one stretch of video, and what they were recovered from."""

    keypoints: Keypoints
    calibration: Calibration
    labels: PoseLabels
    problem: Problem
    solution: Solution
    depth: DepthLabels | None = None

    def plate_in_metres(self) -> Float[np.ndarray, "height width"] | None:
        """Depth of the empty room along the view axis as the joint optimisation scaled it; None without depth."""
        if self.depth is None:
            return None
        a, b = (float(value) for value in self.solution.state.affinity)
        return depth_in_metres(self.depth.plate, self.depth, Affinity(a, b, np.zeros((2, 2)), 0.0, 0))


@dataclass(frozen=True)
class PeopleStages:
    """How to get from key points to people.

    Attributes:
        given: what the user knows about the camera.
        labeller: makes pose labels; the lifter if None.
        depth: makes depth labels; none if None.
        labeller_key, depth_key: name these two, their code, weights and options in the work folder.
        options: of the joint optimisation.
    """

    given: GivenCamera | None = None
    labeller: Labeller | None = None
    depth: Callable[[Keypoints], DepthLabels] | None = None
    labeller_key: str = ""
    depth_key: str = ""
    options: SolverOptions | None = None


def recover_people(
    keypoints: Keypoints,
    stages: PeopleStages | None = None,
    *,
    work: WorkFolder | None = None,
    progress: StageProgress | None = None,
) -> Recovered:
    """Camera, pose labels, depth and joint optimisation of everybody in the key points.

    Args:
        keypoints: of one stretch of a static camera's video.
        stages: what is given, how labels and depth are made.
        work: where results are kept and found again.
        progress: whose stages "first camera", "free poses", "camera", "depth", "pose labels" and "people" are run.

    Raises:
        UserError: nobody is in the key points, what is given contradicts them, or a file cannot be written.
    """
    stages = stages or PeopleStages()
    given, seen = stages.given, work_key(keypoints)
    calibrates, lifts = code_version("reconstruction.calibration"), code_version("reconstruction.lifter")

    def kept(stage: str, kind: type[_T], make: Callable[[Report], _T], *key: Any) -> _T:
        return keep_stage(stage, work_key(seen, *key), kind, make, work=work, progress=progress)

    # Poses tell the tilt of somebody who stays on one spot, and need hardly more of the camera than its lens.
    first = kept("first camera", Calibration, lambda _: calibrate(keypoints, given=given), calibrates, given)
    free = kept("free poses", PoseLabels, lambda _: lift(keypoints, first.camera, gravity_known=False), lifts, first)
    calibration = kept(
        "camera", Calibration, lambda _: calibrate(keypoints, given=given, labels=free), calibrates, given, free
    )
    maps, term, floor = None, None, None
    if stages.depth is not None:
        make = stages.depth
        maps = kept("depth", DepthLabels, lambda _: make(keypoints), stages.depth_key)
        calibration, term, floor = _with_depth(keypoints, maps, calibration, free, given)
    labeller = stages.labeller or (lambda points, found, _: lift(points, found.camera))
    labels_key = stages.labeller_key if stages.labeller else lifts
    labels = kept(
        "pose labels", PoseLabels, lambda report: labeller(keypoints, calibration, report), labels_key, calibration
    )
    # Of the calibration only where to start and who is upright: its numbers come from the same key points, and would
    # count twice.
    persons = len(keypoints.names)
    problem = Problem(
        keypoints, calibration.camera, None, np.full(persons, STATURE), np.full(persons, STATURE_SD),
        camera_free=_free(stages.given), labels=labels, depth=term,
        usual=CameraPriors().nearest(float(parameters_of(calibration.camera)[1])), known=_measured(stages.given),
        floor=floor, upright=calibration.upright,
    )  # fmt: skip
    solution = solve_kept(problem, stages.options, work=work, progress=progress, stage="people")
    return Recovered(keypoints, calibration, labels, problem, solution, maps)


def _with_depth(
    keypoints: Keypoints, maps: DepthLabels, first: Calibration, free: PoseLabels, given: GivenCamera | None
) -> tuple[Calibration, DepthTerm, FloorReading | None]:
    """The camera once more with the floor that depth shows, the readings at people, and that floor."""
    floor = floor_from_depth(maps, first.camera)
    calibration = first if floor is None else calibrate(keypoints, given=given, floor=floor, labels=free)
    affinity = (
        metres_affinity(maps) if maps.metric else fit_affinity(maps, calibration.camera, keypoints, calibration.upright)
    )
    readings = depth_readings(maps, keypoints)
    if maps.kind not in ("disparity", "metres"):
        raise UserError(f"Expected depth of kind disparity or metres, but got '{maps.kind}'. Name the map's kind.")
    term = DepthTerm(
        maps.kind, readings.person, readings.frame, readings.landmark, readings.value, readings.sigma,
        np.array([affinity.a, affinity.b]), affinity.covariance,
    )  # fmt: skip
    return calibration, term, floor


def solve_kept(
    problem: Problem,
    options: SolverOptions | None = None,
    initial: State | None = None,
    *,
    work: WorkFolder | None = None,
    progress: StageProgress | None = None,
    stage: str = "people",
    key: str = "",
) -> Solution:
    """The joint optimisation as a stage of `progress`, going on from what `work` holds of this very problem.

    Args:
        key: names the problem's surroundings, which are a function; everything else names itself.

    Raises:
        UserError: as `reconstruction.solver.solve`.
    """
    resume = None
    if work is not None:
        plain = dataclasses.replace(problem, surroundings=None)
        resume = _run_file(work, stage, work_key(code_version("reconstruction.solver"), plain, options, initial, key))
    with nullcontext(_silent) if progress is None else progress.stage(stage) as report:

        def step(done: Progress) -> None:
            report(done.share)

        return solve(problem, initial, options, step, resume)


def with_surroundings(problem: Problem, solution: Solution, surroundings: Surroundings) -> Problem:
    """The same problem once the room is known, from the camera that was found."""
    return dataclasses.replace(problem, camera=solution.camera, surroundings=surroundings)


def keep_stage(
    stage: str,
    key: str,
    kind: type[_T],
    make: Callable[[Report], _T],
    *,
    work: WorkFolder | None = None,
    progress: StageProgress | None = None,
) -> _T:
    """What `work` holds of a stage under this key, or else what `make` makes, which is then kept.

    Args:
        make: given a function to call with the share that is done.
    """
    if work is not None and (arrays := work.kept(stage, key)) is not None:
        if progress is not None:
            progress.skip(stage)
        return from_arrays(kind, arrays)
    with nullcontext(_silent) if progress is None else progress.stage(stage) as report:
        made = make(report)
    if work is not None:
        work.keep(stage, key, to_arrays(made))
        work.finished(stage)
    return made


def _silent(share: float) -> None:
    """Nobody watches."""


def _run_file(work: WorkFolder, stage: str, key: str) -> Path:
    """The optimisation under way; those of other keys are of no use any more."""
    wanted = work.folder / f"{stage}-{key}.npz"
    for file in work.folder.glob(f"{stage}-*.npz"):
        if file != wanted:
            file.unlink()
    return wanted


def _measured(given: GivenCamera | None) -> GivenCamera | None:
    """What was measured besides the lens or the whole camera, which the joint optimisation holds."""
    if given is None or given.camera is not None or (given.distance is None and given.height is None):
        return None
    return GivenCamera(distance=given.distance, height=given.height)


def _free(given: GivenCamera | None) -> tuple[bool, ...]:
    """Which of (log f, pitch, roll, log h, k1) the joint optimisation may change: what the user did not give."""
    if given is not None and given.camera is not None:
        return (False,) * 5
    return (False, True, True, True, False) if given is not None and given.lens is not None else (True,) * 5
