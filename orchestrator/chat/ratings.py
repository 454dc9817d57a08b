"""What a person may say of an answer."""

from __future__ import annotations

from typing import Final, Literal, get_args

Rating = Literal["up", "down"]
#: Why an answer was no good: each names another thing to mend.
Reason = Literal["wrong_figures", "wrong_source", "misunderstood", "incomplete", "too_slow", "other"]
REASONS: Final[tuple[str, ...]] = get_args(Reason)
COMMENT_LIMIT: Final = 2_000
