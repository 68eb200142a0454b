"""Where images come from: files on disk, tables that hold them."""
