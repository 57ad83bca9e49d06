"""The English phrases that the rules look for, in small letters."""

from __future__ import annotations

import re


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b")


DAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"

FILLERS = _any(
    "u+m+", "u+h+", "er+m*", "hm+", "dunno", "idk", "i guess", "or something", "and stuff", "blah",
    "kind of like", "sort of like", "you know", "whatever", "like,",
)  # fmt: skip
CONNECTIONS = _any(
    "because", "since", "therefore", "so that", "that's why", "which means", "as a result",
    "first(?:ly)?", "second(?:ly)?", "and then", "finally", "for example", "for instance",
    "in other words", "to sum up", "to summari[sz]e", "to recap", "on the other hand", "however",
    "although", "while", "specifically", "my goal", "what i mean is", "in short", "the reason",
    "let me explain", "before we", "after that",
)  # fmt: skip
ACKNOWLEDGEMENTS = _any(
    "i (?:really |completely |do )?(?:understand|appreciate|respect)", "understood", "i hear you",
    "i can (?:hear|see|tell|imagine)", "i see (?:that|why|how|what)", "(?:that|it) makes sense",
    "that must", "(?:that|it) sounds", "you're (?:absolutely |completely )?right", "you are right",
    "good point", "fair (?:point|enough)", "thank you", "thanks", "i get (?:that|it|why)",
    "in your (?:shoes|place|position)", "if i hear you", "what i'm hearing", "i realize",
)  # fmt: skip
CARE = _any(
    "how are you", "how do you feel", "how does (?:that|this|it) (?:feel|sound|look)",
    "how (?:did|has|is) (?:that|this|it) (?:affect|been|for you)", "are you (?:ok|okay|all right)",
    "(?:i'm|i am|we're|we are) (?:so |really |very )?sorry", "sorry (?:to hear|about|for|that)",
    "(?:i|we) apologi[sz]e", "what (?:do|would) you (?:need|like|prefer|think)", "would help you",
    "what would help", "(?:can|could|may) (?:i|we) help", "let me help",
    "how (?:can|could) (?:i|we) (?:help|support)", "support you", "take your time", "no rush",
    "you(?:'re| are)? (?:feel|felt|feeling|seem|sound|look|worried|frustrated|upset|stressed)",
    "(?:frustrating|stressful|difficult|hard|exhausting|disappointing) for you", "i'm here",
)  # fmt: skip
HOSTILITY = _any(
    "shut up", "stupid", "idiots?", "morons?", "hate (?:you|this)",
    "your (?:own )?(?:fault|problem)",
    "not my (?:problem|fault|job)", "(?:don't|do not|couldn't) care", "who cares", "calm down",
    "get over it", "stop (?:complaining|whining|crying)", "waste of (?:my )?time", "pathetic",
    "leave me alone", "useless", "you people", "screw (?:you|this)", "go to hell", "you're lying",
)  # fmt: skip
CAUSES = _any(
    "because", "the reason", "(?:root )?causes?(?:d by)?", "due to", "that's why", "turns out",
    "the (?:real |main |actual )?(?:problem|issue|challenge|blocker) (?:is|was)", "went wrong",
    "what (?:happened|changed)", "why (?:did|does|do|is|are|was|were)", "depends on",
    "understand (?:why|what|how|where)", "look(?:ed)? into", "find out", "which (?:part|parts|one)",
)  # fmt: skip
OFFERS = _any(
    "what if", "how about", "(?:we|you|i) could", "could (?:we|you)", "let's", "let us", "options?",
    "alternatives?", "alternatively", "instead", "suggest(?:ion|ions)?", "propos(?:e|al)",
    "recommend", "idea", "try", "compromise", "trade-?off", "solutions?", "either",
    "another way", "workaround", "would it (?:help|work)", "would you be (?:open|willing)",
)  # fmt: skip
COMMITMENTS = _any(
    "next steps?", "(?:i|we)'ll", "(?:i|we) will", "(?:i'm|we're|i am|we are) going to",
    rf"(?:by|on|until|before|next) (?:tomorrow|tonight|noon|{DAYS}|week|month|the end)",
    "tomorrow", "this week", "deadline", "follow[- ]up", "(?:our|the|a) plan", "(?:we|i) agree[d]?",
    "action items?", "check in", "report back", "send you", "commit",
)  # fmt: skip
RESIGNATION = _any(
    "nothing (?:i|we|you) can do", "can't do anything", "(?:can't|cannot) help", "no idea",
    "(?:i|just) give up", "impossible", "no point", "pointless", "deal with it", "too bad",
    "figure it out yourself", "not (?:my|our) (?:problem|job|fault)", "won't work",
)  # fmt: skip
# What speaks to whoever scores, rather than to the other side.
TO_THE_SCORER = re.compile(
    r"\b(?:ignore|disregard|forget) (?:all |any |the |your )*(?:previous|prior|above|earlier)\b"
    r"|\b(?:give|award|assign) (?:me|this|us|the user)\b.{0,30}\b(?:100|points?|scores?|marks?)\b"
    r"|\b(?:system prompt|overallscore|communicationscore|empathyscore)\b"
)
QUESTION = re.compile("[?\uff1f\u061f]")
