"""botfleet's own handlers, which stand beside the author's in the built-in roles, and in tests."""

from __future__ import annotations

from ...settings import Settings
from ..loader import Loaded
from .answers import with_builtins
from .upkeep import HANDLERS as UPKEEP


def with_ours(loaded: Loaded, settings: Settings) -> Loaded:
    """Adds the built-in answers, at the end of the chain, and what keeps directories true."""
    loaded = with_builtins(loaded, settings.builtins)
    return loaded._replace(handlers=(*loaded.handlers, *UPKEEP))
