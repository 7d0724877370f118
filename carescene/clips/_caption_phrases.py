"""Words for captions: how actions, styles and people are named. Data only; the grammar is in `_english`."""

from dataclasses import dataclass, field
from typing import Final

from carescene.clips._english import Subject


@dataclass(frozen=True)
class Style:
    """How a manner of moving is put into words.

    Attributes:
        subjects: who moves like this; naming one of them tells the style.
        adverbs: said after the verb; each tells the style by itself.
        clauses: said after the subject, between commas, or before it.
        tag: one or two words for a caption made of keywords.
        verbs: what `walk`, `run` become in this style.
        words: stems, one of which stands in every caption that tells the style.
        sexes: sexes that a neutral subject may name beside this style.
    """

    subjects: tuple[Subject, ...]
    adverbs: tuple[str, ...]
    clauses: tuple[str, ...]
    tag: str
    words: tuple[str, ...]
    verbs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sexes: tuple[str, ...] = ("any", "male", "female")


def _all(*texts: str) -> tuple[Subject, ...]:
    male, female = {"man", "boy", "guy", "gentleman", "thug"}, {"woman", "girl", "lady"}

    def sex(text: str) -> str:
        words = set(text.split())
        return "male" if words & male else "female" if words & female else "any"

    return tuple(Subject(text, sex(text)) for text in texts)


# Everyday words weigh more than ward words, as in the recordings people describe; repeats are weights.
NEUTRAL_SUBJECTS: Final = _all(
    "a person", "a person", "a person", "someone", "someone", "a man", "a man", "a woman", "a woman", "a patient",
    "the person", "a resident", "somebody", "a figure",
)  # fmt: skip

_OLD = Style(
    subjects=_all(
        "an old man", "an old man", "an elderly man", "an old woman", "an elderly woman", "an elderly person",
        "an elderly patient", "an old person", "a senior", "someone elderly", "an elderly resident", "a frail old lady",
        "an aged man", "a very old woman", "an older person", "an elderly gentleman",
    ),
    adverbs=("like an old person", "with the stoop of old age", "the way elderly people do",
             "stiffly, like someone very old", "bent with age"),
    clauses=("bent with age", "old and stooped", "elderly and a little frail", "stooped with old age",
             "clearly elderly"),
    tag="elderly",
    words=("old", "older", "elder", "aged", "senior", "age"),
    verbs={"walk": ("shuffle", "hobble", "totter"), "run": ("jog", "trot", "hurry")},
)  # fmt: skip

_TIRED = Style(
    subjects=_all(
        "a tired person", "an exhausted person", "a weary man", "a tired woman", "an exhausted man",
        "a worn-out person", "a tired patient", "an exhausted woman", "someone exhausted", "a fatigued person",
        "a weary patient",
    ),
    adverbs=("wearily", "tiredly", "as if exhausted", "with tired limbs", "in exhaustion", "like someone worn out"),
    clauses=("tired out", "exhausted", "worn out and slumped", "close to exhaustion", "weary and heavy"),
    tag="exhausted",
    words=("tired", "exhaust", "wear", "worn", "fatigue"),
    verbs={"walk": ("trudge", "plod"), "run": ("jog", "trot")},
)  # fmt: skip

_ACTIVE = Style(
    subjects=_all("an energetic person", "a lively person", "an active person", "an energetic man", "a lively woman",
                  "an active man", "a vigorous person"),
    adverbs=("energetically", "vigorously", "actively", "with a lot of energy", "in a lively way", "full of energy"),
    clauses=("full of energy", "lively and active", "brimming with energy"),
    tag="energetic",
    words=("energ", "live", "active", "vigo"),
    verbs={"walk": ("march", "stride")},
)  # fmt: skip

_YOUTHFUL = Style(
    subjects=_all("a young person", "a young man", "a young woman", "a youthful person", "a youngster", "a teenager",
                  "someone young"),
    adverbs=("in a youthful way", "with youthful ease", "like a young person", "with the spring of youth"),
    clauses=("young and light on the feet", "youthful and relaxed", "young and fresh"),
    tag="youthful",
    words=("young", "youth", "teenager"),
)  # fmt: skip

_FEMININE = Style(
    subjects=_all("a woman", "a woman", "a lady", "a graceful woman", "a feminine person", "an elegant lady",
                  "a woman patient"),
    adverbs=("in a feminine way", "gracefully like a lady", "in a womanly manner", "with feminine grace"),
    clauses=("feminine and graceful", "moving in a feminine way", "ladylike"),
    tag="feminine",
    words=("woman", "lady", "femin"),
    sexes=("any", "female"),
)  # fmt: skip

