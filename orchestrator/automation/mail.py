"""Send mail through any SMTP server; one message a recipient, recognisable when it comes twice."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from orchestrator.errors import DependencyDownError

#: How long a server may say nothing.
SILENCE_S = 20.0
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    #: As `application/pdf`.
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What one recipient gets."""

    to: str
    subject: str
    text: str
    html: str
    #: The same for the same mail, whoever sends it and however often: mail programs show such a one once.
    id: str
    attachments: Sequence[Attachment] = ()


class RefusedError(Exception):
    """The server will never take this mail; the text is its answer."""


class Mailer:
    """One session with the server."""

    def __init__(self, session: smtplib.SMTP, sender: str) -> None:
        self._session = session
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Hand a mail to the server.

        Raises:
            RefusedError: the server refuses this recipient or this content for good.
            DependencyDownError: it does not answer, or says that it may take it later.
        """
        try:
            self._session.send_message(compose(mail, sender=self._sender))
        except smtplib.SMTPRecipientsRefused as exc:
            code, answer = next(iter(exc.recipients.values()))
            self._say(code, answer, exc)
        except smtplib.SMTPResponseException as exc:
            self._say(exc.smtp_code, exc.smtp_error, exc)
        except (OSError, smtplib.SMTPException) as exc:
            raise DependencyDownError(f"SMTP: {type(exc).__name__}", dependency="mail") from exc

    def _say(self, code: int, answer: bytes | str, exc: Exception) -> None:
        words = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        if 500 <= code < 600:
            # The session is still good for the next recipient.
            self._session.rset()
            raise RefusedError(f"{code} {words}") from exc
        raise DependencyDownError(f"SMTP: {code} {words}", dependency="mail") from exc


@contextmanager
def mailer(url: str, *, sender: str) -> Iterator[Mailer]:
    """Give a session with the server at `url`: `smtp://`, `smtp+starttls://` or `smtps://`.

    Raises:
        DependencyDownError: it does not answer, has no trusted certificate or refuses the sign-in.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    trust = ssl.create_default_context()
    try:
        if parts.scheme == "smtps":
            session: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SILENCE_S, context=trust)
        else:
            session = smtplib.SMTP(host, port, timeout=SILENCE_S)
        if parts.scheme == "smtp+starttls":
            session.starttls(context=trust)
        if parts.username:
            session.login(unquote(parts.username), unquote(parts.password or ""))
    except (OSError, smtplib.SMTPException) as exc:
        # Only the kind: a server's answer to a sign-in may repeat what was sent.
        raise DependencyDownError(f"SMTP: {type(exc).__name__}", dependency="mail") from exc
    try:
        yield Mailer(session, sender)
    finally:
        try:
            session.quit()
        except (OSError, smtplib.SMTPException):
            session.close()


def compose(mail: Mail, *, sender: str) -> EmailMessage:
    """Return the message: text, HTML beside it, attachments."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
    message["Date"], message["Message-ID"] = formatdate(), f"<{mail.id}>"
    # So that an out-of-office answer does not come back to us.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        main, _, sub = attachment.mime.partition("/")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name)
    return message
