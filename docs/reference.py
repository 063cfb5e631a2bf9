"""Pages made from the package itself when the documentation is built: its commands and columns."""

import argparse
import re


def escaped(text):
    """Plain text as reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def subcommands(parser):
    """Name, one line of help and parser of each subcommand, in their order."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, choice.help or "", action.choices[choice.dest]


def usage(parser):
    """The usage of a command as a block."""
    lines = parser.format_usage().removeprefix("usage: ").splitlines()
    return ["", ".. code-block:: text", "", *(f"   {line}" for line in lines), ""]


def signature(action):
    """How an option is written, or the name of what stands by itself."""
    value = metavar(action)
    if not action.option_strings:
        return value
    return ", ".join(f"{name} {value}".strip() for name in action.option_strings)


def metavar(action):
    """What stands for the value."""
    if action.nargs == 0:
        return ""
    name = action.dest.upper() if action.option_strings else action.dest
    if action.choices:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    name = action.metavar or name
    text = " ".join(name) if isinstance(name, tuple) else name
    return {"?": f"[{text}]", "*": f"{text} ...", "+": f"{text} ..."}.get(action.nargs, text)


def options(parser):
    """What a command takes, group by group."""
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        for action in group._group_actions:
            hidden = action.help == argparse.SUPPRESS
            if hidden or isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
                continue
            yield f".. option:: {signature(action)}"
            yield ""
            if action.help:
                yield f"   {escaped(formatter._expand_help(action))}"
            yield ""


def commands(parser):
    """All subcommands as sections."""
    lines = []
    for name, text, sub in subcommands(parser):
        title = f"``blase {name}``"
        lines += [f".. _blase-{name}:", "", title, "-" * len(title), ""]
        lines += [escaped(sub.description or text[:1].upper() + text[1:]) + ".", ""]
        lines += [*usage(sub), f".. program:: blase {name}", "", *options(sub)]
        if sub.epilog:
            lines += [escaped(sub.epilog), ""]
    return "\n".join(lines) + "\n"


def table(specifications):
    """Columns as a table: name, type, unit, UCD, meaning."""
    types = {"f8": "float64", "f4": "float32", "i2": "int16", "i4": "int32", "U": "text"}
    rows = [("column", "type", "unit", "UCD", "meaning")]
    for name, c in specifications.items():
        ucd = f"``{c.ucd}``".replace(";", "``; ``")
        text = escaped(c.description.format(percent="95"))
        rows.append((f"``{name}``", types.get(c.dtype, "text"), c.unit or "", ucd, text))
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 22 9 11 24 34", ""]
    for row in rows:
        lines += [f"   {'  -' if i else '* -'} {cell}".rstrip() for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n\n"


def write(folder):
    """Write what the pages include."""
    from blase_astro import columns as specified
    from blase_astro.cli.main import _parser

    usual = specified.estimate_columns()
    asked = specified.estimate_columns([0.16], pdf=True)
    rest = specified.estimate_columns(rest=True)
    tables = {
        "usual": usual,
        "seds": {n: c for n, c in specified.sed_columns().items() if n not in usual},
        "asked": {n: c for n, c in asked.items() if n not in usual},
        "rest": {n: c for n, c in rest.items() if n not in usual},
        "match": {n: c for n, c in specified.MATCH_COLUMNS.items() if n not in usual},
    }
    folder.mkdir(exist_ok=True)
    for name, part in tables.items():
        (folder / f"columns_{name}.rst").write_text(table(part))
    (folder / "commands.rst").write_text(commands(_parser()))
