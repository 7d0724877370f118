"""Files of annotation tools: CVAT's XML in all its forms, and Label Studio's JSON."""

import json

import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.observations import LANDMARK, LANDMARKS
from reconstruction.sigma import click_sigma

COCO = LANDMARKS[:17]
META = """<meta><task><id>1</id><size>{size}</size><mode>interpolation</mode><start_frame>0</start_frame>
<stop_frame>{stop}</stop_frame><frame_filter></frame_filter>
<original_size><width>{width}</width><height>{height}</height></original_size></task></meta>"""


def xml(path, body, size=None, width=640, height=480):
    meta = "" if size is None else META.format(size=size, stop=size - 1, width=width, height=height)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{body}</annotations>'
    )
    return path


def points(where, names=COCO, person=0, frame=0, attributes="", **changed):
    """One <points> element per name; `changed` gives single names other attributes, None leaves them away."""
    text = []
    for name in names:
        x, y = where(name, person, frame)
        more = changed.get(name, 'outside="0" occluded="0"')
        if more is not None:
            text.append(f'<points label="{name}" {attributes} {more} points="{x:.2f},{y:.2f}"></points>')
    return "".join(text)


def image(where, number, body, name="frame_{:06d}", width=640, height=480):
    return f'<image id="{number}" name="{name.format(number)}" width="{width}" height="{height}">{body}</image>'


def skeleton(body, attribute=None, **fields):
    inner = "" if attribute is None else f'<attribute name="track_id">{attribute}</attribute>'
    text = " ".join(f'{name}="{value}"' for name, value in fields.items())
    return f'<skeleton label="resident" source="manual" {text}>{body}{inner}</skeleton>'


# CVAT, pictures


def test_images(tmp_path, where, read, expect):
    body = points(where, LANDMARKS, left_wrist='occluded="1"', nose='outside="1"')
    pictures = [image(where, 0, ""), image(where, 1, skeleton(body, 4)), image(where, 2, "")]
    found = read(xml(tmp_path / "a.xml", "".join(pictures)))
    assert found.names == ("person 4",) and found.source == "cvat"
    assert found.present.tolist() == [[False, True, False]]
    expect(found, 0, 1, LANDMARKS[1:], at=0)
    assert found.confidence[0, 1, LANDMARK["left_wrist"]] == 0.5
    assert found.confidence[0, 1].sum() == 24.5
    np.testing.assert_array_equal(found.sigma, click_sigma(found.pixels, found.confidence))


def test_images_at_another_size(tmp_path, where, read, expect):
    body = image(where, 0, skeleton(points(where)))
    found = read(xml(tmp_path / "a.xml", body), count=1, width=1920, height=1440)
    expect(found, 0, 0, COCO, scale=3.0)
    with pytest.raises(UserError, match=r"pictures of 640x480.*turned"):
        read(xml(tmp_path / "a.xml", body), count=1, width=480, height=640)


def test_loose_points_in_groups(tmp_path, where, read, expect):
    body = points(where, person=1, attributes='group_id="2"') + points(where, attributes='group_id="1"')
    found = read(xml(tmp_path / "a.xml", image(where, 0, body)), count=1)
    assert found.names == ("group 2", "group 1")
    expect(found, 0, 0, COCO, as_person=1)
    expect(found, 1, 0, COCO, as_person=0)
    with pytest.raises(UserError, match="'nose' twice in 'frame_000000'"):
        read(xml(tmp_path / "b.xml", image(where, 0, points(where) + points(where))), count=1)


def test_one_shape_of_many_points(tmp_path, where, read, expect):
    """A shape "person" of 17 points has no names, so COCO's order stands for them."""
    text = ";".join(f"{x},{y}" for x, y in (where(name) for name in COCO))
    body = f'<points label="person" occluded="0" points="{text}"><attribute name="track_id">1</attribute></points>'
    expect(read(xml(tmp_path / "a.xml", image(where, 0, body)), count=1), 0, 0, COCO)


def test_images_whose_skeletons_have_every_point_outside(tmp_path, where, read, expect):
    """An export wrote skeletons where their track was off: nothing of them is seen."""
    off = points(where, **dict.fromkeys(COCO, 'outside="1"'))
    pictures = [image(where, 0, skeleton(points(where), 1)), image(where, 1, skeleton(off, 1)), image(where, 2, "")]
    found = read(xml(tmp_path / "a.xml", "".join(pictures)))
    assert found.present.tolist() == [[True, False, False]]


