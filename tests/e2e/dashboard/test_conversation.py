"""The page of one conversation: its course in one order of time, as it happens."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg
from playwright.sync_api import Locator, expect

from tests.e2e.accounts import Account
from tests.e2e.callbacks import objective, tool_call, transcript, utterance
from tests.e2e.dashboard.browsing import Operator, look
from tests.e2e.dashboard.conftest import Dashboard
from tests.e2e.dashboard.talks import PROMPT, SAID, VIDEO, ended, perception, whole_talk
from tests.e2e.rows import create_conversation
from tests.e2e.visitor import IN_TIME
from tests.web.caller import Caller, joined

MARKUP = '<img src=x onerror="window.isBroken=1"><script>window.isBroken=1</script>'


def path(conversation: str) -> str:
    return f"/dashboard/conversations/{conversation}"


def entries(operator: Operator, kind: str | None = None) -> Locator:
    """Return the entries of the timeline, or those of a kind."""
    return operator.page.locator(".entry" if kind is None else f".entry[data-kind='{kind}']")


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


def test_it_goes_on_as_it_happens(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = create_conversation(db, person.id, "Going on")
    operator = dashboard(person, path(conversation)).wait_until("Live")
    operator.page.evaluate("window.isStillThisPage = true")

    caller.send(joined(conversation))
    expect(operator.page.locator(".head .badge")).to_have_text("Active", timeout=IN_TIME)
    caller.send(utterance(conversation, "Said just now"))
    expect(entries(operator, "said")).to_contain_text("Said just now", timeout=IN_TIME)
    caller.send(tool_call(conversation, "book_table", guests="4"))
    expect(entries(operator, "tool")).to_contain_text("Book table", timeout=IN_TIME)
    caller.send(objective(conversation, first_name="Ada"))
    expect(operator.page.locator(".about")).to_contain_text("Ada", timeout=IN_TIME)
    caller.send(perception(conversation, "Nobody was seen."))
    caller.send(transcript(conversation, *SAID))
    caller.send(ended(conversation))

    expect(entries(operator, "said")).to_have_count(len(SAID), timeout=IN_TIME)
    expect(entries(operator, "feedback")).to_contain_text("of 100", timeout=IN_TIME)
    expect(operator.page.locator(".head .badge")).to_have_text("Completed", timeout=IN_TIME)
    expect(operator.page.locator(".about")).to_contain_text("Nobody was seen.", timeout=IN_TIME)
    assert operator.page.evaluate("window.isStillThisPage")


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


def test_our_id_opens_the_same_page_also_before_the_sender_has_named_it(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    row = db.execute(
        "insert into public.conversations (user_id, conversation_name, status)"
        " values (%s, 'Just made', 'starting') returning id::text",
        [person.id],
    ).fetchone()
    assert row is not None
    operator = dashboard(person, path(row[0]))
    expect(operator.title).to_have_text("Just made", timeout=IN_TIME)
    operator.wait_until("Live")

    db.execute(
        "update public.conversations set conversation_id = %s where id = %s", ["c" + row[0], row[0]]
    )
    caller.send(utterance("c" + row[0], "It has a name now"))

    expect(entries(operator, "said")).to_contain_text("It has a name now", timeout=IN_TIME)


def test_what_waits_for_a_conversation_is_found_by_an_admin(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, admin: Account, person: Account
) -> None:
    unknown = "cunknown" + admin.id[:8]
    caller.send(utterance(unknown, "Is anybody there?"))
    operator = dashboard(admin, path(unknown))
    expect(entries(operator, "said")).to_contain_text("Is anybody there?", timeout=IN_TIME)
    expect(operator.page.locator(".notice")).to_contain_text("is known here yet")
    waiting = operator.page.get_by_role("link", name="Events that wait")
    expect(waiting).to_have_attribute("href", re.compile(f"unmatched.*{unknown}"))

    db.execute(
        "insert into public.conversations (conversation_id, user_id, conversation_name)"
        " values (%s, %s, 'Known at last')",
        [unknown, person.id],
    )

    expect(operator.title).to_have_text("Known at last", timeout=IN_TIME)
    expect(operator.page.locator(".notice")).to_have_count(0)


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


def test_deliveries_of_it_are_part_of_its_course(
    dashboard: Dashboard, db: psycopg.Connection, person: Account
) -> None:
    conversation = create_conversation(db, person.id, "Told to others")
    operator = dashboard(person, path(conversation)).wait_until("Live")
    delivery = db.execute(
        "with endpoint as (insert into public.webhook_endpoints (user_id, url)"
        "  values (%(person)s, 'https://receiver.example.test') returning id),"
        " event as (insert into private.outgoing_events (key, event_type, user_id, payload)"
        "  values (gen_random_uuid()::text, 'conversation.completed', %(person)s, '{}') returning id)"
        " insert into public.webhook_deliveries (endpoint_id, user_id, event_id, webhook_id, event_type, conversation_id)"
        " select endpoint.id, %(person)s, event.id, 'msg_1', 'conversation.completed',"
        "  (select id from public.conversations where conversation_id = %(conversation)s)"
        " from endpoint, event returning id::text",
        {"person": person.id, "conversation": conversation},
    ).fetchone()
    assert delivery is not None

    entry = entries(operator, "delivery")
    expect(entry).to_contain_text("Waiting", timeout=IN_TIME)
    expect(entry.get_by_role("link")).to_have_attribute(
        "href", f"/dashboard/deliveries/{delivery[0]}"
    )
    db.execute(
        "update public.webhook_deliveries set state = 'failed', attempts = 3, last_status = 500 where id = %s",
        [delivery[0]],
    )
    expect(entry).to_contain_text("HTTP 500 · 3 attempts", timeout=IN_TIME)


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


def test_a_call_of_three_thousand_lines_is_all_there_and_goes_on_smoothly(
    dashboard: Dashboard, db: psycopg.Connection, caller: Caller, person: Account
) -> None:
    conversation = create_conversation(db, person.id, "A very long call")
    tell_at_length(db, conversation, 3000)
    operator = dashboard(person, path(conversation))
    expect(entries(operator, "said")).to_have_count(3000, timeout=IN_TIME)
    operator.wait_until("Live")

    expect(entries(operator, "said").first).to_contain_text("Line 1 of")
    expect(entries(operator, "said").last).to_contain_text("Line 3000 of")
    expect(entries(operator, "tool")).to_have_count(300)
    operator.page.evaluate(
        "new PerformanceObserver((list) => (window.pauses ??= []).push(...list.getEntries()"
        ".map((entry) => entry.duration))).observe({type: 'longtask'})"
    )
    caller.send({**utterance(conversation, "And one more"), "seq": 9000})

    expect(entries(operator, "said").last).to_contain_text("And one more", timeout=IN_TIME)
    expect(entries(operator, "said")).to_have_count(3001)
    operator.page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    operator.page.get_by_role("button", name="Newest first").click()
    expect(entries(operator, "said").first).to_contain_text("And one more")
    pauses = operator.page.evaluate("window.pauses ?? []")
    print("longest pauses:", sorted(pauses)[-5:])
    assert max(pauses, default=0) < 1000


def tell_at_length(db: psycopg.Connection, conversation: str, lines: int) -> None:
    """Put a long call into the tables, with a tool for every tenth line."""
    db.execute(
        "insert into public.conversation_messages (conversation_id, message_id, role, content, origin, seq, timestamp)"
        " select %(c)s, 'm' || n, case n %% 2 when 1 then 'user' else 'assistant' end,"
        " 'Line ' || n || ' of a long call, in which much is said at some length.', 'live', n,"
        " timestamptz '2026-03-01T06:00Z' + n * interval '2 seconds' from generate_series(1, %(n)s) n",
        {"c": conversation, "n": lines},
    )
    db.execute(
        "insert into public.processed_webhook_events (source, conversation_id, event_type, event_data)"
        " select 'tavus', %(c)s, 'conversation.utterance', jsonb_build_object('properties',"
        " jsonb_build_object('role', 'user', 'speech', 'Line ' || n)) from generate_series(1, %(n)s) n",
        {"c": conversation, "n": lines},
    )
    db.execute(
        "insert into public.tool_calls (conversation_id, tool_call_id, name, arguments, success, called_at)"
        " select %(c)s, 't' || n, 'look_up', '{\"item\": 5}', true,"
        " timestamptz '2026-03-01T06:00Z' + n * interval '20 seconds' from generate_series(1, %(n)s) n",
        {"c": conversation, "n": lines // 10},
    )


def test_what_came_while_the_connection_was_lost_is_caught_up(
    dashboard: Dashboard,
    db: psycopg.Connection,
    caller: Caller,
    person: Account,
    turn_realtime: Callable[..., None],
) -> None:
    conversation = create_conversation(db, person.id, "Through a tunnel")
    operator = dashboard(person, path(conversation)).wait_until("Live")
    operator.expect_problem("WebSocket")

    turn_realtime(drop=True, system_delay_ms=1500)
    operator.wait_until("Reconnecting")
    caller.send(utterance(conversation, "Said meanwhile"))

    expect(entries(operator, "said")).to_contain_text("Said meanwhile", timeout=2 * IN_TIME)
    operator.wait_until("Live")
    expect(entries(operator, "said")).to_have_count(1)


def test_a_failure_at_the_beginning_is_told_and_can_be_tried_again(
    dashboard: Dashboard, db: psycopg.Connection, person: Account
) -> None:
    conversation = create_conversation(db, person.id, "There after all")
    operator = dashboard(None, path(conversation))
    operator.expect_problem("503")
    operator.page.route("**/rest/v1/conversations*", lambda route: route.fulfill(status=503, json={"message": "away"}))
    operator.sign_in(person)
    expect(operator.page.get_by_role("alert")).to_contain_text("away", timeout=IN_TIME)

    operator.page.unroute("**/rest/v1/conversations*")
    operator.page.get_by_role("button", name="Try again").click()

    expect(operator.title).to_have_text("There after all", timeout=IN_TIME)
    expect(operator.page.get_by_role("alert")).to_have_count(0)
