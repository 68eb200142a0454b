"""What a run found, kept so that it can be trusted later: documents without torch.

``ids`` says what a fit and an evaluation are; ``document`` and ``schema`` define ``result.json``, ``predictions`` the
file of predictions beside it, ``store`` where both live; ``provenance`` says where numbers come from; ``statistics``
has the harmonic mean.
"""
