"""The site file's words for templates: what channels of a kind get, said once.

How channels are completed from them is told in `telemetry.channel_templates`.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Discriminator, Field, Tag

from telemetry.part import Key, Part, Sentence

USE: Final = "use"

Given = float | Key  # A number, or a word such as how a rain channel reads.


class Languages(Part):
    """A sentence in both languages."""

    en: Sentence
    zh: Sentence


class Asked(Part):
    """A parameter: a number that one site can't take from another without a look."""

    about: Languages
    # None: what needs it is left out until a site gives it.
    value: Given | None = None
    optional: bool = False  # Only the key that needs it is left out, not the whole rule.


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Keys = Annotated[list[Key], Field(min_length=1), BeforeValidator(_listed)]


class AppliesTo(Part):
    """Which channels: all that is named has to be right. A calculated channel has no instrument."""

    quantity: Keys
    instrument_type: Keys | None = None
    structure_kind: Keys | None = None


class Gives(Part):
    """What a channel gets, in the channel's own words.

    A number may be `$parameter`, or `{of: parameter, times: 2}`; instead of a parameter stand
    `period` (of the scan group, in seconds) and `resolution` (of the channel).
    """

    screen: dict[str, Any] | None = None
    charts: list[dict[str, Any]] | None = None
    rate_limits: list[dict[str, Any]] | None = None
    trends: list[dict[str, Any]] | None = None
    drift: dict[str, Any] | None = None  # Only for channels that name partners (`against`).


class Template(Part):
    """What channels of a kind get, where they don't say it themselves."""

    id: Key
    name: Languages | None = None
    applies_to: AppliesTo
    source: Sentence  # Where it comes from; each rule has a source of its own beside it.
    asks: dict[Key, Asked] = Field(default_factory=dict)
    gives: Gives


class TemplateUse(Part):
    """A template that comes with Groundwatch, and what the site gives for its parameters."""

    use: Key
    given: Annotated[dict[Key, Given], Field(alias="with", default_factory=dict)]


def _kind_of(value: object) -> str:
    """Tell a use of a shipped template from one of the site's own, as written or as read."""
    written = value if isinstance(value, dict) else {}
    return "used" if isinstance(value, TemplateUse) or USE in written else "own"


AnyTemplate = Annotated[
    Annotated[TemplateUse, Tag("used")] | Annotated[Template, Tag("own")],
    Discriminator(_kind_of),
]
