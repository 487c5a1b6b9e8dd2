"""Which folder and which settings are in force, told from the outside in: environment, tamiz.toml, default."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.home import BadSetting, Home, UnknownSetting, UnreadableProject, resolve, unknown_settings


def project(folder: Path, text: str) -> Path:
    (folder / "tamiz.toml").write_text(text, encoding="utf-8")
    return folder


class TestRefused:
    def test_a_project_file_that_is_not_toml_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableProject, match=r"tamiz\.toml is not valid TOML"):
            resolve("home", {}, project(tmp_path, "[settings\nhome = 'x'"))

    def test_a_project_file_that_is_not_text_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "tamiz.toml").write_bytes(b"home = '\xff\xfe'")
        with pytest.raises(UnreadableProject, match=r"tamiz\.toml is not valid TOML"):
            resolve("home", {}, tmp_path)

    def test_settings_that_are_no_table_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableProject, match="must be a table"):
            resolve("home", {}, project(tmp_path, "settings = 'home'"))

    def test_a_misspelt_setting_is_refused_with_the_known_ones(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownSetting, match=r"`hoem` in \[settings\].*auth, home"):
            resolve("home", {}, project(tmp_path, "[settings]\nhoem = 'x'"))

    def test_a_setting_with_choices_takes_no_other_value_and_says_where_it_stands(self) -> None:
        with pytest.raises(BadSetting, match=r"auth .from environment variable TAMIZ_AUTH. is 'none', but it must be required or dev"):
            resolve("auth", {"TAMIZ_AUTH": "none"})

    def test_what_other_programs_read_too_is_not_set_in_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownSetting):
            resolve("tracking", {}, project(tmp_path, "[settings]\ntracking = 'http://mlflow:5000'"))


class TestPrecedence:
    def test_nothing_set_is_var_in_the_current_folder(self, tmp_path: Path) -> None:
        assert Home.from_environment({}, tmp_path).root == tmp_path / "var"
        assert resolve("home", {}, tmp_path).origin == "default"

    def test_the_file_comes_before_the_default_and_is_named_as_origin(self, tmp_path: Path) -> None:
        project(tmp_path, "[settings]\nhome = 'kept'")
        assert Home.from_environment({}, tmp_path).root == tmp_path / "kept"
        assert resolve("home", {}, tmp_path).origin == str(tmp_path / "tamiz.toml")

    def test_the_environment_comes_before_the_file(self, tmp_path: Path) -> None:
        project(tmp_path, "[settings]\nhome = 'kept'")
        assert Home.from_environment({"TAMIZ_HOME": "/srv/tamiz"}, tmp_path).root == Path("/srv/tamiz")

    def test_an_empty_variable_counts_as_unset(self, tmp_path: Path) -> None:
        assert Home.from_environment({"TAMIZ_HOME": ""}, tmp_path).root == tmp_path / "var"

    def test_a_project_file_with_a_byte_order_mark_is_read(self, tmp_path: Path) -> None:
        project(tmp_path, "\ufeff[settings]\nhome = 'kept'")
        assert Home.from_environment({}, tmp_path).root == tmp_path / "kept"

    def test_a_project_file_without_settings_changes_nothing(self, tmp_path: Path) -> None:
        project(tmp_path, "[data]\nleads = \"SELECT * FROM 'leads.csv'\"")
        assert resolve("home", {}, tmp_path).origin == "default"


def test_asking_for_a_home_creates_nothing(tmp_path: Path) -> None:
    home = Home.from_environment({}, tmp_path)
    assert not home.root.exists()

    home.create().create()
    assert {path.name for path in home.root.iterdir()} == {"bundles", "mlartifacts", "quarantine", "reports"}


def test_two_homes_share_nothing(tmp_path: Path) -> None:
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    places = ("db_path", "mlflow_db", "mlartifacts", "bundles", "quarantine", "reports")
    assert not {getattr(one, place) for place in places} & {getattr(other, place) for place in places}


def test_a_password_is_masked_where_the_setting_is_shown() -> None:
    found = resolve("tracking", {"MLFLOW_TRACKING_URI": "postgresql://ana:secret@db/mlflow"})
    assert found.shown == "postgresql://ana:***@db/mlflow"
    assert found.value == "postgresql://ana:secret@db/mlflow"


def test_a_misspelt_variable_is_noticed() -> None:
    assert unknown_settings({"TAMIZ_ATUH": "dev", "TAMIZ_HOME": "x", "PATH": "y"}) == ["TAMIZ_ATUH"]
