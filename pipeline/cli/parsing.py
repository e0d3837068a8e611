"""Parsing: what all commands share of how their arguments are read and their help is shown."""

from __future__ import annotations

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption


def _hide_types_of_flags(params: list[Any]) -> list[Any]:
    """Have help show a flag as it is written: what takes no value has no type."""
    for param in params:
        if isinstance(param, TyperOption) and param.is_flag:
            param.metavar = ""
    return params


class FlagsGroup(TyperGroup):
    """A group of commands whose help shows flags without a type."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the group's options, `--help` among them."""
        return _hide_types_of_flags(super().get_params(ctx))


class OnceCommand(TyperCommand):
    """A command that takes an option once: of two, the first would be dropped without a word."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the command's arguments and options, `--help` among them."""
        return _hide_types_of_flags(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; raises BadParameter where a value is given for an option twice."""
        order = self.make_parser(ctx).parse_args(list(args))[2]
        given = Counter(option for option in order if isinstance(option, TyperOption))
        for option, times in given.items():
            if times > 1 and not (option.multiple or option.is_flag):
                message = f"expected it once, got it {times} times"
                raise typer.BadParameter(message, ctx=ctx, param=option)
        return super().parse_args(ctx, args)
