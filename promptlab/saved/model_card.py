"""The README.md of a learner on the Hugging Face hub: its card in the hub's form. Names in it are text alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import open_clip
from huggingface_hub import EvalResult, ModelCardData

from promptlab.report.markup import in_markdown
from promptlab.saved.card import Card
from promptlab.support.words import counted

_MOST_NAMES = 100
_LICENCES = {
    "mit": ("openai", "laion", "datacomp", "commonpool", "merged2b", "yfcc15m", "cc12m", "demo"),
    "apache-2.0": ("webli",),
    "apple-amlr": ("dfn", "apple"),
    "cc-by-nc-4.0": ("metaclip",),
}
"""Licences of weights by how their tags begin, as their publishers say."""
_FOLDS = {"held_out": "held-out folds"}
"""What the scores that ``promptlab adapt`` leaves are of."""
_KNOWN_TO_HUB = ("mit", "apache-2.0", "apple-amlr", "cc-by-nc-4.0")


def model_card(card: Card, repo: str) -> str:
    """A README.md: what the learner is, how it was trained, results, use, limits, licence.

    Args:
        card: of the learner.
        repo: where it is pushed to, ``organisation/name``.

    Example:
        >>> import promptlab, tempfile
        >>> learner = promptlab.CoOp(promptlab.load_clip("demo"), ["<b>ring</b>", "star"], n_ctx=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = promptlab.read_card(learner.save_pretrained(folder) / "card.json")
        >>> readme = model_card(card, "me/rings")
        >>> "library_name: promptlab" in readme, "<b>" in readme
        (True, False)
    """
    sections = (_what(card, repo), _training(card), _results(card), _classes(card), _use(card), _licence_section(card))
    return f"---\n{_header(card, repo)}\n---\n\n" + "\n".join("\n".join(lines) + "\n" for lines in sections if lines)


def licence_of(card: Card) -> str | None:
    """The licence of the backbone's weights, by the hub's name for it; None where it isn't known."""
    source = card.backbone.source
    tag = None if source is None else (source.pretrained or source.name)
    return next((name for name, tags in _LICENCES.items() if tag and tag.lower().startswith(tags)), None)


def _header(card: Card, repo: str) -> str:
    """The YAML by which the hub files the repository."""
    zero_shot = card.learner.endswith(".ZeroShot")
    licence, source = licence_of(card), card.backbone.source
    known = {} if source is None else (open_clip.get_pretrained_cfg(source.name, source.pretrained or "") or {})
    data = ModelCardData(
        library_name="promptlab",
        pipeline_tag="zero-shot-image-classification" if zero_shot else "image-classification",
        tags=["clip", "open_clip", "prompt-learning", card.learner.rpartition(".")[2].lower()],
        license=licence if licence in _KNOWN_TO_HUB else None,
        base_model=str(known.get("hf_hub") or "").rstrip("/") or None,
        model_name=repo.rpartition("/")[2],
        eval_results=list(_evaluations(card)) or None,
    )
    return data.to_yaml().strip()


def _evaluations(card: Card) -> Iterator[EvalResult]:
    training = card.training
    for name, top1 in (training.top1 or {}).items() if training else ():
        if training and top1 is not None:
            yield EvalResult(
                task_type="image-classification",
                task_name=f"{training.protocol}, {_FOLDS.get(name, f'{name} classes')}",
                dataset_type=re.sub(r"[^\w.-]", "_", training.dataset),
                dataset_name=training.dataset,
                dataset_split=name,
                metric_type="accuracy",
                metric_name="top-1 accuracy",
                metric_value=round(top1, 4),
            )


def _what(card: Card, repo: str) -> Sequence[str]:
    kind, backbone = card.learner.rpartition(".")[2], card.backbone
    return (
        f"# {in_markdown(repo.rpartition('/')[2])}",
        "",
        f"{in_markdown(kind)} of [promptlab](https://pypi.org/project/promptlab-clip/) over a frozen CLIP "
        f"({in_markdown(backbone.name)}, {in_markdown(backbone.precision)}): it tells "
        f"{counted(len(card.class_names), 'class')} of pictures apart. The repository holds what was learned, not the "
        "backbone, which is loaded by its name; nothing in it is code.",
        "",
        "```python",
        "import promptlab",
        "",
        f'learner = promptlab.load_learner("{repo}")',
        'print(promptlab.predict(learner, ["picture.jpg"]).names)',
        "```",
        "",
    )


def _training(card: Card) -> Sequence[str]:
    training = card.training
    if training is None:
        return ("## How it was trained", "", "The card doesn't say.", "")
    return (
        "## How it was trained",
        "",
        f"- dataset: {in_markdown(training.dataset)}, protocol {in_markdown(training.protocol)}",
        f"- {in_markdown(str(training.shots))} training pictures per class, {training.train_images:,} in all; "
        f"{in_markdown(str(training.views))} views of each; seed {training.seed}",
        f"- fit {in_markdown(training.fit_id)}, written by promptlab {in_markdown(card.promptlab)}",
        "",
    )


def _results(card: Card) -> Sequence[str]:
    top1 = card.training.top1 if card.training else None
    if not top1:
        return ()
    shares = {_FOLDS.get(name, name): "–" if of is None else f"{100 * of:.2f} %" for name, of in top1.items()}
    rows = [f"| {in_markdown(name)} | {share} |" for name, share in shares.items()]
    return ("## Results", "", "| pictures of | top-1 accuracy |", "| :-- | --: |", *rows, "")


def _classes(card: Card) -> Sequence[str]:
    names, decision = card.class_names, card.decision
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    lines = ["## Classes", "", ", ".join(map(in_markdown, names[:_MOST_NAMES])) + more, ""]
    if decision is not None and decision.threshold is not None:
        lines += [f'A most probable class below {decision.threshold:g} is answered by "none of these".', ""]
    return lines


def _use(card: Card) -> Sequence[str]:
    return (
        "## Intended use and limits",
        "",
        "For pictures like those it was trained on, of the classes above. It answers with one of them whatever a "
        "picture shows, unless a threshold says otherwise; of pictures of another kind (camera, place) probabilities "
        "can be far off. It inherits what its backbone learned from pictures of the web, biases included. "
        "Measure it on pictures of your own before anything depends on it.",
        "",
    )


def _licence_section(card: Card) -> Sequence[str]:
    found = licence_of(card)
    said = (
        f"The backbone's weights are published under {found}." if found else "The backbone's licence isn't known here."
    )
    return ("## Licence", "", f"{said} What was learned is bound to them.", "")
