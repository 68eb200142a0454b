"""SHIP: synthetic features for classes without images, around any learner."""
