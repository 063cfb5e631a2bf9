"""The command ``blase``: parse, call one function, print or write."""

from .main import main

__all__ = ["main"]
