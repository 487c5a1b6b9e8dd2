from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.titles import Labelled, by_class, labelled, share_right
from features import titles_lexicon as lexicon
from features.catalogue import catalogue
from features.testing import history
from features.titles import FUNCTIONS, SENIORITY, Title, _forms, _lexicon, read_title

KNOWN = [row.title for row in labelled("lexicon")]


class TestNonsense:
    @pytest.mark.parametrize(
        "title",
        [
            "",
            " ",
            "\x00",
            "???",
            "()",
            "-",
            "@",
            ":in",
            "a" * 100_000,
            "director " * 10_000,
            "🙂" * 5_000,
            "d.i.r." * 2_000,
            "m/w/" * 3_000,
        ],
        ids=lambda title: f"{title[:8]!r}, {len(title)} characters",
    )
    def test_is_read_as_something(self, title: str) -> None:
        assert read_title(title).seniority in {*SENIORITY, "unknown"}

    @given(st.text(max_size=60) | st.lists(st.sampled_from([*KNOWN, "to", "former", "&", "/", "@", "|", "(", "🙂", "مدير"])).map(" ".join))
    def test_no_text_is_refused(self, title: str) -> None:
        found = read_title(title)

        assert found.seniority in {*SENIORITY, "unknown"}
        assert found.function in {*FUNCTIONS, "unknown"}

    @pytest.mark.parametrize("title", ["Directory", "Market", "Santos Ventura", "Martínez", "Ninja", "مدير", "Consultation", "Begleiter"])
    def test_what_only_resembles_a_title_is_unknown(self, title: str) -> None:
        assert read_title(title) == Title("unknown", "unknown")

    @pytest.mark.parametrize(
        "title",
        [
            "🙂",
            "👩‍💼👔",
            "\u200b\u200d",
            "\u202e",
            "—",
            "مدير المبيعات",
            "מנהל מכירות",
            "\u202eمدير\u202c",
            "مدير 🚀 עברית",
            "営業部長",
            "\udc80",
        ],
        ids=ascii,
    )
    def test_pictures_and_scripts_that_we_do_not_read_are_unknown(self, title: str) -> None:
        assert read_title(title) == Title("unknown", "unknown")

    def test_a_word_too_far_from_any_is_not_guessed(self) -> None:
        assert read_title("Director").seniority == read_title("Diretcor").seniority == read_title("Dirctor").seniority == "director"
        assert read_title("Drctr").seniority == read_title("Diretkro").seniority == "unknown"


class TestNotTheBoss:
    @pytest.mark.parametrize(
        "title",
        [
            "Executive Assistant to the CEO",
            "CEO's assistant",
            "PA to CEO & CFO",
            "Executive Assistant to CEO, CFO and COO",
            "Secretary to the President",
            "Asistente de dirección",
            "Adjunta a la dirección general",
            "Secretaria del Consejero Delegado",
            "Assistente do diretor-geral",
            "Assistante du PDG",
            "Assistante DG",
            "Assistentin der Geschäftsleitung",
            "Assistenz GF/CEO",
            "Chefsekretärin",
        ],
    )
    def test_who_assists_a_chief_is_junior_staff(self, title: str) -> None:
        assert read_title(title) == Title("junior", "administration")

    @pytest.mark.parametrize("title", ["Advisor to the CEO", "Asesora del Director General", "Coach for CEOs", "Beraterin des Vorstands"])
    def test_who_serves_a_chief_has_a_rank_of_her_own(self, title: str) -> None:
        assert read_title(title).seniority == "senior"

    @pytest.mark.parametrize(
        ("title", "seniority"),
        [("Assistant Manager", "manager"), ("Assistant Marketing Director", "director"), ("Assistant to the Manager", "junior")],
    )
    def test_an_assistant_manager_manages(self, title: str, seniority: str) -> None:
        assert read_title(title).seniority == seniority

    @pytest.mark.parametrize(
        "title", ["Deputy CEO", "Subdirectora General", "Directeur général adjoint", "Stellvertretender Geschäftsführer"]
    )
    def test_a_deputy_of_the_chief_is_a_director(self, title: str) -> None:
        assert read_title(title).seniority == "director"

    @pytest.mark.parametrize(
        "title",
        [
            "Former CEO",
            "Former CEO & Founder",
            "ex-CEO",
            "CEO (former)",
            "CEO, retired",
            "Antiguo consejero delegado",
            "Exdirectora general",
            "Ancien PDG",
            "Antigo diretor-geral",
            "Ehemalige Geschäftsführerin",
            "Ex-Geschäftsführer",
            "Aspiring CEO",
        ],
    )
    def test_who_was_or_would_be_chief_has_no_known_rank(self, title: str) -> None:
        assert read_title(title) == Title("unknown", "general")

    @pytest.mark.parametrize(
        ("title", "meant"),
        [
            ("Head of Sales | ex-Google", Title("director", "sales")),
            ("Founder and ex-CTO", Title("owner", "general")),
            ("Consultant, former CEO", Title("senior", "unknown")),
            ("ex CFO, now Marketing Director", Title("director", "marketing")),
        ],
    )
    def test_a_past_leaves_the_present_alone(self, title: str, meant: Title) -> None:
        assert read_title(title) == meant


