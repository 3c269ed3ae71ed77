"""What a subscriber heard, read on from where mosquitto_sub writes it down."""

import json
from pathlib import Path


class Hearing:
    """Numbers of one deployment's events in the order in which they came."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.heard: list[int] = []
        self._offset = 0

    def read(self, deployment: str) -> list[int]:
        """The numbers so far; doubles are kept."""
        with self.file.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                payload = json.loads(line.split(b"\t", 3)[3])
                if payload.get("source") == f"/leasehold/{deployment}":
                    self.heard.append(int(payload["sequence"]))
        return self.heard
