"""Things of one kind by name: what Magnet brings along, and what other packages add to it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

from magnet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.metadata import EntryPoint

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of things of one kind.

    A name is looked up among the things that were added, then among the modules that Magnet brings along, then among
    the entry points of installed packages. A module is imported when its name is first asked for; the import must add
    it.

    Args:
        kind: What the things are called in an error, such as ``"model"``.
        modules: The module of each name that Magnet brings along.
        group: The group of entry points; none are looked up without it.

    Example:
        >>> colours: Registry[str] = Registry("colour")
        >>> colours.add("red", "#f00")
        >>> colours.find("red"), "blue" in colours
        ('#f00', False)
    """

    def __init__(self, kind: str, *, modules: Mapping[str, str] | None = None, group: str = "") -> None:
        self.kind = kind
        self._added: dict[str, T] = {}
        self._owners: dict[str, str] = {}  # the module that added each
        self._modules = dict(modules or {})
        self._group = group

    def add(self, name: str, thing: T, *, module: str = "", replace: bool = False) -> None:
        """Add a thing.

        Args:
            name: How it will be asked for.
            thing: What :meth:`find` will return.
            module: Of the code behind it.
            replace: Whether a thing of that name may be replaced, as when a notebook's cell runs again. What Magnet
                brings along is never replaced.

        Raises:
            ConfigError: If the name is empty or taken.
        """
        if not isinstance(name, str) or not name or name != name.strip():
            raise ConfigError(
                f"a {self.kind} needs a name, a text that is not empty and has no blanks around it; got {name!r}"
            )
        owner = self._modules.get(name, self._owners.get(name))
        if owner is not None and owner.startswith("magnet."):
            if module != owner:
                raise ConfigError(f"the {self.kind} {name!r} is Magnet's own; choose another name")
        elif owner is not None and not replace:
            raise ConfigError(
                f"there is a {self.kind} {name!r} already; choose another name, or pass replace=True to replace it"
            )
        self._added[name], self._owners[name] = thing, module

    def find(self, name: str) -> T:
        """The thing of that name.

        Raises:
            ConfigError: If there is none; the nearest name is suggested.
        """
        if name not in self._added:
            self._import(name)
        if name not in self._added:
            raise ConfigError(f"no {self.kind} '{name}'{nearest(str(name), self)}")
        return self._added[name]

    def owns(self, name: str) -> bool:
        """Whether Magnet brings that thing along, and nobody has added it."""
        return self._modules.get(name, self._owners.get(name, "")).startswith("magnet.")

    def known(self, name: str) -> str:
        """The name itself, if there is such a thing; what a setting that names one is checked by.

        Raises:
            ConfigError: If there is none.
        """
        self.find(name)
        return name

    def _import(self, name: str) -> None:
        if name in self._modules:
            import_module(self._modules[name])
            return
        for point in self._points():
            if point.name == name:
                try:
                    point.load()
                except Exception as error:
                    raise ConfigError(
                        f"the {self.kind} '{name}' of {point.value} cannot be imported: {type(error).__name__}: {error}"
                    ) from error
                if name not in self._added:
                    raise ConfigError(
                        f"{point.value}: its entry point promises the {self.kind} '{name}' and does not register it"
                    )
                return

    def __contains__(self, name: object) -> bool:
        return name in set(self)

    def __iter__(self) -> Iterator[str]:
        """The names: Magnet's own first, then what was added, then entry points. Nothing is imported."""
        return iter(dict.fromkeys([*self._modules, *self._added, *(point.name for point in self._points())]))

    @property
    def own(self) -> tuple[str, ...]:
        """The names of the modules that Magnet brings along."""
        return tuple(self._modules)

    def _points(self) -> tuple[EntryPoint, ...]:
        if not self._group:
            return ()
        from importlib.metadata import entry_points  # not cheap, and often not needed

        return tuple(entry_points(group=self._group))
