"""Directory stages without Airflow, for scripts, notebooks and tests: what the operators are thin doors to."""

import lazy_loader

# The names are in __init__.pyi, and are looked up when first asked for: a DAG file that needs one error class must not
# pay for numpy.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
