"""Where the MQTT broker is, who we are there, and what it means when it says no."""

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from leasehold.errors import ConfigError
from leasehold.secret import Secret

UNSUPPORTED_VERSION = 132
"""Reason codes of MQTT 5, section 2.4; paho translates those of 3.1.1."""
_UNSPECIFIED, _BAD_LOGIN, _NOT_AUTHORIZED, _TAKEN_OVER = 128, 134, 135, 142
_NOISE = re.compile(r"^(\[[^]]*\] ?)+| \(_ssl\.c:\d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a broker is and who we are there."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: Secret | None
    client_id: str

    @classmethod
    def at(cls, url: str, password: Secret | None, client_id: str) -> "Broker":
        """The broker at `mqtt://[user@]host[:port]`, or `mqtts://` for TLS. Raises ConfigError."""
        parts = urlsplit(url)
        tls = parts.scheme == "mqtts"
        try:
            host, port = parts.hostname or "", parts.port
            host.encode("idna")
            if port == 0:
                raise ValueError("no broker listens there")
        except ValueError as error:
            raise ConfigError(
                "mqtt: found no usable host and port; allowed is the name or the address of a host,"
                " and a port from 1 to 65535"
            ) from error
        user = unquote(parts.username) if parts.username else None
        if password is not None and user is None:
            raise ConfigError(
                "mqtt: found a password but no user; write mqtt://USER@HOST, or leave out"
                " mqtt_password_file"
            )
        return cls(
            host=host,
            port=port or (8883 if tls else 1883),
            tls=tls,
            user=user,
            password=password,
            client_id=client_id,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def not_connected(self, error: aiomqtt.MqttError) -> str:
        """There was no answer, no broker that proved to be this one, or it did not let us in."""
        if not isinstance(error, MqttConnectError):
            return f"the broker at {self} cannot be reached ({_NOISE.sub('', str(error))})"
        reason = reason_of(error)
        if reason is None or reason.value not in (_BAD_LOGIN, _NOT_AUTHORIZED):
            return f"the broker at {self} refused the connection ({reason})"
        who = "anybody without a name" if self.user is None else f"user {self.user}"
        return (
            f"the broker at {self} does not let {who} in ({reason});"
            " check the user in mqtt, and mqtt_password_file"
        )

    def refused(self, topic: str, reason: ReasonCode) -> str:
        """The broker did not take a message."""
        return f"the broker at {self} refused {topic} ({reason}); let our user publish there"

    def silent(self, waited_s: float) -> str:
        """The broker does not answer any more."""
        return f"the broker at {self} has not answered for {waited_s:g} s"

    def lost(self, error: aiomqtt.MqttError) -> str:
        """The connection ended, with or without a reason."""
        reason = reason_of(error.__cause__)
        if reason is None or reason.value == _UNSPECIFIED:  # paho's word for a bare end of it
            return f"the connection to the broker at {self} was lost"
        if reason.value == _TAKEN_OVER:
            return (
                f"another client took over the id {self.client_id} at {self};"
                " give each deployment a name of its own"
            )
        return f"the broker at {self} ended the connection ({reason})"


def reason_of(error: BaseException | None) -> ReasonCode | None:
    """The reason code of MQTT that an error carries, if it does."""
    rc = error.rc if isinstance(error, aiomqtt.MqttCodeError) else None
    return rc if isinstance(rc, ReasonCode) else None
