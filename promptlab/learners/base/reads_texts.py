"""What learners share that hold the hand-written texts of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from promptlab.clip.frozen import FrozenCLIP
from promptlab.prompts.class_texts import ClassTexts, PromptSet, Template, Templates, check_texts


class ReadsTexts:
    """A learner's ``template``, ``templates`` and ``prompts``: one feature for each class.

    Stands before the kind of learner in the list of bases; the constructor calls :meth:`read_texts`.

    Example:
        >>> import promptlab
        >>> from promptlab.learners.base.reads_texts import ReadsTexts
        >>> isinstance(promptlab.ZeroShot(promptlab.load_clip("demo"), ["star", "ring"]), ReadsTexts)
        True
    """

    clip: FrozenCLIP
    class_names: tuple[str, ...]
    arguments: Mapping[str, Any]
    texts: ClassTexts
    """The texts of the C classes."""
    file_arguments: ClassVar[tuple[str, ...]] = ("prompts",)
    per_class: tuple[str, ...] = ("texts",)

    def read_texts(
        self,
        template: Template,
        templates: Templates | None,
        prompts: PromptSet | None,
        *,
        normalised: bool = True,
        keep_each: bool = False,
    ) -> None:
        """Encode the texts; what files hold is remembered in place of their paths.

        Args:
            template: the dataset's hand-written prompt.
            templates: other prompts instead.
            prompts: sentences about each class instead.
            normalised: False for features as long as the text tower makes them.
            keep_each: keep the features of every text besides.

        Raises:
            ValueError: for a template without ``{}``.
            DatasetError: if the sentences can't be read or lack classes.
        """
        self.texts = ClassTexts(
            self.clip, self.class_names, template=template, templates=templates, prompts=prompts, normalised=normalised,
            keep_each=keep_each,
        )  # fmt: skip
        self.arguments = {**self.arguments, **self.texts.as_read}

    @classmethod
    def check_together(cls, arguments: Mapping[str, Any]) -> None:
        """Refuse templates together with sentences."""
        check_texts(arguments)

    def text_features(self) -> Tensor:
        """(C, D) as they were read: L2-normalised unless a learner asked for their lengths."""
        return self.texts.features
