"""Zero-shot CLIP: hand-written prompts, nothing learned.

Paper: Learning Transferable Visual Models From Natural Language Supervision, https://arxiv.org/abs/2103.00020.
With several templates the text features are averaged and normalised again, as CLIP does; so are those of sentences
about each class (a prompt set, https://arxiv.org/abs/2209.03320).
"""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.clip.frozen import FrozenCLIP
from promptlab.learners.base.class_set import ClassSet
from promptlab.learners.base.reads_texts import ReadsTexts
from promptlab.learners.base.stages import Stage
from promptlab.learners.base.text_side import TextSideLearner
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, PromptSet, Template, Templates


class ZeroShot(ReadsTexts, TextSideLearner):
    """Scores each class by the text feature of its hand-written prompts.

    Of a model trained with a bias (SigLIP), the sigmoid of a logit is the model's own score of that class alone.

    Args:
        clip: the frozen backbone.
        class_names: names of the C classes; underscores are read as spaces.
        template: the dataset's own prompt, with ``{}`` for the class name.
        templates: other prompts instead: a list of your own, ``"select"`` or ``"select_only"``, as
            :class:`promptlab.prompts.ClassTexts` takes them.
        prompts: sentences about each class instead of any template: a JSON file or a mapping, likewise.

    Raises:
        ValueError: if a template has no ``{}``, a prompt is longer than the context length, or both ``templates`` and
            ``prompts`` are given.
        DatasetError: if the sentences can't be read or lack classes.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> learner = promptlab.ZeroShot(clip, ["red circle", "blue star"])
        >>> learner(clip.encode_texts(["a photo of a blue star."])).argmax().item()
        1
    """

    open_vocabulary = True

    def __init__(
        self,
        clip: FrozenCLIP,
        class_names: Sequence[str],
        *,
        template: Template = DEFAULT_TEMPLATE,
        templates: Templates | None = None,
        prompts: PromptSet | None = None,
    ) -> None:
        super().__init__(clip, class_names)
        self.read_texts(template, templates, prompts)

    def fit_plan(self) -> list[Stage]:
        """Nothing is learned."""
        return []

    def classes_changed(self, classes: ClassSet) -> None:
        """Remember the template of other names: nothing but it is needed to make the learner again."""
        if classes.template is not None:
            self.arguments = {**self.arguments, "template": classes.template}
