"""The page of one conversation: its course in one order of time, as it happens."""

from __future__ import annotations

import re

import psycopg
from playwright.sync_api import expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import objective, tool_call, transcript, utterance
from tests.e2e.dashboard.browsing import PHONE, SCREENSHOTS, Operator, look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.course import entries, path
from tests.e2e.dashboard.talks import (
    PROMPT,
    SAID,
    VIDEO,
    ended,
    perception,
    whole_talk,
)
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import IN_TIME
from tests.web.caller import Caller

MARKUP = '<img src=x onerror="window.isBroken=1"><script>window.isBroken=1</script>'


def titles(operator: Operator) -> list[str]:
    return [text.split("\n")[0] for text in entries(operator).locator(".title").all_inner_texts()]


def test_a_whole_talk_reads_in_the_order_in_which_it_happened(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = whole_talk(db, caller, person.id)

    operator = dashboard(person, path(conversation))
    expect(entries(operator, "seen")).to_be_visible(timeout=IN_TIME)

    expect(operator.title).to_have_text("Product demo")
    expect(entries(operator, "said").locator(".words")).to_have_text([text for _, text in SAID])
    kinds = entries(operator).evaluate_all("all => all.map((entry) => entry.dataset.kind)")
    course = [kind for kind in kinds if kind not in ("said", "status", "feedback")]
    # The row of the conversation was made today, long after the talk.
    assert course == ["shown", "shown", "tool", "objective", "seen"]
    assert kinds.index("said") < kinds.index("shown")
    assert [title for title in titles(operator) if "joined" in title] == ["The agent joined"]
    shown = entries(operator, "shown")
    expect(shown.nth(0)).to_contain_text(f"Video: {VIDEO}")
    expect(shown.nth(1).get_by_role("link")).to_have_attribute("href", "https://example.test/trial")
    expect(entries(operator, "tool")).to_contain_text("Failed")
    expect(entries(operator, "tool")).to_contain_text("Guests: 4")
    expect(entries(operator, "objective")).to_contain_text("Example Ltd")
    expect(entries(operator, "feedback")).to_contain_text("of 100")
    expect(entries(operator, "feedback").locator("li").first).to_be_attached()


def test_a_line_that_the_feedback_cites_is_a_click_away(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = whole_talk(db, caller, person.id)
    operator = dashboard(person, path(conversation) + "?kind=objective")
    feedback = operator.page.locator(".about .feedback")
    expect(feedback).to_contain_text("Communication", timeout=IN_TIME)
    expect(feedback).to_contain_text("Strengths")
    expect(feedback).to_contain_text("scored by rules")

    cited = feedback.locator("button.cite").first
    number = int(re.findall(r"\d+", cited.get_attribute("title") or "")[0])
    quote = cited.inner_text().strip('“”" ')
    cited.click()

    expect(operator.page.locator(":focus")).to_have_attribute("data-line", str(number))
    expect(operator.page.locator(":focus .words")).to_contain_text(quote[:20])


def test_the_side_tells_the_facts_and_the_raw_payloads_without_the_prompt(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = whole_talk(db, caller, person.id)
    answers: list[str] = []
    operator = dashboard(None, path(conversation))
    operator.page.on(
        "response", lambda told: answers.append(told.text() if "/rest/v1/" in told.url else "")
    )
    operator.sign_in(person)
    about = operator.page.locator(".about")
    expect(about).to_contain_text("Ada smiled often", timeout=IN_TIME)

    expect(about).to_contain_text("3:00 min")
    expect(about).to_contain_text("Participant left")
    expect(about).to_contain_text("ada@example.test")
    recording = about.get_by_role("link", name="Open the recording")
    expect(recording).to_have_attribute("href", "https://recordings.example.test/1.mp4")
    operator.page.get_by_text("Raw metadata").click()
    expect(about.locator("pre")).to_contain_text("application.transcription_ready")
    for link, address in (("Its events", "conversation_id="), ("Live page", "/live/")):
        expect(operator.page.get_by_role("link", name=link)).to_have_attribute(
            "href", re.compile(re.escape(address) + ".*" + conversation)
        )
    assert PROMPT not in operator.page.content()
    assert any(SAID[0][1] in answer for answer in answers)
    assert not any(PROMPT in answer for answer in answers + operator.frames)


def test_kinds_and_order_live_in_the_address(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = whole_talk(db, caller, person.id)
    operator = dashboard(person, path(conversation))
    expect(entries(operator, "seen")).to_be_visible(timeout=IN_TIME)
    kinds = operator.page.get_by_role("group", name="Kinds")

    kinds.get_by_role("button", name="Messages").click()
    expect(entries(operator)).to_have_count(len(SAID))
    kinds.get_by_role("button", name="Objectives").click()
    expect(entries(operator)).to_have_count(len(SAID) + 1)
    operator.page.get_by_role("button", name="Newest first").click()
    operator.page.reload()

    expect(entries(operator)).to_have_count(len(SAID) + 1, timeout=IN_TIME)
    expect(entries(operator).first).to_contain_text(SAID[-1][1])
    operator.page.go_back()
    operator.page.go_back()
    expect(entries(operator)).to_have_count(len(SAID), timeout=IN_TIME)
    kinds.get_by_role("button", name=re.compile("^All")).click()
    expect(entries(operator, "tool")).to_have_count(1)


def test_a_stranger_is_told_that_there_is_none_and_gets_nothing(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account, owner: Account
) -> None:
    conversation = whole_talk(db, caller, owner.id, "Not yours")
    found = db.execute(
        "select id::text from public.conversations where conversation_id = %s", [conversation]
    ).fetchone()
    assert found is not None
    for address in (conversation, found[0], "no-such-conversation", 'x",id.not.is.null'):
        operator = dashboard(person, path(address.replace('"', "%22")))

        expect(operator.page.get_by_text("Conversation not found")).to_be_visible(timeout=IN_TIME)
        operator.wait_until("Live")
        caller.send(utterance(conversation, "Still secret"))
        page = operator.page.content() + "".join(operator.frames)
        assert not any(word in page for word in ("Not yours", "Still secret", SAID[0][1], VIDEO))


def test_markup_is_text_wherever_it_stands(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = create_conversation(db, person.id, MARKUP)
    caller.send(utterance(conversation, MARKUP))
    caller.send(tool_call(conversation, MARKUP, **{MARKUP: MARKUP}))
    caller.send(tool_call(conversation, "display_cta", text=MARKUP, url="javascript:alert(1)"))
    caller.send(objective(conversation, **{MARKUP: MARKUP}))
    caller.send(perception(conversation, MARKUP))
    caller.send(transcript(conversation, ("user", MARKUP), ("assistant", MARKUP)))
    caller.send(
        {**ended(conversation), "recording_url": "javascript:alert(1)", "end_reason": MARKUP}
    )
    db.execute(
        "update public.feedback_sessions set analysis = jsonb_build_object('strengths',"
        " jsonb_build_array(%s::text), 'notes', jsonb_build_array(%s::text), 'metricDetails',"
        " jsonb_build_array(jsonb_build_object('name', %s::text, 'score', 5))), analyzer = %s",
        [MARKUP] * 4,
    )

    operator = dashboard(person, path(conversation))
    expect(entries(operator, "seen")).to_contain_text("<img", timeout=IN_TIME)
    for details in operator.page.locator("summary").all():
        details.click()

    expect(operator.page.locator("pre").first).to_be_visible()
    assert operator.page.locator("#page img, #page script").count() == 0
    assert operator.page.locator("#page a[href^='javascript']").count() == 0
    assert operator.page.evaluate("window.isBroken") is None


def test_how_it_looks(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = whole_talk(db, caller, person.id, "Product demo for Example Ltd")
    operator = dashboard(person, path(conversation))
    expect(entries(operator, "seen")).to_be_visible(timeout=IN_TIME)
    expect(operator.page.locator(".about .feedback")).to_be_visible()

    look(operator.page, "conversation")


def test_how_it_looks_where_nothing_is(dashboard: Dashboard, person: Account) -> None:
    operator = dashboard(person, path("c0ffee"))
    expect(operator.page.get_by_text("Conversation not found")).to_be_visible(timeout=IN_TIME)

    look(operator.page, "conversation-missing")


def test_on_a_phone_the_course_comes_first_and_cards_open_when_asked(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = whole_talk(db, caller, person.id)
    operator = dashboard(person, path(conversation), viewport=PHONE)
    expect(entries(operator, "seen")).to_be_attached(timeout=IN_TIME)
    feedback = operator.page.locator(".about details").filter(has_text="Feedback")
    expect(feedback.get_by_text("Communication")).to_be_hidden()
    operator.page.screenshot(path=SCREENSHOTS / "conversation-on-phone.png")

    feedback.locator("summary").press("Enter")

    expect(feedback.get_by_text("Communication")).to_be_visible()
    assert operator.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
