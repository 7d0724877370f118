"""Words for captions of falls and near falls: who, what went wrong, where the body goes. Data only."""

from typing import Final

# Age in years from which the words fit -> adjectives of a person; none for adults in between.
AGE_WORDS: Final[tuple[tuple[float, tuple[str, ...]], ...]] = (
    (80.0, ("very old", "frail old", "frail elderly", "elderly", "old")),
    (65.0, ("old", "elderly", "older", "older")),
    (45.0, ("middle-aged", "")),
    (0.0, ("young", "young", "")),
)
NOUNS: Final = {
    "female": ("woman", "woman", "woman", "lady", "patient", "person"),
    "male": ("man", "man", "man", "gentleman", "patient", "person"),
}

# Verb phrases: the verb to be bent in brackets, as in carescene.clips._english.
BEFORE: Final[dict[str, tuple[str, ...]]] = {
    "walking": ("[walk]", "[walk] along", "[walk] across the room", "[walk] forward", "[be] walking"),
    "turning": ("[turn] while walking", "[walk] and [turn] around", "[turn] around", "[make] a turn"),
    "standing": ("[stand]", "[stand] still", "[stand] quietly", "[stand] on the spot"),
    "reaching": ("[reach] for something", "[stretch] out an arm", "[reach] up"),
    "sitting_down": ("[sit] down", "[try] to sit down", "[go] to sit down", "[lower] {himself} to sit"),
    "sitting": ("[sit]", "[sit] for a while"),
    "lying": ("[lie] in bed", "[lie] near the edge of the bed", "[lie] on the bed"),
}

WRONG: Final[dict[str, tuple[str, ...]]] = {
    "trip": (
        "[trip]", "[stumble]", "[catch] {his} {side} foot", "[trip] over {his} {side} foot",
        "[get] {his} {side} foot caught", "[trip] on something on the floor",
    ),
    "slip": (
        "[slip]", "[slip] on a wet floor", "[lose] {his} footing", "[slip] with the {side} foot",
        "[slide] away with {his} {side} foot",
    ),
    "weight_shift": (
        "[lose] {his} balance", "[lean] too far {way}", "[shift] {his} weight too far {way}",
        "[sway] and [lose] {his} balance", "[become] unsteady", "[topple]",
    ),
    "bump": (
        "[be] pushed", "[be] bumped", "[get] knocked off balance", "[be] hit by something",
        "[be] pushed {way}", "[get] bumped into",
    ),
    "support_loss": (
        "[lose] the support of {his} {side} leg", "[buckle] at the {side} knee",
        "[feel] {his} {side} knee give way", "[lose] {his} hold as the {side} leg gives way",
    ),
    "collapse": ("[faint]", "[collapse]", "[pass] out", "[lose] consciousness", "[go] limp"),
    "missed_seat": (
        "[miss] the {seat}", "[miss] the seat", "[sit] down beside the {seat}", "[find] no seat behind {himself}",
    ),
    "slide": (
        "[slide] forward", "[slip] forward on the seat", "[slide] off the edge of the {seat}",
        "[slide] {off} the {seat}",
    ),
    "roll": (
        "[roll] over the edge of the bed", "[roll] out of bed", "[turn] over too far",
        "[roll] off the {side} side of the bed",
    ),
}  # fmt: skip

DOWN: Final[dict[str, tuple[str, ...]]] = {
    "forward": ("[fall] forward", "[fall] forwards", "[pitch] forward to the floor"),
    "backward": ("[fall] backward", "[fall] backwards", "[fall] over backwards", "[tumble] backwards"),
    "left": ("[fall] to the left", "[fall] to {his} left", "[fall] sideways to the left", "[tumble] to the left"),
    "right": ("[fall] to the right", "[fall] to {his} right", "[fall] sideways to the right", "[tumble] to the right"),
    "down": ("[sink] to the floor", "[crumple] to the floor", "[go] straight down", "[drop] to the floor"),
}
DROP: Final[dict[str, tuple[str, ...]]] = {
    "slide": ("[land] on the floor", "[drop] to the floor", "[end] up on the floor", "[fall] to the floor"),
    "roll": ("[fall] to the floor", "[fall] out of bed", "[drop] to the floor", "[land] on the floor"),
}

LANDING: Final[dict[str, tuple[str, ...]]] = {
    "hand": ("landing on {his} hands", "catching {himself} with {his} hands", "hands first"),
    "knee": ("landing on {his} knees", "knees first"),
    "elbow": ("landing on an elbow",),
    "shoulder": ("landing on {his} shoulder",),
    "hip": ("landing on {his} hip", "hitting the floor with {his} hip"),
    "buttocks": ("landing on {his} bottom", "landing on {his} buttocks"),
    "back": ("landing on {his} back",),
    "abdomen": ("landing flat on {his} front",),
    "chest": ("landing on {his} chest",),
    "head": ("hitting {his} head",),
}

AFTER: Final[dict[str, tuple[str, ...]]] = {
    "still": ("[lie] still", "[stay] on the floor", "[remain] lying on the floor", "[lie] on the floor without moving"),
    "moving": ("[move] on the floor", "[lie] on the floor, moving", "[stir] on the floor"),
}

RECOVERED: Final[dict[str, tuple[str, ...]]] = {
    "stumble_recover": (
        "[catch] {himself}", "[recover]", "[regain] {his} balance and [walk] on", "[save] {himself} with quick steps",
        "[stay] on {his} feet",
    ),
    "sway_recover": (
        "[recover]", "[regain] {his} balance", "[steady] {himself}", "[find] {his} balance again", "[stay] upright",
    ),
    "grab_recover": (
        "[grab] the {object} with {his} {side} hand", "[catch] hold of the {object}", "[hold] on to the {object}",
        "[grab] the {object} to {his} {side} and [recover]",
    ),
}  # fmt: skip
NEARLY: Final[dict[str, tuple[str, ...]]] = {
    "stumble_recover": ("[stumble] forward", "[trip]", "[stumble] over {his} {side} foot", "nearly [fall] forward"),
    "sway_recover": ("[sway] {way}", "[wobble] {way}", "[lose] {his} balance for a moment, leaning {way}"),
    "grab_recover": ("[lose] {his} balance {way}", "[sway] {way}", "nearly [fall] {way}"),
}
