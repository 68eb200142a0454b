from .datasets import demo_dataset as demo_dataset
