"""Videos written and read back."""

import io
import os

import av
import numpy as np
import pytest
from PIL import Image

from carescene import UserError
from carescene.rendering.video import (
    DEPTH,
    GRAY,
    depth_to_millimetres,
    gif_bytes,
    h264,
    open_video,
    read_depth_video,
    read_gray_video,
    read_video,
    write_depth_video,
    write_gray_video,
    write_rgb_video,
    write_video,
)


def moving_square(frames: int, height: int, width: int) -> np.ndarray:
    pictures = np.full((frames, height, width, 3), 40, np.uint8)
    for index in range(frames):
        pictures[index, 8:24, 2 * index : 2 * index + 16] = (220, 60, 30)
    return pictures


def test_round_trip(tmp_path):
    frames = moving_square(15, 48, 64)
    write_video(tmp_path / "clip.mp4", frames, 20.0)
    with av.open(str(tmp_path / "clip.mp4")) as file:
        stream = file.streams.video[0]
        read = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 20
    assert read.shape == frames.shape
    # 4:2:0 blurs colour at edges only; the order of the frames must not change.
    error = np.abs(read[:, None].astype(float) - frames[None]).mean(axis=(2, 3, 4))
    assert (error.argmin(axis=1) == np.arange(15)).all()
    assert np.diag(error).max() < 6


def test_index_comes_before_the_pictures(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_square(5, 48, 64), 20.0)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_odd_sizes_lose_one_row_and_column(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_square(4, 49, 65), 12.5)
    with av.open(str(tmp_path / "clip.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (64, 48)
        assert float(stream.average_rate) == 12.5


@pytest.mark.parametrize(("shape", "fps"), [((0, 8, 8), 20.0), ((3, 1, 8), 20.0), ((3, 8, 8), 0.0), ((3, 8, 8), -1.0)])
def test_bad_input_is_refused_and_leaves_nothing(tmp_path, shape, fps):
    with pytest.raises(UserError, match="Nothing was written"):
        write_video(tmp_path / "clip.mp4", np.zeros((*shape, 3), np.uint8), fps)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="Choose a folder"):
        write_video(tmp_path / "taken" / "clip.mp4", moving_square(2, 16, 64), 20.0)


NOISE = np.random.default_rng(3)


@pytest.mark.parametrize("coding", [GRAY, h264()])
def test_full_disk_leaves_nothing(tmp_path, coding):
    path = tmp_path / ("clip.mkv" if coding is GRAY else "clip.mp4")
    # The name that is written to before the last step; the device refuses every byte with the error of a full disk.
    path.with_name(f".clip.{os.getpid()}.part{path.suffix}").symlink_to("/dev/full")
    shape = (128, 128) if coding is GRAY else (128, 128, 3)
    with pytest.raises(UserError, match="No space left"), open_video(path, 20.0, 128, 128, coding) as writer:
        for _ in range(20):
            writer.write(NOISE.integers(0, 256, shape, dtype=np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_stopped_in_mid_film_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_video(tmp_path / "clip.mp4", 20.0, 32, 32, h264()) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_depth_comes_back_bit_for_bit(tmp_path):
    depth = NOISE.integers(0, 65536, (6, 37, 51), dtype=np.uint16)
    depth[0, 0, :3] = 0, 1, 65535
    write_depth_video(tmp_path / "depth.mkv", depth, 12.5)
    film = read_depth_video(tmp_path / "depth.mkv")
    assert film.frames.dtype == np.uint16
    np.testing.assert_array_equal(film.frames, depth)
    assert film.fps == 12.5


def test_grey_and_colour_come_back_bit_for_bit(tmp_path):
    gray = NOISE.integers(0, 256, (6, 37, 51), dtype=np.uint8)
    write_gray_video(tmp_path / "gray.mkv", gray, 30)
    np.testing.assert_array_equal(read_gray_video(tmp_path / "gray.mkv").frames, gray)
    rgb = NOISE.integers(0, 256, (6, 37, 51, 3), dtype=np.uint8)
    write_rgb_video(tmp_path / "rgb.mkv", rgb, 30)
    film = read_video(tmp_path / "rgb.mkv")
    np.testing.assert_array_equal(film.frames, rgb)
    assert film.fps == 30


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


def test_quality_falls_and_files_shrink_with_the_rate_factor(tmp_path):
    # A smooth scene with a soft grain: colour edges would measure 4:2:0 rather than the rate factor.
    ramp = np.linspace(60, 180, 64)[None, :, None] + np.linspace(-20, 20, 48)[:, None, None]
    grain = NOISE.normal(0, 4, (12, 48, 64, 1))
    frames = np.clip(ramp + grain, 0, 255).round().astype(np.uint8).repeat(3, axis=-1)
    found, sizes = [], []
    for crf in (12, 24, 36):
        write_video(tmp_path / f"{crf}.mp4", frames, 20.0, crf=crf)
        found.append(psnr(read_video(tmp_path / f"{crf}.mp4").frames, frames))
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert found[0] > 42
    assert found[2] > 30
    assert found[0] > found[1] > found[2]
    assert sizes[0] > sizes[1] > sizes[2]


def test_every_fifteenth_picture_can_be_read_alone(tmp_path):
    write_video(tmp_path / "clip.mp4", moving_square(20, 48, 64).repeat(2, axis=0), 20.0)
    with av.open(str(tmp_path / "clip.mp4")) as file:
        keys = np.flatnonzero([frame.key_frame for frame in file.decode(video=0)])
    assert np.diff([*keys, 40]).max() <= 15


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.95])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_cut_off_files_are_refused(tmp_path, name, kept):
    frames = NOISE.integers(0, 256, (10, 48, 64, 3), dtype=np.uint8)
    (write_video if name.endswith("mp4") else write_rgb_video)(tmp_path / name, frames, 20.0)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UserError, match="Make it again"):
        read_video(tmp_path / name)


