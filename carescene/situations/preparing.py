"""The room made ready for what happens in it: rails down for who gets out, no folded blanket under feet."""

import dataclasses
from typing import TYPE_CHECKING

from carescene.scenes.furniture import default_object
from carescene.scenes.scene import Scene, SceneObject
from carescene.situations.situation import Situation
from carescene.situations.vocabulary import facts_of

if TYPE_CHECKING:
    from carescene.situations.plan import PersonPlan

# Events in which the rails are what it is about, or may be up.
_WITH_RAILS = ("rail_climb", "in_bed_still", "in_bed_turning", "in_bed_restless")
# A backrest this flat carries a sleeping person.
_FLAT_DEG = 12.0


def prepared_room(situation: Situation, scene: Scene, plans: "list[PersonPlan]") -> Scene:
    """The room with beds set for who lies or sits on them; itself if nobody does."""
    things = list(scene.objects)
    for person, plan in enumerate(plans):
        carrier = plan.start.thing if plan.start is not None else None
        for at, thing in enumerate(things):
            if thing.id == carrier and thing.kind == "bed" and thing.mesh is None:
                events = [event for event in situation.events if event.person == person]
                things[at] = _bed(thing, plan.state, [event.ward_event for event in events if event.ward_event])
    entered = {event.place.near for event in situation.events if event.place is not None}
    needs = {kind for event in situation.events for kind in facts_of(event.ward_event, event.label).needs}
    if "bed" in entered | needs and not any(plan.start is not None and plan.start.thing for plan in plans):
        # Somebody comes to a bed: any of them may be the one.
        things = [_bed(thing, None, []) if thing.kind == "bed" and thing.mesh is None else thing for thing in things]
    return dataclasses.replace(scene, objects=things)


def _bed(bed: SceneObject, state: str | None, events: list[str]) -> SceneObject:
    params = dict(bed.params)
    params["folded_blanket"] = False
    if state == "lying":
        params["head_angle_deg"] = min(float(params.get("head_angle_deg", 0.0)), _FLAT_DEG)
    if not (events and all(name in _WITH_RAILS for name in events)):
        params["rails"] = "none"
    if "rail_climb" in events and params.get("rails", "half") == "none":
        params["rails"] = "half"
    x, y, _ = bed.center
    return default_object("bed", bed.id, x=x, y=y, yaw=bed.yaw, size=(bed.size[0], bed.size[1], None), **params)  # pyright: ignore[reportArgumentType]
