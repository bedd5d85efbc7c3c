"""Logs that a person and a machine can read, and that never hold a credential."""

import logging
import logging.config
from typing import Any, Literal

import structlog

from firestation.credentials import SECRETS

SECRET_NAMES = ("authorization", "token", "secret", "password", "api_key", "private_key")
MASK = "[masked]"
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
"""What a terminal would obey, but for tabs and line ends, written out."""


def set_up(form: Literal["console", "json"]) -> None:
    """Render every log of this process, ours and the libraries', through structlog to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask,
    ]
    rendered: list[Any] = (
        [structlog.processors.JSONRenderer()]
        if form == "json"
        else [written_out, structlog.dev.ConsoleRenderer(colors=False)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "httpcore", "httpx2", "httpcore2", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def mask(logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - a processor's form
    """Mask what is named like a credential, and whatever has the form of one."""
    return {name: _masked(name, value) for name, value in event.items()}


def written_out(logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Write out what a terminal would obey: an alarm's id may have been made to paint over a line of the log."""
    return {
        name: value.translate(CONTROLS) if isinstance(value, str) else value for name, value in event.items()
    }


def _masked(name: str, value: Any) -> Any:
    if any(part in name.lower() for part in SECRET_NAMES):
        return MASK
    if isinstance(value, dict):
        return {_unnamed(key): _masked(str(key), inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, inside) for inside in value]
    return _unnamed(value)


def _unnamed(value: Any) -> Any:
    return SECRETS.sub(MASK, value) if isinstance(value, str) else value
