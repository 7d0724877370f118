"""One person doing one thing at a place in a room: placed, fitted, and told with the place."""

import dataclasses
from typing import Final

import numpy as np

from carescene.clips.clip import Clip, PersonInfo
from carescene.clips.taxonomy import OMNIFALL_ID
from carescene.encounters.places import place_words
from carescene.encounters.rooms import draw_room
from carescene.encounters.sources import SourceClip
from carescene.encounters.words import DOES, clause, is_sentence, sentence, who
from carescene.scenes.contact_measures import contact_report
from carescene.scenes.fitting import fit_clip
from carescene.scenes.fitting_furniture import carrier_of
from carescene.scenes.placement import place_clip
from carescene.scenes.placement_own import bare_room
from carescene.scenes.resting import clip_joints, find_resting
from carescene.scenes.scene import Scene

_WARDS: Final = ("ward_single", "ward_two_bed", "ward_four_bed")
_TOILETS: Final = ("bathroom",)
_RESTING: Final = (OMNIFALL_ID["sitting"], OMNIFALL_ID["lying"])


@dataclasses.dataclass(frozen=True)
class Placed:
    """A clip in a room, and where its first person is in words."""

    clip: Clip
    scene: Scene
    where: str


def place_alone(source: SourceClip, clip: Clip, rng: np.random.Generator, rooms: int) -> Placed:
    """Put one prepared clip into a room that suits it, with contact fitted and a role for the person.

    Raises:
        UserError: if the room drawn has no place for it, or contact cannot be mended.
    """
    scene = draw_room(rng, suitable_presets(clip), rooms)
    seed = int(rng.integers(2**31))
    placed, furnished = place_clip(clip, scene, seed=seed)
    fitted, furnished = fit_clip(placed, furnished)
    info = person_of(fitted)
    where = whereabouts(fitted, furnished, 0)
    captions = alone_captions(source, fitted, info, where, rng)
    fitted = dataclasses.replace(fitted, persons=[info], text=captions)
    return Placed(fitted, furnished, where)


def suitable_presets(clip: Clip) -> tuple[str, ...]:
    """Presets of rooms that have what the clip needs."""
    own = bare_room(clip)
    kinds = {thing.kind for thing in own.objects} if own else set()
    if "toilet" in kinds or "basin" in kinds:
        return _TOILETS
    needs_bed = "bed" in kinds or (
        not own and any(rest.kind != "seat" for rest in find_resting(clip, clip_joints(clip)))
    )
    if needs_bed:
        return _WARDS
    if kinds:
        return (*_WARDS, "day_room", "corridor")
    return (*_WARDS, "corridor", "day_room", "bathroom")


def person_of(clip: Clip) -> PersonInfo:
    """Whoever has no role yet is a patient."""
    info = clip.persons[0] if clip.persons else PersonInfo()
    return dataclasses.replace(info, role="patient") if info.role in ("person", "unknown") else info


def whereabouts(clip: Clip, scene: Scene, person: int) -> str:
    """Where somebody is at the end of a clip, in words."""
    frames = np.flatnonzero(clip.valid[person])
    last = frames[-max(3, len(frames) // 6) :]
    spot = clip.trans[person, last].astype(np.float64)
    carrier = carrier_of(scene, spot) if np.isin(clip.frame_label[person, last], _RESTING).mean() > 0.5 else None
    if carrier is not None and float(np.median(spot[:, 2])) < 0.28:
        carrier = None
    return place_words(scene, np.median(spot[:, :2], axis=0), carrier.kind if carrier else None)


def alone_captions(source: SourceClip, clip: Clip, info: PersonInfo, where: str, rng: np.random.Generator) -> list[str]:
    """Two to four sentences, some of which name the place."""
    own = [text for text in clip.text if is_sentence(text)]
    on_thing = where.startswith(("in bed", "on the"))
    told = []
    if source.action in DOES:
        does = DOES[source.action]
        subject = who(info, rng, source.style)
        told.append(sentence(subject, does, "" if on_thing else where))
    for text in own[:2]:
        told.append(sentence(clause(text), "" if on_thing else where) if rng.random() < 0.6 else sentence(text))
    if not on_thing:
        told.append(sentence(where + ",", clause(told[0]).replace(f" {where}", "")))
    return list(dict.fromkeys(told))[:4]


def is_touching(clip: Clip, scene: Scene | None) -> dict[str, float]:
    """Contact figures for a clip's `quality`."""
    report = contact_report(clip, scene, every=2)
    return {
        "scene_depth_mean_m": round(report.mean_m, 4),
        "scene_deep_share": round(report.share_deep, 4),
        "scene_floating_share": round(report.share_floating, 4),
    }
