"""Tokens of a clip whose values are known: labels, motion and the room."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from carescene.clips import OMNIFALL_ID
from carescene.scenes.scene import Scene
from carescene.situations.plan import PersonPlan
from diffusion.asking.frame import Frame
from diffusion.objects import encode_scene
from diffusion.representation import EVENT, MOTION_FEATURES
from diffusion.world import PRESENT, Given, World


def fill_labels(
    known: World, given: Given, person: int, plan: PersonPlan, fps: float | int, patch: int, frames: int
) -> None:
    """Fill the event channel where labels are known; a token is given if all of its frames are."""
    filled = torch.zeros(known.event.shape[2], dtype=torch.bool)
    for span in plan.labels:
        first, last = round(span.from_s * fps), min(round(span.to_s * fps), frames)
        known.event[0, person, first:last] = 0.0
        known.event[0, person, first:last, OMNIFALL_ID[span.label]] = 1.0
        filled[first:last] = True
    # What is past the end, or before somebody comes, does not hold a token back.
    start = round(plan.since_s * fps)
    filled[frames:] = True
    any_known = filled.clone()
    any_known[frames:] = False
    filled[:start] = True
    given.event[0, person] = filled.unflatten(0, (-1, patch)).all(-1) & any_known.unflatten(0, (-1, patch)).any(-1)


def give_motion(known: World, given: Given, person: int, features: Float[Tensor, "frame 217"], tokens: int) -> None:
    """Give the first frames of one person; their labels too, in tokens whose frames all have one.

    Args:
        features: motion and labels (see `representation.encode_motion`).
        tokens: how many tokens these frames fill; a last one that is cut by the end of a clip counts.
    """
    count = len(features)
    known.motion[0, person, :count] = features[:, :MOTION_FEATURES]
    known.event[0, person, :count] = features[:, EVENT]
    given.motion[0, person, :tokens] = True
    labelled = torch.ones(known.event.shape[2], dtype=torch.bool)
    labelled[:count] = features[:, EVENT].any(-1)
    patch = known.event.shape[2] // given.event.shape[2]
    given.event[0, person, :tokens] = labelled.unflatten(0, (-1, patch)).all(-1)[:tokens]


def give_room(
    known: World, given: Given, scene: Scene, frame: Frame, near: Float[np.ndarray, "point 2"]
) -> tuple[World, Given, Bool[Tensor, "object"]]:
    """The same with the things of a room, and which slots they fill.

    Args:
        scene: in its own coordinates.
        near: places of people there; of too many things the nearest are taken.
    """
    objects = encode_scene(scene, frame.angle, (frame.x, frame.y), known.objects.shape[1], near)
    present = objects[:, PRESENT.start] > 0
    return known._replace(objects=objects[None]), given._replace(objects=present[None]), present
