"""A document in a file, as the same schema reads it that the API has."""

import sys
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from service.cli.running import CommandFailed
from service.wrong_values import sentence_of

_M = TypeVar("_M", bound=BaseModel)


def read_document(file: Path, model: type[_M], *, refused: str) -> _M:
    """What the JSON file holds; `-` is standard input. `refused` says what didn't happen where it doesn't fit."""
    try:
        sent = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return model.model_validate_json(sent)
    except OSError as error:
        raise CommandFailed(f"{file} can't be read: {error.strerror}.") from error
    except ValidationError as error:
        found = (
            f"{'.'.join(map(str, item['loc'])) or 'the document'}: {sentence_of(item).removesuffix('.')}."
            for item in error.errors()
        )
        where = "standard input" if str(file) == "-" else file
        raise CommandFailed(f"{refused} In {where}: {' '.join(found)}") from error
