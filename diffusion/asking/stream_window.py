"""One window of a long stream: its prefix, the labels and places of its part of the schedule, and its score."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from jaxtyping import Float, Int8

from carescene.clips import Clip
from carescene.scenes.scene import Scene
from carescene.situations.consistency import start_state
from carescene.situations.fall_places import TRAVEL_M
from carescene.situations.label_plan import LabelSpan
from carescene.situations.plan import Plan, Waypoint, plan_situation, start_side
from carescene.situations.schedule import Step, rest_state
from carescene.situations.situation import EventRequest, Situation
from carescene.situations.things import Room, Spot, beside_spot, direction, edge_spot
from carescene.situations.vocabulary import EVENT_FACTS
from carescene.situations.wording import text_for
from diffusion.asking.asked import Asked
from diffusion.asking.frame import Frame, frame_of_motion
from diffusion.asking.joining import joined
from diffusion.asking.known_tokens import fill_labels, give_motion, give_room
from diffusion.asking.wishes import constrain
from diffusion.objects import DEFAULT_SLOTS
from diffusion.representation import encode_motion
from diffusion.world import ROLES, nothing_known

if TYPE_CHECKING:
    from diffusion.asking.stream import _Maker

# Somebody at rest stays within this of the place of rest, metres.
_STAYS_M: Final = 0.6


@dataclass(frozen=True)
class WindowPart:
    """Some frames of everybody, in the room's coordinates."""

    poses: Float[np.ndarray, "person frame 24 3"]
    trans: Float[np.ndarray, "person frame 3"]
    labels: Int8[np.ndarray, "person frame"]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.trans.shape[1]

    def first(self, count: int) -> "WindowPart":
        """The first frames."""
        return WindowPart(self.poses[:, :count], self.trans[:, :count], self.labels[:, :count])

    def from_frame(self, frame: int) -> "WindowPart":
        """All frames from one on, as a copy, so that the memory of the others is freed."""
        return WindowPart(*(part[:, frame:].copy() for part in (self.poses, self.trans, self.labels)))

    def last(self, count: int) -> "WindowPart":
        """The last frames."""
        return self.from_frame(max(self.frames - count, 0))

    def after(self, prefix: "WindowPart", fps: float | int) -> "WindowPart":
        """What comes after a prefix that these frames begin with; it goes on from the prefix without a step."""
        new = self.from_frame(prefix.frames)
        for person in range(len(new.trans)):
            new.poses[person], new.trans[person] = joined(
                new.poses[person], new.trans[person], prefix.poses[person], prefix.trans[person], fps
            )
        return new

    def followed_by(self, other: "WindowPart") -> "WindowPart":
        """These frames, then the others."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return WindowPart(*(np.concatenate(pair, axis=1) for pair in pairs))


@dataclass(frozen=True)
class StreamPlan:
    """Where everybody is at rest, and what happens when.

    Attributes:
        rest: places at rest of each person; None where nothing is known.
        spots: of person 0 in each state.
        labels: of the whole stream, for person 0.
    """

    situation: Situation
    base: Plan
    spots: dict[str, Spot]
    steps: tuple[Step, ...]
    labels: tuple[LabelSpan, ...]

    @property
    def scene(self) -> Scene | None:
        """The room."""
        return self.base.scene

    @classmethod
    def of(
        cls, situation: Situation, scene: Scene | None, seed: int, steps: Sequence[Step], labels: Sequence[LabelSpan]
    ) -> "StreamPlan":
        """Plan the places of a stream in its room."""
        base = plan_situation(situation, scene, seed)
        spots: dict[str, Spot] = {}
        start = base.persons[0].start
        if start is not None:
            spots[rest_state(situation)] = start
            carrier = next((thing for thing in (base.scene or scene).objects if thing.id == start.thing), None)  # pyright: ignore[reportOptionalMemberAccess]
            if carrier is not None and carrier.kind == "bed" and base.scene is not None:
                side = start_side(Room(base.scene, situation), 0, carrier.id)
                stands = beside_spot(carrier, side)
                ahead = np.array([stands.x, stands.y])
                floor = ahead + 0.1 * TRAVEL_M["left"] * direction(stands.facing or 0.0)
                spots |= {
                    "standing": stands,
                    "walking": stands,
                    "sitting": spots.get("sitting", edge_spot(carrier, side)),
                    "fallen": Spot(float(floor[0]), float(floor[1])),
                    "kneeling": Spot(float(floor[0]), float(floor[1])),
                }
        return cls(situation, base, spots, tuple(steps), tuple(labels))

    def state_at(self, at_s: float | int) -> tuple[str, bool]:
        """The state of person 0, and whether it is settled (no event going on)."""
        state = rest_state(self.situation)
        for step in self.steps:
            if at_s < step.at_s:
                return state, True
            if at_s < step.until_s:
                return step.after, False
            state = step.after
        return state, True

    def events(self, begin_s: float | int, end_s: float | int) -> list[Step]:
        """What goes on in a window."""
        return [step for step in self.steps if step.at_s < end_s and step.until_s > begin_s]


def compile_window(
    maker: "_Maker", prefix: WindowPart | None, begin_s: float | int, end_s: float | int, seed: int
) -> Asked:
    """The sampler's view of one window: prefix given, labels and the place at its end from the schedule."""
    plan, fps, patch = maker.plan, maker.fps, maker.patch
    frames = round((end_s - begin_s) * fps)
    padded = -(-frames // patch) * patch
    slots = DEFAULT_SLOTS if plan.scene is not None else 0
    people = len(maker.infos)
    known, given = nothing_known(1, people, padded, slots, patch=patch)
    known = known._replace(shape=maker.betas[None])
    given = given._replace(shape=torch.ones_like(given.shape))
    there = torch.zeros(people, padded, dtype=torch.bool)
    there[:, :frames] = True
    steps = plan.events(begin_s, end_s)
    request, persons = _window_plan(plan, steps, begin_s, end_s, prefix is not None)
    frame = _frame(plan, prefix)
    for person, one in enumerate(persons.persons):
        fill_labels(known, given, person, one, fps, patch, frames)
    if prefix is not None:
        for person in range(people):
            poses, trans = frame.moved_into(
                torch.from_numpy(prefix.poses[person]).double(), torch.from_numpy(prefix.trans[person]).double()
            )
            label = torch.from_numpy(prefix.labels[person].astype(np.int64))
            features = encode_motion(poses, trans, label, maker.rest[person].double()).float()
            give_motion(known, given, person, features, prefix.frames // patch)
    object_mask = torch.zeros(slots, dtype=torch.bool)
    if plan.scene is not None:
        near = np.array([[spot.x, spot.y] for spot in plan.spots.values()]).reshape(-1, 2)
        known, given, object_mask = give_room(known, given, plan.scene, frame, near)
    asked = Asked(
        text=text_for(request, maker.infos),
        frames=frames,
        fps=fps,
        seed=seed,
        situation=request,
        plan=persons,
        scene=plan.scene,
        frame=frame,
        roles=[ROLES.index(info.role) if info.role in ROLES else 0 for info in maker.infos],
        there=there,
        known=known,
        given=given,
        object_mask=object_mask,
        constraints=[],
        energies=[],
        infos=maker.infos,
        rest_joints=maker.rest,
    )
    constrain(asked, set())
    return asked


def _window_plan(
    plan: StreamPlan, steps: list[Step], begin: float | int, end: float | int, goes_on: bool
) -> tuple[Situation, Plan]:
    """The situation of a window, for its text, and where people are at its ends."""
    events = tuple(
        EventRequest(label=EVENT_FACTS[step.ward_event].phases[0][0], ward_event=step.ward_event) for step in steps
    )
    request = dataclasses.replace(plan.situation, text=None, events=events, seconds=end - begin)
    persons = []
    for number, base in enumerate(plan.base.persons):
        points = []
        if number == 0:
            state, settled = plan.state_at(end)
            spot = plan.spots.get(state)
        else:
            state, settled, spot = base.state or "standing", True, base.start
        if base.start is not None and not goes_on:
            points.append(Waypoint(0.0, base.start))
        if spot is not None and settled and state in ("lying", "sitting"):
            points.append(Waypoint(end - begin, spot))
        spans = _within(plan.labels, begin, end) if number == 0 else _lasting(plan, number, begin, end)
        start = None if goes_on else base.start
        persons.append(dataclasses.replace(base, points=points, labels=spans, start=start, since_s=0.0))
    return request, Plan(plan.scene, persons)


def _within(labels: Sequence[LabelSpan], begin: float | int, end: float | int) -> list[LabelSpan]:
    cut = [LabelSpan(s.label, max(s.from_s, begin) - begin, min(s.to_s, end) - begin) for s in labels]
    return [span for span in cut if span.to_s > span.from_s]


def _lasting(plan: StreamPlan, person: int, begin: float | int, end: float | int) -> list[LabelSpan]:
    """Others are at rest all the time."""
    from carescene.situations.vocabulary import STATE_LABEL

    state = start_state(plan.situation, person)
    return [LabelSpan(STATE_LABEL[state], 0.0, end - begin)] if state in ("lying", "sitting") else []


def _frame(plan: StreamPlan, prefix: WindowPart | None) -> Frame:
    if prefix is not None:
        return frame_of_motion(prefix.poses[0, 0], prefix.trans[0, 0])
    start = plan.base.persons[0].start
    return Frame() if start is None else Frame(start.x, start.y, start.facing or 0.0)


def window_score(plan: StreamPlan, clip: Clip, begin_s: float | int, end_s: float | int, fps: float | int) -> float:
    """How well a window keeps to the schedule, 0 to 1: rest stays where it is, and events leave people where they lead.

    Judged by where the pelvis is, not by the labels, which were given.
    """
    steps = plan.events(begin_s, end_s)
    state, settled = plan.state_at(end_s - 1e-6)
    spot = plan.spots.get(state)
    if spot is None:
        return 1.0
    pelvis = clip.trans[0]
    near = np.linalg.norm(pelvis[:, :2] - [spot.x, spot.y], axis=1) < _STAYS_M
    low = {"lying": (0.3, 1.2), "sitting": (0.35, 0.85), "fallen": (0.0, 0.4)}.get(state, (0.6, 1.2))
    fits = (pelvis[:, 2] > low[0]) & (pelvis[:, 2] < low[1])
    if not steps:
        return float((near & fits).mean())
    if not settled:
        return 1.0
    # The end of an event is what counts: the last half second.
    last = max(round(0.5 * fps), 1)
    return float((near & fits)[-last:].mean())
