"""Every sentence that people read in the browser and that stands in no template; a package, being too long
for one module.

A translation is another set of these values. So each is a whole sentence, or a phrase that stands by itself,
and what varies in it is a placeholder with a name, filled where it is used: `SENTENCE.format(name=…)`. No
sentence is put together from halves, which another language orders otherwise.

`by_field` stands beside a field of a form or filter; `refusals` says what isn't done, and why; `toasts` say
what has just been done; `logbook` tells what happened; `phrases` are names of roles, counts, and other pieces
that templates and mails take in.

Nothing of ours is imported here. Words for whoever runs the server (the command line, checks, log lines) are
no part of the interface and stand where they are used.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plural:
    """A sentence about a number, whole for one and whole for any other; `{count}` is that number."""

    one: str
    other: str

    def format(self, count: int, **values: object) -> str:
        """The sentence for this number, with its other placeholders filled."""
        return (self.one if count == 1 else self.other).format(count=count, **values)
