from .class_prompts import ClassPrompts as ClassPrompts
from .class_texts import ClassTexts as ClassTexts
from .nearest import nearest_words as nearest_words
from .starting_context import late_context as late_context
from .starting_context import starting_context as starting_context
from .written_prompts import WrittenPrompts as WrittenPrompts
