"""What every child of a component here is given.

Owns how an object of Vault's is replaced and what is protected. Nearly all of them are upserts: a replacement that was
made before the old one went would be the old one, and would go with it. So the old one goes first. Only what holds data
is protected, by the caller's `protect`; roles, policies and limits come and go.
"""

from collections.abc import Sequence

import pulumi


def child(
    parent: pulumi.Resource,
    *,
    holds_data: bool = False,
    after: Sequence[pulumi.Resource] = (),
    inside: pulumi.Resource | None = None,
    made_anew_by: Sequence[str] = (),
) -> pulumi.ResourceOptions:
    """Options of a component's child.

    Args:
        parent: the component.
        holds_data: whether something is lost for good with it, so that the component's own `protect` holds for it.
        after: what must be there before it, where none of its arguments says so.
        inside: what takes it along when it is deleted.
        made_anew_by: properties whose change makes another one, where the provider would move it.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        protect=None if holds_data else False,
        delete_before_replace=True,
        depends_on=list(after),
        deleted_with=inside,
        replace_on_changes=list(made_anew_by),
    )
