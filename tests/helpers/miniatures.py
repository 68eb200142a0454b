"""Miniatures of the benchmarks: real folder and file names, real formats of lists, a few classes of ten files."""

import json

import numpy as np
from scipy.io import savemat

PER_CLASS = 10


def touch(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def numbered(pattern, count=PER_CLASS):
    return [pattern.format(number) for number in range(1, count + 1)]


def class_folders(folder, names, pattern="image_{:04}.jpg"):
    for name in names:
        touch(folder / name, [*numbered(pattern), ".hidden.jpg", "Thumbs.db"])


def caltech101(root, folder="caltech-101"):
    names = ["Faces", "Faces_easy", "Leopards", "Motorbikes", "BACKGROUND_Google", "airplanes", "car_side"]
    class_folders(root / folder / "101_ObjectCategories", names)


def dtd(root, folder="dtd"):
    class_folders(root / folder / "images", ["banded", "dotted"], "image_{:04}.jpg")
    text(root / folder / "labels" / "train1.txt", "banded/image_0001.jpg", "dotted/image_0010.jpg")


def eurosat(root):
    class_folders(root / "eurosat" / "2750", ["SeaLake", "AnnualCrop", "Forest"])


def food101(root):
    class_folders(root / "food-101" / "images", ["waffles", "apple_pie"], "{}.jpg")
    text(root / "food-101" / "meta" / "classes.txt", "apple_pie", "waffles")
    lists = {"apple_pie": ["apple_pie/1", "apple_pie/10"], "waffles": ["waffles/3"]}
    (root / "food-101" / "meta" / "train.json").write_text(json.dumps(lists))


def oxford_pets(root, folder="oxford_pets"):
    breeds = {"Abyssinian": (1, 1, 1), "american_bulldog": (2, 2, 1), "Russian_Blue": (3, 1, 2)}
    lines = {
        breed: [f"{image} {' '.join(map(str, numbers))}" for image in numbered(breed + "_{}", 15)]
        for breed, numbers in breeds.items()
    }
    annotations = root / folder / "annotations"
    touch(root / folder / "images", [f"{line.split()[0]}.jpg" for rows in lines.values() for line in rows])
    text(annotations / "trainval.txt", *(line for rows in lines.values() for line in rows[:10]))
    text(annotations / "test.txt", *(line for rows in lines.values() for line in rows[10:]))


def oxford_flowers(root, folder="oxford_flowers"):
    labels = [3] * 10 + [1] * 10 + [2] * 20
    touch(root / folder / "jpg", numbered("image_{:05}.jpg", len(labels)))
    savemat(root / folder / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    savemat(root / folder / "setid.mat", {"trnid": np.array([[1, 11, 40]])})
    names = {"1": "pink primrose", "2": "hard-leaved pocket orchid", "3": "canterbury bells"}
    (root / folder / "cat_to_name.json").write_text(json.dumps(names))


def stanford_cars(root):
    base = root / "stanford_cars"
    fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]

    def annotations(path, folder, count):
        names = numbered("{:05}.jpg", count)
        touch(base / folder, names)
        rows = [(1, 2, 3, 4, 1 + position % 2, name) for position, name in enumerate(names)]
        structured = np.empty((1, count), dtype=fields)
        for position, row in enumerate(rows):
            structured[0, position] = row
        savemat(path, {"annotations": structured})

    (base / "devkit").mkdir(parents=True)
    annotations(base / "devkit" / "cars_train_annos.mat", "cars_train", 20)
    annotations(base / "cars_test_annos_withlabels.mat", "cars_test", 10)
    names = np.array([["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]], dtype=object)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": names})


def fgvc_aircraft(root, folder="fgvc_aircraft"):
    base = root / folder
    variants = ["707-320", "Boeing 717", "F/A-18"]
    text(base / "variants.txt", *variants)
    number = 0
    for split in ("train", "val", "test"):
        names = [f"{1 + number + position:07}" for position in range(6)]
        number += 6
        touch(base / "images", [f"{name}.jpg" for name in names])
        rows = [f"{name} {variants[position % 3]}" for position, name in enumerate(names)]
        text(base / f"images_variant_{split}.txt", *rows)


def sun397(root, folder="sun397", images="SUN397"):
    base = root / folder
    classes = ["/a/abbey", "/a/airplane_cabin", "/a/apartment_building/outdoor"]
    text(base / "ClassName.txt", *classes)
    train = [f"{name}/sun_{number:03}.jpg" for name in classes for number in range(10)]
    test = [f"{name}/sun_{number:03}.jpg" for name in classes for number in range(10, 15)]
    touch(base / images, [name[1:] for name in train + test])
    text(base / "Training_01.txt", *train)
    text(base / "Testing_01.txt", *test)


def ucf101(root):
    base = root / "ucf101"
    text(base / "ucfTrainTestlist" / "classInd.txt", "1 ApplyEyeMakeup", "2 YoYo")
    train = [(name, f"v_{name}_g{group:02}_c01", name[0] == "Y") for name in ("ApplyEyeMakeup", "YoYo")
             for group in range(8, 18)]  # fmt: skip
    test = [(name, f"v_{name}_g{group:02}_c01") for name in ("ApplyEyeMakeup", "YoYo") for group in range(1, 4)]
    text(
        base / "ucfTrainTestlist" / "trainlist01.txt", *(f"{name}/{video}.avi {1 + two}" for name, video, two in train)
    )
    text(base / "ucfTrainTestlist" / "testlist01.txt", *(f"{name}/{video}.avi" for name, video in test))
    folders = {"ApplyEyeMakeup": "Apply_Eye_Makeup", "YoYo": "Yo_Yo"}
    touch(base / "UCF-101-midframes", [f"{folders[row[0]]}/{row[1]}.jpg" for row in (*train, *test)])


WNIDS = {"n01440764": "tench", "n01443537": "goldfish", "n01484850": "great white shark"}


def class_names(folder):
    text(folder / "classnames.txt", *(f"{wnid} {name}" for wnid, name in WNIDS.items()))


def imagenet(root):
    for wnid in reversed(WNIDS):
        touch(root / "imagenet" / "images" / "train" / wnid, numbered(wnid + "_{}.JPEG", 12))
        touch(root / "imagenet" / "images" / "val" / wnid, numbered("ILSVRC2012_val_{:08}.JPEG", 2))
    class_names(root / "imagenet")


def imagenetv2(root):
    folder = root / "imagenetv2"
    names = [f"n{number:08} class {number}" for number in range(12)]
    text(folder / "classnames.txt", *names)
    for label in range(12):
        touch(folder / "imagenetv2-matched-frequency-format-val" / str(label), [f"{label}ab.jpeg"])


def imagenet_sketch(root):
    for wnid in WNIDS:
        touch(root / "imagenet-sketch" / "images" / wnid, ["sketch_0.JPEG", "sketch_1.JPEG"])
    class_names(root / "imagenet-sketch")


def imagenet_a(root):
    for wnid in ("n01440764", "n01484850"):
        touch(root / "imagenet-adversarial" / "imagenet-a" / wnid, ["0.0_fox_0.9.jpg", "0.1_fox_0.8.jpg"])
    text(root / "imagenet-adversarial" / "imagenet-a" / "README.txt", "ImageNet-A")
    class_names(root / "imagenet-adversarial")


def imagenet_r(root):
    for wnid in ("n01443537", "n01484850"):
        touch(root / "imagenet-rendition" / "imagenet-r" / wnid, ["art_0.jpg", "toy_1.jpg"])
    text(root / "imagenet-rendition" / "imagenet-r" / "README.txt", "ImageNet-R")
    class_names(root / "imagenet")  # ImageNet's file serves where the dataset has none of its own
