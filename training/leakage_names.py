"""Names that speak of outcomes, in English and Spanish: a weak prior, and never evidence on its own."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["speaks_of_outcomes"]


# Not `revenue`, `ingresos`, `purchase` or `deal`: honest columns are called so.
_ENGLISH = (
    "won lost outcome result converted conversion closed closing signed purchased bought churned cancelled approved rejected invoice paid"
)
_SPANISH = (
    "ganado ganada perdido perdida resultado convertido convertida cerrado cerrada cierre firmado firmada comprado compro baja cancelado "
    "aprobado rechazado factura facturado pagado vendido"
)
OUTCOME_WORDS = frozenset(f"{_ENGLISH} {_SPANISH}".split())


def speaks_of_outcomes(name: str) -> bool:
    """Whether one of the words in a column's name is one of an outcome's.

    >>> [speaks_of_outcomes(name) for name in ("fecha_cierre", "dealWon", "conversión", "annual_revenue")]
    [True, True, True, False]
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain).lower()
    return not OUTCOME_WORDS.isdisjoint(re.split(r"[^a-z0-9]+", words))