def test_files_of_the_wrong_kind_are_refused(tmp_path):
    write_gray_video(tmp_path / "mask.mkv", np.zeros((2, 8, 8), np.uint8), 20.0)
    with pytest.raises(UserError, match="holds gray"):
        read_depth_video(tmp_path / "mask.mkv")
    with pytest.raises(UserError, match="there is none"):
        read_video(tmp_path / "other.mp4")


def test_pictures_of_another_size_or_kind_are_refused(tmp_path):
    with pytest.raises(UserError, match="one size and kind"), open_video(tmp_path / "a.mkv", 20, 8, 8, DEPTH) as writer:
        writer.write(np.zeros((8, 8), np.uint16))
        writer.write(np.zeros((8, 8), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"crf": 60}, {"preset": "best"}, {"gop": 0}])
def test_unknown_coding_options_are_refused(options):
    with pytest.raises(UserError, match="out of range"):
        h264(**options)


def test_depth_in_millimetres():
    depth = np.array([[0.0, 1.2344, 1.2346], [np.inf, np.nan, -1.0], [65.535, 65.6, 0.0004]])
    np.testing.assert_array_equal(depth_to_millimetres(depth), [[0, 1234, 1235], [0, 0, 0], [65535, 0, 0]])


def test_gif_keeps_frames_rate_and_colours():
    frames = moving_square(6, 32, 64)
    gif = Image.open(io.BytesIO(gif_bytes(frames, 20.0)))
    assert gif.n_frames == 6
    assert gif.info["duration"] == 50
    gif.seek(3)
    assert np.abs(np.asarray(gif.convert("RGB")).astype(int) - frames[3]).max() < 16


def test_gif_of_nothing_is_refused():
    with pytest.raises(UserError, match="0 frames"):
        gif_bytes(np.zeros((0, 8, 8, 3), np.uint8), 20.0)


def test_same_pictures_give_the_same_bytes(tmp_path):
    frames = NOISE.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", frames, 20.0)
        write_rgb_video(tmp_path / f"{name}.mkv", frames, 20.0)
    for ending in ("mp4", "mkv"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
