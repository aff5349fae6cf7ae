"""The gatehouse command: runs the server, and does operations without a browser.

A result goes to stdout. An error is one line on stderr, and the exit code is 1.
The database and the web are imported where they are used: they take from 0.1 to 0.7 s, and --help and wrong
usage answer at once.
"""

import io
import os
import sys
from typing import NoReturn

# Piccolo finds its configuration only by this variable.
os.environ.setdefault("PICCOLO_CONF", "db.engine.piccolo_conf")  # noqa: TID251

from cli.arguments import parser
from cli.operation import CommandError, note
from db.common.disk import describe
from db.errors import DomainError
from settings import WrongSetting


def main() -> NoReturn:
    """Runs one command and exits with 0, or with 1 if it failed or was called wrongly."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and replies of mail servers may have characters that the terminal can't show. stderr always
        # escapes them.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command; returns the exit code. Raises SystemExit for --help and wrong usage."""
    if any("\udc80" <= char <= "\udcff" for char in "".join(arguments)):
        return _failed("an argument isn't UTF-8 text.")
    args = parser().parse_args(arguments)
    from db.engine.errors import DatabaseError, reason

    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except (WrongSetting, CommandError, DomainError) as error:
        return _failed(str(error))
    except DatabaseError as error:
        why = reason(error.__cause__)
        return _failed(f"{error} ({why})" if why else str(error))
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # `gatehouse members | head` has closed the pipe. Python would complain when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(describe(error) if error.errno is not None else str(error))


def _failed(text: str) -> int:
    note(" ".join(text.split()))
    return 1
