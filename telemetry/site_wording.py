"""Pydantic's findings about a site file, said as sentences that name what is allowed."""

from collections.abc import Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import Tag
from pydantic_core import ErrorDetails

from telemetry.model_errors import plain_message
from telemetry.part import Part
from telemetry.site import Site

# What is wrong and what is allowed, with the words of pydantic's context.
_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "missing": ("a second number is missing", "two numbers, as in [0, 100]"),
    "literal_error": ("{shown} may not stand here", "{expected}"),
    "enum": ("{shown} may not stand here", "{expected}"),
    "union_tag_invalid": ("the {discriminator} {tag} is unknown", "{expected_tags}"),
    "union_tag_not_found": ("the key {discriminator} is missing", "with the key {discriminator}"),
    "string_too_short": ("the text is empty", "some text"),
    "string_too_long": ("the text is too long", "at most {max_length} characters"),
    "too_short": ("the list is too short", "at least {min_length} items"),
    "too_long": ("the list is too long", "at most {max_length} items"),
    "greater_than": ("{shown} is too small", "more than {gt}"),
    "greater_than_equal": ("{shown} is too small", "{ge} or more"),
    "less_than": ("{shown} is too large", "less than {lt}"),
    "less_than_equal": ("{shown} is too large", "{le} or less"),
}

Loc = Sequence[str | int]

SHOWN_CHARACTERS_MAX: Final = 60
A_KEY: Final = (
    "lower-case letters, digits, - and _, beginning with a letter or digit, at most 63 characters"
)
A_NUMBER: Final = "a number"
A_WHOLE_NUMBER: Final = "a whole number"
AN_INSTANT: Final = (
    'an instant in quotes or not, with its time zone, such as "2025-07-01T00:00:00Z"'
)

# What the types of pydantic's errors mean to somebody who writes a file.
_WANTED: Final[dict[str, str]] = {
    "string_type": "text; put it into quotes if it looks like a number",
    "float_type": A_NUMBER,
    "int_type": A_WHOLE_NUMBER,
    "int_parsing": A_WHOLE_NUMBER,
    "int_parsing_size": A_WHOLE_NUMBER,
    "int_from_float": A_WHOLE_NUMBER,
    "finite_number": "a finite number",
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "list_type": "a list (- item)",
    "tuple_type": "two numbers, as in [0, 100]",
    "datetime_type": AN_INSTANT,
    "datetime_parsing": AN_INSTANT,
    "datetime_from_date_parsing": AN_INSTANT,
    "string_pattern_mismatch": A_KEY,
}


def message_of(error: ErrorDetails, root: type[Part] = Site) -> tuple[str, str]:
    """Say what is wrong with a site file, or another, in a sentence, and what would be right."""
    loc, kind, context = error["loc"], error["type"], error.get("ctx", {})
    shown = _shown(error["input"])
    if kind == "extra_forbidden":
        return _unknown_key(loc, root)
    if kind == "missing" and not isinstance(loc[-1], int):
        return f"the key {loc[-1]} is missing", f"with the keys {_listed(_needed(loc[:-1], root))}"
    if kind == "register":
        return context["message"], context["allowed"]
    if kind in _SENTENCES:
        message, allowed = _SENTENCES[kind]
        words = {key: str(value).replace("'", "") for key, value in context.items()}
        return message.format(shown=shown, **words), allowed.format(**words)
    return f"{shown} may not stand here", _WANTED.get(kind, plain_message(error))


def model_at(loc: Loc, root: type[Part] = Site) -> type[Part] | None:
    """Find which part of a file stands at a place, by the models of `telemetry.site`."""
    here: Any = root
    for word in loc:
        here = _inside(here, word)
    return here if isinstance(here, type) and issubclass(here, Part) else None


def is_union_tag(loc: Loc, root: type[Part] = Site) -> bool:
    """Tell whether a place's last word names a kind of a union and not a key of the file."""
    parent: Any = root
    for word in loc[:-1]:
        parent = _inside(parent, word)
    return _is_union(parent) and _inside(parent, loc[-1]) is not None


def keys_of(model: type[Part]) -> list[str]:
    """List the keys that a part may have, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown_key(loc: Loc, root: type[Part]) -> tuple[str, str]:
    model = model_at(loc[:-1], root)
    allowed = keys_of(model) if model else []
    meant = get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f"; did you mean {meant[0]}?" if meant else ""
    return f"the key {_shown(loc[-1])} is unknown here{hint}", _listed(allowed)


def _needed(loc: Loc, root: type[Part]) -> list[str]:
    model = model_at(loc, root)
    fields = model.model_fields.items() if model else ()
    return [field.alias or name for name, field in fields if field.is_required()]


def _inside(here: Any, word: str | int) -> Any:  # noqa: ANN401 (annotations have no type)
    here = _bare(here)
    if isinstance(here, type) and issubclass(here, Part):
        for name, field in here.model_fields.items():
            if word == (field.alias or name):
                return _bare(field.annotation)
        return None
    if _is_union(here):
        named = (one for one in get_args(here) if word in {_tag_of(one), _kind_of(_bare(one))})
        return _bare(next(named, None))
    if get_origin(here) in {list, dict, tuple}:
        return _bare(get_args(here)[-1])
    return None


def _bare(annotation: Any) -> Any:  # noqa: ANN401
    """Take constraints and the possibility of None off an annotation."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif type(None) in get_args(annotation):
            rest = [one for one in get_args(annotation) if one is not type(None)]
            annotation = rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
        else:
            return annotation


def _is_union(annotation: Any) -> bool:  # noqa: ANN401
    return get_origin(_bare(annotation)) in {Union, UnionType}


def _tag_of(annotation: Any) -> object:  # noqa: ANN401
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((one.tag for one in metadata if isinstance(one, Tag)), None)


def _kind_of(model: Any) -> object:  # noqa: ANN401
    """Return the word by which a union knows a part: its `kind`, or its `method`."""
    fields = getattr(model, "model_fields", {})
    named = fields.get("kind") or fields.get("method")
    annotation = named.annotation if named else None
    return get_args(annotation)[0] if get_origin(annotation) is Literal else None


def _shown(value: object) -> str:
    match value:
        case None:
            text = "nothing"
        case bool():
            text = str(value).lower()
        case list():
            text = "a list"
        case dict():
            text = "a mapping"
        case _:
            text = str(value)
    shortened = text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"
    return "".join(one if one.isprintable() else "\ufffd" for one in shortened)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
