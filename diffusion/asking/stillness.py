"""People who rest until something happens: their motion before it is damped, so that onsets are seen when asked for.

A diffusion model averages over when a movement begins, so people in bed stir long before their label says so. The known
labels tell how long somebody rests; until then the estimate of x_0 is pulled to its own mean at every step, and the
network, which sees the result, begins the movement after it.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carescene.clips.taxonomy import OMNIFALL_ID
from diffusion.asking.joining import fade

# States in which people do not move about. Whoever stands sways and steps.
_AT_REST: Final = (OMNIFALL_ID["lying"], OMNIFALL_ID["sitting"])
# What is left of movement at rest: small shifts of millimetres. Geometry calls 3 cm/s a movement.
_LEFT: Final = 0.03
# Seconds before the onset in which movement may come back: one frame, because geometry sees what is smoothed.
_RETURNS_S: Final = 0.05


def resting_frames(
    event: Float[Tensor, "person frame 16"],
    event_given: Bool[Tensor, "person frame"],
    motion_given: Bool[Tensor, "person frame"],
) -> Int[Tensor, " person"]:
    """How many first frames each person rests, by the labels that are given; 0 where nothing follows the rest.

    Somebody who lies or sits for the whole clip may turn over or reach: that is the event, and nothing is held. Neither
    is anybody whose motion is given.

    Args:
        event: one-hot labels (OmniFall-16).
        event_given, motion_given: frames whose labels and whose motion are known.
    """
    label = event.argmax(-1)
    counts = torch.zeros(len(label), dtype=torch.long)
    for person in range(len(label)):
        if motion_given[person].any() or int(label[person, 0]) not in _AT_REST:
            continue
        changed = (label[person] != label[person, 0]).nonzero()
        if len(changed) and event_given[person, : int(changed[0]) + 1].all():
            counts[person] = int(changed[0])
    return counts


def hold_still(
    motion: Float[Tensor, "batch person frame feature"],
    counts: Int[Tensor, "batch person"],
    fps: float | int,
    *,
    fades_s: float | int = 0.0,
) -> Float[Tensor, "batch person frame feature"]:
    """Motion whose first `counts` frames stay near their own mean, more freely in the last moments before the onset.

    Linear in the motion, and 1 at the onset: what comes after is as it was.

    Args:
        motion: features of the model.
        counts: frames at rest of each person.
        fps: frames per second.
        fades_s: seconds after the onset in which what the rest was shifted by fades, so that a finished clip does not
            step there; the network, which is shown the result again, mends that by itself.
    """
    frames = motion.shape[2]
    time = torch.arange(frames, device=motion.device)
    count = counts.to(motion.device)[..., None]
    resting = time < count
    weight = resting[..., None].to(motion.dtype)
    mean = (motion * weight).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp(min=1)
    back = (
        torch.zeros(frames, device=motion.device) if fades_s else ((time - count) / (_RETURNS_S * fps) + 1).clamp(0, 1)
    )
    share = (_LEFT + (1 - _LEFT) * back)[..., None].to(motion.dtype)
    held = torch.where(resting[..., None], mean + share * (motion - mean), motion)
    if fades_s == 0:
        return held
    last = (count - 1).clamp(min=0)[..., None].expand(-1, -1, -1, motion.shape[-1])
    shift = (held - motion).gather(2, last)
    left = fade((time - count + 1).cpu().numpy() / (float(fps) * float(fades_s)))
    return held + torch.where(resting, 0.0, torch.from_numpy(left).to(motion))[..., None] * shift
