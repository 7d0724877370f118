"""Cutting long takes into clips."""

import numpy as np
from jaxtyping import Float

LONGEST_S = 10.0
SHORTEST_S = 1.0
# No window of a cut take is shorter than this unless the take is: short ones hold no whole action.
_PREFERRED_SHORTEST_S = 5.0


def cut_windows(joints: Float[np.ndarray, "frame 24 3"], fps: float) -> list[tuple[int, int]]:
    """First and past-the-last frames of windows of at most 10 s that together cover a take.

    Cuts lie where the body moves least, so that actions stay whole.
    """
    frames = len(joints)
    longest, preferred = int(LONGEST_S * fps), int(_PREFERRED_SHORTEST_S * fps)
    if frames < int(SHORTEST_S * fps):
        return []
    speed = np.zeros(frames)
    if frames > longest:
        speed[1:] = np.linalg.norm(np.diff(joints, axis=0), axis=-1).mean(axis=-1)
        width = int(fps / 2)
        speed = np.convolve(np.pad(speed, width // 2, mode="edge"), np.ones(width) / width, mode="same")
        speed = speed[width // 2 : width // 2 + frames]
    windows = []
    start = 0
    while frames - start > longest:
        first = start + preferred
        last = min(start + longest, frames - preferred)
        end = first + int(np.argmin(speed[first : last + 1])) if last > first else start + (frames - start) // 2
        windows.append((start, end))
        start = end
    return [*windows, (start, frames)]
