"""Files of 2D key points that others write, one format each, and the COCO file that we write."""

from reconstruction.formats.annotations import AnnotatedFrame, Annotations, FoundPerson
from reconstruction.formats.coco_write import write_keypoints
from reconstruction.formats.for_footage import read_footage_keypoints
from reconstruction.formats.names import landmark_called
from reconstruction.formats.reading import FORMATS, read_annotations, read_keypoints

__all__ = [
    "FORMATS",
    "AnnotatedFrame",
    "Annotations",
    "FoundPerson",
    "landmark_called",
    "read_annotations",
    "read_footage_keypoints",
    "read_keypoints",
    "write_keypoints",
]
