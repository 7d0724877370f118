"""Recorded depth: 16-bit pictures and videos, grey views beside the colours, and how they lie on the colours."""

from pathlib import Path

import av
import cv2
import made_videos as made
import numpy as np
import pytest

from carescene.errors import UserError
from reconstruction.depth_align import SAME, align_depth, warp_depth
from reconstruction.depth_recorded import GREY_UNIT, read_recorded_depth, room_depth
from reconstruction.footage import Footage, open_footage
from reconstruction.observations import LANDMARKS, Keypoints

_WIDTH, _HEIGHT, _FRAMES = 160, 120, 30


def _keypoints(footage: Footage) -> Keypoints:
    count, points = len(footage.times), len(LANDMARKS)
    return Keypoints(
        footage.times, np.arange(count), footage.width, footage.height, np.full((1, count, points, 2), np.nan),
        np.zeros((1, count, points)), np.ones((1, count, points)), ("nobody",), "made",
    )  # fmt: skip


def _depths() -> np.ndarray:
    """A sloping room in metres with somebody 2 m away who walks through it."""
    room = np.tile(np.linspace(5.0, 3.0, _HEIGHT)[:, None], (1, _WIDTH))
    depths = np.tile(room, (_FRAMES, 1, 1))
    for frame, x in enumerate(np.linspace(10, 120, _FRAMES).astype(int)):
        depths[frame, 30:100, x : x + 24] = 2.0
    return depths


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """The same film in colour, seen 10 % smaller by its own lens and 5 pixels to the right."""
    room = made.textured_room()
    pictures = []
    for x in np.linspace(10, 120, _FRAMES):
        left, top = 79.5 + 0.9 * (x - 79.5) + 5, 59.5 + 0.9 * (30 - 59.5)
        pictures.append(made.with_box(room, round(left), round(top), round(0.9 * 24), 63))
    return open_footage(made.write_film(tmp_path_factory.mktemp("film") / "colour.mp4", pictures), view="whole")


def _folder(tmp_path: Path, depths: np.ndarray) -> Path:
    for frame, depth in enumerate(depths):
        # Not padded: ten comes after nine.
        cv2.imwrite(str(tmp_path / f"depth-{frame}.png"), np.round(depth * 1000).astype(np.uint16))
    return tmp_path


def test_a_folder_of_16_bit_pictures_is_read_in_millimetres(colours: Footage, tmp_path: Path) -> None:
    depths = _depths()
    depths[:, :10] = 0

    labels = read_recorded_depth(_folder(tmp_path, depths), colours, _keypoints(colours), align=False)

    assert labels.kind == "metres"
    assert labels.metric
    assert np.isnan(labels.plate[:10]).all()
    # Behind the walker the room is known from when nobody is there.
    assert np.allclose(labels.plate[10:], _depths()[0, 10:, [150]].T, atol=2e-3)
    assert labels.frames.tolist() == [5, 15, 25]
    assert np.allclose(labels.maps[1][10:], depths[15, 10:], atol=1e-3)


def test_a_16_bit_video_says_the_same_as_pictures(colours: Footage, tmp_path: Path) -> None:
    depths = _depths()
    path = tmp_path / "depth.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "gray16le"
        for depth in depths:
            picture = np.round(depth * 1000).astype(np.uint16)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray16le")))
        file.mux(stream.encode())
    (tmp_path / "png").mkdir()

    of_video = read_recorded_depth(path, colours, _keypoints(colours), align=False)
    of_folder = read_recorded_depth(_folder(tmp_path / "png", depths), colours, _keypoints(colours), align=False)

    assert np.array_equal(of_video.plate, of_folder.plate)
    assert np.array_equal(of_video.maps, of_folder.maps)


def test_a_grey_view_beside_the_colours_is_brighter_where_farther(tmp_path: Path) -> None:
    room = made.textured_room()
    frames = []
    for frame, depth in enumerate(_depths()):
        grey = np.round(depth / GREY_UNIT).astype(np.uint8)
        grey[:, :3] = 0
        x = int(np.linspace(10, 120, _FRAMES)[frame])
        # Colours that no grey picture has.
        colour = made.with_box(room, x, 30, 24, 70) * np.array([1.0, 0.75, 0.5])
        frames.append(np.concatenate([np.repeat(grey[..., None], 3, axis=-1), colour.astype(np.uint8)], axis=1))
    footage = open_footage(made.write_film(tmp_path / "both.mp4", frames))

    labels = read_recorded_depth(None, footage, _keypoints(footage))

    assert footage.view.x == _WIDTH
    inner = labels.plate[20:110, 20:140]
    expected = np.broadcast_to(np.linspace(5.0, 3.0, _HEIGHT)[20:110, None], inner.shape)
    assert np.nanmedian(np.abs(inner - expected)) < 0.06
    assert np.isfinite(inner).mean() > 0.9


def test_depth_is_laid_on_colours_of_another_lens(colours: Footage) -> None:
    depths = _depths()
    plate = room_depth(depths.astype(np.float32))

    warp = align_depth(dict(enumerate(depths.astype(np.float32))), plate, colours)

    assert warp[0] == pytest.approx(0.9, abs=0.021)
    assert warp[1] * _WIDTH == pytest.approx(5, abs=1.6)
    assert warp[2] * _HEIGHT == pytest.approx(0, abs=1.6)
    moved = warp_depth(depths[12].astype(np.float32), warp)
    x = round(79.5 + 0.9 * (np.linspace(10, 120, _FRAMES)[12] - 79.5) + 5)
    assert np.allclose(moved[50:80, x + 3 : x + 18], 2.0)
    assert np.isnan(moved[0]).all()


def test_where_nothing_moves_depth_stays_where_it_is(tmp_path: Path) -> None:
    still = open_footage(made.write_film(tmp_path / "still.mp4", [made.textured_room()] * 10), view="whole")
    depth = np.full((_HEIGHT, _WIDTH), 3.0, np.float32)

    warp = align_depth(dict.fromkeys(range(10), depth), depth, still)

    assert np.array_equal(warp, SAME)
    assert warp_depth(depth, warp) is depth


def test_recordings_that_are_none_are_refused(colours: Footage, tmp_path: Path) -> None:
    keypoints = _keypoints(colours)
    with pytest.raises(UserError, match="grey depth picture beside"):
        read_recorded_depth(None, colours, keypoints)
    with pytest.raises(UserError, match="could not read it"):
        read_recorded_depth(tmp_path / "missing.mkv", colours, keypoints)
    with pytest.raises(UserError, match="16-bit grey video"):
        read_recorded_depth(colours.path, colours, keypoints)
    for folder in ("few", "eight", "black"):
        (tmp_path / folder).mkdir()
    _folder(tmp_path / "few", _depths()[:5])
    with pytest.raises(UserError, match="Expected 30 depth pictures"):
        read_recorded_depth(tmp_path / "few", colours, keypoints)
    for frame in range(_FRAMES):
        cv2.imwrite(str(tmp_path / "eight" / f"{frame}.png"), np.full((_HEIGHT, _WIDTH), 90, np.uint8))
    with pytest.raises(UserError, match="is uint8"):
        read_recorded_depth(tmp_path / "eight", colours, keypoints)
    _folder(tmp_path / "black", 0 * _depths())
    with pytest.raises(UserError, match="every value is unknown"):
        read_recorded_depth(tmp_path / "black", colours, keypoints)
