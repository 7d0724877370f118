"""The key points of one film as a COCO file, with the exact area that each person covers."""

from pathlib import Path

import numpy as np

from carescene.clips.formats.coco import CocoImage, coco_person, write_coco
from carescene.rendering.camera import Camera
from carescene.rendering.labels import LabelWriter


def write_film_keypoints(path: Path, film: str, labels: LabelWriter, camera: Camera) -> None:
    """Write every picture of a film and everybody seen in it; picture 12 is called `FILM_000012.jpg`.

    Raises:
        UserError: if the file cannot be written.
    """
    shown = labels.labels
    images = [
        CocoImage(
            f"{film}_{index:06d}.jpg",
            camera.width,
            camera.height,
            {"film": film, "frame": index, "time_s": round(time_s, 6)},
        )
        for index, time_s in enumerate(shown.times.tolist())
    ]
    people = [
        coco_person(
            frame,
            shown.box[person, frame],
            shown.keypoints[person, frame],
            float(labels.pixels[person, frame]),
            {"person": person, "visible_fraction": round(float(shown.visible_fraction[person, frame]), 4)},
        )
        for frame in range(len(images))
        for person in np.flatnonzero(np.isfinite(shown.box[:, frame, 0])).tolist()
    ]
    write_coco(path, images, people, film)
