"""``blase completion``: what a shell needs to complete the command, made from its parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_completion"]

_BASH = """\
_blase() {{
    local words
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{cases}
        *) words="{commands}" ;;
    esac
    if [[ $COMP_CWORD -eq 1 ]]; then words="{commands}"; fi
    if [[ $COMP_CWORD -eq 1 || "${{COMP_WORDS[COMP_CWORD]}}" == -* || -n "$kinds" ]]; then
        COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
    fi
}}
complete -o bashdefault -o default -F _blase blase
"""


def add_completion(commands: Any) -> None:
    parser = commands.add_parser(
        "completion", help="print what bash, zsh or fish needs to complete this command"
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="which shell")
    parser.set_defaults(run=lambda options: _run_completion(options, commands))


def _run_completion(options, commands):
    tree = _tree(commands)
    print(_fish(tree) if options.shell == "fish" else _bash(tree, options.shell), end="")
    return 0


def _tree(commands):
    """Actions by command, or by command and kind: ``fetch sed``."""
    tree = {}
    for name, parser in commands.choices.items():
        tree[name] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                tree |= {f"{name} {kind}": sub for kind, sub in action.choices.items()}
    return tree


def _words(parser):
    """Options of a command, or the kinds of it that there are."""
    words = []
    for action in parser._actions:
        words += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            words += action.choices
    return words


def _bash(tree, shell):
    cases = []
    for name in sorted(tree, key=lambda name: -name.count(" ")):
        pattern = f'"{name}"' if " " in name else f'"{name} "*'
        cases.append(f'        {pattern}) words="{" ".join(_words(tree[name]))}" ;;')
    commands = " ".join(name for name in tree if " " not in name)
    text = _BASH.format(cases="\n".join(cases), commands=commands).replace(' || -n "$kinds"', "")
    return f"autoload -U +X bashcompinit && bashcompinit\n{text}" if shell == "zsh" else text


def _fish(tree):
    lines = ["complete -c blase -n __fish_use_subcommand -f"]
    for name, parser in tree.items():
        command, _, kind = name.partition(" ")
        seen = f"__fish_seen_subcommand_from {command}"
        where = "__fish_use_subcommand" if not kind else seen
        lines.append(f"complete -c blase -n '{where}' -a {kind or command}")
        seen += f"; and __fish_seen_subcommand_from {kind}" if kind else ""
        for action in parser._actions:
            longs = [o[2:] for o in action.option_strings if o.startswith("--")]
            shorts = [o[1:] for o in action.option_strings if not o.startswith("--")]
            if longs or shorts:
                parts = [f"-l {o}" for o in longs] + [f"-s {o}" for o in shorts]
                parts += ["-r"] if action.nargs != 0 else []
                lines.append(f"complete -c blase -n '{seen}' {' '.join(parts)}")
    return "\n".join(lines) + "\n"
