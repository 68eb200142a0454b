"""From lists, folders and tables on disk to a Dataset."""
