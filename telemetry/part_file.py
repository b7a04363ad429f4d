"""Small YAML files that hold one `Part`: read whole or refused whole, with lines for complaints."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from telemetry.complaint import Complaint
from telemetry.part import Part
from telemetry.site_file import place_of
from telemetry.site_wording import Loc, message_of
from telemetry.yaml_tree import BYTES_MAX, KeptItems, Node, YamlError, read_yaml

P = TypeVar("P", bound=Part)


class PartFileError(ValueError):
    """The file can't be used; carries every complaint, in the order of the lines."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = sorted(set(complaints))
        super().__init__("\n".join(map(str, self.complaints)))


class PartFile:
    """A file's text as a tree, so that what turns out to be wrong later has a line too."""

    def __init__(self, root: Node, source_name: str, model: type[Part]) -> None:
        self._root = root
        self._source_name = source_name
        self._model = model
        self._kept = KeptItems()

    def complaint(self, loc: Loc, message: str, allowed: str, *, at_key: bool = False) -> Complaint:
        """Say what is wrong at a place of the file."""
        mark, words = place_of(self._root, loc, self._kept, at_key=at_key, model=self._model)
        return Complaint(self._source_name, *mark, ".".join(words), message, allowed)


def read_part_file(path: Path, model: type[P]) -> tuple[P, PartFile]:
    """Read a file; raise `PartFileError` with everything that is wrong with it."""
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_MAX + 1).decode("utf-8-sig")
    except OSError as error:
        said = f"the file cannot be read: {error.strerror}"
        raise PartFileError([Complaint(str(path), 0, 0, "", said, "")]) from None
    except UnicodeDecodeError:
        said = "the file is not UTF-8 text"
        raise PartFileError([Complaint(str(path), 0, 0, "", said, "UTF-8")]) from None
    return read_part_text(text, str(path), model)


def read_part_text(text: str, source_name: str, model: type[P]) -> tuple[P, PartFile]:
    """Read the text of a file; `source_name` is what complaints call it."""
    try:
        root, complaints = read_yaml(text, source_name)
    except YamlError as error:
        raise PartFileError(error.complaints) from None
    file = PartFile(root, source_name, model)
    try:
        # Through JSON, because only there strict means: a word is no number.
        part = model.model_validate_json(json.dumps(root.plain()), strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            message, allowed = message_of(one, model)
            at_key = one["type"] == "extra_forbidden"
            complaints.append(file.complaint(one["loc"], message, allowed, at_key=at_key))
        raise PartFileError(complaints) from None
    if complaints:
        raise PartFileError(complaints)
    return part, file
