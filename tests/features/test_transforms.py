import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from promptlab.data import FileImages
from promptlab.features import training_transform
from promptlab.features.transforms import Crop, evaluation_transform_id
from promptlab.support.random_streams import view_stream
from promptlab.training.pictures import ImageDataset
from tests.helpers.fakes import FakeClip, picture_items


def picture(width, height, mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.5, 1.0)])
@pytest.mark.parametrize("size", [(64, 64), (300, 200), (31, 97), (400, 20), (20, 400), (1, 1)])
def test_views_equal_torchvisions_under_the_same_seed(size, scale):
    clip = FakeClip()
    ours = training_transform(clip, scale)
    theirs = v2.Compose(
        [
            v2.RandomResizedCrop(16, scale=scale, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.RandomHorizontalFlip(0.5),
        ]
    )
    image = picture(*size)
    for seed in range(20):
        torch.manual_seed(seed)
        expected = torch.from_numpy(np.asarray(theirs(image)).transpose(2, 0, 1) / np.float32(255))
        mean, std = (torch.tensor(values)[:, None, None] for values in (clip.image_mean, clip.image_std))
        torch.manual_seed(seed)
        assert torch.equal(ours(image), (expected - mean) / std)
        assert torch.equal(ours(image, torch.Generator().manual_seed(seed)), (expected - mean) / std)


def test_a_view_of_the_whole_picture_equals_the_evaluation_transform():
    clip, image = FakeClip(), picture(16, 16)
    view = training_transform(clip).apply(image, Crop(0, 0, 16, 16, flip=False))
    assert torch.equal(view, clip.preprocess(image))


def test_a_generator_leaves_torchs_own_stream_alone():
    before = torch.get_rng_state()
    training_transform(FakeClip())(picture(30, 30, "L"), view_stream("ab", 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_view_streams_differ_by_content_and_view():
    draws = {tuple(torch.rand(4, generator=view_stream(c, k)).tolist()) for c in ("aa", "bb") for k in range(5)}
    assert len(draws) == 10


def test_ids_change_with_every_parameter():
    clip = FakeClip()
    ids = {training_transform(clip).id, training_transform(clip, (0.5, 1.0)).id, evaluation_transform_id(clip)}
    clip.image_mean = (0.5, 0.5, 0.5)
    ids |= {training_transform(clip).id, evaluation_transform_id(clip)}
    clip.preprocess = v2.Compose([v2.Resize(16)])
    ids |= {evaluation_transform_id(clip)}
    assert len(ids) == 6
    assert evaluation_transform_id(FakeClip()) == evaluation_transform_id(FakeClip())


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.8, 0.5), (0.5, 1.1)])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(ValueError, match="crop_scale"):
        training_transform(FakeClip(), scale)


def test_a_backbone_without_image_transform_says_so():
    clip = FakeClip()
    clip.preprocess = None
    with pytest.raises(ValueError, match="fake has no image transform"):
        training_transform(clip)


def test_image_dataset_gives_pictures_and_labels(tmp_path):
    clip, items = FakeClip(), picture_items(tmp_path, 4)
    batch, labels = next(iter(DataLoader(ImageDataset(items, clip.preprocess), batch_size=4)))
    assert batch.shape == (4, 3, 16, 16)
    assert labels.tolist() == items.labels.tolist()


def test_seeded_views_depend_on_seed_epoch_and_position_alone(tmp_path):
    items = picture_items(tmp_path, 4)
    transform = training_transform(FakeClip())

    def epoch(number, seed=1, workers=0):
        data = ImageDataset(items, transform, seed=seed)
        data.set_epoch(number)
        return torch.cat([images for images, _ in DataLoader(data, batch_size=2, num_workers=workers)])

    torch.manual_seed(0)
    first = epoch(0)
    torch.manual_seed(5)
    assert torch.equal(epoch(0, workers=2), first)
    assert not torch.equal(epoch(1), first)
    assert not torch.equal(epoch(0, seed=2), first)


def test_unseeded_views_follow_torchs_stream(tmp_path):
    data = ImageDataset(picture_items(tmp_path, 1), training_transform(FakeClip()))
    torch.manual_seed(3)
    first, _ = data[0]
    second, _ = data[0]
    torch.manual_seed(3)
    assert torch.equal(data[0][0], first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "LA", "1"])
@pytest.mark.parametrize("size", [(31, 47), (224, 224), (500, 33)])
def test_evaluation_pictures_equal_open_clips_own(tmp_path, mode, size):
    """P16: what the bank encodes is open_clip's evaluation transform of the picture, converted first as CoOp does."""
    pixels = np.random.RandomState(0).randint(0, 255, (*size[::-1], 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "picture.png")
    transform = image_transform(224, is_train=False, interpolation="bicubic")
    with Image.open(tmp_path / "picture.png") as opened:
        expected = transform(opened.convert("RGB"))
    assert torch.equal(transform(FileImages(tmp_path, ["picture.png"]).open(0)), expected)
