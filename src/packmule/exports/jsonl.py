"""JSON Lines, without loss: every record as one object with its fields in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from packmule.exports.records import ResultRecord


class JsonLines:
    """Writes pages of records to an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder()

    def write(self, page: Sequence[ResultRecord]) -> None:
        """The next records."""
        self._file.write(self._encoder.encode_lines(page))

    def close(self) -> None:
        """Nothing is held back."""
