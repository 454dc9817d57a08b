"""Every error that crosses a boundary, as one tree.

    OrchestratorError            code, retryable
    ├── InvalidInputError        invalid
    │   ├── BadFrameError        bad_json | bad_frame | unknown_type
    │   └── TooBigError          too_big
    ├── UnauthenticatedError     unauthenticated
    ├── ForbiddenError           forbidden
    ├── NotFoundError            not_found
    ├── RateLimitedError         rate_limited      (retry_after_ms)
    ├── QuotaExceededError       quota_exceeded    (retry_after_ms)
    ├── BusyError                busy
    ├── IdReusedError            id_reused
    ├── ConflictError            conflict
    ├── DeadlineExceededError    deadline_exceeded
    │   ├── SilentError          deadline_exceeded (dependency: it took the request and said nothing)
    │   └── UnfinishedError      deadline_exceeded (a job got on, and goes on in its next attempt)
    ├── NoCapacityError          no_capacity
    ├── DependencyDownError      dependency_down   (dependency, retry_after_ms)
    │   ├── StoreDownError       dependency_down   (PostgreSQL or Redis)
    │   ├── OverLimitError       dependency_down   (it answers that it is asked too much)
    │   └── BreakerOpenError     dependency_down   (it failed too often lately to be asked now)
    ├── GuardRefusedError        refused_by_guard  (reason)
    ├── NoAnswerError            no_answer
    ├── StoppedError             cancelled         (a stop reached the work)
    └── EngineError              internal          (engine)

`message` on an instance is for logs. What a person reads comes from the
catalogue by `code` and `detail_key`, in the person's language.
"""

from __future__ import annotations

from typing import ClassVar, Literal

ErrorCode = Literal[
    "bad_json",
    "bad_frame",
    "unknown_type",
    "invalid",
    "too_big",
    "unauthenticated",
    "forbidden",
    "not_found",
    "rate_limited",
    "quota_exceeded",
    "busy",
    "id_reused",
    "conflict",
    "deadline_exceeded",
    "no_capacity",
    "dependency_down",
    "refused_by_guard",
    "no_answer",
    "cancelled",
    "internal",
]


class OrchestratorError(Exception):
    """The root: something the client is told in plain words."""

    #: What the client sees, one of the contract's codes.
    code: ClassVar[ErrorCode] = "internal"
    #: Whether the same request may succeed later.
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail_key: str | None = None) -> None:
        super().__init__(message)
        #: A key of the catalogue for a sentence more precise than the code's own.
        self.detail_key = detail_key


class InvalidInputError(OrchestratorError):
    """The request is well-formed but one of its values is not acceptable."""

    code: ClassVar[ErrorCode] = "invalid"

    def __init__(self, message: str, *, field: str | None = None, detail_key: str | None = None) -> None:
        super().__init__(message, detail_key=detail_key)
        #: Dotted path of the field at fault, when there is one.
        self.field = field


class BadFrameError(InvalidInputError):
    """A frame can't be read at all; `frame_code` says in which way."""

    def __init__(self, message: str, *, frame_code: Literal["bad_json", "bad_frame", "unknown_type"]) -> None:
        super().__init__(message)
        #: Overrides `code` for this instance; the class attribute stays "invalid".
        self.frame_code: Literal["bad_json", "bad_frame", "unknown_type"] = frame_code


