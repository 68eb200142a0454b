from .templates import SELECT_TEMPLATES as SELECT_TEMPLATES
from .templates import TEMPLATES as TEMPLATES
from .templates import template_for as template_for
