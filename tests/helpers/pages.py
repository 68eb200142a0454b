"""The report's page of Results that lie nowhere."""

from promptlab.report.collection import Collection
from promptlab.report.page.page import html


def page(runs, **changes):
    """The page of some results, and of what else was found in their folders."""
    nothing = {"folders": {}, "damaged": {}, "unfinished": [], "failed": {}}
    return html(Collection(results=runs, **(nothing | changes)))
