"""Results as tables: grouping runs over seeds, columns, how a table lies on the console."""
