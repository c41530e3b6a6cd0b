"""What requests bring, read as their rows want it: forms of the console, and the words for what does not fit."""

from __future__ import annotations

import asyncio
import re
import typing
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from routebook.edge.admin.refusals import Refused
from routebook.edge.admin.route import Upload, Wanted

Asked = TypeVar("Asked", bound=Wanted)

FORM_BYTES: Final = 8 * 1024 * 1024
"""The largest form: a policy of ten thousand rules, several times over."""

FORM_SECONDS: Final = 30.0
"""Seconds that a form may take to arrive."""

_LAST_WORDS = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>[^`]*)`)?$", re.DOTALL)


async def read_form(request: web.BaseRequest, wanted: type[Wanted]) -> Wanted:
    """The fields of a form; a field that is a list may stand there often. Raises Refused."""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            fields = await request.clone(client_max_size=FORM_BYTES).post()
    except web.HTTPRequestEntityTooLarge:
        raise Refused("admin.too-large", f"a form has at most {FORM_BYTES // 1024 // 1024} MiB") from None
    except TimeoutError:
        raise Refused("admin.bad-request", f"the form did not arrive within {FORM_SECONDS:g} s") from None
    except (ValueError, LookupError, AssertionError, UnicodeDecodeError):
        raise Refused("admin.bad-request", "the form cannot be read") from None
    lists = {name for name, of in typing.get_type_hints(wanted).items() if typing.get_origin(of) is list}
    found: dict[str, Any] = {}
    for name in fields:
        values = [each for each in map(_value, fields.getall(name)) if each is not None]
        if name in lists:
            found[name] = values
        elif len(values) > 1:
            raise Refused("admin.bad-request", f"`{name}` stands in the form more than once")
        elif values:
            found[name] = values[0]
    return converted(found, wanted)


def _value(field: Any) -> str | Upload | None:
    """A field's text, or a file; None where no file was chosen."""
    if isinstance(field, str):
        return field.replace("\r\n", "\n")
    if isinstance(field, bytes | bytearray) and not field:
        return None
    if not isinstance(field, web.FileField):
        raise Refused("admin.bad-request", "the form cannot be read")
    content = field.file.read()
    try:
        return Upload(field.filename, content.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refused("admin.bad-request", "a file of the form is not UTF-8") from None


def converted(content: Any, wanted: type[Asked], *, strict: bool = False) -> Asked:
    """What was sent as its row wants it; raises Refused with the field's name."""
    try:
        return msgspec.convert(content, wanted, strict=strict, from_attributes=True)
    except msgspec.ValidationError as error:
        raise Refused("admin.bad-request", _placed(str(error))) from None


def _placed(message: str) -> str:
    """A message of msgspec as ours are: the place first, lower case."""
    found = _LAST_WORDS.match(message)
    what, where = (found["what"], found["where"]) if found else (message, None)
    said = what[:1].lower() + what[1:]
    return f"`{where}`: {said}" if where else said
