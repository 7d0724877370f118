"""Several people in one room: who walks where, how close, and which way they face."""

from carescene.encounters.actor import Actor, joined
from carescene.encounters.alone import Placed, place_alone
from carescene.encounters.company import Company, add_company
from carescene.encounters.gait import Gait, find_gait
from carescene.encounters.kinds import KINDS, Encounter
from carescene.encounters.places import bed_side, place_words
from carescene.encounters.produce import Made, produce_scenes
from carescene.encounters.sources import SourceClip, Sources, read_sources
from carescene.encounters.stage import Stage
from carescene.encounters.walking import Body, Walk, smooth_path, walk_along
from carescene.encounters.ways import Ways

__all__ = [
    "KINDS",
    "Actor",
    "Body",
    "Company",
    "Encounter",
    "Gait",
    "Made",
    "Placed",
    "SourceClip",
    "Sources",
    "Stage",
    "Walk",
    "Ways",
    "add_company",
    "bed_side",
    "find_gait",
    "joined",
    "place_alone",
    "place_words",
    "produce_scenes",
    "read_sources",
    "smooth_path",
    "walk_along",
]
