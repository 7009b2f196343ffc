"""What the models say of a place in a stack's settings: which section it holds, and which of several by its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

_KNOWN: dict[int, tuple[Any, "Shape"]] = {}
"""By the annotation's identity, since what is annotated to a type needn't be hashable; each is kept with its shape."""
_TAGS = ("kind", "type")
"""Settings that tell which section of several it is."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an annotation stands for."""

    models: tuple[type[BaseModel], ...]
    """The sections: none, one, or the choices of a union."""
    entry: Any
    """What each entry of a mapping by name holds; None where it is no such mapping."""
    item: Any
    """What each entry of a list holds; None where it is no list."""

    @property
    def tag(self) -> str:
        """The setting that tells one section of a union from the others."""
        return tag(self.models[0]) if self.models else ""

    def chosen(self, given: object) -> type[BaseModel] | None:
        """The section that values are of; None where there is none, or they don't say of which."""
        if len(self.models) < 2:
            return self.models[0] if self.models else None
        kind = given.get(self.tag) if isinstance(given, Mapping) else None
        return next((model for model in self.models if kind in tags(model)), None)


def shape(annotation: Any) -> Shape:
    """Read once of each annotation: a stack may have thousands of settings."""
    if id(annotation) not in _KNOWN:
        inside = plain(annotation)
        by_name, by_number = get_origin(inside) in (dict, Mapping), get_origin(inside) is tuple
        entry, item = get_args(inside)[1] if by_name else None, get_args(inside)[0] if by_number else None
        _KNOWN[id(annotation)] = annotation, Shape(models=models(annotation), entry=entry, item=item)
    return _KNOWN[id(annotation)][1]


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
