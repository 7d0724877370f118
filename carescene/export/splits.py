"""Training, validation and test of an export."""

from collections import defaultdict
from collections.abc import Sequence

from carescene.clips.prepare.splits import SPLITS, SplitItem, make_splits
from carescene.export.sources import FilmSource


def split_films(films: Sequence[FilmSource], shares: tuple[float, float, float]) -> dict[str, str]:
    """Split of every film by name: the same films, the same splits.

    Films of one group (performer, recording, clip) are never on two sides. Every label with three groups or more is
    spread over the splits by itself; rarer ones are spread together.

    Args:
        films: by their groups, labels and lengths.
        shares: of training, validation and test; see `ExportSettings`.
    """
    if max(shares) == 1:
        return dict.fromkeys((film.name for film in films), SPLITS[shares.index(1)])
    groups: dict[str, set[str]] = defaultdict(set)
    for film in films:
        groups[film.card.label].add(film.group)
    common = {label for label, members in groups.items() if len(members) >= len(SPLITS)}
    items = {
        film.name: SplitItem(film.group, film.card.label if film.card.label in common else "", film.card.frames)
        for film in films
    }
    splits = make_splits(items, validation_share=shares[1], test_share=shares[2])
    return {name: split for split, names in splits.items() for name in names}


def split_notes(films: Sequence[FilmSource], split_of: dict[str, str], shares: tuple[float, float, float]) -> list[str]:
    """A note if a split that was asked for stayed empty, because groups are too few."""
    used = set(split_of.values())
    empty = [split for split, share in zip(SPLITS, shares, strict=True) if share > 0 and split not in used]
    if not empty:
        return []
    count = len({film.group for film in films})
    return [f"no films for {' and '.join(empty)}: too few different clips or recordings ({count})"]


def missing_labels(films: Sequence[FilmSource], split_of: dict[str, str]) -> dict[str, list[str]]:
    """For every split that is not empty, the labels of other splits that it lacks."""
    labels = {split: {film.card.label for film in films if split_of[film.name] == split} for split in SPLITS}
    everything = set().union(*labels.values())
    return {split: sorted(everything - found) for split, found in labels.items() if found and everything - found}
