"""A trap that importing SpeechBrain leaves behind."""

import sys


def forget_lazy_modules() -> None:
    """Its optional parts raise when anything looks at all modules, as `inspect` and Hypothesis do."""
    for name, module in list(sys.modules.items()):
        if any(kind.__name__ == "LazyModule" for kind in type(module).__mro__):
            del sys.modules[name]
