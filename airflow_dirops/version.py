"""The version of this package, for its manifests."""

__version__ = "0.1.0"
