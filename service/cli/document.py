"""A document in a file, as the same schema reads it that the API has."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from service.cli.running import CommandFailed
from service.wrong_values import said_of

_M = TypeVar("_M", bound=BaseModel)


def read_document(file: Path, model: type[_M], *, refused: str) -> _M:
    """What the JSON file holds. `refused` says what didn't happen where it doesn't fit."""
    try:
        return model.model_validate_json(file.read_bytes())
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}.") from error
    except ValidationError as error:
        found = (
            f"{'.'.join(map(str, item['loc'])) or 'the document'}: {said_of(item)}"
            for item in error.errors()
        )
        raise CommandFailed(f"{refused} In {file}: {'; '.join(found)}.") from error
