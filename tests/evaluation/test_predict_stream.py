"""Row after row: the same as all at once, what can't be read among them, videos by the mean of their frames."""

import math
from itertools import count

import numpy as np
import pytest
import torch
from PIL import Image

import promptlab
from promptlab.data.pictures.reading import PictureError
from promptlab.evaluation import scored, video
from promptlab.evaluation.prediction_sets import prediction_sets
from promptlab.evaluation.video import frames_of
from promptlab.learners.base.decision import Decision
from promptlab.support.errors import UsageError
from promptlab.support.extras import missing_extra
from tests.helpers.toys import Toy

NAMES = ("red circle", "blue star", "green ring")


@pytest.fixture(scope="module")
def learner():
    return promptlab.ZeroShot(promptlab.load_clip("demo"), NAMES)


@pytest.fixture(scope="module")
def images():
    data = promptlab.demo_dataset("demo_shapes")
    return [data.test.source.open(int(index)) for index in data.test.indices[:5]]


def written(path, pictures, *, rate=2, turned=0):
    """A video of pictures, 64 pixels wide, losslessly enough."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        if turned:
            stream.set_display_rotation(turned)
        for picture in pictures:
            frame = av.VideoFrame.from_image(picture.resize((64, 64)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_rows_are_what_predict_says(learner, images):
    given = [images[0], b"no picture", *images[1:], np.full((4, 4), 7.5)]
    expected = promptlab.predict(learner, images)
    rows = list(promptlab.predict_stream(learner, given, top=2, batch_size=3))
    sound = [row for row in rows if row.error is None]
    assert tuple(row.name for row in sound) == expected.names
    assert [list(row.top) for row in sound] == [
        [(name, pytest.approx(value, abs=1e-6)) for name, value in best] for best in expected.top(2)
    ]
    assert [row.probability for row in sound] == [row.top[0][1] for row in sound]
    assert [place for place, row in enumerate(rows) if row.error is not None] == [1, 6]
    assert "cannot identify" in rows[1].error
    assert "floats" in rows[6].error
    assert (rows[1].picture, rows[1].name, rows[1].probability, rows[1].top) == ("picture 1", None, None, ())


def test_a_batch_of_nothing_but_errors_goes_on(learner, images):
    rows = list(promptlab.predict_stream(learner, [b"", b"", images[0]], batch_size=2))
    assert [row.error is None for row in rows] == [False, False, True]


def test_the_decision_and_sets_are_applied(learner, images):
    predicted = promptlab.predict(learner, images)
    middle = float(predicted.amax(1).median())
    deciding = promptlab.ZeroShot(learner.clip, NAMES)
    deciding.decision = Decision(threshold=middle)
    rows = list(promptlab.predict_stream(deciding, images, sets_from=0.2))
    assert [row.name is None for row in rows] == (predicted.amax(1) < middle).tolist()
    inside = prediction_sets(predicted.numpy(), 0.2)
    assert [row.set for row in rows] == [tuple(np.array(NAMES)[row].tolist()) for row in inside]
    by_class = [0.1 * (place + 1) for place in range(len(NAMES))]
    rows = list(promptlab.predict_stream(deciding, images, sets_from=by_class))
    inside = predicted.numpy() >= np.array(by_class)
    assert [row.set for row in rows] == [tuple(np.array(NAMES)[row].tolist()) for row in inside]
    with pytest.raises(ValueError, match=f"sets_from has 1 probabilities, for {len(NAMES)} classes"):
        promptlab.predict_stream(deciding, images, sets_from=[0.2])


def test_it_needs_no_more_than_a_batch_to_give_rows(learner, images):
    asked = []
    rows = promptlab.predict_stream(learner, (asked.append(1) or images[0] for _ in range(100)), batch_size=3)
    assert asked == []
    next(rows)
    assert len(asked) == 3


def test_what_is_no_picture_at_all_and_misfits_are_raised(learner):
    with pytest.raises(TypeError, match="picture 0 is a int"):
        list(promptlab.predict_stream(learner, [3]))
    with pytest.raises(UsageError, match="every=-1"):
        promptlab.predict_stream(learner, [], every=-1.0)

    class Together(Toy):
        transductive = True

    with pytest.raises(ValueError, match="scores all test images together"):
        promptlab.predict_stream(Together(learner.clip, NAMES), [])


def test_a_video_is_the_mean_of_its_frames(learner, images, tmp_path):
    path = written(tmp_path / "clip.mp4", images)
    frames = list(frames_of(path, 1.0))
    assert [seconds for seconds, _ in frames] == [0.0, 1.0, 2.0]  # five frames, two a second
    assert all(picture.size == (64, 64) for _, picture in frames)
    shown = np.abs(np.asarray(frames[1][1], np.int16) - np.asarray(images[2].resize((64, 64)), np.int16))
    assert shown.mean() < 8
    expected = promptlab.predict(learner, [picture for _, picture in frames])
    given = [images[0], path, images[1]]
    before, found, after = promptlab.predict_stream(learner, given, top=3)
    mean = expected.probabilities.mean(0)
    assert dict(found.top) == pytest.approx(dict(zip(NAMES, mean.tolist(), strict=True)), abs=1e-5)
    assert (found.picture, found.frames, found.seconds) == (str(path), 3, None)
    assert before.frames is after.frames is None
    rows = list(promptlab.predict_stream(learner, [path], frames=True, every=0.0, batch_size=2))
    assert [row.seconds for row in rows] == [0.0, 0.5, 1.0, 1.5, 2.0, None]
    assert rows[-1].frames == 5


def test_a_video_with_a_frame_that_fails_is_a_row_that_says_so(learner, images, tmp_path, monkeypatch):
    path, read = written(tmp_path / "clip.mp4", images), scored.read_given
    places = count()

    def torn(given, *arguments, **more):
        if next(places) == 2:
            raise PictureError("a frame is torn", "it is torn")
        return read(given, *arguments, **more)

    monkeypatch.setattr(scored, "read_given", torn)
    (row,) = promptlab.predict_stream(learner, [path], every=0.0)
    assert (row.picture, row.name, row.error) == (str(path), None, "it is torn")


def test_the_decision_is_over_the_mean(learner, images, tmp_path):
    path = written(tmp_path / "clip.mp4", images)
    deciding = promptlab.ZeroShot(learner.clip, NAMES)
    deciding.decision = Decision(temperature=3.0)
    pictures = [picture for _, picture in frames_of(path, 0.0)]
    mean = promptlab.predict(deciding, pictures).probabilities.mean(0)
    (row,) = promptlab.predict_stream(deciding, path, every=0.0)
    assert row.probability == pytest.approx(float(mean.max()), abs=1e-5)
    best = float(mean.max())
    for threshold, name in ((best + 0.01, None), (best - 0.01, NAMES[int(mean.argmax())])):
        deciding.decision = Decision(temperature=3.0, threshold=threshold)
        (row,) = promptlab.predict_stream(deciding, path, every=0.0)
        assert row.name == name


def test_a_video_that_was_filmed_sideways_is_upright(tmp_path):
    half = Image.new("RGB", (64, 64), "black")
    half.paste("white", (0, 0, 64, 32))  # above
    (_, frame), *_ = frames_of(written(tmp_path / "side.mp4", [half] * 2, turned=90))
    pixels = np.asarray(frame.convert("L"))
    assert pixels[:, :20].mean() > 200  # a quarter turn against the clock: above is left
    assert pixels[:, -20:].mean() < 50


def test_bad_videos_are_rows(learner, images, tmp_path):
    whole = written(tmp_path / "whole.mp4", images * 4)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:3000])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n")
    names = ["cut.mp4", "empty.mp4", "list.mp4", "gone.mp4"]
    rows = list(promptlab.predict_stream(learner, [*(str(tmp_path / name) for name in names), images[0]]))
    assert [row.error is None for row in rows] == [False] * 4 + [True]
    assert all("no kind of video that is read" in row.error for row in rows[:3])
    assert rows[3].error == "missing"
    (row,) = promptlab.predict_stream(learner, str(whole), max_pixels=1000)
    assert "its frames have 64 x 64 pixels" in row.error


def test_without_pyav_a_video_is_a_row_that_says_how_to_get_it(learner, monkeypatch):
    def absent(name, purpose):
        raise missing_extra(name, purpose, "av")

    monkeypatch.setattr(video, "extra", absent)
    (row,) = promptlab.predict_stream(learner, "clip.mp4")
    assert row.error == "a video needs av: pip install 'promptlab-clip[video]'"


def test_probabilities_of_zero_in_every_frame_are_no_problem(learner, images, tmp_path):
    sure = promptlab.ZeroShot(learner.clip, NAMES)
    sure.decision = Decision(temperature=1e-4)
    (row,) = promptlab.predict_stream(sure, written(tmp_path / "clip.mp4", images[:1]), top=3)
    assert row.probability == 1.0
    assert [value for _, value in row.top[1:]] == [0.0, 0.0]
    assert not any(math.isnan(value) for _, value in row.top)
    assert torch.isfinite(promptlab.predict(sure, images[0]).probabilities).all()
