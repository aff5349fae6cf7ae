"""Reads a multipart form with one file, as a stream within limits."""

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

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
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
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
            fields.setdefault(name, []).append(text_of(bytes(data)))
    return Form(names, fields), bytes(files[0]) if files else b""


class _Parts:
    """Collects the parts from the parser's callbacks. received: name and content of each."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytearray]] = []
        self.complete = False

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
            "on_part_data": lambda data, start, end: self.received[-1][1].extend(data[start:end]),
        }

    def _end(self) -> None:
        self.complete = True

    def _begin(self) -> None:
        self._header, self._name = (bytearray(), bytearray()), ""

    def _header_end(self) -> None:
        name, value = self._header
        if bytes(name).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(value))
            self._name = text_of(options.get(b"name", b""))
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        if len(self.received) >= MAX_FIELDS:
            raise BodyTooLarge
        self.received.append((self._name, bytearray()))
