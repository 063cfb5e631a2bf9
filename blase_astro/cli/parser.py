"""How the command parses: defaults in every help, and what was perhaps meant."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

__all__ = ["Parser"]


class _Formatter(argparse.HelpFormatter):
    """Help that ends with the default, where it does not say it already."""

    def _get_help_string(self, action):
        text = action.help or ""
        silent = action.default in (None, False, argparse.SUPPRESS, "", (), [])
        if silent or "default" in text or not action.option_strings:
            return text
        return f"{text} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """A parser whose errors say what was perhaps meant.

    Parameters
    ----------
    **settings
        As of `argparse.ArgumentParser`.
    """

    def __init__(self, **settings):
        super().__init__(formatter_class=_Formatter, **settings)

    def error(self, message: str) -> NoReturn:
        """End with a line on standard error."""
        super().error(message + (_meant(message) or self._option_meant(message)))

    def _option_meant(self, message):
        """A known option near one that is not."""
        unknown = re.findall(r"(?<!\S)(--[\w-]+)", message.partition("unrecognized arguments:")[2])
        return _near(unknown[0], self._option_string_actions) if unknown else ""


def _meant(message):
    """A known word near one that is not, from argparse's own list."""
    found = re.search(r"invalid choice: '([^']*)' \((?:.*)choose from (.*)\)", message)
    if not found or "maybe you meant" in message:
        return ""
    return _near(found[1], re.findall(r"[\w-]+", found[2]))


def _near(word, known):
    """The question whether the nearest known word was meant."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
