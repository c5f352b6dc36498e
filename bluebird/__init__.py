"""Bluebird: find one bird in a mountain of pictures. Importing this package loads nothing heavy."""

__version__ = "0.1.0"
