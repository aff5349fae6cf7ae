"""How roles stand in SQL. Every statement that names a role gets its code from here."""

from db.policy import Role


def codes(*roles: Role) -> str:
    """The codes of these roles as SQL literals, for `= …` or `IN (…)`: "'OW', 'AD'".

    Literals and no arguments, so that the planner sees which partial index fits.
    """
    return ", ".join(f"'{role.value}'" for role in roles)