# CVAT, tracks


def track(number, *skeletons, label="resident", **fields):
    text = " ".join(f'{name}="{value}"' for name, value in fields.items())
    return f'<track id="{number}" label="{label}" source="manual" {text}>{"".join(skeletons)}</track>'


def key(where, frame, person=0, at=None, outside=0, **changed):
    body = points(where, person=person, frame=frame if at is None else at, attributes='keyframe="1"', **changed)
    return skeleton(body, frame=frame, keyframe=1, outside=outside, occluded=0)


def test_tracks_are_interpolated(tmp_path, where, read, expect):
    """`where` moves one pixel per frame, so straight lines between key frames 1, 4 and 6 give its exact places."""
    body = track(0, key(where, 1), key(where, 4), key(where, 6), key(where, 7, outside=1))
    body += track(5, key(where, 2, 1), key(where, 3, 1))
    found = read(xml(tmp_path / "a.xml", body, 9), count=9)
    assert found.names == ("person 0", "person 5")
    assert np.flatnonzero(found.present[0]).tolist() == [1, 2, 3, 4, 5, 6]
    assert np.flatnonzero(found.present[1]).tolist() == [2, 3]
    for frame in range(1, 7):
        expect(found, 0, frame, COCO)
    expect(found, 1, 3, COCO)


def test_points_switched_off_and_occluded(tmp_path, where, read):
    """A wrist off from frame 2, on again and occluded from 4, and what is in between follows the earlier one."""
    body = track(
        0, key(where, 0), key(where, 2, left_wrist='outside="1"'), key(where, 4, left_wrist='occluded="1"'),
        key(where, 6),
    )  # fmt: skip
    found = read(xml(tmp_path / "a.xml", body, 8), count=8)
    wrist = found.confidence[0, :, LANDMARK["left_wrist"]]
    assert wrist.tolist() == [1.0, 1.0, 0.0, 0.0, 0.5, 0.5, 1.0, 0.0]
    assert found.confidence[0, :, LANDMARK["nose"]].tolist() == [1.0] * 7 + [0.0]


def test_known_faults_of_exports(tmp_path, where, read, expect):
    """Points "inside" a skeleton that is off, points lost beside it, and points without a place."""
    body = track(
        0, key(where, 0), key(where, 1, nose=None), key(where, 2), key(where, 3, outside=1, left_eye=None),
        key(where, 4, at=0, outside=1), key(where, 5), key(where, 6, outside=1),
    )  # fmt: skip
    body = body.replace('points="200.25,360.50"', 'points=""')
    found = read(xml(tmp_path / "a.xml", body, 8), count=8)
    assert np.flatnonzero(found.present[0]).tolist() == [0, 1, 2, 5]
    # The nose that frame 1 lost lies between those of frames 0 and 2; the eye does not go on while the track is off.
    expect(found, 0, 1, COCO)
    expect(found, 0, 5, COCO)


def test_one_track_per_point(tmp_path, where, read, expect):
    """Old exports and old projects: tracks within a track, or loose ones in a group."""
    parts = "".join(
        f'<track id="{k}" label="{name}">'
        + "".join(f'<points frame="{f}" outside="{int(f == 2)}" occluded="0" points="{where(name, 0, f)[0]},'
                  f'{where(name, 0, f)[1]}"/>' for f in range(3)) + "</track>"
        for k, name in enumerate(COCO)
    )  # fmt: skip
    found = read(xml(tmp_path / "a.xml", f'<track id="3" label="resident">{parts}</track>', 3))
    assert found.present.tolist() == [[True, True, False]] and found.names == ("person 3",)
    expect(found, 0, 1, COCO)
    grouped = parts.replace("<track ", '<track group_id="9" ')
    found = read(xml(tmp_path / "b.xml", grouped + track(40, "<box frame='0'/>", label="bed"), 3))
    assert found.names == ("person 9",)
    expect(found, 0, 1, COCO)
    with pytest.raises(UserError, match="'nose' twice"):
        read(xml(tmp_path / "c.xml", parts + parts, 3))


def test_tracks_of_another_video(tmp_path, where, read):
    path = xml(tmp_path / "a.xml", track(0, key(where, 0), key(where, 20)), 30)
    with pytest.raises(UserError, match=r"30 frames.*another video"):
        read(path, count=60)
    with pytest.raises(UserError, match="pictures of 640x480"):
        read(path, count=30, width=640, height=640)


