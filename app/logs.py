"""Logs on stderr: one JSON object a line for machines, one plain line for a person at a terminal."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def set_up(out: TextIO = sys.stderr) -> None:
    """Sends every log record of INFO and above to `out`."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(Plain() if out.isatty() else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("alembic", "httpx", "httpx2", "uvicorn.access"):  # httpx2 would log addresses, keys in them
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class JsonLines(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "message": …, …extra}`; a traceback under `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class Plain(logging.Formatter):
    """`warning: what happened (where=…, why=…)`."""

    def format(self, record: logging.LogRecord) -> str:
        extra = ", ".join(f"{name}={value}" for name, value in _extra(record).items())
        text = f"{record.levelname.lower()}: {record.getMessage()}" + (f" ({extra})" if extra else "")
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text