class TestWriting:
    @pytest.mark.parametrize("ending", ["in", "/in", ":in", "*in", "_in", "(in)", "/-in", "·in", "In", "/Leiterin"])
    def test_endings_of_both_genders_in_german(self, ending: str) -> None:
        assert read_title(f"Leiter{ending} Vertrieb (m/w/d)") == Title("director", "sales")

    @pytest.mark.parametrize(
        "title",
        [
            "Director/a Comercial",
            "Director(a) comercial",
            "Directora comercial",
            "director@ comercial",
            "Directeur·rice commercial·e",
            "Directeur.trice commercial.e H/F",
            "Directeur(trice) commercial(e)",
            "Directrice commerciale",
            "Diretor(a) Comercial",
            "Diretora comercial",
        ],
    )
    def test_endings_of_both_genders_in_romance_languages(self, title: str) -> None:
        assert read_title(title) == Title("director", "sales")

    @pytest.mark.parametrize(
        "title",
        [
            "Dir. Mktg.",
            "Dir.Marketing",
            "Dtora. Marketing",
            "Marketing Dir",
            "DIRECTORA DE MARKETING",
            "Marketing Direktorin",
            "marketing diretcor",
        ],
    )
    def test_abbreviations_capitals_and_slips(self, title: str) -> None:
        assert read_title(title) == Title("director", "marketing")

    @pytest.mark.parametrize(
        "title", ["CEO", "C.E.O.", "c.e.o", "ＣＥＯ", "𝗖𝗘𝗢", "C\u200bEO", "🚀 CEO 🚀", "CEO \u200fעברית", "مدير CEO", "Ceo."]
    )
    def test_the_same_letters_in_other_clothes(self, title: str) -> None:
        assert read_title(title) == Title("c_level", "general")

    @pytest.mark.parametrize("title", ["Geschäftsführer", "Geschaeftsfuehrer", "Geschaftsfuhrer", "Geschäftsfürer", "GESCHÄFTSFÜHRERIN"])
    def test_umlauts_written_or_not(self, title: str) -> None:
        assert read_title(title).seniority == "c_level"

    @pytest.mark.parametrize("row", [row for row in labelled("lexicon", "hard") if row.language != "other"], ids=lambda row: row.title)
    def test_capitals_and_spaces_say_nothing(self, row: Labelled) -> None:
        assert read_title(f"  {row.title.upper()} ") == read_title(row.title)


class TestCompounds:
    @pytest.mark.parametrize(
        ("title", "meant"),
        [
            ("Fachkraft für Lagerlogistik", Title("staff", "operations")),
            ("Leiterin Unternehmenskommunikation", Title("director", "marketing")),
            ("Leiter Materialeinkauf", Title("director", "purchasing")),
            ("Leitung Auslandsvertrieb", Title("director", "sales")),
            ("Teamleiter Debitorenbuchhaltung", Title("manager", "finance")),
            ("Referent Vertragsrecht", Title("staff", "legal")),
            ("Leiter Fertigungssteuerung", Title("director", "operations")),
            ("Onlinemarketing-Experte", Title("senior", "marketing")),
            ("Leiter Personalmarketing", Title("director", "hr")),
            ("Alleingeschäftsführer", Title("c_level", "general")),
        ],
    )
    def test_the_last_noun_says_the_function_unless_the_first_one_does(self, title: str, meant: Title) -> None:
        assert read_title(title) == meant


