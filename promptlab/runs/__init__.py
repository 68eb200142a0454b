"""One run: open its parts, fit, score, write."""