_MASCULINE = Style(
    subjects=_all("a man", "a man", "a manly person", "a strong man", "a masculine person", "a burly man",
                  "a broad man"),
    adverbs=("in a masculine way", "like a strong man", "in a manly manner", "with masculine strength"),
    clauses=("masculine and broad-shouldered", "manly and firm", "moving in a masculine way"),
    tag="masculine",
    words=("man", "manly", "mascul"),
    sexes=("any", "male"),
)  # fmt: skip

STYLES: Final[dict[str, Style]] = {
    "old": _OLD,
    "tired": _TIRED,
    "active": _ACTIVE,
    "youthful": _YOUTHFUL,
    "feminine": _FEMININE,
    "masculine": _MASCULINE,
    "angry": Style(
        subjects=_all("an angry person", "an angry man", "a furious woman", "an irritated person", "someone angry"),
        adverbs=("angrily", "furiously", "in anger", "in an irritated way", "as if angry"),
        clauses=("angry", "fuming with anger", "visibly irritated"),
        tag="angry",
        words=("anger", "angr", "furious", "irritat"),
        verbs={"walk": ("stomp", "storm")},
    ),
    "childish": Style(
        subjects=_all("a child", "a little child", "a playful kid", "a small boy", "a little girl",
                      "a childish person"),
        adverbs=("childishly", "like a child", "playfully like a kid", "as children do"),
        clauses=("playful like a child", "childlike and bouncy", "acting like a kid"),
        tag="childish",
        words=("child", "kid", "boy", "girl"),
    ),
    "chimpira": Style(
        subjects=_all("a thug", "a swaggering man", "a cocky guy", "a swaggering person"),
        adverbs=("with a swagger", "like a thug", "in a cocky, swaggering way", "like a street gangster"),
        clauses=("cocky and swaggering", "acting like a thug", "swaggering like a gangster"),
        tag="swaggering",
        words=("thug", "swagger", "cocky", "gangster"),
        sexes=("any", "male"),
    ),
    "giant": Style(
        subjects=_all("a giant", "a huge person", "a giant man", "a heavy giant", "a huge, heavy man"),
        adverbs=("like a giant", "as heavily as a giant", "with the weight of a giant"),
        clauses=("huge and heavy", "moving like a giant", "acting like a giant"),
        tag="giant",
        words=("giant", "huge"),
        verbs={"walk": ("lumber", "stomp")},
    ),
    "happy": Style(
        subjects=_all("a happy person", "a cheerful man", "a happy woman", "a joyful person", "a cheerful patient"),
        adverbs=("happily", "cheerfully", "in a happy mood", "full of joy", "joyfully"),
        clauses=("happy", "in a cheerful mood", "full of joy"),
        tag="happy",
        words=("happ", "cheer", "joy"),
    ),
    "musical": Style(
        subjects=_all("a person hearing music", "someone moving to music", "a musical person",
                      "a man feeling the music", "a woman listening to music"),
        adverbs=("to the beat of music", "in a musical rhythm", "rhythmically, as if to music", "in time with a tune"),
        clauses=("moving to music", "following a musical beat", "caught by some music"),
        tag="musical",
        words=("music", "tune", "rhythm"),
    ),
    "not-confident": Style(
        subjects=_all("a timid person", "a shy woman", "an insecure man", "a nervous person", "a shy patient",
                      "someone unsure"),
        adverbs=("timidly", "shyly", "nervously", "without confidence", "in an insecure way"),
        clauses=("timid and hunched", "shy and unsure", "lacking confidence", "nervous"),
        tag="timid",
        words=("timid", "shy", "insecure", "nervous", "confidence", "unsure"),
        verbs={"walk": ("creep",)},
    ),
    "proud": Style(
        subjects=_all("a proud person", "a proud man", "a haughty woman", "a pompous man", "someone proud"),
        adverbs=("proudly", "with pride", "in a haughty way", "with the chest out, full of pride"),
        clauses=("proud", "proud and upright", "full of pride"),
        tag="proud",
        words=("proud", "pride", "haught", "pomp"),
        verbs={"walk": ("strut",)},
    ),
    "sad": Style(
        subjects=_all("a sad person", "a sad man", "a depressed woman", "a gloomy person", "a sad patient",
                      "someone downcast"),
        adverbs=("sadly", "in a depressed way", "gloomily", "with a sad, hanging head", "in sorrow"),
        clauses=("sad", "sad and downcast", "depressed", "gloomy and slumped"),
        tag="sad",
        words=("sad", "depress", "gloom", "sorrow", "downcast"),
        verbs={"walk": ("trudge",)},
    ),
    "zombie": Style(
        subjects=_all("a zombie", "a person playing a zombie", "a man acting like a zombie", "a zombie-like figure"),
        adverbs=("like a zombie", "stiffly like a zombie", "in a zombie-like way"),
        clauses=("stiff as a zombie", "acting like a zombie"),
        tag="zombie",
        words=("zombie",),
        verbs={"walk": ("stagger", "lurch")},
    ),
    "stealthy": Style(
        subjects=_all("a sneaking person", "a stealthy man", "a person sneaking around", "a stealthy figure"),
        adverbs=("stealthily", "sneakily, knees bent", "on the sly, as if sneaking", "in a crouched, stealthy way"),
        clauses=("crouched and stealthy", "sneaking", "trying to stay stealthy and silent"),
        tag="stealthy",
        words=("stealth", "sneak"),
        verbs={"walk": ("sneak", "creep")},
    ),
}  # fmt: skip

