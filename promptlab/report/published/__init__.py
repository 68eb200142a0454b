"""What papers printed, as data with sources, and a user's results beside it.

``numbers`` reads the tables of ``data/`` (its README says what each is), ``beside`` compares.
"""
