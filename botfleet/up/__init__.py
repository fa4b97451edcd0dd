"""`botfleet up`: a whole fleet on one machine."""

from .up import Up

__all__ = ["Up"]
