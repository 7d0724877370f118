"""Files that others read and write, one format each.

Motion that is read becomes a `SourceMotion`; what is written starts from a `Clip` or from the labels of a film.
"""

from carescene.clips.formats._people import RestBody, person_span
from carescene.clips.formats.amass import is_amass, read_amass, write_amass
from carescene.clips.formats.bvh import read_bvh
from carescene.clips.formats.bvh_write import bvh_text
from carescene.clips.formats.coco import CocoImage, CocoPerson, coco_person, read_coco, write_coco
from carescene.clips.formats.deepmimic import read_deepmimic
from carescene.clips.formats.gltf import glb_bytes
from carescene.clips.formats.kinetics import (
    ListedVideo,
    kinetics_path,
    read_kinetics,
    read_video_list,
    write_kinetics_lists,
    write_video_list,
)
from carescene.clips.formats.mmaction import SkeletonSample, read_mmaction, skeleton_sample, write_mmaction
from carescene.clips.formats.omnifall import (
    LabelledSegment,
    frame_labels_of,
    label_segments,
    read_omnifall,
    read_split_list,
    write_omnifall,
    write_split_list,
)
from carescene.clips.formats.samp_circle import is_samp_circle, list_samp_circle, read_samp_circle
from carescene.clips.formats.webdataset import (
    ShardEntry,
    ShardSample,
    plan_shards,
    read_shard_index,
    shard_key,
    write_shard,
    write_shard_index,
)
from carescene.humans.source_motion import SourceMotion, source_kinematics

__all__ = [
    "CocoImage",
    "CocoPerson",
    "LabelledSegment",
    "ListedVideo",
    "RestBody",
    "ShardEntry",
    "ShardSample",
    "SkeletonSample",
    "SourceMotion",
    "bvh_text",
    "coco_person",
    "frame_labels_of",
    "glb_bytes",
    "is_amass",
    "is_samp_circle",
    "kinetics_path",
    "label_segments",
    "list_samp_circle",
    "person_span",
    "plan_shards",
    "read_amass",
    "read_bvh",
    "read_coco",
    "read_deepmimic",
    "read_kinetics",
    "read_mmaction",
    "read_omnifall",
    "read_samp_circle",
    "read_shard_index",
    "read_split_list",
    "read_video_list",
    "shard_key",
    "skeleton_sample",
    "source_kinematics",
    "write_amass",
    "write_coco",
    "write_kinetics_lists",
    "write_mmaction",
    "write_omnifall",
    "write_shard",
    "write_shard_index",
    "write_split_list",
    "write_video_list",
]
