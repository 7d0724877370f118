"""Clips: the unit that flows through carescene, its labels and its files."""

from carescene.clips.clip import SCHEMA_VERSION, Clip, Event, Generator, PersonInfo, Source, Weight, validate_clip
from carescene.clips.files import list_clips, load_clip, save_clip
from carescene.clips.taxonomy import OMNIFALL16, OMNIFALL_ID, UNKNOWN_LABEL, WARD_EVENTS

__all__ = [
    "OMNIFALL16",
    "OMNIFALL_ID",
    "SCHEMA_VERSION",
    "UNKNOWN_LABEL",
    "WARD_EVENTS",
    "Clip",
    "Event",
    "Generator",
    "PersonInfo",
    "Source",
    "Weight",
    "list_clips",
    "load_clip",
    "save_clip",
    "validate_clip",
]
