"""Films repeat, keep their pixels, and have sides that a video may have."""

import imageio.v3 as iio
import numpy as np
import pytest

from explore import films


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_loop_has_every_frame_and_repeats(channels):
    frames = np.full((5, 10, 14, channels), 255, np.uint8)
    frames[:, :5, :, 0] = np.arange(5, dtype=np.uint8)[:, None, None] * 60
    files = films.encode_loop("film", frames)
    assert {*files} == {"film.gif", "film.mp4"}
    gif = iio.imread(files["film.gif"], extension=".gif", index=None)
    assert gif.shape[:3] == (5, 260, 364)  # 26 times as large
    assert gif[:, 0, 0, 0].tolist() == [0, 60, 120, 180, 240]
    assert b"NETSCAPE2.0" in files["film.gif"]  # the extension that repeats a GIF

    video = iio.imread(files["film.mp4"], plugin="FFMPEG", extension=".mp4", index=None)
    assert video.shape == (5, 272, 368, 3)
    assert np.abs(video[:, 20, 20, 0].astype(int) - gif[:, 20, 20, 0]).max() < 12


def test_without_the_package_there_is_a_gif_and_a_line(monkeypatch, messages):
    monkeypatch.setattr(films.importlib.util, "find_spec", lambda name: None)
    films.is_mp4_available.cache_clear()
    for _ in range(2):
        assert {*films.encode_loop("film", np.zeros((2, 8, 8, 3), np.uint8))} == {"film.gif"}
    assert messages == ["to get MP4s as well as GIFs: pip install imageio-ffmpeg"]
    films.is_mp4_available.cache_clear()
