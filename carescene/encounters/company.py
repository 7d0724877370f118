"""Two or three people in one room: somebody placed alone is joined by others, checked, and told as one story."""

import dataclasses
from typing import Final

import numpy as np

from carescene.clips.clip import Clip
from carescene.encounters.actor import joined
from carescene.encounters.alone import Placed
from carescene.encounters.gait import Gait
from carescene.encounters.kinds import KINDS
from carescene.encounters.sources import SourceClip
from carescene.encounters.stage import Stage
from carescene.encounters.words import DOES, clause, is_sentence, sentence, who
from carescene.errors import UserError
from carescene.evaluation.people_contact import people_contact
from carescene.scenes.contact_measures import contact_report
from carescene.scenes.fitting import MEAN_M, SHARE_DEEP, fit_clip
from carescene.scenes.scene import Scene
from carescene.scenes.scene_files import scene_to_dict

# Somebody's hands are held in these.
_HELPED: Final = ("raised_by_staff", "bed_exit_assisted")
_TRIES: Final = 3
_PEOPLE_MEAN_M: Final = 0.01
_PEOPLE_MAX_M: Final = 0.06


@dataclasses.dataclass(frozen=True)
class Company:
    """A clip of several people in its room, and which kinds of encounters it holds."""

    clip: Clip
    kinds: list[str]


def add_company(
    source: SourceClip, placed: Placed, gaits: list[Gait], others: int, rng: np.random.Generator
) -> Company:
    """Let one or two people join whoever is placed.

    Raises:
        UserError: if nobody can join: no door, no free place or way, too little time, or people in each other.
    """
    clip, scene, kinds, clauses = placed.clip, placed.scene, [], []
    for number in range(others):
        kind, clip, scene, said = _join(clip, scene, gaits, rng, passing=number > 0)
        kinds.append(kind)
        clauses.append(said)
    texts = company_captions(source, placed, clauses, rng)
    clip = dataclasses.replace(clip, text=texts, scene=scene_to_dict(scene))
    return Company(clip, kinds)


def company_captions(
    source: SourceClip, placed: Placed, clauses: list[list[str]], rng: np.random.Generator
) -> list[str]:
    """Two to four sentences that name everybody by role, the place, the order and the side."""
    info = placed.clip.persons[0]
    where = "" if placed.where.startswith(("in bed", "on the")) else placed.where
    firsts = []
    if source.action in DOES:
        firsts.append(sentence(who(info, rng, source.style), DOES[source.action], where).rstrip("."))
    own = [text for text in placed.clip.text if is_sentence(text)]
    firsts += [sentence(text).rstrip(".") for text in own[:3]]
    told = []
    for number in range(3):
        first = firsts[number % len(firsts)]
        rest = "; ".join(options[number % len(options)] for options in clauses)
        # Whoever sits or helps there from the start does not come "then".
        comes = len(clauses) == 1 and any(word in rest for word in (" walks in ", " walks up ", " hurries "))
        told.append(sentence(f"{first}{', and then ' if comes and number % 2 else '; '}{rest}"))
    if number_of_falls(placed.clip) == 0:
        said = "; ".join(options[-1] for options in clauses)
        told.append(sentence(said, f"while {clause(firsts[-1])}"))
    return [text for text in dict.fromkeys(told) if text][:4]


def number_of_falls(clip: Clip) -> int:
    """Falls in a clip."""
    return sum(event.label == "fall" for event in clip.events)


def require_apart(clip: Clip) -> None:
    """Refuse a clip in which people are in each other.

    Raises:
        UserError: by how much.
    """
    report = people_contact(clip, every=2)
    if report.mean_m > _PEOPLE_MEAN_M or report.max_m > _PEOPLE_MAX_M:
        raise UserError(
            f"Expected people to be at most 1 cm inside each other on average and 6 cm at most, but got "
            f"{100 * report.mean_m:.1f} cm and {100 * report.max_m:.1f} cm. Their ways cross. Try another seed."
        )


def _join(
    clip: Clip, scene: Scene, gaits: list[Gait], rng: np.random.Generator, passing: bool
) -> tuple[str, Clip, Scene, list[str]]:
    stage = Stage.of(clip, scene, rng)
    state = "helped" if clip.attributes.get("action") in _HELPED and not passing else stage.state()
    options = KINDS.get(state, KINDS["walk"])
    weights = np.array([weight for _, _, weight in options])
    problem: UserError | None = None
    for _ in range(_TRIES):
        name, make, _ = options[int(rng.choice(len(options), p=weights / weights.sum()))]
        if passing:
            name, make, _ = next(each for each in KINDS["walk"] if each[0] == "walk_past")
        try:
            found = make(stage, gaits[int(rng.integers(len(gaits)))], rng)
            whole, room = joined(stage.clip, found.actors, rng), found.scene
            if found.sits:
                whole, room = fit_clip(whole, room)
            require_apart(whole)
            _require_clear(whole, room, clip.num_persons)
        except UserError as error:
            problem = error
            continue
        return name, whole, room, found.clauses
    assert problem is not None
    raise problem


def _require_clear(clip: Clip, scene: Scene, first: int) -> None:
    """Refuse if those who joined are inside furniture or walls."""
    only = dataclasses.replace(
        clip,
        poses=clip.poses[first:],
        trans=clip.trans[first:],
        betas=clip.betas[first:],
        frame_label=clip.frame_label[first:],
        valid=clip.valid[first:],
        persons=clip.persons[first:],
        events=[],
    )
    report = contact_report(only, scene, every=3)
    if report.mean_m > MEAN_M or report.share_deep > SHARE_DEEP:
        raise UserError(
            f"Expected whoever joins to be inside nothing, but got {100 * report.mean_m:.1f} cm on average in "
            f"{report.deepest}. The way or the place is too narrow. Try another seed."
        )
