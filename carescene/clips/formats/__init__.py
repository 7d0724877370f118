"""Foreign motion formats, one file each, all read into a `SourceMotion`."""

from carescene.clips.formats.amass import is_amass, read_amass
from carescene.clips.formats.bvh import read_bvh
from carescene.clips.formats.deepmimic import read_deepmimic
from carescene.clips.formats.samp_circle import is_samp_circle, list_samp_circle, read_samp_circle
from carescene.clips.formats.source import SourceMotion, source_kinematics

__all__ = [
    "SourceMotion",
    "is_amass",
    "is_samp_circle",
    "list_samp_circle",
    "read_amass",
    "read_bvh",
    "read_deepmimic",
    "read_samp_circle",
    "source_kinematics",
]
