"""Results as tables, figures and a page, read from Result files alone, without torch.

``collection`` reads folders. ``grouping`` puts together runs that differ by their seed alone, ``averages`` makes a row
of them with ``statistics``. ``columns`` lists what a table shows and ``cost`` what learners cost, ``column`` says what
a column is. ``table`` makes tables of Results, ``layout`` lays one on the console, ``markup`` writes it as Markdown or
LaTeX; ``spreadsheet`` writes CSV and Parquet.

``study`` says what may be compared with what; ``overall`` averages it over datasets, ``comparison`` tests it by
``significance`` and ranks it by ``ranking``, ``confusion`` reads the predictions. ``published`` has papers' numbers,
``figures`` draws, ``page`` writes HTML.
"""
