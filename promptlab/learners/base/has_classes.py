"""What is bound to named classes and can be moved to others, with all that it holds for them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

from torch import Tensor

from promptlab.learners.base.class_set import ClassSet, FollowsClasses, moved, with_own_rows
from promptlab.prompts.class_texts import DEFAULT_TEMPLATE, checked_names, indices_of, places_of, warn_of_repeated


class HasClasses:
    """Scores C classes by name, and gives copies of itself that score others.

    A learner declares what it holds per class; only what no rule can know is said in :meth:`classes_changed`.

    Example:
        >>> import promptlab
        >>> learner = promptlab.CoOp(promptlab.load_clip("demo"), ["red star", "blue circle"], n_ctx=2)
        >>> learner.select(["blue circle"]).class_names, learner.rebind(["green moon"]).class_names
        (('blue circle',), ('green moon',))
        >>> learner.select([1]).ctx is learner.ctx, learner.copied() is learner
        (True, False)
    """

    class_names: tuple[str, ...]
    """Names of the C classes."""
    open_vocabulary: bool = False
    """Whether :meth:`rebind` can take other class names after training; an instance may narrow its class's word."""
    keeps_images: bool = False
    """Whether it keeps something of single images, so that those of a class that comes later count."""
    per_class: tuple[str, ...] = ()
    """Attributes that belong to the classes: tensors and tuples with an entry per class, and parts that follow classes
    themselves (class prompts, class texts, learners). What a class names comes on top of what its bases name, and what
    an instance names on top of both."""

    def select(self, class_indices: Sequence[int | str]) -> Self:
        """A learner that scores these of the known classes, in this order.

        Learned tensors are shared, less those ``per_class``, of which it gets the rows of its classes.

        Args:
            class_indices: the classes, by number from 0 or by name.

        Raises:
            ValueError: for no classes, what is no class of the learner, or a class that is there twice.
        """
        indices = indices_of(class_indices, self.class_names)
        if not indices:
            raise ValueError("no classes are chosen: give at least one")
        return self._moved(ClassSet(tuple(self.class_names[i] for i in indices), indices=indices))

    def copied(self) -> Self:
        """The same over the same classes: attributes that are set on it stay its own; learned tensors are shared."""
        return self.select(range(len(self.class_names)))

    def rebind(self, class_names: Sequence[str], template: str = DEFAULT_TEMPLATE) -> Self:
        """A learner that scores other classes by name; learned tensors are shared.

        Args:
            class_names: the names.
            template: the hand-written prompt of their dataset, for learners that use one.

        Raises:
            TypeError: if the learner isn't ``open_vocabulary``.
            ValueError: if there are no names, or one is no text or is empty.
        """
        if not self.open_vocabulary:
            raise TypeError(
                f"{type(self).__name__} can't score classes it wasn't trained on: what it learned is class-specific "
                "(open_vocabulary = False)"
            )
        names = checked_names(class_names)
        if not names:
            raise ValueError("there are no class names: give at least one")
        warn_of_repeated(names)
        return self._moved(ClassSet(names, template, tuple(range(len(names))) if names == self.class_names else None))

    def extend(
        self,
        class_names: Sequence[str],
        template: str = DEFAULT_TEMPLATE,
        own: Sequence[int | str | None] | None = None,
    ) -> Self:
        """A learner that scores its own classes among others; learned tensors are shared.

        Args:
            class_names: all the names.
            template: the hand-written prompt of their dataset, for learners that use one.
            own: for each name which of the learner's own classes it is, by number or by name, None for a class that it
                doesn't know; found by the names if None.

        Returns:
            As :meth:`rebind` does, but of tensors ``per_class`` the own classes keep their rows.

        Raises:
            TypeError: if the learner isn't ``open_vocabulary``.
            ValueError: as :meth:`rebind`, or if ``own`` names no class or hasn't an entry for each name.
        """
        other = self.rebind(class_names, template)
        rows = self._rows_of(other.class_names, own)
        for name in self._all_per_class():
            setattr(other, name, with_own_rows(getattr(self, name), getattr(other, name), rows))
        return other

    @property
    def takes_new_classes(self) -> bool:
        """Whether :meth:`with_class` can add one without training again."""
        return self.open_vocabulary

    def with_class(
        self, name: str, images: Tensor, others: Tensor, template: str = DEFAULT_TEMPLATE
    ) -> tuple[Self, str]:
        """A learner that scores one class more, and what was made of its images, in words; nothing is trained.

        Its own classes keep all that was learned of them. Learners that hold something of single images override it.

        Args:
            name: of the class, which comes last.
            images: (n, D) features of its images, perhaps none.
            others: (N, D) features of images of the classes that are known, perhaps none.
            template: the hand-written prompt, for learners that use one.

        Raises:
            TypeError: if it doesn't take new classes.
            ValueError: if the name is no text or is empty.
        """
        grown = self.extend((*self.class_names, name), template)
        return grown, f"by its name alone, as {type(self).__name__} keeps nothing of single pictures"

    def classes_changed(self, classes: ClassSet) -> None:
        """Say what else follows from the classes; called on the copy that select, rebind and extend give.

        What is ``per_class`` has followed by then, but for tensors and tuples under other names (``classes.indices`` is
        None), which no rule can know: an open-vocabulary learner gives them their values for unknown classes here.

        Args:
            classes: what the copy scores.
        """

    def _moved(self, classes: ClassSet) -> Self:
        """A copy for other classes, with all that is ``per_class``."""
        other = self._relabelled(classes.names)
        for name in self._all_per_class():
            self._require_entries(name, len(self.class_names))
            setattr(other, name, moved(getattr(self, name), classes))
        other.classes_changed(classes)
        for name in self._all_per_class():
            other._require_entries(name, len(classes.names))
        return other

    def _rows_of(self, class_names: Sequence[str], own: Sequence[int | str | None] | None) -> list[int | None]:
        """For each name which of the learner's own classes it is."""
        if own is None:
            return places_of(class_names, self.class_names)
        if len(own) != len(class_names):
            raise ValueError(f"own has {len(own)} entries for {len(class_names)} class names: one for each is needed")
        return [None if which is None else indices_of([which], self.class_names)[0] for which in own]

    def _relabelled(self, class_names: Sequence[str]) -> Self:
        """A copy for other classes that shares every learned tensor until one is replaced.

        Plug-ins written for promptlab 0.1.0 call it in a ``select`` of their own.
        """
        other = copy.copy(self)
        for registry in ("_parameters", "_buffers", "_modules"):
            other.__dict__[registry] = self.__dict__[registry].copy()
        other.class_names = tuple(class_names)
        return other

    def _all_per_class(self) -> tuple[str, ...]:
        """What the bases, the class and the instance name, each once."""
        sources = [vars(kind) for kind in reversed(type(self).__mro__)]
        return tuple(dict.fromkeys(name for source in (*sources, vars(self)) for name in source.get("per_class", ())))

    def _require_entries(self, name: str, count: int) -> None:
        """Refuse a tensor or tuple whose first axis isn't the classes."""
        part = getattr(self, name)
        if part is None or isinstance(part, FollowsClasses) or len(part) == count:
            return
        raise ValueError(
            f"{type(self).__name__}.{name} has {len(part)} entries for {count} classes: what is per_class has one for "
            "each; give it those of other names in classes_changed"
        )
