"""Walks with a walking frame, on somebody's arm, and beside somebody: recorded legs, hands by inverse kinematics."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from carescene.clips.clip import Clip
from carescene.errors import UserError
from carescene.simulation.cast import Cast, cast_person
from carescene.simulation.controlled_quality import review
from carescene.simulation.controlled_script import Script, clip_of
from carescene.simulation.keyframing import FPS, Motion
from carescene.simulation.real_walks import find_walks, hold_while_walking, walk_on
from carescene.simulation.surfaces import floor

# Action -> role, whether the walk is an old person's, and the ward event (None: a staff action).
WALKING: Final = {
    "walk_aid": ("patient", True, "walk_aid"),
    "walk_assisted": ("patient", True, "walk_assisted"),
    "walk_beside": ("staff", False, None),
}
_ATTEMPTS: Final = 6
_LONGEST: Final = round(9.5 * FPS)


def make_walking(action: str, seed: int, walks: Path) -> Clip:
    """A recorded walk with hands at a walker (`walk_aid`), on a helper's arm (`walk_assisted`), or, of staff, at the
    patient's arm and back (`walk_beside`); labels, events and captions as `make_controlled`.

    Args:
        walks: a prepared folder of motion capture; only its training split is used.

    Raises:
        UserError: an unknown action, a folder without walks, or a seed under which no walk fits.
    """
    if action not in WALKING:
        raise UserError(f"Expected one of {', '.join(WALKING)}, but got '{action}'. Choose one of them.")
    role, old, ward_event = WALKING[action]
    paths = find_walks(walks, old=old)
    reasons: list[str] = []
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, attempt, *action.encode()])
        cast = cast_person(rng, role)
        walk = walk_on(cast.anatomy, paths[int(rng.integers(len(paths)))])
        hands, script = _grips(action, cast, rng)
        solved, targets = hold_while_walking(cast.anatomy, walk, hands, stoop=cast.stoop if action == "walk_aid" else 0)
        first = int(rng.integers(0, max(len(solved.trans) - _LONGEST, 0) + 1))
        part = slice(first, first + _LONGEST)
        labels = [("other" if label == "walk" and action == "walk_aid" else label) for label in walk.labels[part]]
        kept = replace(targets, positions=targets.positions[part], weights=targets.weights[part])
        motion = Motion(
            solved.rotations[part],
            solved.trans[part] - np.array([*solved.trans[first, :2], 0]),
            labels,
            [0.0],
            [0.0],
            kept,
        )
        kept.positions[..., :2] -= solved.trans[first, :2]
        quality, refused = review(cast.anatomy, motion, [floor()])
        if len(labels) < 3 * FPS or "walk" not in walk.labels[part]:
            refused.append("too short")
        if not refused:
            clip = clip_of(script, cast, motion, (0.0, len(labels) / FPS), ward_event, action, seed, rng)
            clip.quality = quality
            clip.attributes["walk"] = walk.source
            return clip
        reasons.append(" and ".join(refused))
    raise UserError(
        f"Expected a believable '{action}' under seed {seed}, but all {_ATTEMPTS} draws were refused for "
        f"{', '.join(reasons)}. Take another seed."
    )


def _grips(action: str, cast: Cast, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], Script]:
    """Where the hands are (left, forwards, up from the floor) and what is said about it."""
    tall = cast.standing_pelvis
    if action == "walk_aid":
        aid = str(rng.choice(["walking frame", "rollator"]))
        cast.info.aid = "walker"
        high, ahead = 0.93 * tall, rng.uniform(0.24, 0.32)
        hands = {"left_hand": np.array([0.26, ahead, high]), "right_hand": np.array([-0.26, ahead, high])}
        says = [
            f"{{who}} walks with a {aid}",
            f"{{who}} pushes a {aid} along",
            f"with both hands on a {aid}, {{who}} walks slowly",
        ]
        return hands, Script([], says, event_label="other")
    if action == "walk_assisted":
        hands = {"left_hand": np.array([0.30, 0.16, 1.08 * tall])}
        says = [
            "{who} walks with the help of somebody on the {side}",
            "{who} is led by the {side} arm and walks",
            "a helper on the {side} supports {who} while walking",
        ]
        return hands, Script([], says, side=str(rng.choice(["left", "right"])), event_label="walk")
    # The patient walks on the left: one hand at the elbow, the other behind the back.
    hands = {
        "left_hand": np.array([0.38, -0.04, 1.02 * tall]),
        "right_hand": np.array([0.16, 0.30, 1.05 * tall]),
    }
    says = [
        "{who} walks beside a patient and supports {their} arm".replace("{their}", "the patient's"),
        "{who} walks close to somebody on the {side} with a hand on the arm",
        "{who} guides a patient on the {side} side",
    ]
    return hands, Script([], says, side=str(rng.choice(["left", "right"])), event_label="walk")
