"""What a run found, kept so that it can be trusted later: scores, documents, statistics and tables.

``metrics`` scores logits; ``ids`` says what a fit and an evaluation are; ``document`` and ``schema`` define
``result.json``, ``sidecar`` the predictions beside it, ``store`` where both live; ``provenance`` says where numbers
come from; ``statistics`` averages them; ``grouping`` puts together runs that differ by their seed alone; ``table``
shows them.
"""
