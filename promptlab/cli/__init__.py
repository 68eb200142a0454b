"""The command line: a module per verb, and ``main``, where every verb begins and every error ends.

A module of this package is a verb of the module's name, unless it is ``main`` or begins with an underscore. It says
``SUMMARY`` and ``USAGE``, which ``promptlab --help`` shows, and has ``main(arguments) -> int``; what is slow to import
is imported inside functions, so that ``--help`` answers at once.
"""
