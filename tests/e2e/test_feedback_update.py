"""Feedback that a language model wrote later appears on the live page without a reload."""

from __future__ import annotations

import psycopg
from playwright.sync_api import expect

from services.chores.analysis import Analysis
from services.database import Database
from services.feedback import Analyzer
from services.local.stack import LocalStack
from services.settings import load_settings
from tests.database.test_analyzer import Judge
from tests.e2e.callbacks import transcript
from tests.e2e.visitor import IN_TIME, Visitor
from tests.web.caller import Caller


def test_the_models_score_takes_the_place_of_the_rules(
    live_page: Visitor, caller: Caller, conversation: str, stack: LocalStack, db: psycopg.Connection
) -> None:
    db.execute("delete from private.feedback_analyses")
    database = Database(load_settings(stack.env()))
    judge: Analyzer = Judge(91)
    shown = live_page.page.locator("#feedback")

    caller.send(transcript(conversation, ("user", "Could we try it?"), ("assistant", "Of course.")))
    expect(shown).to_contain_text("of 100", timeout=IN_TIME)
    expect(shown).not_to_contain_text("91 of 100")
    Analysis(database=database, analyzer=judge, lease=60).analyze()

    expect(shown).to_contain_text("91 of 100", timeout=IN_TIME)
    database.close()
