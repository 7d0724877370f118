"""One stretch of a static camera's video without a cut, from its pictures to everything that is written about it."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int, UInt8

from carescene.clips.clip import Clip
from carescene.clips.files import save_clip
from carescene.errors import UserError
from carescene.files import write_atomically
from carescene.humans.body import load_body
from carescene.rendering.camera import Camera, camera_from_dict
from carescene.scenes import scene_to_dict
from reconstruction.calibration import Calibration
from reconstruction.camera_parameters import camera_note
from reconstruction.code_version import code_version
from reconstruction.depth_anything import DepthAnything, predict_depth, sparse_frames
from reconstruction.depth_recorded import read_recorded_depth
from reconstruction.detect import detect_people
from reconstruction.footage import Footage
from reconstruction.formats import read_footage_keypoints, write_keypoints
from reconstruction.observations import DepthLabels, Keypoints, PoseLabels
from reconstruction.overlay import film_length, write_overlay
from reconstruction.people import (
    PeopleStages,
    Recovered,
    recover_people,
    solve_kept,
    with_surroundings,
)
from reconstruction.plate import Plate, background_plate
from reconstruction.pose_labels import prohmr_labels
from reconstruction.privacy import face_hider
from reconstruction.problem import scene_surroundings
from reconstruction.problem_files import save_problem
from reconstruction.prohmr import ProHmr
from reconstruction.prohmr_files import load_prohmr
from reconstruction.quality import measure, with_quality
from reconstruction.report import ReportFacts, write_report
from reconstruction.request import CLIP_FPS, Part, Request
from reconstruction.resampled import evenly_spaced
from reconstruction.room import Room, build_room, save_room
from reconstruction.room_carriers import labelled
from reconstruction.schedule import SolverOptions
from reconstruction.smooth_keypoints import repair_keypoints
from reconstruction.solution import Solution
from reconstruction.stage_progress import Report, StageProgress
from reconstruction.training_folder import training_pieces, write_training_folder
from reconstruction.work_files import WorkFolder, from_arrays, to_arrays, work_key

# What `Request.depth` says of a depth picture beside the colours.
RECORDED: Final = "recorded"
# Where people already are right, only what they touch is still to be found.
_AMONG_THINGS: Final = SolverOptions(root_iterations=0, pose_iterations=0)
# Pictures per second of the film.
_FILM_FPS: Final = 10.0
# What the key points of a video without any depend on.
_FINDS: Final = tuple(f"reconstruction.{name}" for name in ("motion_check", "plate", "detect", "smooth_keypoints"))
# What depth labels depend on.
_DEPTHS: Final = tuple(f"reconstruction.{name}" for name in ("plate", "depth_anything", "depth_recorded"))
# Seconds that ProHMR takes for each person and frame.
_PROHMR_S: Final = 0.17
# Guessed seconds of computing, for the bar alone: for each frame, and for each person and frame.
_STAGES: Final = {
    "empty room": (0.05, 0.0),
    "key points": (0.05, 0.0),
    "first camera": (0.0, 0.005),
    "free poses": (0.0, 0.01),
    "camera": (0.0, 0.005),
    "pose labels": (0.0, 0.01),
    "people": (0.0, 0.03),
    "depth": (0.0, 0.0),
    "people in the room": (0.0, 0.0),
    "room": (0.002, 0.0),
    "measures": (0.0, 0.01),
    "film": (0.04, 0.01),
}


@dataclass(frozen=True)
class Stretch:
    """Frames of a video between two cuts.

    Attributes:
        footage: the view of the whole video.
        frames: indices of the frames that are looked at.
        name: of the clip.
        notes: what is to be told about the video.
    """

    footage: Footage
    frames: Int[np.ndarray, "frame"]
    name: str
    notes: tuple[str, ...] = ()


def reconstruct_part(stretch: Stretch, request: Request) -> Part:
    """Reconstruct a stretch and write it to `request.out`: key points, clip, camera, room, training data, film, report.

    Every stage's result is kept in `work`; each file is written as soon as it is known.

    Raises:
        UserError: nobody is in view, a file does not belong to the video, or cannot be read or written.
    """
    bar = StageProgress(_guesses(len(stretch.frames), 1), request.show_progress)
    try:
        return _Maker(stretch, request, bar).make()
    finally:
        bar.close()


class _Maker:
    """The stages of one stretch, which share the request, the work folder and the bar."""

    def __init__(self, stretch: Stretch, request: Request, bar: StageProgress) -> None:
        self.stretch, self.request, self.bar = stretch, request, bar
        self.work = WorkFolder(request.out / "work")
        self.key = work_key(request.video, stretch.frames, stretch.footage.view, code_version(*_FINDS))

    def make(self) -> Part:
        """Run every stage."""
        stages = self._stages()
        keypoints = self.keypoints()
        count = len(keypoints.names)
        self.bar.guess(**_guesses(len(keypoints.times), count, self.request.prohmr is not None))
        write_keypoints(
            self.request.out / "keypoints.json",
            self.stretch.footage.keypoints_in_frame(keypoints),
            name=self.stretch.footage.path.stem,
        )
        recovered = recover_people(keypoints, stages, work=self.work, progress=self.bar)
        save_problem(recovered.problem, self.work.folder / "observations.npz")
        clip, room, solution = self._in_the_room(recovered, keypoints)
        camera = camera_from_dict(clip.cameras[0])
        _write_json(self.request, "camera.json", camera)
        with self.bar.stage("measures"):
            quality = measure(clip, camera, _from_zero(keypoints), room.scene, folder=self.request.out)
        clip = dataclasses.replace(with_quality(labelled(clip), quality), scene=scene_to_dict(room.scene))
        save_clip(clip, self.request.out / "clips")
        write_training_folder(self.request.out / "training", training_pieces(clip, quality.trusted))
        self._film(clip, camera, room, keypoints, quality.trusted)
        scale = recovered.calibration.scale_source
        part = Part(self.request.out, clip, quality, scale, dict(self.bar.seconds))
        self._report(part, recovered, room, solution)
        return part

    def _in_the_room(self, recovered: Recovered, keypoints: Keypoints) -> tuple[Clip, Room, Solution]:
        """The people as a clip, the room, and what they come from.

        Where the room has surfaces that somebody measured or drew, people are solved for once more among them.
        """
        request, stretch = self.request, self.stretch

        def built(solution: Solution) -> tuple[Clip, Room]:
            clip = evenly_spaced(solution, keypoints.times, CLIP_FPS, stretch.name)
            with self.bar.stage("room"):
                plate = recovered.plate_in_metres()
                return clip, build_room(clip, solution.camera, plate, request.furniture, name=stretch.name)

        solution = recovered.solution
        clip, room = built(solution)
        if request.furniture or recovered.depth is not None:
            surfaces = scene_surroundings(room.scene)
            problem = with_surroundings(recovered.problem, solution, surfaces)
            solution = solve_kept(
                problem, _AMONG_THINGS, solution.state, work=self.work, progress=self.bar,
                stage="people in the room", key=work_key(scene_to_dict(room.scene)),
            )  # fmt: skip
            clip = evenly_spaced(solution, keypoints.times, CLIP_FPS, stretch.name)
        save_room(room, request.out)
        return clip, room, solution

    def keypoints(self) -> Keypoints:
        """Everybody's key points: of the user's file, kept ones, or newly found."""
        request, footage = self.request, self.stretch.footage
        if request.keypoints is not None:
            self.bar.skip("empty room")
            with self.bar.stage("key points"):
                found = read_footage_keypoints(
                    request.keypoints, footage, self.stretch.frames, size=request.keypoints_size
                )
        elif (arrays := self.work.kept("keypoints", self.key)) is not None:
            self.bar.skip("empty room")
            self.bar.skip("key points")
            found = from_arrays(Keypoints, arrays)
        else:
            plate = self._plate()
            with self.bar.stage("key points") as report:
                resume = self.work.unfinished("keypoints", self.key)
                found = repair_keypoints(
                    detect_people(footage, plate, frames=self.stretch.frames, resume=resume, progress=report)
                )
            self.work.keep("keypoints", self.key, to_arrays(found))
            self.work.finished("keypoints")
        if not found.present.any():
            raise UserError(
                f"Expected people in '{request.video}', but nobody was found. They may be too small, hidden or in the "
                "dark. Give key points made by hand: --keypoints FILE."
            )
        return found

    def _plate(self, keypoints: Keypoints | None = None) -> Plate:
        with self.bar.stage("empty room"):
            return background_plate(self.stretch.footage, keypoints, self.stretch.frames)

    def _stages(self) -> PeopleStages:
        request = self.request
        labeller, depth, labeller_key, depth_key = None, None, "", ""
        if request.prohmr is not None:
            labeller_key = work_key(self.key, request.prohmr, code_version("reconstruction.pose_labels"))
            # Both networks at once: what is none is refused before hours of work.
            labeller = partial(self._prohmr, load_prohmr(request.prohmr), labeller_key)
        if request.depth is not None:
            # A name of the hub is no file; its weights are taken to stay what they are.
            source = Path(request.depth) if Path(request.depth).exists() else request.depth
            depth_key = work_key(self.key, source, code_version(*_DEPTHS))
            depth = partial(self._depth, None if _recorded(request.depth) else DepthAnything(request.depth))
        return PeopleStages(request.given, labeller, depth, labeller_key, depth_key)

    def _prohmr(
        self, network: ProHmr, key: str, keypoints: Keypoints, calibration: Calibration, report: Report
    ) -> PoseLabels:
        pictures = self.stretch.footage.pictures(keypoints.frames)
        resume = self.work.unfinished("pose labels", work_key(key, keypoints, calibration.camera))
        return prohmr_labels(network, pictures, keypoints, calibration.camera, resume=resume, progress=report)

    def _depth(self, network: DepthAnything | None, keypoints: Keypoints) -> DepthLabels:
        """Depth labels of a network, or else recorded beside the colours or in files, as `request.depth` says."""
        footage = self.stretch.footage
        if network is None:
            path = None if self.request.depth in (None, RECORDED) else Path(self.request.depth)
            return read_recorded_depth(path, footage, keypoints)
        plate = self._plate(keypoints)
        longest = max(plate.picture.shape[:2])
        chosen = sparse_frames(keypoints.times)
        at = {int(keypoints.frames[index]): int(index) for index in chosen}
        pictures = ((at[frame], picture) for frame, picture in footage.pictures(sorted(at), longest))
        return predict_depth(plate.picture, pictures, model=network, progress=False)

    def _film(self, clip: Clip, camera: Camera, room: Room, keypoints: Keypoints, trusted: np.ndarray) -> None:
        length = film_length(clip, _FILM_FPS)
        done = 0
        with self.bar.stage("film") as report:

            def count() -> None:
                nonlocal done
                done += 1
                report(done / max(length, 1))

            pictures = None if self.request.no_pixels else self._pictures(keypoints)
            blur = face_hider(keypoints) if self.request.face_blur else None
            body = None if self.request.body is None else load_body(self.request.body)
            write_overlay(
                self.request.out / "overlay.mp4", clip, camera, room.scene, pictures,
                keypoints=_from_zero(keypoints), trusted=trusted, fps=_FILM_FPS, body=body, blur=blur,
                progress=count,
            )  # fmt: skip

    def _pictures(self, keypoints: Keypoints) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
        """Pictures of the stretch for the film, by seconds from its first frame."""
        times = self.stretch.footage.times
        for index, picture in self.stretch.footage.pictures(keypoints.frames, longest=640):
            yield float(times[index] - keypoints.times[0]), picture

    def _report(self, part: Part, recovered: Recovered, room: Room, solution: Solution) -> None:
        camera = camera_from_dict(part.clip.cameras[0])
        labels = "ProHMR" if recovered.labels.source == "prohmr" else "the lifter, from key points alone"
        depth = "none" if recovered.depth is None else recovered.depth.source
        notes = (
            *self.stretch.notes,
            f"Key points: {recovered.keypoints.source}. Pose labels: {labels}. Depth: {depth}.",
            camera_note(solution.camera, solution.camera_std),
            *recovered.calibration.notes,
            *room.notes,
        )
        write_report(
            part.folder,
            ReportFacts(
                self.request.video.name, part.clip, part.quality, camera, part.scale, room.scene,
                solution.energies, part.seconds, notes, self.request.settings,
            ),
        )  # fmt: skip


def _recorded(depth: str) -> bool:
    """Whether depth was recorded, and not to be had of a network."""
    path = Path(depth)
    return depth == RECORDED or path.is_file() or (path.is_dir() and any(path.glob("*.png")))


def _guesses(frames: int, people: int, prohmr: bool = False) -> dict[str, float]:
    guesses = {name: frames * (each + people * person) for name, (each, person) in _STAGES.items()}
    return guesses | ({"pose labels": frames * people * _PROHMR_S} if prohmr else {})


def _from_zero(keypoints: Keypoints) -> Keypoints:
    """The same with the first frame at 0 s, as in the clip."""
    return dataclasses.replace(keypoints, times=keypoints.times - keypoints.times[0])


def _write_json(request: Request, name: str, camera: Camera) -> None:
    text = json.dumps(camera.to_dict(), indent=1) + "\n"
    write_atomically(request.out / name, lambda file: file.write(text.encode()))