# Names that the recordings use, folded into the styles above.
STYLE_NAMES: Final[dict[str, str]] = {
    "elderly": "old",
    "exhausted": "tired",
    "masculinity": "masculine",
    **{name: name for name in STYLES},
}

PACE_ADVERBS: Final[dict[str, tuple[str, ...]]] = {
    "slow": ("slowly", "slowly", "at a slow pace", "unhurriedly", "with slow movements"),
    "normal": ("",),
    "fast": ("quickly", "briskly", "at a fast pace", "fast"),
}

# Verbs in brackets, `{adv}` where an adverb fits. The first phrase of each action is the plainest.
ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "walk": (
        "[walk]{adv} forward", "[walk] straight ahead{adv}", "[walk]{adv}", "[walk]{adv} in a straight line",
        "[take] several steps forward{adv}", "[walk] across the room{adv}", "[walk]{adv} along a corridor",
    ),
    "walk_backward": (
        "[walk] backwards{adv}", "[walk]{adv} backward in a straight line", "[step] backwards{adv}",
        "[back] away{adv}", "[take] several steps back{adv}",
    ),
    "walk_veer_left": (
        "[walk] forward and to the left{adv}", "[walk]{adv} diagonally to the left",
        "[walk] ahead{adv}, drifting to the left", "[walk]{adv} at an angle to the left without turning",
    ),
    "walk_veer_right": (
        "[walk] forward and to the right{adv}", "[walk]{adv} diagonally to the right",
        "[walk] ahead{adv}, drifting to the right", "[walk]{adv} at an angle to the right without turning",
    ),
    "walk_turn_left": (
        "[walk]{adv} and [turn] left", "[walk]{adv} forward, then [turn] to the left",
        "[walk]{adv}, [make] a left turn and [walk] on", "[walk] straight{adv} and [take] a turn to the left",
        "[turn] left while walking{adv}", "[go] forward{adv} and then [turn] ninety degrees to the left",
        "[walk]{adv} around a corner to the left",
    ),
    "walk_turn_right": (
        "[walk]{adv} and [turn] right", "[walk]{adv} forward, then [turn] to the right",
        "[walk]{adv}, [make] a right turn and [walk] on", "[walk] straight{adv} and [take] a turn to the right",
        "[turn] right while walking{adv}", "[go] forward{adv} and then [turn] ninety degrees to the right",
        "[walk]{adv} around a corner to the right",
    ),
    "walk_turn_left_and_around": (
        "[walk]{adv}, [turn] left and finally [turn] around to the left",
        "[walk]{adv} around a corner to the left and [turn] back",
        "[walk]{adv}, [make] a left turn, [walk] on and [turn] around at the end",
    ),
    "walk_turn_right_and_around": (
        "[walk]{adv}, [turn] right and finally [turn] around",
        "[walk]{adv} around a corner to the right and [turn] back",
        "[walk]{adv}, [make] a right turn, [walk] on and [turn] around at the end",
    ),
    "walk_back_and_turn_left": (
        "[turn] around to the left, [walk] back{adv} and [turn] left",
        "[walk]{adv}, [turn] around and later [turn] left",
        "[make] a U-turn to the left, [walk] on{adv} and [turn] to the left again",
    ),
    "run": (
        "[run]{adv}", "[run] forward{adv}", "[run] straight ahead{adv}", "[run]{adv} across the room",
        "[jog] forward{adv}",
    ),
    "dash": ("[dash] forward{adv}", "[sprint]{adv}", "[run] ahead at full speed{adv}",
             "[dash]{adv} straight ahead"),
    "raise_left_hand": (
        "[raise] {his} left hand{adv}", "[lift] {his} left arm{adv} and [lower] it again",
        "[stand] still and [raise] the left hand{adv}", "[put] {his} left hand up{adv}",
        "[raise] {his} left arm{adv} and [let] it down",
    ),
    "raise_right_hand": (
        "[raise] {his} right hand{adv}", "[lift] {his} right arm{adv} and [lower] it again",
        "[stand] still and [raise] the right hand{adv}", "[put] {his} right hand up{adv}",
        "[raise] {his} right arm{adv} and [let] it down",
    ),
    "raise_both_hands": (
        "[raise] both hands{adv}", "[lift] both arms{adv} and [lower] them again",
        "[stand] still and [raise] {his} two hands{adv}", "[put] both hands up{adv}",
        "[raise] {his} arms{adv} and [let] them down",
    ),
    "wave_left_hand": (
        "[wave] {his} left hand{adv}", "[wave] with the left hand{adv}", "[lift] {his} left arm and [wave]{adv}",
        "[stand] and [wave] to somebody with {his} left hand{adv}",
        "[move] the raised left hand from side to side{adv}",
    ),
    "wave_right_hand": (
        "[wave] {his} right hand{adv}", "[wave] with the right hand{adv}", "[lift] {his} right arm and [wave]{adv}",
        "[stand] and [wave] to somebody with {his} right hand{adv}",
        "[move] the raised right hand from side to side{adv}",
    ),
    "wave_both_hands": (
        "[wave] both hands{adv}", "[wave] with both hands{adv}", "[lift] both arms and [wave]{adv}",
        "[stand] and [wave] with {his} two arms{adv}", "[move] both raised hands from side to side{adv}",
    ),
    "bye_right": (
        "[wave] goodbye with the right hand{adv}", "[say] goodbye{adv}, waving {his} right hand",
        "[wave] {his} right hand{adv} to say bye",
    ),
    "bye_both": (
        "[wave] goodbye with both hands{adv}", "[say] goodbye{adv}, waving both hands",
        "[wave] {his} hands{adv} to say bye",
    ),
    "bow": (
        "[bow]{adv}", "[take] a bow{adv}", "[bend] forward{adv} in a bow and [straighten] up",
        "[bow]{adv} from the waist to greet someone",
    ),
    "guide": (
        "[show] the way with the right hand{adv}", "[point] somebody the way{adv} with {his} right arm",
        "[hold] out {his} right hand{adv} to guide someone", "[gesture]{adv} with the right hand, inviting someone on",
    ),
    "call": (
        "[call] out to someone{adv}", "[bring] {his} hands to {his} mouth and [shout]{adv}",
        "[call] somebody who is far away{adv}",
    ),
    "respond": (
        "[raise] {his} left hand to answer{adv}", "[put] up the left hand{adv} in response",
        "[stand] and [hold] the left arm up{adv} as an answer",
    ),
    "kick": ("[kick]{adv}", "[practise] kicks{adv}", "[swing] a leg up in a kick{adv}", "[do] martial arts kicks{adv}"),
    "punch": ("[punch] the air{adv}", "[throw] punches{adv}", "[box]{adv} in a guarded stance",
              "[do] some shadow boxing{adv}"),
    "slash": (
        "[swing] a sword with both hands{adv}", "[slash]{adv} as if holding a sword",
        "[cut] through the air with a long sword{adv}",
    ),
    "dance": ("[dance]{adv}", "[dance]{adv} and [spin] around", "[perform] a dance{adv}",
              "[move] about in a dance{adv}"),
    "move": ("[move]{adv}", "[move] about{adv}"),
}  # fmt: skip

# Short keyword captions.
ACTION_TAGS: Final[dict[str, str]] = {
    "walk": "walking",
    "walk_backward": "walking backwards",
    "walk_veer_left": "walking diagonally left",
    "walk_veer_right": "walking diagonally right",
    "walk_turn_left": "walking, left turn",
    "walk_turn_right": "walking, right turn",
    "walk_turn_left_and_around": "walking, left turn, turning around",
    "walk_turn_right_and_around": "walking, right turn, turning around",
    "walk_back_and_turn_left": "walking back, left turn",
    "run": "running",
    "dash": "sprinting",
    "raise_left_hand": "raising the left hand",
    "raise_right_hand": "raising the right hand",
    "raise_both_hands": "raising both hands",
    "wave_left_hand": "waving the left hand",
    "wave_right_hand": "waving the right hand",
    "wave_both_hands": "waving both hands",
    "bye_right": "waving goodbye, right hand",
    "bye_both": "waving goodbye, both hands",
    "bow": "bowing",
    "guide": "showing the way, right hand",
    "call": "calling out",
    "respond": "answering with the left hand up",
    "kick": "kicking",
    "punch": "punching",
    "slash": "swinging a sword",
    "dance": "dancing",
    "move": "moving",
}
