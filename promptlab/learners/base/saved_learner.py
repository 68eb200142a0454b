"""A learner that was saved and teaches another: part of a fit's id and of the student's card by what it learned."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.learner import PromptLearner
from promptlab.learners.base.other_backbone import require_same_pictures
from promptlab.support.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class SavedLearner:
    """The folder of a learner that teaches, or without the folder which learner that was.

    A learner takes one as an argument, opens it with :meth:`beside` in its constructor, and writes :meth:`identified`
    into its ``arguments``: its card then says who taught, and it is loaded without that folder.

    Args:
        folder: what a run or ``save_pretrained`` wrote, on this machine.
        id: which learner that is, a hash over its class, arguments, class names, backbone and tensors.
        learner: import path of its class.
        backbone: its backbone, for people.
        fingerprint: of the backbone.
        dim: width of the backbone's joint space.
        dataset: what it was trained on, if that is known.
        protocol: by which protocol, likewise.
        fit_id: by which fit, likewise.

    Example:
        >>> import promptlab, tempfile
        >>> learner = promptlab.CoOp(promptlab.load_clip("demo"), ["ring", "star"], n_ctx=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     saved = SavedLearner(folder=str(learner.save_pretrained(folder))).identified()
        >>> saved.learner, saved.backbone, saved.dim, saved.folder
        ('promptlab.learners.CoOp', 'demo', 128, None)
    """

    folder: str | None = None
    id: str | None = None
    learner: str | None = None
    backbone: str | None = None
    fingerprint: str | None = None
    dim: int | None = None
    dataset: str | None = None
    protocol: str | None = None
    fit_id: str | None = None

    def identified(self) -> SavedLearner:
        """The same without the folder: what tells fits apart.

        Raises:
            UsageError: if there is neither a folder nor an id, or no learner in the folder, or another than the id
                says.
            CardError: if its card is damaged.
        """
        if self.folder is None:
            if self.id is None:
                raise UsageError("a teacher is needed: teacher=FOLDER, which a run or save_pretrained wrote")
            return self
        from promptlab import read_card  # the room of saved learners lies above this one

        path = Path(self.folder).expanduser() / "card.json"
        if not path.is_file():
            raise UsageError(f"teacher={self.folder}: there is no card.json in it; a folder that a run or "
                             "save_pretrained wrote is needed")  # fmt: skip
        card = read_card(path)
        told = [card.learner, card.learner_version, card.arguments, card.class_names, card.backbone.fingerprint]
        digest = hashlib.sha256(json.dumps([*told, card.learned_sha256], sort_keys=True).encode()).hexdigest()[:16]
        if self.id not in (None, digest):
            raise UsageError(f"teacher={self.folder} is learner {digest}, and {self.id} is wanted")
        of_fit = {} if card.training is None else asdict(card.training)
        return SavedLearner(
            id=digest, learner=card.learner, backbone=card.backbone.name, fingerprint=card.backbone.fingerprint,
            dim=card.backbone.dim, **{key: of_fit.get(key) for key in ("dataset", "protocol", "fit_id")},
        )  # fmt: skip

    def beside(self, clip: FrozenCLIP) -> PromptLearner | None:
        """The learner on the device of a backbone, whose pictures its own backbone sees; None without a folder.

        Raises:
            UnsupportedBackboneError: if the two read pictures of other sizes or scales.
            CardError: if it can't be loaded.
        """
        if self.folder is None:
            return None
        from promptlab import load_learner  # the room of saved learners lies above this one

        if self.identified().fingerprint == clip.fingerprint:
            return load_learner(self.folder, clip)
        learner = load_learner(self.folder, device=str(clip.device))
        require_same_pictures(learner.clip, clip)
        return learner
