"""Whatever is wrong, there is one clear message, a way out, and the exit code of the contract."""

from __future__ import annotations

import sqlite3
import unicodedata
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs

ANOTHER_FORM = (
    "in another Unicode form of the same letters: "
    "let the shell complete the name, or rename the file"
)


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """A folder with one good spec."""
    return write_specs(tmp_path / "w", spec("one", new_project()))


def test_missing_directory(cli: Cli) -> None:
    """A folder that is not there is invalid input, for every command that reads one."""
    for command in ("validate", "render", "plan"):
        result = cli(command, "nowhere")
        assert (result.code, result.out) == (3, "")
        assert result.err == (
            "error: there is nothing at nowhere\n  hint: give an existing folder\n"
        )


@pytest.mark.usefixtures("server")
def test_no_specs(cli: Cli, tmp_path: Path) -> None:
    """A folder without specs is invalid input where nothing is recorded."""
    (tmp_path / "w").mkdir()
    for command in ("validate", "plan"):
        result = cli(command, "w")
        assert result.code == 3
        assert result.err.startswith("error: no specs were found\n  hint: give the folder")


def test_unreadable_file(cli: Cli, specs: Path) -> None:
    """A file that is no text stops the run and is named with its place."""
    (specs / "noise.yaml").write_bytes(bytes(range(128, 256)))
    result = cli("validate", specs)
    assert result.code == 3
    assert result.out.splitlines()[0] == (
        "w/noise.yaml:1:1: error: the file is not UTF-8 text (not-text)"
    )


def test_yaml_syntax_error(cli: Cli, specs: Path) -> None:
    """A YAML error is found where it is, and the plan sends nothing."""
    (specs / "broken.yaml").write_text("metadata:\n  name: [x\n")
    result = cli("plan", specs)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("w/broken.yaml:3:1: error: not YAML:")
    assert result.err.endswith("error: the specs are not valid; nothing was sent\n")


def test_wrong_types_are_all_reported(cli: Cli, specs: Path) -> None:
    """Every finding of every file is in one run, each at its line and column."""
    (specs / "types.yaml").write_text(
        "metadata:\n  nmae: x\n  projectId: 1\n  priority: [hihg]\nmanifest: 3\n"
    )
    result = cli("validate", specs)
    found = [line for line in result.out.splitlines() if ": error:" in line]
    assert result.code == 3
    assert [line.split(": error:")[0] for line in found] == [
        "w/types.yaml:1:1",
        "w/types.yaml:2:3",
        "w/types.yaml:3:14",
        "w/types.yaml:4:13",
        "w/types.yaml:5:11",
    ]
    assert "  hint: did you mean 'name'?" in result.out


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (
            unicodedata.normalize("NFD", "équipe"),
            f"'équipe' exists, {ANOTHER_FORM}",
        ),
        ("équipe\\llm", "did you mean 'équipe/llm'?"),
        ("Équipe", "did you mean 'équipe'?"),
        ("equipe", "give an existing folder"),
    ],
)
def test_a_path_that_is_there_in_another_form(
    given: str, hint: str, cli: Cli, tmp_path: Path
) -> None:
    """Another Unicode form, a backslash and capitals get a hint at the name that is there."""
    (tmp_path / "équipe" / "llm").mkdir(parents=True)
    for command in ("validate", "plan"):
        for above in ("", f"{tmp_path}/"):
            ended = cli(command, above + given)
            expected = hint.replace("'équipe", f"'{above}équipe")
            assert (ended.code, ended.out) == (3, "")
            assert ended.err == f"error: there is nothing at {above}{given}\n  hint: {expected}\n"


def test_a_file_that_is_named_in_another_form(cli: Cli, specs: Path) -> None:
    """The same holds for a manifest and a policy that a file names."""
    (specs / "é.txt").write_text("{}")
    (specs / "d").mkdir()
    (specs / "d" / "x.json").write_text("{}")
    name = unicodedata.normalize("NFD", "é.txt")
    (specs / "a.yaml").write_text(
        f'metadata: {{name: a, projectId: "1"}}\nmanifestFile: {name}\n---\n'
        'metadata: {name: b, projectId: "1"}\nmanifestFile: d\\x.json\n'
    )
    (specs / "reconciler.yaml").write_text("policies: [D/x.json]\n")
    hints = [line for line in cli("validate", specs).out.splitlines() if "  hint: " in line]
    assert hints == [
        f"  hint: 'é.txt' exists, {ANOTHER_FORM}",
        "  hint: did you mean 'd/x.json'?",
        "  hint: did you mean 'd/x.json'?",
    ]


