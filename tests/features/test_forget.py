"""No memory of texts is left out when everything is forgotten."""

from __future__ import annotations

import gc
from functools import _lru_cache_wrapper

from features import statements, titles
from features.forget import forget_texts
from features.topics import about


def test_what_was_read_is_forgotten_wherever_it_was_remembered() -> None:
    import models.scoring  # noqa: F401 - with it comes everything that a service remembers

    titles.read_title("Consejera de Ana Ruiz")
    statements.says_yes("Ana Ruiz lo aprobó")
    about().page("/clientes/ana-ruiz")
    # Topics that other tests have declared are nobody's here.
    ours = [
        one
        for one in gc.get_objects()
        if isinstance(one, _lru_cache_wrapper)
        and (one.__module__ or "").partition(".")[0] in ("data", "features", "models")
        and not one.__qualname__.startswith("About.")
    ]
    assert any(one.cache_info().currsize for one in ours)
    forget_texts()
    holding = {one.__qualname__ for one in ours if one.cache_info().currsize and one.cache_parameters()["maxsize"] != 1}
    reader = about()
    assert reader._by_page.cache_info().currsize == reader._by_words.cache_info().currsize == 0
    assert holding <= {"about", "select", "Answered.none"}, "these hold nothing that comes from leads"
