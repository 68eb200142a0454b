"""The image tower: plain, with prompt vectors among its tokens, with its blocks changed, by regions."""
