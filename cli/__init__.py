"""The gatehouse command: the server, and operations without a browser.

What was done goes to stdout in one line; what went wrong to stderr in one line, and the exit code is 1.
The rest of the house is imported where it is used, so that --help and wrong usage answer at once.
"""

import io
import os
import sys
from typing import NoReturn

# By this variable alone Piccolo finds its configuration.
os.environ.setdefault("PICCOLO_CONF", "db.engine.piccolo_conf")  # noqa: TID251

from cli.arguments import parser
from cli.operation import Stop, note


def main() -> NoReturn:
    """Runs one command and exits with 0, or with 1 when it failed or was called wrongly."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name or a mail server's words may hold what this terminal can't show; stderr does so by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command; returns the exit code. Raises SystemExit for --help and wrong usage."""
    if any("\udc80" <= char <= "\udcff" for char in "".join(arguments)):
        return _failed("an argument isn't UTF-8 text.")
    args = parser().parse_args(arguments)
    from db.common.disk import describe
    from db.engine.errors import DatabaseError, reason
    from db.errors import DomainError
    from settings import WrongSetting

    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except (WrongSetting, Stop, DomainError) as error:
        return _failed(str(error))
    except DatabaseError as error:
        why = reason(error.__cause__)
        return _failed(f"{error} ({why})" if why else str(error))
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # `gatehouse members | head` has seen enough; Python would complain when it flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failed(describe(error) if error.errno is not None else str(error))


def _failed(text: str) -> int:
    note(" ".join(text.split()))
    return 1
