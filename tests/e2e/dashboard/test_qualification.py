"""What objectives found out, across conversations: the table, and the file of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import psycopg
from playwright.sync_api import Download, expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import objective
from tests.e2e.dashboard.browsing import Operator, look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import IN_TIME
from tests.web.caller import Caller

PAGE = "/dashboard/qualification"
MARK = b"\xef\xbb\xbf"
FORMULAS = {
    "link": '=HYPERLINK("https://evil.example.test","click")',
    "phone": "+49 30 1234",
    "minus": "-5",
    "handle": "@SUM(A1:A9)",
    "blanks": "   =1+1",
}


def found_out(
    db: psycopg.Connection, caller: Caller, owner: Account, title: str, /, **variables: object
) -> str:
    """Have an objective of a new conversation reached; return the conversation's id."""
    conversation = create_conversation(db, owner.id, title)
    assert caller.send(objective(conversation, **variables)).status_code == 200  # type: ignore[arg-type]
    return conversation


def exported(operator: Operator) -> Download:
    """Press the button and return the file that the person gets."""
    with operator.page.expect_download(timeout=60_000) as download:
        operator.page.get_by_role("button", name="Export CSV").click()
    return download.value


def content(download: Download) -> bytes:
    return Path(download.path()).read_bytes()


def table(download: Download) -> list[dict[str, str]]:
    """Return the rows of a file as Python reads them."""
    text = content(download).removeprefix(MARK).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_completion_appears_without_reload_with_a_column_for_each_variable(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    operator = dashboard(person, PAGE).wait_until("Live")
    operator.page.evaluate("window.isStillThisPage = true")
    expect(operator.page.get_by_text("Nothing found out yet")).to_be_visible()

    conversation = found_out(db, caller, person, "Onboarding", first_name="Ada", company="Example")
    row = operator.row("Ada")
    expect(row).to_contain_text("Example", timeout=IN_TIME)
    expect(row.get_by_role("link", name="Onboarding")).to_have_attribute(
        "href", f"/dashboard/conversations/{conversation}"
    )
    caller.send(objective(conversation, first_name="Ada", team_size="12"))

    expect(operator.page.locator("th")).to_have_text(
        ["Received", "Objective", "Conversation", "First name", "Company", "Team size"],
        timeout=IN_TIME,
    )
    expect(row).to_contain_text("12")
    assert operator.page.evaluate("window.isStillThisPage")


def test_filters_and_sorting_live_in_the_address(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    for name, company in (("Ada", "Zebra"), ("Ben", "Aardvark"), ("Cleo", "Mole")):
        found_out(db, caller, person, f"Talk of {name}", first_name=name, company=company)
    other = create_conversation(db, person.id)
    caller.send({**objective(other, first_name="Dan")})
    db.execute(
        "update public.qualification_data set objective_name = 'closing'"
        " where conversation_id = %s",
        [other],
    )
    operator = dashboard(person, PAGE)
    names = operator.page.locator("td[data-label='First name']")
    expect(names).to_have_text(["Dan", "Cleo", "Ben", "Ada"], timeout=IN_TIME)

    operator.page.get_by_label("Sort").select_option("company")
    expect(names).to_have_text(["Ben", "Cleo", "Ada", "Dan"], timeout=IN_TIME)
    operator.page.get_by_role("searchbox", name="Objective").fill("QUALI")
    expect(names).to_have_text(["Ben", "Cleo", "Ada"], timeout=IN_TIME)
    operator.page.reload()
    expect(names).to_have_text(["Ben", "Cleo", "Ada"], timeout=IN_TIME)
    operator.page.get_by_role("searchbox", name="Objective").fill("")
    operator.page.get_by_label("Sort").select_option("oldest")
    expect(names).to_have_text(["Ada", "Ben", "Cleo", "Dan"], timeout=IN_TIME)
    operator.page.get_by_label("Conversation's id").fill(other[2:9])
    expect(names).to_have_text(["Dan"], timeout=IN_TIME)


def test_a_person_sees_and_exports_their_own_an_admin_everybody_s(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account, admin: Account
) -> None:
    found_out(db, caller, person, "Mine", first_name="Own")
    secret = found_out(db, caller, admin, "Not mine", first_name="Secret")
    operator = dashboard(person, PAGE)
    expect(operator.row("Own")).to_be_visible(timeout=IN_TIME)
    expect(operator.row("Secret")).to_have_count(0)
    assert [row["first_name"] for row in table(exported(operator))] == ["Own"]
    operator.open(f"{PAGE}?conversation={secret}")
    expect(operator.page.get_by_text("Nothing fits these filters")).to_be_visible(timeout=IN_TIME)

    overseer = dashboard(admin, PAGE)

    expect(overseer.row("Secret")).to_be_visible(timeout=IN_TIME)
    expect(overseer.row("Own")).to_be_visible()
    assert {"Own", "Secret"} <= {row["first_name"] for row in table(exported(overseer))}


def test_the_file_holds_every_value_as_it_was_and_no_formula(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    strange = {
        "quote": 'She said "no", twice',
        "lines": "one\r\ntwo\nthree",
        "name": "Zoë 日本 🎉",
        "list": ["a", "b,c"],
        "nested": {"b": {"c": 'd"e'}},
        "number": 42,
        "yes": True,
        "=1+1": "a name that begins so",
    }
    conversation = found_out(db, caller, person, "Strange", **FORMULAS, **strange)
    db.execute(
        "update public.qualification_data set output_variables = output_variables"
        " || jsonb_build_object('tab', E'\\t=1', 'return', E'\\r=1', 'below', -5)"
        " where conversation_id = %s",
        [conversation],
    )
    operator = dashboard(person, PAGE)
    expect(operator.row("Strange")).to_be_visible(timeout=IN_TIME)

    download = exported(operator)

    assert download.suggested_filename.startswith("qualification-")
    assert download.suggested_filename.endswith(".csv")
    assert content(download).startswith(MARK)
    assert not content(download).removeprefix(MARK).startswith(MARK)
    [row] = table(download)
    assert row["conversation_id"] == conversation
    assert row["objective_name"] == "qualification"
    assert (row["link"], row["phone"]) == ("'" + FORMULAS["link"], "'" + FORMULAS["phone"])
    # What is stored was trimmed on its way in.
    assert (row["minus"], row["handle"], row["blanks"]) == ("'-5", "'@SUM(A1:A9)", "'=1+1")
    assert (row["tab"], row["return"], row["below"]) == ("'\t=1", "'\r=1", "'-5")
    assert (row["quote"], row["lines"], row["name"]) == (
        strange["quote"],
        strange["lines"],
        strange["name"],
    )
    assert (json.loads(row["list"]), json.loads(row["nested"])) == (
        strange["list"],
        strange["nested"],
    )
    assert (row["number"], row["yes"]) == ("42", "true")
    assert row["'=1+1"] == "a name that begins so"
    assert not any(value.startswith(("=", "+", "-", "@")) for value in (*row, *row.values()))


def test_the_file_holds_all_that_the_filters_name_not_only_the_page(
    dashboard: Dashboard, db: psycopg.Connection, person: Account
) -> None:
    wanted = create_many(db, person, 20_000, "wanted")
    create_many(db, person, 30, "other")
    operator = dashboard(person, f"{PAGE}?objective=wanted&sort=oldest")
    expect(operator.page.locator("tbody tr")).to_have_count(50, timeout=IN_TIME)

    rows = table(exported(operator))

    assert [row["number"] for row in rows] == [str(number) for number in range(1, 20_001)]
    assert {row["conversation_id"] for row in rows} == {wanted}
    expect(operator.page.get_by_text("20,000 rows exported.")).to_be_visible()
    expect(operator.page.get_by_role("progressbar")).to_have_count(0)


def test_an_export_says_how_far_it_is_and_can_be_given_up(
    dashboard: Dashboard, db: psycopg.Connection, person: Account
) -> None:
    create_many(db, person, 3000, "many")
    operator = dashboard(person, PAGE)
    expect(operator.page.locator("tbody tr")).to_have_count(50, timeout=IN_TIME)
    held = []
    operator.page.route("**/qualification_data?*id=gt.*", lambda route: held.append(route))

    operator.page.get_by_role("button", name="Export CSV").click()
    expect(operator.page.get_by_role("status").filter(has_text="of 3,000")).to_contain_text(
        "1,000 of 3,000", timeout=IN_TIME
    )
    expect(operator.page.get_by_role("button", name="Export CSV")).to_be_disabled()
    operator.page.get_by_role("button", name="Cancel").click()

    expect(operator.page.get_by_role("progressbar")).to_have_count(0)
    expect(operator.page.get_by_role("button", name="Export CSV")).to_be_enabled()
    expect(operator.page.get_by_role("alert")).to_have_count(0)
    operator.page.unroute("**/qualification_data?*id=gt.*")
    assert len(table(exported(operator))) == 3000


def create_many(db: psycopg.Connection, owner: Account, count: int, objective_name: str) -> str:
    """Put completions of one conversation into the table, a second between any two."""
    conversation = create_conversation(db, owner.id)
    db.execute(
        "insert into public.qualification_data"
        " (conversation_id, objective_name, event_type, output_variables, version, received_at)"
        " select %(c)s, %(o)s || ' ' || n, 'conversation.objective.completed',"
        " jsonb_build_object('number', n, 'text', 'what was said of ' || n), 1,"
        " timestamptz '2026-03-01T06:00Z' + n * interval '1 s' from generate_series(1, %(n)s) n",
        {"c": conversation, "o": objective_name, "n": count},
    )
    return conversation


def test_how_it_looks(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    people = (
        ("Ada", "Example Ltd", "engineer"),
        ("Ben", "Sample & Sons", "buyer"),
        ("Zoë", "", "head of operations"),
    )
    for first, company, position in people:
        email = f"{first.lower().replace('ë', 'e')}@example.test"
        told = {
            "first_name": first,
            "last_name": "Example",
            "email": email,
            "position": position,
            "company": company,
            "team_size": "12",
            "wants": "a demo of the integration with their calendar, next week if possible",
        }
        found_out(db, caller, person, f"Onboarding of {first}", **told)
    found_out(
        db, caller, person, "<i>Markup</i>", first_name="<b>bold</b>", budget='=HYPERLINK("x")'
    )
    operator = dashboard(person, PAGE)
    expect(operator.row("<b>bold</b>")).to_be_visible(timeout=IN_TIME)

    look(operator.page, "qualification")
    assert operator.page.locator("main i, main b").count() == 0
