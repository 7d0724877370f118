"""The room of each clip of a situation."""

from pathlib import Path
from typing import Final

from carescene.errors import UserError
from carescene.scenes import generate_scene, load_scene
from carescene.scenes.scene import Scene
from carescene.situations.consistency import refuse_at
from carescene.situations.plan import plan_situation
from carescene.situations.situation import Situation

# Rooms of a preset differ in what stands in them; of so many one should have what is asked for.
_ROOMS_TRIED: Final = 12


def room_for(situation: Situation, index: int, seed: int) -> Scene | None:
    """The room of a clip: made, read, or None (no room, or one that is to be sampled).

    Rooms of a preset in which the situation cannot be (no chair, no way through) are passed over for the next seed.

    Args:
        index: number of the clip; every clip of a preset without a seed has a room of its own.
        seed: of the clip's plan.

    Raises:
        UserError: one sentence with the line, if the situation fits in none of the rooms.
    """
    request = situation.scene
    if request is None or request.sampled:
        return None
    if request.file is not None:
        scene = load_scene(Path(request.file))
        plan_situation(situation, scene, seed)
        return scene
    assert request.preset is not None
    first = request.seed if request.seed is not None else (situation.seed + index) * _ROOMS_TRIED
    tried = 1 if request.seed is not None else _ROOMS_TRIED
    reasons = []
    for number in range(tried):
        scene = generate_scene(request.preset, first + number)
        try:
            plan_situation(situation, scene, seed)
        except UserError as error:
            reasons.append(error)
            continue
        return scene
    raise reasons[0]


def check_rooms(situation: Situation) -> None:
    """Find out before anything is sampled whether the first clip's room can hold the situation.

    Raises:
        UserError: one sentence with the line.
    """
    if situation.scene is not None and not situation.scene.sampled:
        room_for(situation, 0, situation.seed)
    elif situation.scene is None:
        plan_situation(situation, None, situation.seed)


def refuse_sampled(situation: Situation, tries: int, why: UserError) -> None:
    """Say that no sampled room was fit for the situation."""
    refuse_at(
        situation,
        "scene",
        "the model to come up with a room for this situation",
        f"none that fits in {tries} tries (the last: {why})",
        "name a preset instead",
    )
