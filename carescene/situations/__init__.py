"""What a user asks for: situations, their checks, and how often they happen."""

from carescene.situations.consistency import check_situation
from carescene.situations.reading import load_situation, parse_situation
from carescene.situations.situation import (
    Constraints,
    EventRequest,
    GuidanceWeights,
    JointPoint,
    Keyframe,
    LookAt,
    PathPoint,
    PersonRequest,
    Place,
    Reach,
    SceneRequest,
    Situation,
    Start,
    StreamRequest,
)
from carescene.situations.vocabulary import EVENT_FACTS, EventFacts, facts_of

__all__ = [
    "EVENT_FACTS",
    "Constraints",
    "EventFacts",
    "EventRequest",
    "GuidanceWeights",
    "JointPoint",
    "Keyframe",
    "LookAt",
    "PathPoint",
    "PersonRequest",
    "Place",
    "Reach",
    "SceneRequest",
    "Situation",
    "Start",
    "StreamRequest",
    "check_situation",
    "facts_of",
    "load_situation",
    "parse_situation",
]
