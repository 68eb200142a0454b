from .class_prompts import ClassPrompts as ClassPrompts
from .nearest import nearest_words as nearest_words
