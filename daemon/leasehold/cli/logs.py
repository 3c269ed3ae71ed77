"""How the daemon's log looks: one line a message on stderr, for people or for machines."""

import json
import logging
from datetime import UTC, datetime

QUIET = ("aiohttp.access", "asyncio", "psycopg", "psycopg.pool")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the traceback of a defect."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline in it."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextLines(logging.Formatter):
    """`level logger: message`; the journal adds the time and the host."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; the traceback of a defect follows on lines of its own."""
        text = f"{record.levelname.lower()} {record.name}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(level: str, form: str) -> None:
    """Log from `level` on to stderr, in the form `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