class TooBigError(InvalidInputError):
    """A frame, text or upload is over its limit."""

    code = "too_big"

    def __init__(self, message: str, *, limit: int, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.limit = limit


class UnauthenticatedError(OrchestratorError):
    """The token or key is missing, wrong, expired or revoked."""

    code = "unauthenticated"


class ForbiddenError(OrchestratorError):
    """The caller is known and may not do this."""

    code = "forbidden"


class NotFoundError(OrchestratorError):
    """It does not exist, or belongs to somebody else: the two answer alike."""

    code = "not_found"


class RateLimitedError(OrchestratorError):
    """Too many frames or calls; `retry_after_ms` says when the next may pass."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class QuotaExceededError(OrchestratorError):
    """A company has all that it may have; `retry_after_ms` is None where waiting makes no room."""

    code = "quota_exceeded"
    retryable = True

    def __init__(
        self, message: str, *, limit: int, retry_after_ms: int | None = None, detail_key: str | None = None
    ) -> None:
        super().__init__(message, detail_key=detail_key)
        self.limit = limit
        self.retry_after_ms = retry_after_ms


class BusyError(OrchestratorError):
    """The conversation already works on a turn and the caller asked not to queue."""

    code = "busy"
    retryable = True


class IdReusedError(OrchestratorError):
    """An idempotency key came again with another body."""

    code = "id_reused"


class ConflictError(OrchestratorError):
    """The row is not in a state that allows this."""

    code = "conflict"


class DeadlineExceededError(OrchestratorError):
    """The turn's deadline passed, or too little of it is left to start a stage."""

    code = "deadline_exceeded"
    retryable = True

    def __init__(self, message: str, *, stage: str | None = None, remaining_ms: int = 0) -> None:
        super().__init__(message)
        self.stage = stage
        self.remaining_ms = remaining_ms


class SilentError(DeadlineExceededError):
    """A dependency took the request and then said nothing for longer than it may, though the turn had time left."""

    def __init__(self, message: str, *, dependency: str, stage: str, remaining_ms: int = 0) -> None:
        super().__init__(message, stage=stage, remaining_ms=remaining_ms)
        self.dependency = dependency
        self.detail_key = "error.dependency_silent"


class UnfinishedError(DeadlineExceededError):
    """A job's time is up and part of its work is done for good: the next attempt goes on, and this one counts for none.

    Only who has got on may raise it, so that a job can't go round for ever.
    """


class NoCapacityError(OrchestratorError):
    """No worker takes the queue, or its waiting line is full."""

    code = "no_capacity"
    retryable = True


class DependencyDownError(OrchestratorError):
    """Something we call does not answer: the warehouse, the model, a store."""

    code = "dependency_down"
    retryable = True

    def __init__(self, message: str, *, dependency: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.dependency = dependency
        #: When to ask again, where somebody knows: the dependency itself, or the breaker before it.
        self.retry_after_ms = retry_after_ms


class StoreDownError(DependencyDownError):
    """PostgreSQL or Redis does not answer."""


class OverLimitError(DependencyDownError):
    """A dependency answers that it is asked too much."""

    def __init__(self, message: str, *, dependency: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message, dependency=dependency, retry_after_ms=retry_after_ms)
        self.detail_key = "error.dependency_busy" if retry_after_ms is None else "error.dependency_busy_until"


class BreakerOpenError(DependencyDownError):
    """A dependency was not asked, because it failed too often just now."""

    def __init__(self, message: str, *, dependency: str, retry_after_ms: int) -> None:
        super().__init__(message, dependency=dependency, retry_after_ms=retry_after_ms)
        self.detail_key = "error.dependency_rests"


class GuardRefusedError(OrchestratorError):
    """The SQL guard would not let a statement run; nothing was executed."""

    code = "refused_by_guard"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        #: For logs and the repair prompt; never holds data values.
        self.reason = reason


class NoAnswerError(OrchestratorError):
    """The question is fine but can't be answered from what is known; `detail_key` and `facts` say what could be."""

    code = "no_answer"

    def __init__(self, message: str, *, detail_key: str, facts: tuple[str, ...] = ()) -> None:
        super().__init__(message, detail_key=detail_key)
        self.facts = facts


class StoppedError(OrchestratorError):
    """A stop reached the running work; `reached` names where (the contract's words)."""

    code = "cancelled"

    def __init__(self, reached: Literal["queued", "gpu", "sql", "llm", "job"]) -> None:
        super().__init__(f"stopped in {reached}")
        self.reached: Literal["queued", "gpu", "sql", "llm", "job"] = reached


class EngineError(OrchestratorError):
    """An engine answered something it must not; trying again may help when `transient`."""

    def __init__(self, message: str, *, engine: str, transient: bool = False) -> None:
        super().__init__(message)
        self.engine = engine
        self.transient = transient
