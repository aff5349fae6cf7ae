"""Reads a multipart form with one file, as a stream within limits."""

import logging
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from db.errors import Invalid
from handlers.http.request.bodies import MIN_BYTES_A_SECOND, BodyTooLarge, body_of
from handlers.http.request.forms import MAX_FIELDS, Form, WrongContentType, text_of
from handlers.http.request.types import AnyRequest
from messages import by_field

MAX_UPLOAD_BYTES: Final = 10_000_000
UPLOAD_TYPE: Final = "multipart/form-data"
# The one address that takes a file.
UPLOAD_PATH: Final = "/organization/invitations/import"
UNREADABLE: Final = Invalid({"": [by_field.NOT_READ]})
# Its warnings quote headers of a body, up to 4 KB for each of a thousand parts.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


async def read_upload(request: AnyRequest, file_field: str, *names: str) -> tuple[Form, bytes]:
    """The form of these fields, and the content of the file in `file_field` (empty when none was chosen).

    It may take minutes, so the caller looks up the session again afterwards. Raises WrongContentType (415),
    Invalid (422) and the errors of the body (408, 413, 503).
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if content_type != UPLOAD_TYPE.encode() or not boundary:
        raise WrongContentType
    parts = _Parts()
    try:
        # No file is written to a disk: a longer body isn't read.
        config = {"MAX_MEMORY_FILE_SIZE": MAX_UPLOAD_BYTES}
        parser = FormParser(
            UPLOAD_TYPE, parts.add_field, parts.add_file, parts.end, boundary=boundary, config=config
        )
        body = body_of(request.scope)
        async for piece in body.pieces(request.receive, limit=MAX_UPLOAD_BYTES, min_rate=MIN_BYTES_A_SECOND):
            parser.write(piece)
    except FormParserError:
        raise UNREADABLE from None
    files = [data for name, data in parts.received if name == file_field]
    # The body was cut off, or holds two files, which our form doesn't send.
    if not parts.complete or len(files) > 1:
        raise UNREADABLE
    fields: dict[str, list[str]] = {}
    for name, data in parts.received:
        if name != file_field:
            fields.setdefault(name, []).append(text_of(data))
    return Form(names, fields), files[0] if files else b""


class _Parts:
    """Collects the parts. received: name and content of each, in order. complete: the last one has come."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.complete = False

    def add_field(self, field: Field) -> None:
        self._add(field.field_name, field.value or b"")

    def add_file(self, file: File) -> None:
        file.file_object.seek(0)
        self._add(file.field_name, file.file_object.read())

    def end(self) -> None:
        self.complete = True

    def _add(self, name: bytes | None, content: bytes) -> None:
        if len(self.received) >= MAX_FIELDS:
            raise BodyTooLarge
        self.received.append((text_of(name or b""), content))
