"""Nothing of the field: errors, words, files, locks, paths, random streams, the machine, progress, JSON, SQLite."""
