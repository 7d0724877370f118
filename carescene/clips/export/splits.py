"""Training, validation and test of an export."""

from collections.abc import Sequence

from carescene.clips.export.sources import FilmSource
from carescene.clips.prepare.splits import SPLITS, SplitItem, make_splits


def split_films(films: Sequence[FilmSource], shares: tuple[float, float, float]) -> dict[str, str]:
    """Split of every film by name: the same films, the same splits.

    Films of one group (performer, recording, clip) are never on two sides. Labels are spread over the splits where a
    label has three groups or more; with fewer, all of them are for training.

    Args:
        films: by their groups, labels and lengths.
        shares: of training, validation and test; see `ExportSettings`.
    """
    if max(shares) == 1:
        return dict.fromkeys((film.name for film in films), SPLITS[shares.index(1)])
    items = {film.name: SplitItem(film.group, film.card.label, film.card.frames) for film in films}
    splits = make_splits(items, validation_share=shares[1], test_share=shares[2])
    return {name: split for split, names in splits.items() for name in names}


def missing_labels(films: Sequence[FilmSource], split_of: dict[str, str]) -> dict[str, list[str]]:
    """For every split that is not empty, the labels of other splits that it lacks."""
    labels = {split: {film.card.label for film in films if split_of[film.name] == split} for split in SPLITS}
    everything = set().union(*labels.values())
    return {split: sorted(everything - found) for split, found in labels.items() if found and everything - found}
