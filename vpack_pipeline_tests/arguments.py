"""Which arguments a table's function asks for, those that it takes as one group among them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Unpack, get_args, get_origin, get_type_hints


def asked_by(function: Callable[..., Any]) -> tuple[set[str], bool]:
    """Give the names, and whether any further name is taken as well."""
    names, takes_any = set(), False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            names.add(name)
            continue
        group = get_type_hints(function, include_extras=True)[name]
        if get_origin(group) is Unpack:
            names |= get_args(group)[0].__required_keys__
        else:
            takes_any = True
    return names, takes_any
