"""HumanML3D as published (Guo et al. 2022): its vectors, its folder, and both to and from our clips."""

from carescene.clips.formats.humanml3d.clips import (
    ExportedVectors,
    clip_joints,
    clip_to_vectors,
    joints_to_clip,
    published_betas,
    vectors_to_clip,
)
from carescene.clips.formats.humanml3d.folder import (
    MIN_FRAMES,
    SPLITS,
    HumanML3D,
    HumanML3DItem,
    HumanML3DSample,
    draw_crop,
    draw_sample,
    load_vectors,
    read_humanml3d,
    read_ids,
)
from carescene.clips.formats.humanml3d.headings import corrected_turns, undefined_headings, wrong_turns
from carescene.clips.formats.humanml3d.layout import BLOCKS, FPS, JOINTS, WIDTH, essential, without_contacts
from carescene.clips.formats.humanml3d.numbers_272 import FPS_272, clip_to_272, decode_272, encode_272
from carescene.clips.formats.humanml3d.statistics import (
    Statistics,
    block_statistics,
    name_statistics,
    read_statistics,
)
from carescene.clips.formats.humanml3d.texts import TaggedCaption, caption_line, parse_caption, read_captions
from carescene.clips.formats.humanml3d.vectors import (
    decode_vectors,
    encode_joints,
    foot_contacts,
    on_published_skeleton,
    stand_like_published,
)
from carescene.clips.formats.humanml3d.writer import plain_captions, write_lists, write_statistics, write_vectors

__all__ = [
    "BLOCKS",
    "FPS",
    "FPS_272",
    "JOINTS",
    "MIN_FRAMES",
    "SPLITS",
    "WIDTH",
    "ExportedVectors",
    "HumanML3D",
    "HumanML3DItem",
    "HumanML3DSample",
    "Statistics",
    "TaggedCaption",
    "block_statistics",
    "caption_line",
    "clip_joints",
    "clip_to_272",
    "clip_to_vectors",
    "corrected_turns",
    "decode_272",
    "decode_vectors",
    "draw_crop",
    "draw_sample",
    "encode_272",
    "encode_joints",
    "essential",
    "foot_contacts",
    "joints_to_clip",
    "load_vectors",
    "name_statistics",
    "on_published_skeleton",
    "parse_caption",
    "plain_captions",
    "published_betas",
    "read_captions",
    "read_humanml3d",
    "read_ids",
    "read_statistics",
    "stand_like_published",
    "undefined_headings",
    "vectors_to_clip",
    "without_contacts",
    "write_lists",
    "write_statistics",
    "write_vectors",
    "wrong_turns",
]
