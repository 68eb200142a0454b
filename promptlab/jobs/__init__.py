"""Many runs: launching under Hydra, one after the other or in several processes, and the table at the end."""
