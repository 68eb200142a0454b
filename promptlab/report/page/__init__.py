"""One self-contained HTML page of a folder of results: no network, no other files.

``page`` renders ``template.html.j2`` with ``style.css`` and ``script.js``; ``words`` says what was found, ``tables``
and ``runs`` make the tables, ``gaps`` says what is missing, ``inline`` makes matplotlib's SVG part of the page.
"""
