"""From one video of a static camera to clips, room, film and report."""

import dataclasses

from carescene.errors import UserError
from carescene.files import writable_folder
from reconstruction.footage import open_footage
from reconstruction.motion_check import check_camera, steadied
from reconstruction.part import Stretch, reconstruct_part
from reconstruction.request import Outcome, Part, Request


def reconstruct(request: Request) -> Outcome:
    """Recover everybody and the room from a video, writing each result as soon as it is there.

    A video with cuts becomes several parts, each in a folder of its own; one that fails costs only itself. The same
    request again goes on from what `work` in each folder holds.

    Raises:
        UserError: not a video, a camera that moves, a file that does not belong to it, or no part with people in it.
    """
    footage = open_footage(request.video, request.view)
    writable_folder(request.out)
    motion = check_camera(footage)
    frames = footage.analysed(request.rate)
    notes = []
    if motion.shaky:
        footage = steadied(footage, motion.segments)
        notes.append("The camera shakes a little; its pictures were moved back onto the first before anything else.")
    notes += [f"From {begin:.1f} to {end:.1f} s the camera moves: left out." for begin, end in motion.moving]
    stretches = [frames[(frames >= first) & (frames < last)] for first, last in motion.segments]
    name = footage.path.stem
    if len(stretches) == 1:
        return Outcome((reconstruct_part(Stretch(footage, stretches[0], name, tuple(notes)), request),))
    parts: list[Part] = []
    failures: list[str] = []
    for number, own in enumerate(stretches, start=1):
        folder = request.out / f"part_{number}"
        stretch = Stretch(footage, own, f"{name}_{number}", (*notes, f"Part {number} of {len(stretches)}."))
        try:
            parts.append(reconstruct_part(stretch, dataclasses.replace(request, out=folder)))
        except UserError as error:
            failures.append(f"Part {number}, from {footage.times[own[0]]:.1f} s on: {error}")
    if not parts:
        raise UserError(f"Expected people in a part of '{request.video}', but none worked. {' '.join(failures)}")
    return Outcome(tuple(parts), tuple(failures))
