"""The exact text tower: ragged token sequences, (prefix, tail) pairs, attention, memory budgets."""
