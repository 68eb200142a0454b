"""What must hold of a dataset before it is used: labels, readable images, copies."""
