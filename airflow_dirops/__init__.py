"""Directory stages for Apache Airflow: a folder in, a folder out, whole or not at all."""

import lazy_loader

# The names are in __init__.pyi, and are looked up when first asked for, so that the core can be used without Airflow,
# and an import costs nothing.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
