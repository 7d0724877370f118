"""Long streams in constant memory: window after window, each begun by the end of the one before.

    [ prefix, known | new frames ............ ]
                                [ prefix, known | new frames ............ ]

The last seconds of a window are the given tokens of the next, so motion goes on without a seam. Chunks are written as
soon as they are full, with what is left in `stream_state.npz`, so that a killed run goes on where it was.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from carescene import __version__
from carescene.clips import Clip, Event, Generator, PersonInfo, save_clip
from carescene.files import write_atomically, write_npz
from carescene.humans.body import Body
from carescene.scenes import scene_to_dict
from carescene.scenes.scene import Scene
from carescene.situations.casting import cast_people
from carescene.situations.rooms import room_for
from carescene.situations.schedule import Step, make_schedule, stream_labels
from carescene.situations.situation import Situation
from diffusion.asking.production import clip_seed
from diffusion.asking.sampling import Settings, sample_asked, to_clip
from diffusion.asking.stream_window import StreamPlan, WindowPart, compile_window, window_score
from diffusion.asking.verdict import label_spells
from diffusion.generator import MotionGenerator

STREAM: Final = "stream.json"
STATE: Final = "stream_state.npz"


def stream_seconds(situation: Situation) -> float:
    """Length of a stream in seconds."""
    assert situation.stream is not None
    return float(situation.stream.minutes) * 60


def make_stream(
    generator: MotionGenerator,
    situation: Situation,
    out: Path,
    settings: Settings,
    *,
    body: Body,
    tries: int = 4,
    on_seconds: Callable[[float], object] | None = None,
) -> dict[str, Any]:
    """Write a stream as chunks of clips and `stream.json`, which has all times from the stream's beginning.

    Chunks that are there already are kept, and the stream goes on after them. Memory does not grow with the length.

    Args:
        tries: attempts at a window in which something happens, until it is seen there.
        on_seconds: called with the seconds made.

    Returns:
        what `stream.json` holds, without the list of chunks.

    Raises:
        UserError: for a situation that its room cannot hold, or weights that make numbers explode.
    """
    maker = _Maker(generator, situation, settings, body, tries)
    tape = _Tape(situation, maker, out)
    if on_seconds is not None:
        on_seconds(tape.seconds)
    total = stream_seconds(situation)
    while tape.seconds < total - 1e-6:
        before = tape.seconds
        part = maker.window(tape.prefix(), before, total)
        tape.add(part)
        if on_seconds is not None:
            on_seconds(tape.seconds - before)
    return tape.close()


class _Maker:
    """Samples windows of one stream."""

    def __init__(
        self, generator: MotionGenerator, situation: Situation, settings: Settings, body: Body, tries: int
    ) -> None:
        assert situation.stream is not None
        self.generator, self.situation, self.settings, self.body = generator, situation, settings, body
        self.tries, self.stream = tries, situation.stream
        self.fps, self.patch = generator.model.config.fps, generator.model.config.denoiser.patch
        seed = clip_seed(situation.seed, 0, 0)
        single = dataclasses.replace(situation, stream=None)
        scene = room_for(single, 0, seed)
        self.steps = make_schedule(situation)
        self.plan = StreamPlan.of(single, scene, seed, self.steps, stream_labels(situation, self.steps))
        self.people = cast_people(situation, seed)
        betas = torch.from_numpy(np.stack([shape for _, shape in self.people]))
        self.betas, self.rest = betas, list(body.rest_joints(betas))

    @property
    def scene(self) -> Scene | None:
        """The room of the stream, set for the people in it."""
        return self.plan.scene

    @property
    def infos(self) -> list[PersonInfo]:
        return [info for info, _ in self.people]

    def window(self, prefix: WindowPart | None, now_s: float | int, total_s: float | int) -> WindowPart:
        """The new frames after a prefix; the best of `tries` where something happens."""
        begin = now_s - (0.0 if prefix is None else prefix.frames / self.fps)
        end = self._end(begin, now_s, total_s)
        best: tuple[float, WindowPart] | None = None
        happens = any(begin <= step.at_s < end for step in self.steps)
        for attempt in range(self.tries if happens else min(self.tries, 2)):
            seed = clip_seed(self.situation.seed, round(now_s * self.fps) + 1_000_000, attempt)
            asked = compile_window(self, prefix, begin, end, seed)
            world = sample_asked(self.generator, [asked], self.settings)
            clip = to_clip(asked, world.motion[0], world.event[0], "window", self.generator, self.settings)
            score = window_score(self.plan, clip, begin, end, self.fps)
            new = WindowPart(clip.poses, clip.trans, clip.frame_label)
            part = new if prefix is None else new.after(prefix, self.fps)
            if best is None or score > best[0]:
                best = (score, part)
            if score >= 1.0:
                break
        assert best is not None
        return best[1]

    def _end(self, begin: float | int, now: float | int, total: float | int) -> float:
        """Where a window ends: a stride on, but not in the middle of an event if that can be helped."""
        end = min(begin + float(self.stream.window_s), total)
        for step in self.steps:
            if end - 4.0 < step.at_s <= end + 0.5 and step.at_s - 0.5 - now >= 2.0:
                end = step.at_s - 0.5
                break
        grid = self.patch / self.fps
        # Prefixes are whole tokens; the stream's own end may lie inside one.
        return total if end >= total - 1e-6 else round(end / grid) * grid


class _Tape:
    """The frames that are not on disk yet, and the chunks that are."""

    def __init__(self, situation: Situation, maker: _Maker, out: Path) -> None:
        assert situation.stream is not None
        self._situation, self._maker, self._out = situation, maker, out
        self._chunk = round(float(situation.stream.chunk_s) * maker.fps)
        self._keep = round(float(situation.stream.prefix_s) * maker.fps / maker.patch) * maker.patch
        self._written = 0
        self._tail: WindowPart | None = None
        self._pending: WindowPart | None = None
        self._chunks: list[dict[str, Any]] = []
        self._resume()

    @property
    def seconds(self) -> float:
        """Seconds made so far, on disk or not."""
        return (self._written + (0 if self._pending is None else self._pending.frames)) / self._maker.fps

    def prefix(self) -> WindowPart | None:
        """The last frames, with which the next window begins."""
        return self._tail

    def add(self, part: WindowPart) -> None:
        """Take new frames; write chunks that are full."""
        self._pending = part if self._pending is None else self._pending.followed_by(part)
        self._tail = (part if self._tail is None else self._tail.followed_by(part)).last(self._keep)
        while self._pending.frames >= self._chunk:
            self._write(self._pending.first(self._chunk))
            self._pending = self._pending.from_frame(self._chunk)
            self._save_state()

    def close(self) -> dict[str, Any]:
        """Write what is left and the manifest."""
        if self._pending is not None and self._pending.frames:
            self._write(self._pending)
            self._pending = None
        (self._out / STATE).unlink(missing_ok=True)
        return self._manifest()

    def _write(self, part: WindowPart) -> None:
        maker, number = self._maker, len(self._chunks)
        start = self._written / maker.fps
        name = f"{self._situation.name}-{self._situation.seed}-chunk-{number:04d}"
        clip = Clip(
            id=name,
            fps=maker.fps,
            poses=part.poses,
            trans=part.trans,
            betas=maker.betas.numpy().astype(np.float32),
            frame_label=part.labels,
            valid=np.ones(part.labels.shape, dtype=bool),
            text=[self._situation.text or "a long recording"],
            persons=maker.infos,
            scene=None if maker.scene is None else scene_to_dict(maker.scene),
            attributes={"situation": self._situation.name, "stream_start_s": f"{start:.3f}"},
            generator=Generator(
                __version__,
                maker.generator.model_hash,
                self._situation.seed,
                maker.settings.sampler.name,
                maker.settings.sampler.steps,
                maker.settings.sampler.guidance,
            ),
        )
        clip.events = _chunk_events(clip, maker.steps, start)
        save_clip(clip, self._out)
        self._written += part.frames
        self._chunks.append(
            {
                "clip": name,
                "start_s": round(start, 3),
                "seconds": part.frames / maker.fps,
                "events": [
                    dataclasses.asdict(event)
                    | {"start_s": round(event.start_s + start, 3), "end_s": round(event.end_s + start, 3)}
                    for event in clip.events
                ],
            }
        )
        self._manifest()

    def _manifest(self) -> dict[str, Any]:
        maker = self._maker
        told = [
            {"at_s": step.at_s, "ward_event": step.ward_event, "asked": step.asked, "drawn_s": step.drawn_s}
            for step in maker.steps
        ]
        seen = {
            (event["ward_event"], event["planned_s"])
            for event in (e | {"planned_s": _planned(maker.steps, e)} for c in self._chunks for e in c["events"])
            if event["ward_event"] is not None
        }
        summary = {
            "situation": self._situation.name,
            "seed": self._situation.seed,
            "fps": maker.fps,
            "minutes": round(self._written / maker.fps / 60, 4),
            "chunks": len(self._chunks),
            "events": len(maker.steps),
            "events_found": len(seen),
        }
        text = json.dumps(summary | {"schedule": told, "chunk_list": self._chunks}, indent=1) + "\n"
        write_atomically(self._out / STREAM, lambda file: file.write(text.encode()))
        return summary

    def _save_state(self) -> None:
        assert self._tail is not None and self._pending is not None
        arrays = {"written": np.array(self._written)}
        for name, part in (("tail", self._tail), ("pending", self._pending)):
            arrays |= {f"{name}_poses": part.poses, f"{name}_trans": part.trans, f"{name}_labels": part.labels}
        write_npz(self._out / STATE, arrays)

    def _resume(self) -> None:
        """Go on after the chunks that are on disk, if they are of this very stream."""
        manifest, state = self._out / STREAM, self._out / STATE
        if not manifest.is_file():
            return
        known = json.loads(manifest.read_text())
        mine = (self._situation.name, self._situation.seed, len(self._maker.steps))
        if (known["situation"], known["seed"], known["events"]) != mine:
            return
        whole = abs(known["minutes"] * 60 - stream_seconds(self._situation)) < 1e-3
        if not state.is_file() and not whole:
            return
        self._chunks = known["chunk_list"]
        if whole:
            self._written = round(known["minutes"] * 60 * self._maker.fps)
            return
        with np.load(state) as saved:
            self._written = int(saved["written"])
            self._tail, self._pending = (
                WindowPart(saved[f"{name}_poses"], saved[f"{name}_trans"], saved[f"{name}_labels"])
                for name in ("tail", "pending")
            )
        # The state is written after its chunk; a chunk without state is made again.
        frames = np.cumsum([round(chunk["seconds"] * self._maker.fps) for chunk in self._chunks])
        self._chunks = self._chunks[: int(np.searchsorted(frames, self._written, side="right"))]


def _planned(steps: list[Step], event: dict[str, Any]) -> float | None:
    times = [step.at_s for step in steps if step.ward_event == event["ward_event"]]
    return min(times, key=lambda at: abs(at - event["start_s"])) if times else None


def _chunk_events(clip: Clip, steps: list[Step], start_s: float | int) -> list[Event]:
    """Runs of acts in a chunk, named after the step of the schedule that begins with this label within 1.5 s."""
    from carescene.situations.vocabulary import EVENT_FACTS

    events = []
    for label, begin, end in label_spells(clip, 0):
        near = [
            step
            for step in steps
            if EVENT_FACTS[step.ward_event].phases[0][0] == label and abs(step.at_s - start_s - begin) <= 1.5
        ]
        lasting = label in ("walk", "sitting", "lying", "standing", "fallen", "other", "kneeling")
        if lasting and not near:
            continue
        step = min(near, key=lambda s: abs(s.at_s - start_s - begin)) if near else None
        facts = None if step is None else EVENT_FACTS[step.ward_event]
        events.append(
            Event(
                person=0,
                label=label,
                start_s=round(begin, 3),
                end_s=round(end, 3),
                ward_event=None if step is None else step.ward_event,
                cause=None if facts is None else facts.cause,
            )
        )
    return events
