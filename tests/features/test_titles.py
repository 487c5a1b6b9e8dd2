from __future__ import annotations

import pytest

from features.catalogue import catalogue
from features.testing import history
from features.titles import SENIORITY, read_title

LABELLED = """
CEO                                          c_level   general
C.E.O.                                       c_level   general
Chief Executive Officer                      c_level   -
Chief Marketing Officer                      c_level   marketing
CTO                                          c_level   it
CFO                                          c_level   finance
Chief of Staff                               director  -
Managing Director                            c_level   general
General Manager                              c_level   general
Director General                             c_level   general
Directora General                            c_level   general
Director Gerente                             c_level   general
Gerente General                              c_level   general
Consejera Delegada                           c_level   -
Consejero delegado                           c_level   -
Founder                                      owner     general
Co-Founder & CTO                             owner     it
Cofundadora                                  owner     general
Owner                                        owner     general
Dueño                                        owner     general
Propietaria                                  owner     general
President                                    owner     general
Presidenta                                   owner     general
Socio fundador                               owner     general
Managing Partner                             owner     -
Autónoma                                     owner     -
Product Owner                                manager   -
HR Business Partner                          staff     hr
VP Sales                                     vp        sales
Vice President of Engineering                vp        it
Vice-President, Marketing                    vp        marketing
Vicepresidenta de Operaciones                vp        operations
SVP Finance                                  vp        finance
Sales Director                               director  sales
Directora de Operaciones                     director  operations
DIRECTOR COMERCIAL                           director  sales
Head of Procurement                          director  purchasing
Subdirectora General                         director  -
Dir. de Marketing                            director  marketing
Associate Director                           director  -
IT Manager                                   manager   it
Marketing Mgr.                               manager   marketing
Jefa de Compras                              manager   purchasing
Jefe de almacén                              manager   operations
Responsable de RRHH                          manager   hr
Coordinadora de logística                    manager   operations
Team Lead                                    manager   -
Lead Generation Specialist                   senior    -
Senior Software Engineer                     senior    it
Especialista en Comunicación                 senior    marketing
Solutions Architect                          senior    -
Software Engineer                            staff     it
Ingeniera de datos                           staff     it
Analista financiero                          staff     finance
Account Executive                            staff     sales
Ejecutiva de cuentas                         staff     sales
Contable                                     staff     finance
Abogada                                      staff     legal
Administrador de sistemas                    staff     it
Junior Buyer                                 junior    purchasing
Auxiliar administrativo                      junior    -
Executive Assistant to the CEO               junior    general
Personal assistant of the managing director  junior    general
Secretaria de dirección                      junior    -
Asistente de la Directora General            junior    general
Becario de marketing                         student   marketing
Marketing Intern                             student   marketing
Estudiante                                   student   -
Former CEO                                   -         general
ex-CTO                                       -         it
Antigua directora de ventas                  -         sales
Retired                                      -         -
Ninja 🥷                                      -         -
مدير                                         -         -
"""
TITLES = [line.rsplit(maxsplit=2) for line in LABELLED.strip().splitlines()]


@pytest.mark.parametrize(("title", "seniority", "function"), TITLES, ids=[title for title, _, _ in TITLES])
def test_titles_in_english_and_spanish(title: str, seniority: str, function: str) -> None:
    found = read_title(title.strip())

    assert (found.seniority, found.function) == (seniority.replace("-", "unknown"), function.replace("-", "unknown"))


def test_the_table_covers_every_rank() -> None:
    assert {seniority for _, seniority, _ in TITLES} == {*SENIORITY, "-"}


@pytest.mark.parametrize("title", ["", " ", "\x00", "a" * 100_000, "director " * 10_000, "🙂" * 5_000])
def test_nonsense_is_read_as_something_and_quickly(title: str) -> None:
    assert read_title(title).seniority in {*SENIORITY, "unknown"}


def test_unknown_titles_are_unknown_and_not_low() -> None:
    ninja, ceo = (history("ana", as_of="2026-03-31", job_title=title) for title in ("Ninja", "CEO"))
    for name in ("seniority", "decision_maker", "technical_function", "commercial_function"):
        signal = catalogue()[name]
        assert signal(ninja)[0] != signal(ninja)[0], name
    assert catalogue()["decision_maker"](ceo) == [1.0]
    assert catalogue()["decision_maker"](history("ana", as_of="2026-03-31", job_title="IT Manager")) == [0.0]
