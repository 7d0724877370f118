"""`lightning prepare keypoints VIDEO`: a COCO file that people can correct by hand and feed back."""

import shutil
from functools import partial
from pathlib import Path

from jsonargparse import Namespace

from carescene.errors import UserError
from carescene.files import writable_folder


def prepare_keypoints(args: Namespace) -> str:
    """Find everybody in a video and say in one line who was found, and where that is written.

    Raises:
        UserError: without a video, for one that cannot be used, or a place that cannot be written, before any work.
    """
    # MediaPipe's and the video's libraries are loaded by those alone who need them.
    from reconstruction.detect import detect_people
    from reconstruction.find_keypoints import Detector, find_keypoints
    from reconstruction.footage import open_footage
    from reconstruction.formats import write_keypoints

    if args.video is None:
        raise UserError("Expected a video, but got none. Name it: lightning prepare keypoints VIDEO.")
    video = Path(args.video)
    out = Path(args.out or f"{video.stem}.keypoints.json")
    writable_folder(out.parent)
    footage = open_footage(video, args.view)
    work = out.with_name(f".{out.name}.part")
    detector: Detector = detect_people
    if args.detector == "vitpose":
        from reconstruction.detect_vitpose import detect_people_vitpose, load_vitpose

        networks = load_vitpose(args.pose_model, args.person_model)
        detector = partial(detect_people_vitpose, networks=networks)
    found = find_keypoints(footage, detector=detector, rate=args.rate, resume=work)
    write_keypoints(out, footage.keypoints_in_frame(found), name=video.name)
    shutil.rmtree(work, ignore_errors=True)
    people = f"{len(found.names)} {'person' if len(found.names) == 1 else 'people'}"
    seen = found.present.any(0).mean()
    return f"{people} in {len(found.times)} frames ({seen:.0%} with somebody) in {out}"
