"""Archives for the tests of downloading."""

import io
import tarfile
import zipfile

FILES = {"data/images/a/1.jpg": b"one", "data/images/b/2.jpg": b"two" * 99_999, "data/list.txt": b"list", "other": b"x"}


def tar(path, files=FILES, mode="w:gz", members=()):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in members:
            archive.addfile(info)
    return path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def zip_of(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.jpg")):
            archive.write(file, file.relative_to(folder))
    return path.read_bytes()