def test_damaged_xml(tmp_path, where, read):
    path = xml(tmp_path / "a.xml", track(0, key(where, 0)), 3)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(UserError, match=r"to be XML.*cut short"):
        read(path)
    xml(path, track(0, key(where, 0)).replace('frame="0"', ""), 3)
    with pytest.raises(UserError, match=r"no 'frame'.*damaged"):
        read(path)
    xml(path, track(0, key(where, 0)).replace("left_hip", "links_huefte"), 3)
    with pytest.raises(UserError, match="'links_huefte'"):
        read(path)
    path.write_text("<annotations><meta><project><tasks><task/><task/></tasks></project></meta></annotations>")
    with pytest.raises(UserError, match=r"one task .* got 2"):
        read(path)
    with pytest.raises(UserError, match="got none"):
        read(xml(path, "", 3))


# Label Studio


def region(where, name, person=0, frame=0, parent=None, number=0):
    x, y = where(name, person, frame)
    one = {
        "id": f"p{person}{name}{number}", "type": "keypointlabels", "from_name": "kp", "to_name": "image",
        "original_width": 1280, "original_height": 960, "image_rotation": 0,
        "value": {"x": x / 6.4, "y": y / 4.8, "width": 0.5, "keypointlabels": [name]},
    }  # fmt: skip
    return one | ({"parentID": parent} if parent else {})


def rectangle(number, label):
    value = {"x": 1, "y": 1, "width": 50, "height": 90, "rotation": 0, "rectanglelabels": [label]}
    return {"id": number, "type": "rectanglelabels", "original_width": 1280, "original_height": 960, "value": value}


def task(frame, result, field="annotations"):
    return {"id": frame, "data": {"image": f"/data/upload/1/ab12cd34-ward_{frame:04d}.jpg"},
            field: [{"id": 1, "was_cancelled": True, "result": [1]}, {"id": 2, "result": result}]}  # fmt: skip


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def test_label_studio_percent_and_parents(tmp_path, where, read, expect):
    """Points in percent, children of rectangles whose labels tell people apart."""
    content = []
    for frame in range(3):
        result = [rectangle("r1", "resident 1"), rectangle("r0", "nurse")]
        result += [region(where, name, person, frame, f"r{person}") for person in (1, 0) for name in COCO]
        content.append(task(frame, result))
    found = read(save(tmp_path / "a.json", content))
    assert found.names == ("resident 1", "nurse") and found.source == "label_studio"
    expect(found, 0, 2, COCO, as_person=1)
    expect(found, 1, 2, COCO, as_person=0)
    np.testing.assert_array_equal(found.sigma, click_sigma(found.pixels, found.confidence))


def test_label_studio_relations_choices_and_old_files(tmp_path, where, read, expect):
    """Relations instead of parents, "completions" of old exports, an occluded point; equal labels tell nobody apart."""
    result = [rectangle("r0", "person"), rectangle("r1", "person")]
    for person in (0, 1):
        for k, name in enumerate(COCO):
            result.append(region(where, name, person))
            ends = (result[-1]["id"], f"r{person}")[:: 1 if k % 2 else -1]
            result.append({"type": "relation", "from_id": ends[0], "to_id": ends[1], "direction": "right"})
    result.append({"id": "p0nose0", "type": "choices", "value": {"choices": ["Occluded"]}})
    found = read(save(tmp_path / "a.json", [task(0, result, "completions")]), count=1)
    assert found.names == ("person 1", "person 2")
    expect(found, 0, 0, COCO)
    expect(found, 1, 0, COCO)
    assert found.confidence[:, 0, 0].tolist() == [0.5, 1.0]


def test_label_studio_without_groups(tmp_path, where, read, expect):
    alone = [region(where, name) for name in COCO]
    expect(read(save(tmp_path / "a.json", [task(0, alone)]), count=1), 0, 0, COCO)
    two = alone + [region(where, name, 1, number=1) for name in COCO]
    with pytest.raises(UserError, match=r"'nose' twice in 'ab12cd34-ward_0000.jpg'"):
        read(save(tmp_path / "b.json", [task(0, two)]), count=1)
    alone[0]["image_rotation"] = 90
    with pytest.raises(UserError, match="upright"):
        read(save(tmp_path / "c.json", [task(0, alone)]), count=1)
