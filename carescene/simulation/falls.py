"""From a plan to a labelled clip: stage it, simulate it, look what happened, describe it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int8

from carescene.clips.clip import Clip, Event, PersonInfo, Source
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.humans.body import Body
from carescene.scenes import Scene, SceneObject, scene_to_dict
from carescene.simulation.engine import simulate
from carescene.simulation.fall_captions import Story, fall_captions
from carescene.simulation.filter import FilterLimits, joint_positions, rejection
from carescene.simulation.humanoid import PersonBody, build_humanoid
from carescene.simulation.motion import ReferenceMotion, SimulatedMotion
from carescene.simulation.outcome import Outcome, read_outcome
from carescene.simulation.situations.plan import Plan, recorded_moments
from carescene.simulation.situations.references import Reference, ReferenceLibrary
from carescene.simulation.staging import FPS, stage

# Half the side of the bare room around people who touch furniture, metres.
_ROOM: Final = 4.0
# Ages below which somebody is a visitor or whoever rather than a patient.
_PATIENT_YEARS: Final = 60.0
# Restless people move on the floor, so only trembling is refused at the end.
_LIMITS: Final = FilterLimits(rest_speed=4.0, jitter=6.0)
_SEATS: Final = {"chair": "seated_chair", "wheelchair": "seated_wheelchair", "bed": "seated_bed_edge"}


@dataclass(frozen=True)
class Simulated:
    """A simulated situation: the clip and what was measured, or the reason why it is refused.

    Attributes:
        clip, outcome, motion: None when refused before they exist.
        reason: empty for accepted situations.
    """

    clip: Clip | None
    outcome: Outcome | None
    motion: SimulatedMotion | None
    reason: str


def simulate_plan(plan: Plan, library: ReferenceLibrary, body: Body, clip_id: str, seed: int) -> Simulated:
    """Simulate a plan and write the clip of what happened.

    Args:
        plan: what goes wrong.
        library: holds the recording that is imitated.
        body: the body model.
        clip_id: name of the clip.
        seed: of captions and of small movements on the floor.

    Raises:
        UserError: the recording, the body or the furniture do not fit together.
    """
    reference = library.references[plan.imitation.reference]
    recording = library.recording(reference.id, plan.imitation.mirrored)
    staged = stage(plan, recording, body)
    person = PersonBody(staged.betas, plan.person.weight_kg, plan.person.age_years, plan.person.sex)
    humanoid = build_humanoid(person, staged.objects, body=body)
    motion = simulate(
        ReferenceMotion(staged.poses, staged.trans, FPS),
        person,
        plan.events,
        staged.objects,
        seconds=plan.seconds,
        seed=seed,
        humanoid=humanoid,
    )
    spoilt = rejection(humanoid, motion, at_rest=not plan.recovers, limits=_LIMITS)
    if spoilt:
        return Simulated(None, None, motion, f"physics: {spoilt}")
    outcome, reason = read_outcome(plan, motion, joint_positions(humanoid, motion))
    if outcome is None:
        return Simulated(None, None, motion, reason)
    before = recording.labels[_times(plan, recording.fps, len(recording.labels))]
    clip = write_clip(plan, reference, staged.betas, staged.objects, motion, outcome, before, clip_id, seed)
    return Simulated(clip, outcome, motion, "")


def write_clip(
    plan: Plan,
    reference: Reference,
    betas: Float[np.ndarray, "10"],
    objects: tuple[SceneObject, ...],
    motion: SimulatedMotion,
    outcome: Outcome,
    before: Int8[np.ndarray, "frame"],
    clip_id: str,
    seed: int,
) -> Clip:
    """The clip of a simulated situation with all its labels.

    Args:
        plan, outcome: what was meant to happen, and what did.
        reference: recording that was imitated; its licence is the clip's.
        betas, objects, motion: body, furniture and motion.
        before: OmniFall labels of the recording on the clip's clock.
        clip_id, seed: name of the clip, and what its captions are drawn from.
    """
    frames = len(motion.trans)
    person = plan.person
    after = "none" if plan.recovers else ("moving" if outcome.moves else "still")
    story = Story(
        age_years=person.age_years, sex=person.sex, activity=plan.activity, cause=plan.cause,
        ward_event=plan.ward_event, direction=outcome.direction, side=plan.side,
        site=outcome.sites[0] if outcome.sites else None, below=outcome.below, after=after,
        furniture=plan.furniture[0].kind if plan.furniture else None,
    )  # fmt: skip
    return Clip(
        id=clip_id,
        fps=motion.fps,
        poses=motion.poses[None].astype(np.float32),
        trans=motion.trans[None].astype(np.float32),
        betas=betas[None].astype(np.float32),
        frame_label=_labels(plan, outcome, before, frames, motion.fps)[None],
        valid=np.ones((1, frames), dtype=bool),
        text=fall_captions(story, seed),
        persons=[
            PersonInfo(
                role="patient" if person.age_years >= _PATIENT_YEARS else "person",
                age_years=person.age_years, height_m=person.height_m, sex=person.sex,
                aid="wheelchair" if plan.ward_event == "slide_from_wheelchair" else None,
            )
        ],
        events=_events(plan, outcome, frames / motion.fps, after),
        attributes=_attributes(plan, outcome, after),
        scene=scene_to_dict(bare_room(clip_id, objects)) if objects else None,
        source=Source("simulated", reference.licence, f"{clip_id} from {reference.id}"),
        quality=_quality(motion, outcome),
    )  # fmt: skip


def bare_room(name: str, objects: tuple[SceneObject, ...]) -> Scene:
    """A square room of 8 m with nothing but the touched furniture."""
    corners = [(-_ROOM, -_ROOM), (_ROOM, -_ROOM), (_ROOM, _ROOM), (-_ROOM, _ROOM)]
    return Scene(id=name, polygon=corners, objects=list(objects))


def _times(plan: Plan, fps: float, recorded: int) -> np.ndarray:
    """Frames of the recording that the frames of the clip imitate."""
    at = np.arange(round(plan.seconds * FPS)) / FPS
    moments = recorded_moments(plan.imitation, plan.onset_s, at)
    return np.clip(np.round(moments * fps).astype(int), 0, recorded - 1)


def _labels(
    plan: Plan, outcome: Outcome, before: Int8[np.ndarray, "frame"], frames: int, fps: float
) -> Int8[np.ndarray, "frame"]:
    labels = np.resize(before, frames).copy()
    onset, rest = round(outcome.onset_s * fps), round(outcome.rest_s * fps)
    if plan.recovers:
        labels[onset:rest] = OMNIFALL_ID["other"]
        walks = plan.posture == "walking" and not plan.imitation.hold
        labels[rest:] = labels[rest:] if walks else OMNIFALL_ID["standing"]
    else:
        labels[onset:rest] = OMNIFALL_ID["fall"]
        labels[rest:] = OMNIFALL_ID["fallen"]
    return labels


def _events(plan: Plan, outcome: Outcome, seconds: float, after: str) -> list[Event]:
    events = []
    if plan.posture == "walking":
        events.append(Event(0, "walk", 0.0, plan.onset_s, "walk_free"))
    elif plan.posture == "sitting":
        events.append(Event(0, "sitting", 0.0, plan.onset_s, _SEATS[plan.furniture[0].kind]))
    elif plan.posture == "lying":
        events.append(Event(0, "lying", 0.0, plan.onset_s, "in_bed_still"))
    label = "other" if plan.recovers else "fall"
    events.append(Event(0, label, outcome.onset_s, outcome.rest_s, plan.ward_event, plan.cause, outcome.direction))
    if not plan.recovers and outcome.rest_s < seconds:
        events.append(Event(0, "fallen", outcome.rest_s, seconds, f"fallen_{after}"))
    return events


def _attributes(plan: Plan, outcome: Outcome, after: str) -> dict[str, str]:
    holds = next((piece.kind for piece in plan.furniture if piece.holds), None)
    via = holds or (outcome.object_hit if outcome.object_hit != "none" else None)
    times = {"onset_s": outcome.onset_s}
    if plan.recovers:
        times["recovered_s"] = outcome.rest_s
    else:
        times |= {"descent_s": outcome.descent_s, "impact_s": outcome.impact_s, "rest_s": outcome.rest_s}
    facts = {
        "action": plan.ward_event,
        "class": plan.ward_event,
        "activity": plan.activity,
        "start_posture": plan.posture,
        "cause": plan.cause,
        "direction": outcome.direction,
        "surface": "none" if plan.recovers else f"floor_via_{via}" if via else "floor",
        "object_hit": outcome.object_hit,
        "step_response": "yes" if outcome.stepped else "no",
        "grasp": "yes" if outcome.grasped else "no",
        "impact_site": outcome.sites[0] if outcome.sites else "none",
        "impacts": ",".join(outcome.sites) or "none",
        "lies_on": outcome.below,
        "after": after,
        "age_band": plan.person.age_band,
        "side": plan.side or "none",
    }
    return facts | {name: f"{value:.3f}" for name, value in times.items()}


def _quality(motion: SimulatedMotion, outcome: Outcome) -> dict[str, float]:
    facts = {
        "deepest_contact_m": float(motion.penetration.max()),
        "limit_violation_rad": float(motion.limit_violation.max()),
        "pelvis_speed_m_s": outcome.pelvis_speed,
        "head_speed_m_s": outcome.head_speed,
    }
    return {name: round(value, 4) for name, value in facts.items() if np.isfinite(value)}
