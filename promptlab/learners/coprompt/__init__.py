"""CoPrompt, and the random views that it trains on."""
