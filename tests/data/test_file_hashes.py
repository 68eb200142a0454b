"""Hashes of files are remembered as long as the files look the same."""

from promptlab.data.file_hashes import FileHashes, FileState


def test_file_hashes_are_kept_by_path_size_and_time():
    store = FileHashes()
    files = [FileState(f"/data/{i}.png", i, 10 * i) for i in range(3)]
    store.remember(files[:2], ["a", "b"])
    assert store.remembered(files) == ["a", "b", None]
    assert store.remembered([FileState("/data/1.png", 1, 11), FileState("/data/1.png", 2, 10)]) == [None, None]
