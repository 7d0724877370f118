"""Videos written and read back."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from carescene import UserError
from carescene.rendering.video import gif_bytes, write_video


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


def test_failed_encoding_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("carescene.rendering.video._encode", broken)
    with pytest.raises(UserError, match="No space left"):
        write_video(tmp_path / "clip.mp4", moving_square(2, 16, 64), 20.0)
    assert list(tmp_path.iterdir()) == []


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
