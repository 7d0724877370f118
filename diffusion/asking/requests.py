"""What was asked of a clip, as it is written into the clip, so that anybody can check it later."""

from typing import TYPE_CHECKING, Any

from carescene.situations.vocabulary import facts_of

if TYPE_CHECKING:
    from diffusion.asking.asked import Asked


def requested_of(asked: "Asked") -> dict[str, Any]:
    """The events and constraints asked for, with places in the room's metres; only what was really asked for.

    Keys of an event: person, label, ward_event, cause, onset_s, end_s, direction, side, place ([x, y] of the pelvis at
    rest) and within_m. Keys of a constraint: person, kind, joint, time_s, value. `played` are people of given clips.
    """
    situation = asked.situation
    events = []
    for event in situation.events:
        facts = facts_of(event.ward_event, event.label)
        rest = asked.plan.persons[event.person].rest
        events.append(
            {
                "person": event.person,
                "label": event.label or facts.phases[0][0],
                "ward_event": event.ward_event,
                "cause": event.cause or facts.cause,
                "onset_s": event.onset_s,
                "end_s": event.end_s,
                "direction": event.direction,
                "side": event.side,
                "place": [rest.x, rest.y] if rest is not None and event.place is not None else None,
                "within_m": event.place.within_m if event.place is not None else None,
            }
        )
    return {
        "situation": situation.name,
        "room": "sampled" if situation.scene is not None and situation.scene.sampled else "given",
        "events": events,
        "constraints": list(asked.requested),
        "played": [person for person, request in enumerate(situation.people) if request.motion is not None],
    }
