"""What the models say of a place in a stack's settings: which section it holds, and which of several by its kind."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

_TAGS = ("kind", "type")
"""Settings that tell which section of several it is."""


def plain(annotation: Any) -> Any:
    """A type without what is annotated to it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def models(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The sections an annotation stands for: none, one, or the choices of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    if get_origin(annotation) in (dict, Mapping, tuple):
        return ()
    return tuple(model for argument in get_args(annotation) for model in models(argument))


def tag(model: type[BaseModel]) -> str:
    """The setting that tells a section from the others of its union."""
    return next((name for name in _TAGS if name in model.model_fields), "")


def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The values of that setting."""
    return get_args(model.model_fields[tag(model)].annotation)


def chosen(annotation: Any, given: object) -> type[BaseModel] | None:
    """The section that values are of; None where an annotation stands for none, or they don't say of which."""
    choices = models(annotation)
    if len(choices) < 2:
        return choices[0] if choices else None
    kind = given.get(tag(choices[0])) if isinstance(given, Mapping) else None
    return next((model for model in choices if kind in tags(model)), None)


def entries(annotation: Any) -> Any:
    """What each entry of a mapping by name holds; None where an annotation is no such mapping."""
    found = plain(annotation)
    return get_args(found)[1] if get_origin(found) in (dict, Mapping) else None


def items(annotation: Any) -> Any:
    """What each entry of a list holds; None where an annotation is no list."""
    found = plain(annotation)
    return get_args(found)[0] if get_origin(found) is tuple else None
