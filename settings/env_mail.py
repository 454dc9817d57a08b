"""Who carries mail, and what stands in it."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from settings.fields import env


class MailSettings(BaseSettings):
    """The part of the environment about mail."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        validation_alias=env("SWITCHYARD_SMTP_URL", "smtp_url"),
        description="The mail server: `smtp+starttls://user:password@host:587`, `smtps://…` (TLS from the start) or"
        " `smtp://…` (in clear). Unset: no report is mailed.",
    )
    mail_from: str = Field(
        "Switchyard <switchyard@localhost>",
        validation_alias=env("SWITCHYARD_MAIL_FROM"),
        description="Whom mail is from.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        validation_alias=env("SWITCHYARD_PUBLIC_URL"),
        description="Where people reach the page; links in mail begin with it.",
    )

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if text and not (urlsplit(text).scheme in ("smtp", "smtps", "smtp+starttls") and urlsplit(text).hostname):
            raise ValueError("must be smtp://, smtps:// or smtp+starttls:// and a host")
        return value
