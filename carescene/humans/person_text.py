"""What a caption says about who somebody is, so that an old man in the text is an old man in the picture."""

import re
from dataclasses import dataclass
from typing import Final, Literal

_YEARS: Final = re.compile(r"\b(\d{2,3})[\s-]*(?:years?|y)[\s-]*old\b|\baged\s+(\d{2,3})\b")
# Ages that the words stand for: middle of the range people mean by them.
_AGE_WORDS: Final[tuple[tuple[str, float], ...]] = (
    (r"very old|frail", 86.0),
    (r"old|elderly|aged|senior|geriatric|grandmother|grandfather|granny|grandma|grandpa", 78.0),
    (r"middle[\s-]aged", 50.0),
    (r"young", 26.0),
)
_FEMALE: Final = r"woman|lady|female|girl|she|her|grandmother|granny|grandma"
_MALE: Final = r"man|gentleman|male|boy|guy|he|his|him|grandfather|grandpa"


@dataclass(frozen=True)
class PersonHint:
    """Age in years and sex as far as a text tells them; None where it does not."""

    age_years: float | None = None
    sex: Literal["female", "male"] | None = None


def person_in_text(text: str) -> PersonHint:
    """Age and sex of the first person a caption speaks of, by key words and by "80-year-old".

    Example:
        >>> person_in_text("an old man walks slowly")
        PersonHint(age_years=78.0, sex='male')
    """
    low = text.lower()
    return PersonHint(_age(low), _sex(low))


def _age(text: str) -> float | None:
    years = _YEARS.search(text)
    if years:
        return float(years[1] or years[2])
    # "middle-aged" holds "aged": what is found first in the text wins, and of two at one place the longer.
    found = [(match.start(), -len(match[0]), age) for words, age in _AGE_WORDS for match in _words(words, text)]
    return min(found)[2] if found else None


def _sex(text: str) -> Literal["female", "male"] | None:
    female, male = (next(iter(_words(words, text)), None) for words in (_FEMALE, _MALE))
    if female is None or male is None:
        return "female" if female else "male" if male else None
    return "female" if female.start() < male.start() else "male"


def _words(words: str, text: str) -> list[re.Match[str]]:
    return list(re.finditer(rf"\b(?:{words})\b", text))
