"""Operations on the whole database: migrate, back up, restore, and change its key."""

import argparse
from contextlib import nullcontext
from datetime import UTC, datetime

from cli.operation import CommandError, awaited, fingerprint_of, number, settings_of_environment, show
from settings import Settings


def migrate(args: argparse.Namespace) -> int:
    from db.schema import migrate

    changed = awaited(migrate.migrate(settings_of_environment().database_url))
    show("The database is up to date now." if changed else "The database was up to date.")
    return 0


async def make_backup(args: argparse.Namespace, settings: Settings) -> str:
    """Writes a consistent copy, also of an older database before it is migrated."""
    from db.maintenance import backup

    if args.file.exists() and not args.file.is_file():
        raise CommandError(f"{args.file} is no file that a backup could take the place of: name another one.")
    try:
        header = await backup.write(args.file.absolute(), overwrite=args.force)
    except FileExistsError:
        raise CommandError(f"{args.file} is there already; --force overwrites it.") from None
    except FileNotFoundError:
        raise CommandError(f"There is no folder {args.file.absolute().parent} to write to.") from None
    except OSError as error:
        # The error names the temporary file.
        error.filename = str(args.file)
        raise
    key = "SECRET_KEY" if settings.secret_key else settings.key_file
    people = number(header.members, "member")
    return f"{args.file} holds {people}. It doesn't hold the secret key: keep {key}, too."


def restore(args: argparse.Namespace) -> int:
    settings = settings_of_environment()
    show(awaited(_restored(args, settings)))
    return 0


async def _restored(args: argparse.Namespace, settings: Settings) -> str:
    from db import engine
    from db.maintenance import backup_file, restore, secret_key

    # The file is checked before a database is created for it.
    with backup_file.opened(args.file) as source:
        header = source.header
        engine.use(settings.database_url)
        async with restore.opened():
            key = settings.secret_key or secret_key.read(settings.key_file)
            with nullcontext(key) if key else secret_key.replacing(settings.key_file) as key:
                fingerprint = fingerprint_of(key)
                options = restore.RestoreOptions(
                    args.replace, args.keep_sessions, args.keep_links, args.send_mail
                )
                await restore.restore(source, fingerprint=fingerprint, options=options)
            held = await restore.count_held_mail()
    made_at = datetime.fromtimestamp(header.made_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    people = number(header.members, "member")
    sentences = [f"The database is as it was on {made_at}, with {people}; changes after that are lost."]
    if not args.keep_sessions:
        sentences.append("Everybody has to sign in again.")
    if header.key_fingerprint != fingerprint:
        sentences.append("It was made with another secret key: links given out don't work any more.")
    elif not args.keep_links:
        sentences.append(
            "Links given out before don't work any more: `gatehouse invite-link` prints the new one."
        )
    if held:
        sentences.append(
            f"{number(held, 'queued mail')} won't go out by itself: resend the invitations concerned."
        )
    return " ".join(sentences)


async def rotate_key(_: argparse.Namespace, settings: Settings) -> str:
    """Another secret key; the old one isn't kept, since nothing that it signed is to work again."""
    from db import engine
    from db.maintenance import secret_key

    async with engine.replacement_lock():
        if settings.secret_key:
            if fingerprint_of(settings.secret_key) == await secret_key.known_fingerprint():
                raise CommandError(
                    "SECRET_KEY is what the database belongs to already: set another one first."
                )
            ended = await secret_key.rotate_key(fingerprint_of(settings.secret_key))
            return f"The database belongs to SECRET_KEY now. {_ended(ended)}"
        with secret_key.replacing(settings.key_file) as key:
            ended = await secret_key.rotate_key(fingerprint_of(key))
    return f"A new secret key is in {settings.key_file}. {_ended(ended)}"


def _ended(links: int) -> str:
    return f"{number(links, 'open link')} ended; people stay signed in."
