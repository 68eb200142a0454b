"""One way to open a picture, whoever wants it: which kinds of files, and what becomes of their values."""
