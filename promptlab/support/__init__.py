"""Nothing of the field: files, paths, words, random streams, signatures, progress, typed JSON, SQLite."""
