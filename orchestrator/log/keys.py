"""Names of the log's Redis keys and channels, made in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one deployment's prefix; `{conversation}` is the cluster hash tag."""

    prefix: str

    def stream(self, conversation: str) -> str:
        """Return the stream that holds the frames."""
        return f"{self.prefix}:log:{{{conversation}}}:s"

    def meta(self, conversation: str) -> str:
        """Return the hash that holds epoch, top and the server's run id."""
        return f"{self.prefix}:log:{{{conversation}}}:m"

    def turn_stem(self, conversation: str) -> str:
        """Return what the script completes to `<stem><epoch>:<turn>` for a turn's state and text."""
        return f"{self.prefix}:log:{{{conversation}}}:t:"

    def group(self, conversation: str) -> str:
        """Return the Channels group of a conversation."""
        return f"conv.{conversation}"

    def channel(self, conversation: str) -> str:
        """Return the Redis channel of that group in `RedisPubSubChannelLayer`'s own format."""
        return f"{self.prefix}__group__{self.group(conversation)}"

    def wake(self) -> str:
        """Return the channel that wakes the dispatcher."""
        return f"{self.prefix}:wake"

    def cancel(self) -> str:
        """Return the channel on which cancel signals reach the workers; the body is the turn's or job's id."""
        return f"{self.prefix}:cancel"

    def incarnation(self) -> str:
        """Return the random key that tells when the broker forgot everything."""
        return f"{self.prefix}:broker:incarnation"

    def breaker(self, name: str) -> str:
        """Return the hash that holds a shared breaker's record; all breakers share a hash tag with their index."""
        return f"{self.prefix}:{{breakers}}:{name}"

    def breakers(self) -> str:
        """Return the sorted set of all shared breakers, by their last change."""
        return f"{self.prefix}:{{breakers}}"
