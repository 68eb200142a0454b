"""Results as tables, read from Result files alone, without torch.

``grouping`` puts together runs that differ by their seed alone, ``averages`` makes a row of them with ``statistics``.
``columns`` lists what a table shows, ``column`` says what a column is. ``table`` makes tables of Results, ``layout``
lays one on the console, ``markup`` writes it as Markdown or LaTeX; ``spreadsheet`` writes CSV.
"""
