"""Learners to and from the Hugging Face hub, by its own client."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from promptlab.results.store import RESULT_NAME
from promptlab.saved.card import CARD_NAME, LEARNED_NAME, read_card
from promptlab.saved.hub_files import fetched, is_repo
from promptlab.saved.learned import read_learned, require_saved
from promptlab.saved.model_card import model_card
from promptlab.support.errors import PromptlabError, UsageError
from promptlab.support.files import write_bytes_atomic
from promptlab.support.words import first_line, some_of

log = logging.getLogger(__name__)
README = "README.md"
_FILES = (CARD_NAME, LEARNED_NAME, RESULT_NAME, README)


class HubError(PromptlabError, RuntimeError):
    """What the hub refuses, or can't be asked; the message says what was asked and what to do."""


def push_learner(folder: str | Path, repo: str, *, private: bool = False, revision: str | None = None) -> str:
    """Put a saved learner on the hub: card, tensors, its Result where it has one, and a model card.

    A Result whose configuration names paths of this machine stays here: it may be read by everybody. The model card has
    its scores.

    Args:
        folder: of the saved learner. A ``README.md`` in it is pushed as it is; else one is written for it.
        repo: ``organisation/name``; made if it isn't there.
        private: whether a new repository is seen by its owners alone.
        revision: branch to commit to; the repository's main one if None.

    Returns:
        The address of the commit.

    Raises:
        CardError: if the folder holds no learner that could be loaded.
        HubError: if the hub refuses.
        UsageError: if ``repo`` is no such name.
    """
    _require_repo(repo)
    base = Path(folder).expanduser()
    linked = [name for name in _FILES if (base / name).is_symlink()]
    if linked:
        raise HubError(f"{base / linked[0]} is a link, and what it leads to isn't pushed: put the file in its place")
    files = _checked(base)
    if RESULT_NAME in files and (paths := _paths_of_this_machine(json.loads(files[RESULT_NAME]).get("config"))):
        del files[RESULT_NAME]
        log.warning("%s stays here: its configuration names paths of this machine (%s)", RESULT_NAME, some_of(paths, 2))
    if README not in files:
        files[README] = model_card(read_card(base / CARD_NAME), repo).encode()
    api = HfApi()
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()]
    try:
        api.create_repo(repo, private=private or None, exist_ok=True)
        commit = api.create_commit(repo, operations, commit_message="Learner of promptlab", revision=revision)
    except Exception as error:  # the hub's client has dozens
        raise HubError(
            f"{base} could not be pushed to {repo} ({first_line(error)}). Check the name, the network, and that you "
            "may write there (hf auth login, or HF_TOKEN)"
        ) from error
    return str(commit.commit_url)


def pull_learner(repo: str, folder: str | Path, *, revision: str | None = None) -> Path:
    """Bring a learner from the hub into a folder, with its model card.

    Args:
        repo: ``organisation/name``.
        folder: missing, empty, or with what an earlier pull wrote; nothing is written unless card and tensors are whole
            and belong together.
        revision: branch, tag or commit; the main branch if None.

    Returns:
        The folder.

    Raises:
        CardError: if what the repository holds is no learner, or damaged.
        HubError: if it can't be fetched.
        UsageError: if ``repo`` is no such name, or the folder holds other files.
    """
    _require_repo(repo)
    _require_free(Path(folder))
    try:
        found = fetched(repo, _FILES, revision)
    except Exception as error:  # the hub's client has dozens
        at = "" if revision is None else f" at {revision}"
        why = f"{repo}{at} could not be fetched ({first_line(error)})"
        raise HubError(f"{why}. Check the name and the network") from error
    files = _checked(found)
    for name in _FILES:
        if name not in files:  # an earlier learner's
            (Path(folder) / name).unlink(missing_ok=True)
    for name, data in sorted(files.items(), reverse=True):  # the card last: it says which tensors are its own
        write_bytes_atomic(Path(folder) / name, data)
    return Path(folder)


def _checked(folder: Path) -> dict[str, bytes]:
    """The files of a saved learner whose card reads, and whose tensors are the card's."""
    require_saved(folder)
    found = {name: folder / name for name in _FILES if (folder / name).is_file()}
    read_learned(found[LEARNED_NAME], read_card(found[CARD_NAME]))
    return {name: path.read_bytes() for name, path in found.items()}


def _paths_of_this_machine(value: object) -> list[str]:
    """The absolute paths among the values of a configuration."""
    if isinstance(value, dict):
        return [path for one in value.values() for path in _paths_of_this_machine(one)]
    if isinstance(value, list):
        return [path for one in value for path in _paths_of_this_machine(one)]
    return [value] if isinstance(value, str) and value.startswith(("/", "~")) else []


def _require_free(folder: Path) -> None:
    """Refuse a folder whose other files would be taken for the pulled learner's."""
    others = [path.name for path in sorted(folder.glob("*")) if path.name not in _FILES]
    if others:
        raise UsageError(
            f"{folder} holds {some_of(others, 3)}, which would be taken for the pulled learner's: name another"
        )


def _require_repo(repo: str) -> None:
    if not is_repo(repo):
        raise UsageError(
            f"{repo!r} is no repository of the hub: ORGANISATION/NAME is needed, in letters, digits, . _ -"
        )
