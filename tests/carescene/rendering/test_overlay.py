"""Labels drawn into pictures: where they are, in which colours, and that words stay inside the picture."""

import numpy as np
import pytest

from carescene.clips import OMNIFALL_ID, PersonInfo
from carescene.clips.rendered import COCO_KEYPOINTS, FilmLabels
from carescene.errors import UserError
from carescene.rendering.overlay import (
    PERSON_COLORS,
    Labelled,
    depth_picture,
    draw_labels,
    labelled,
    row_width,
    side_by_side,
)


def black(height: int = 120, width: int = 160) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def person(label: str = "walk", name: str = "patient", seen: int = 2) -> Labelled:
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[COCO_KEYPOINTS.index("left_shoulder")] = [40, 20, seen]
    keypoints[COCO_KEYPOINTS.index("left_elbow")] = [40, 60, seen]
    return Labelled(name, label, np.array([30, 10, 50, 70], np.float32), keypoints)


def has(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (picture == color).all(axis=-1)


def test_boxes_and_bones_lie_where_the_labels_say() -> None:
    picture = draw_labels(black(), [person()])
    blue = has(picture, PERSON_COLORS[0])
    assert blue[10, 30:50].all() and blue[69, 30:50].all() and blue[10:70, 30].all() and blue[10:70, 49].all()
    assert blue[40, 40] and not blue[:, :30].any(axis=1)[:70].any()
    assert has(picture, (255, 255, 255))[20, 40], "a seen point is filled white"
    assert not picture[80:100].any(), "nothing is drawn where there is nothing to say"


def test_an_occluded_point_is_a_ring_and_its_bone_is_thin() -> None:
    seen, hidden = draw_labels(black(), [person()]), draw_labels(black(), [person(seen=1)])
    middle = slice(30, 50), slice(36, 45)
    assert has(seen, PERSON_COLORS[0])[middle].sum() > has(hidden, PERSON_COLORS[0])[middle].sum() > 0
    assert not has(hidden, (255, 255, 255))[:70].any()


def test_a_person_out_of_view_has_words_only() -> None:
    unseen = Labelled("patient", "fall", np.full(4, np.nan, np.float32), np.zeros((17, 3), np.float32))
    picture = draw_labels(black(), [unseen, None])
    assert not picture[:100].any() and picture[104:].any()


def test_a_fall_is_written_on_red() -> None:
    def red(picture: np.ndarray) -> int:
        return int(((picture[..., 0] > 180) & (picture[..., 1] < 80) & (picture[..., 2] < 80)).sum())

    assert red(draw_labels(black(), [person("walk")])) == 0
    assert red(draw_labels(black(), [person("fall")])) > 200 and red(draw_labels(black(), [person("fallen")])) > 200


def test_many_people_take_more_lines_and_stay_inside() -> None:
    few, many = draw_labels(black(), [person()], 1.5), draw_labels(black(), [person(name="visitor")] * 6, 1.5)
    assert few.shape == many.shape == (120, 160, 3)
    # The words' ground is not quite black.
    lines = [int((picture[:, 3].sum(axis=-1) > 0).sum()) for picture in (few, many)]
    assert lines[1] >= 4 * lines[0] > 0


@pytest.mark.parametrize("size", [(48, 64), (240, 320), (720, 1280)])
def test_words_grow_with_the_picture_but_stay_readable(size: tuple[int, int]) -> None:
    picture = draw_labels(black(*size), [person()], 0.0)
    foot = np.flatnonzero(picture[:, size[1] // 2].any(axis=-1))
    assert len(foot) >= max(16, round(size[0] / 20)) and foot[-1] == size[0] - 1


def test_names_tell_people_of_one_role_apart() -> None:
    shape = 3, 2
    labels = FilmLabels(
        times=np.arange(2) / 5,
        frame_label=np.full(shape, OMNIFALL_ID["sit_down"], np.int8),
        box=np.zeros((*shape, 4), np.float32),
        keypoints=np.zeros((*shape, 17, 3), np.float32),
        joints=np.zeros((*shape, 24, 3), np.float32),
        visible_fraction=np.ones(shape, np.float32),
        valid=np.array([[True, True], [True, False], [True, True]]),
    )
    persons = [PersonInfo(role="nurse"), PersonInfo(role="patient"), PersonInfo(role="nurse")]
    first, second = labelled(labels, persons, 0), labelled(labels, persons, 1)
    assert [entry.name for entry in first if entry] == ["nurse 1", "patient", "nurse 3"]
    assert second[1] is None and second[0] is not None and second[0].label == "sit_down"
    assert [entry.name for entry in labelled(labels, [], 0) if entry] == ["person 1", "person 2", "person 3"]


def test_depth_colours_go_from_light_to_dark() -> None:
    depth = np.array([[0.5, 1.0, 2.0, 3.0, 4.0, 9.0, 0.0, np.inf]])
    picture = depth_picture(depth, 1, 4)[0].astype(int).sum(axis=-1)
    assert picture[0] == picture[1] > picture[2] > picture[3] > picture[4] == picture[5] > 0
    assert picture[6] == picture[7] == 0
    with pytest.raises(UserError, match="nearest < farthest"):
        depth_picture(depth, 3, 3)


def test_pictures_side_by_side() -> None:
    tiles = [np.full((120, 160, 3), level, np.uint8) for level in (50, 100, 150)]
    row = side_by_side(tiles, ["", "depth", ""])
    assert row.shape == (120, row_width(3, 160), 3)
    assert (row[:, :160] == 50).all() and (row[:, 160:164] == 255).all() and (row[:, 328:] == 150).all()
    assert (row[60:, 164:324] == 100).all() and not (row[:20, 164:324] == 100).all()
