"""What the access checks of an `up` should not have said."""

from collections.abc import Mapping


def amiss(checks: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """By application and column whatever isn't passed; values that a person has yet to give are as they should be."""
    return {
        f"{application}, {column}": said
        for application, columns in checks.items()
        for column, said in columns.items()
        if said != "passed" and not (column == "secret" and said.startswith("missing: "))
    }
