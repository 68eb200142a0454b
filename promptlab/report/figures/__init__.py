"""Figures of Results with matplotlib, for papers and for the page.

``style`` has sizes, looks and files, and the other modules one kind of figure each, as a function of what it shows that
returns a :class:`~promptlab.report.figures.style.Drawing`; ``every`` collects them all.
"""
