"""Clips of a situation, one after the other: sampled, judged, sampled again if need be, written, counted."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from carescene.clips import Clip, Weight, load_clip, save_clip
from carescene.errors import UserError
from carescene.evaluation.quality import measure_quality
from carescene.files import write_atomically
from carescene.humans.body import Body
from carescene.scenes.scene import Scene
from carescene.situations.drawing import Draw, drawn_situation
from carescene.situations.rooms import refuse_sampled, room_for
from carescene.situations.situation import Situation
from diffusion.asking.asked import Asked
from diffusion.asking.compile import compile_situation
from diffusion.asking.retiming import retimed
from diffusion.asking.sample_room import sampled_room
from diffusion.asking.sampling import Settings, batch_key, sample_asked, to_clip
from diffusion.asking.verdict import Verdict, events_of, judge
from diffusion.chain import BlewUpError
from diffusion.generator import MotionGenerator

REPORT: Final = "report.json"
# Sampled rooms that do not hold the situation before it is given up.
_ROOMS_SAMPLED: Final = 8


@dataclass
class Job:
    """One clip to make: which one, its draw, and the best attempt so far."""

    index: int
    situation: Situation
    draw: Draw | None
    scene: Scene | None
    attempt: int = 0
    best: tuple[float, Clip, Verdict, int] | None = None
    first: Verdict | None = None
    seconds: float | int = 0.0
    verdicts: list[Verdict] = field(default_factory=list)


def clip_seed(seed: int, index: int, attempt: int) -> int:
    """The seed of one attempt at one clip; different for all, and the same on every machine."""
    return int(np.random.SeedSequence([seed, index, attempt]).generate_state(1, np.uint32)[0])


def clip_name(situation: Situation, index: int) -> str:
    """File stem of a clip; its seed is in it, so that clips of two seeds can lie in one folder."""
    return f"{situation.name}-{situation.seed}-{index:04d}"


class Producer:
    """Makes the clips of one situation.

    Args:
        tries: attempts at a clip until everything asked for is found in it; the best one is kept. Attempts that fail
            are counted: they are the price of steering.
        batch: clips sampled together.
    """

    def __init__(
        self, generator: MotionGenerator, body: Body, settings: Settings, *, tries: int = 4, batch: int = 1
    ) -> None:
        self.generator, self.body, self.settings = generator, body, settings
        self.tries, self.batch = tries, batch

    def run(
        self,
        situation: Situation,
        out: Path,
        *,
        on_step: Callable[[int], object] | None = None,
        on_more: Callable[[int], object] | None = None,
    ) -> dict[str, Any]:
        """Write the clips that are not there yet, and `report.json` about all of them.

        Args:
            on_step: called with the number of clips that took a sampling step.
            on_more: called with the sampling steps that a further attempt will take.

        Returns:
            the report.

        Raises:
            UserError: for a situation that its room cannot hold, or weights that make numbers explode.
        """
        todo = [index for index in range(situation.count) if not is_there(out, situation, index)]
        for job in self._made(situation, todo, on_step, on_more):
            self._write(job, out)
        report = report_of(situation, out)
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        write_atomically(out / REPORT, lambda file: file.write(text.encode()))
        return report

    def _made(
        self,
        situation: Situation,
        todo: list[int],
        on_step: Callable[[int], object] | None,
        on_more: Callable[[int], object] | None,
    ) -> Iterator[Job]:
        """Jobs in batches; a job that failed joins the next batch with its next seed."""
        waiting = list(todo)
        again: list[Job] = []
        while waiting or again:
            jobs = again[: self.batch]
            again = again[self.batch :]
            while waiting and len(jobs) < self.batch:
                jobs.append(self._job(situation, waiting.pop(0)))
            asked = [self._compiled(job) for job in jobs]
            for key in dict.fromkeys(map(batch_key, asked)):
                group = [at for at, one in enumerate(asked) if batch_key(one) == key]
                self._attempt([jobs[at] for at in group], [asked[at] for at in group], on_step)
            for job in jobs:
                if (job.best is not None and job.best[2].hit) or job.attempt >= self.tries:
                    yield job
                else:
                    again.append(job)
                    if on_more is not None:
                        on_more(self.settings.sampler.steps)

    def _job(self, situation: Situation, index: int) -> Job:
        draw, own = drawn_situation(situation, index)
        seed = clip_seed(situation.seed, index, 0)
        if own.scene is not None and own.scene.sampled:
            return Job(index, own, draw, self._sampled(own, index))
        return Job(index, own, draw, room_for(own, index, seed))

    def _sampled(self, situation: Situation, index: int) -> Scene:
        why = UserError("no room")
        for number in range(_ROOMS_SAMPLED):
            seed = clip_seed(situation.seed, index, 1000 + number)
            try:
                scene = sampled_room(self.generator, situation, seed, body=self.body, settings=self.settings)
                compile_situation(situation, scene, clip_seed(situation.seed, index, 0), body=self.body)
            except BlewUpError:
                raise
            except UserError as error:
                why = error
                continue
            return scene
        refuse_sampled(situation, _ROOMS_SAMPLED, why)
        raise AssertionError

    def _compiled(self, job: Job) -> Asked:
        config = self.generator.model.config
        seed = clip_seed(job.situation.seed, job.index, job.attempt)
        try:
            return compile_situation(
                job.situation, job.scene, seed, body=self.body, fps=config.fps, patch=config.denoiser.patch
            )
        except UserError:
            # The room was found fit with the seed of the first attempt; another choice of places may fail in it.
            if job.attempt == 0:
                raise
        first = clip_seed(job.situation.seed, job.index, 0)
        asked = compile_situation(
            job.situation, job.scene, first, body=self.body, fps=config.fps, patch=config.denoiser.patch
        )
        asked.seed = seed
        return asked

    def _attempt(self, jobs: list[Job], asked: list[Asked], on_step: Callable[[int], object] | None) -> None:
        start = time.perf_counter()
        progress = None if on_step is None else lambda _done, _steps: on_step(len(jobs))
        world = sample_asked(self.generator, asked, self.settings, progress)
        each = (time.perf_counter() - start) / len(jobs)
        for row, (job, one) in enumerate(zip(jobs, asked, strict=True)):
            start = time.perf_counter()
            name = clip_name(job.situation, job.index)
            clip = to_clip(one, world.motion[row], world.event[row], name, self.generator, self.settings)
            requested = json.loads(clip.attributes["requested"])
            clip = retimed(clip, requested)
            verdict = judge(clip, requested)
            clip.events = events_of(clip, requested, verdict)
            job.seconds += each + time.perf_counter() - start
            job.attempt += 1
            job.verdicts.append(verdict)
            if job.best is None or verdict.score > job.best[0]:
                job.best = (verdict.score, clip, verdict, job.attempt)

    def _write(self, job: Job, out: Path) -> None:
        assert job.best is not None
        _, clip, verdict, attempt = job.best
        requested = json.loads(clip.attributes["requested"]) | {"attempt": attempt, "seconds": round(job.seconds, 3)}
        clip.attributes["requested"] = json.dumps(requested)
        clip.attributes["found"] = json.dumps(verdict.found)
        # Which of the attempts had everything: the first tells how well steering works without trying again.
        clip.attributes["attempts"] = json.dumps([one.hit for one in job.verdicts])
        clip.attributes["first"] = json.dumps(job.verdicts[0].found)
        if job.situation.camera is not None:
            clip.attributes["camera"] = job.situation.camera
        if job.draw is not None:
            clip.attributes |= {f"drawn_{name}": value for name, value in job.draw.values.items()}
            clip.weight = Weight(job.draw.p, job.draw.q, job.draw.w)
        quality = measure_quality(clip, self.body)
        clip.quality = quality | {"tries": float(job.attempt), "hit": float(verdict.hit)}
        save_clip(clip, out)


def report_of(situation: Situation, out: Path) -> dict[str, Any]:
    """How well the clips of a folder show what was asked for: hit rates at the first try and at the end, per knob.

    `rejection_rate` is the share of attempts that were thrown away.
    """
    clips = [load_clip(out / f"{clip_name(situation, index)}.json") for index in range(situation.count)]
    attempts = [json.loads(clip.attributes["attempts"]) for clip in clips]
    made = sum(map(len, attempts))
    first = [json.loads(clip.attributes["first"]) for clip in clips]
    last = [json.loads(clip.attributes["found"]) for clip in clips]
    errors = [
        abs(found["onset_s"] - asked["onset_s"])
        for clip, one in zip(clips, last, strict=True)
        for found, asked in zip(one, json.loads(clip.attributes["requested"])["events"], strict=True)
        if found["onset_s"] is not None and asked["onset_s"] is not None
    ]
    return {
        "situation": situation.name,
        "clips": len(clips),
        "hits": sum(clip.quality["hit"] > 0 for clip in clips),
        "hit_rate_first_try": float(np.mean([hits[0] for hits in attempts])),
        "hit_rate": float(np.mean([clip.quality["hit"] for clip in clips])),
        "attempts": made,
        "rejection_rate": (made - len(clips)) / made,
        "knobs_first_try": _knobs(first),
        "knobs": _knobs(last),
        "onset_error_s": {
            "median": float(np.median(errors)),
            "p95": float(np.percentile(errors, 95)),
        }
        if errors
        else None,
        "seconds_per_clip": float(np.mean([json.loads(clip.attributes["requested"])["seconds"] for clip in clips])),
        "not_met": [clip.id for clip in clips if clip.quality["hit"] == 0],
    }


def _knobs(found: list[list[dict[str, Any]]]) -> dict[str, float]:
    """Share of events for which each knob is as asked."""
    rates = {}
    for knob in Verdict.KNOBS:
        values = [bool(one[knob]) for clip in found for one in clip if knob in one]
        if values:
            rates[knob] = float(np.mean(values))
    return rates


def is_there(out: Path, situation: Situation, index: int) -> bool:
    """Whether a clip is complete already."""
    name = clip_name(situation, index)
    return (out / f"{name}.json").is_file() and (out / f"{name}.npz").is_file()