def test_no_server_is_given(cli: Cli, specs: Path) -> None:
    """Without an address the hint names the three places for one, and the sandbox."""
    result = cli("plan", specs)
    assert result.code == 64
    assert result.err == (
        "error: no server is given\n  hint: set url in reconciler.yaml, RUNAI_BASE_URL or --url; "
        "'reconciler sandbox' starts one on this machine\n"
    )


@pytest.mark.usefixtures("server")
def test_unknown_server(cli: Cli, specs: Path) -> None:
    """A server that cannot be reached ends with 9 and changes nothing."""
    result = cli("plan", specs, "--url", "http://127.0.0.1:1")
    assert (result.code, result.out) == (9, "")
    assert result.err.startswith("error: http://127.0.0.1:1 cannot be reached: ")
    assert result.err.endswith("hint: check --url and the network; nothing was changed\n")


@pytest.mark.usefixtures("server")
def test_plain_http_is_refused(cli: Cli, specs: Path) -> None:
    """A token never travels unencrypted to another machine."""
    result = cli("plan", specs, "--url", "http://runai.example.com")
    assert result.code == 3
    assert "plain http to runai.example.com" in result.err


@pytest.mark.usefixtures("server")
def test_wrong_credentials(cli: Cli, specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused login ends with 9 and does not show the secret."""
    monkeypatch.setenv("RUNAI_CLIENT_SECRET", "canary-of-a-secret")
    result = cli("plan", specs)
    assert (result.code, result.out) == (9, "")
    assert "does not accept the credentials" in result.err
    assert "canary-of-a-secret" not in result.err


@pytest.mark.usefixtures("server")
def test_no_credentials(cli: Cli, specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the hint names all ways to give them."""
    monkeypatch.delenv("RUNAI_CLIENT_ID")
    monkeypatch.delenv("RUNAI_CLIENT_SECRET")
    result = cli("plan", specs)
    assert result.code == 9
    assert "--token-file FILE" in result.err
    assert "RUNAI_TOKEN" in result.err
    assert "RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET" in result.err


@pytest.mark.usefixtures("server")
def test_absent_state(cli: Cli, specs: Path) -> None:
    """An apply without a state asks for --init, since a lost state must not look like a new one."""
    result = cli("apply", specs, "--yes")
    assert result.code == 1
    assert "there is no state at" in result.err
    assert "--init" in result.err


@pytest.mark.usefixtures("server")
def test_state_of_somebody_else(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """A file that is no state, or another program's database, is refused and left as it is."""
    text = tmp_path / "text.db"
    text.write_text("not a database at all" * 100)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        result = cli("apply", specs, "--yes", "--state", path)
        assert result.code == 1
        assert "--state" in result.err
        assert "Traceback" not in result.err
        assert path.read_bytes() == before


@pytest.mark.usefixtures("server")
def test_state_that_cannot_be_written(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """A state that cannot be written stops an apply before anything is sent."""
    assert cli("init", "elsewhere", "--state", "s.db").code == 0
    journal = tmp_path / "s.db-journal"
    journal.unlink(missing_ok=True)
    # Permissions do not stop root, but no journal can be opened where a folder is.
    journal.mkdir()
    result = cli("apply", specs, "--yes", "--state", "s.db")
    assert result.code == 1
    assert result.err.startswith("error: the state s.db cannot be used: ")


def test_wrong_usage(cli: Cli, specs: Path) -> None:
    """An unknown flag, command, format, duration or limit is wrong usage, not click's 2."""
    for arguments in (
        ("plan", specs, "--bogus"),
        ("bogus",),
        ("plan", specs, "-o", "xml"),
        ("plan", specs, "--deadline", "5x"),
        ("plan", specs, "--max-delete", "many", "--url", "http://127.0.0.1:1"),
        ("plan", specs, "-o", "text", "-o", "json"),
        ("apply", specs, "--yes", "--max-surge-gpus", "nan"),
        ("apply", specs, "--yes", "--max-surge-gpus", "-1"),
        ("apply", specs, "--yes", "--no-wait", "--wait-for", "running"),
        ("state", "show", "no-slash", "--state", "s.db"),
    ):
        if arguments[0] == "state":
            cli("init", "elsewhere", "--state", "s.db", "--url", "http://127.0.0.1:1")
        result = cli(*arguments)
        assert (result.code, result.out) == (64, ""), arguments
        assert "Traceback" not in result.err


@pytest.mark.usefixtures("server")
def test_apply_without_a_terminal_needs_yes(cli: Cli, specs: Path) -> None:
    """Nobody can answer in CI, so an apply that would ask is refused."""
    result = cli("apply", specs, "--init")
    assert result.code == 64
    assert "--yes" in result.err


@pytest.mark.usefixtures("server")
def test_same_address_twice(cli: Cli, tmp_path: Path) -> None:
    """Two files that declare one workload are an error that names both."""
    project = new_project()
    folder = write_specs(tmp_path / "w", spec("one", project))
    (folder / "two.json").write_text((folder / "one.json").read_text())
    result = cli("plan", folder)
    assert result.code == 3
    assert "w/two.json:1:" in result.err
    assert "one.json" in result.err.replace("w/two.json", "")


@pytest.mark.usefixtures("server")
def test_a_name_that_means_nothing(cli: Cli, specs: Path) -> None:
    """A target or address that matches nothing is wrong usage, not a run that does nothing."""
    for arguments, words in (
        (("-t", "1/typo*"), "no workload matches -t 1/typo*"),
        (("-x", "1/typo*"), "no workload matches -x 1/typo*: nothing would be left out by it"),
        (("--project", "0"), "--project 0: no workload here is in that project"),
        (("--replace", "1/typo"), "--replace 1/typo: there is no such workload here"),
    ):
        result = cli("plan", specs, *arguments)
        assert (result.code, result.out) == (64, "")
        assert result.err.startswith(f"error: {words}\n  hint: ")


@pytest.mark.usefixtures("server")
def test_a_path_that_no_file_can_have(cli: Cli, specs: Path) -> None:
    """A state's path that is too long is explained like any other."""
    result = cli("plan", specs, "--state", "x" * 5000)
    assert result.code == 1
    assert "File name too long" in result.err


def test_what_git_crypt_has_encrypted_is_named(cli: Cli, tmp_path: Path) -> None:
    """Its bytes look like UTF-16, and whoever believed that would look in the wrong place."""
    (tmp_path / "a.yaml").write_bytes(b"\0GITCRYPT\0\x8f\xd1\x00\x42")
    (tmp_path / "reconciler.yaml").write_text("stack: blue\n")
    checked = cli("validate")
    assert checked.code == 3
    assert checked.out == (
        "a.yaml:1:1: error: the file is encrypted by git-crypt (not-text)\n"
        "  hint: unlock it first: git-crypt unlock\n1 error.\n"
    )


@pytest.mark.parametrize("blank", ["\u00a0", "\u2009", "\u3000", "\u200b"])
def test_a_blank_that_is_no_space_is_seen(cli: Cli, tmp_path: Path, blank: str) -> None:
    """A key that looks right is shown as it is, in a spec and in the configuration."""
    text = f'metadata: {{name: a, projectId: "4501", "priority{blank}": high}}\n'
    (tmp_path / "a.yaml").write_text(f"{text}manifest: {{apiVersion: v1, kind: Pod}}\n", "utf-8")
    (tmp_path / "reconciler.yaml").write_text(f"stack: blue\nsta{blank}te: x\n", "utf-8")
    spelt = f"\\x{ord(blank):02x}" if ord(blank) < 0x100 else f"\\u{ord(blank):04x}"
    out = cli("validate").out
    assert f"a.yaml:1:40: error: unknown field 'priority{spelt}' (unknown-field)\n" in out
    assert f"reconciler.yaml:2:1: error: unknown field 'sta{spelt}te' (unknown-field)\n" in out
    assert blank not in out