class TestSeveralTitles:
    @pytest.mark.parametrize(
        ("title", "meant"),
        [
            ("CEO & Founder", Title("owner", "general")),
            ("Founder/CEO", Title("owner", "general")),
            ("CTO / Head of Product", Title("c_level", "it")),
            ("Head of Product / CTO", Title("c_level", "product")),
            ("Student & Founder", Title("owner", "general")),
            ("Leiterin Vertrieb und Marketing", Title("director", "sales")),
            ("Marketing & Sales Assistant", Title("junior", "marketing")),
            ("Junior Sales & Marketing Manager", Title("junior", "sales")),
            ("Head of IT @ Legal Finance Ltd", Title("director", "it")),
        ],
    )
    def test_the_highest_counts_and_the_function_of_the_first(self, title: str, meant: Title) -> None:
        assert read_title(title) == meant


class TestLabelledTitles:
    def test_there_are_enough_in_every_language(self) -> None:
        rows = labelled()
        assert len(rows) >= 400
        assert len(labelled("held out", "fresh")) >= 200
        assert len({row.title for row in rows}) == len(rows)
        for language in ("en", "es", "pt", "fr", "de"):
            assert sum(row.language == language for row in rows) >= 60, language
        assert {row.seniority for row in rows} == {*SENIORITY, "unknown"}
        assert {row.function for row in rows} == {*FUNCTIONS, "unknown"}

    @pytest.mark.parametrize("row", labelled("lexicon", "hard"), ids=lambda row: row.title)
    def test_the_titles_that_the_lexicon_was_written_with(self, row: Labelled) -> None:
        assert read_title(row.title) == Title(row.seniority, row.function)

    @pytest.mark.parametrize(("what", "floor"), [("seniority", 0.95), ("function", 0.85)])
    @pytest.mark.parametrize("part", ["held out", "fresh"])
    def test_titles_held_out(self, part: str, what: str, floor: float) -> None:
        assert share_right(labelled(part), what) >= floor

    @pytest.mark.parametrize(("what", "precision", "recall"), [("seniority", 0.85, 0.8), ("function", 0.6, 0.6)])
    def test_every_class_of_titles_held_out(self, what: str, precision: float, recall: float) -> None:
        for name, figures in by_class(labelled("held out"), what).items():
            if name != "unknown":
                assert figures.precision >= precision, name
                assert figures.recall >= recall, name


class TestLexicon:
    def test_is_written_as_titles_are_compared(self) -> None:
        cells = [
            *(words for *_, words in lexicon.RANKS + lexicon.ONLY_ALONE),
            *lexicon.MARKS.values(),
            *lexicon.FUNCTIONS.values(),
            lexicon.NEUTRAL,
        ]
        for form in (form for words in cells for form in _forms(words)):
            assert form == unicodedata.normalize("NFKD", form).casefold(), form
            assert form.isascii(), form
            assert re.fullmatch(r"[^\W_]+( [^\W_]+| [&+])*|[&+,/;()@-]", form), form

    def test_abbreviations_and_compounds_stand_for_words_of_the_lexicon(self) -> None:
        known = _lexicon().spelling
        for words in [*lexicon.ABBREVIATIONS.values(), *lexicon.COMPOUND_HEADS.values(), *filter(None, lexicon.PREFIXES.values())]:
            assert all(known[word] == (word,) for word in words.split()), words

    def test_ranks_and_functions_are_ones_that_exist(self) -> None:
        assert {rank for rank, *_ in lexicon.RANKS} <= {*SENIORITY}
        assert {function.removeprefix("~") for _, function, _ in lexicon.RANKS} <= {*FUNCTIONS, "unknown"}


class TestSignals:
    def test_unknown_titles_are_unknown_and_not_low(self) -> None:
        ninja, ceo = (history("ana", as_of="2026-03-31", job_title=title) for title in ("Ninja", "CEO"))
        for name in ("seniority", "decision_maker", "technical_function", "commercial_function"):
            signal = catalogue()[name]
            assert signal(ninja)[0] != signal(ninja)[0], name
        assert catalogue()["decision_maker"](ceo) == [1.0]
        assert catalogue()["decision_maker"](history("ana", as_of="2026-03-31", job_title="IT Manager")) == [0.0]

    @pytest.mark.parametrize(
        ("title", "commercial", "technical"),
        [
            ("Vertriebsleiterin", 1.0, 0.0),
            ("Software Engineer", 0.0, 1.0),
            ("Directrice R&D", 0.0, 1.0),
            ("Assistentin der Geschäftsleitung", 0.0, 0.0),
        ],
    )
    def test_functions_are_commercial_or_technical_or_neither(self, title: str, commercial: float, technical: float) -> None:
        lead = history("ana", as_of="2026-03-31", job_title=title)
        assert catalogue()["commercial_function"](lead) == [commercial]
        assert catalogue()["technical_function"](lead) == [technical]
