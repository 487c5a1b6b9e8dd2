"""What a stated answer is about: the field names that forms, calls and chats use, in English and Spanish.

In: the `content` of an activity of type `answer`. Out: `budget`, `authority`, `need`, `timeline`, or the name itself,
tidied, when it is none of them.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["field_of"]

_NAMES = {
    "budget": ("budget", "presupuesto", "budget_range", "investment", "inversion", "funding"),
    "authority": ("authority", "autoridad", "decision_maker", "decisor", "role_in_decision", "quien_decide", "decision"),
    "need": ("need", "necesidad", "pain", "problem", "problema", "use_case", "caso_de_uso", "reto", "challenge", "goal"),
    "timeline": ("timeline", "plazo", "timeframe", "when", "cuando", "purchase_date", "fecha_de_compra", "urgency", "urgencia"),
}
_FIELD = {name: field for field, names in _NAMES.items() for name in names}


@lru_cache(maxsize=4096)
def field_of(name: str) -> str:
    """The field that an answer belongs to.

    >>> field_of("Presupuesto "), field_of("Favourite colour")
    ('budget', 'favourite_colour')
    """
    tidy = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    return _FIELD.get(tidy, tidy)
