"""A real SMTP server for tests: it keeps what it is sent, and fails wherever it is told to."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, AnyStr, Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port

Stage = Literal["banner", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "content", "dot", "QUIT"]
"""Where to fail: "content" is after 354 and before the final dot, "dot" is after it."""

DROP = "drop"
HANG = "hang"
_HANG_SECONDS = 5.0


@dataclass(frozen=True)
class Received:
    """One message that the sink took responsibility for, or would have."""

    sender: str
    recipients: list[str]
    content: bytes


@dataclass
class _Fault:
    reply: str
    times: int | None

    def strike(self) -> str | None:
        """The reply, as often as it is meant to be given."""
        if self.times is None:
            return self.reply
        self.times -= 1
        return self.reply if self.times >= 0 else None


class SmtpSink:
    """``with SmtpSink() as sink``: listens on `sink.port` of 127.0.0.1, keeps `sink.received`."""

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        weather: Callable[[Stage], str | None] | None = None,
    ) -> None:
        """Args: weather: Asked at each stage for a fault, beside those set by `fail`."""
        self._weather = weather or (lambda _stage: None)
        self.port = free_port()
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.sessions = 0
        self.login = login
        self._armed = False  # the Controller knocks once: that uses up no fault
        self._faults: dict[Stage, _Fault] = {}
        self._controller = _Controller(self, tls=tls, starttls=starttls)

    def fail(self, stage: Stage, reply: str, *, times: int | None = None) -> Self:
        """Answer `reply` at a stage, or `DROP` the line there, or `HANG`; for ever or `times`."""
        self._faults[stage] = _Fault(reply, times)
        return self

    def fault_at(self, stage: Stage) -> str | None:
        """What to fail with now."""
        if not self._armed:
            return None
        fault = self._faults.get(stage)
        return fault.strike() if fault else self._weather(stage)

    def __enter__(self) -> Self:
        self._controller.start()
        self.sessions, self._armed = 0, True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()


class _Controller(Controller):
    def __init__(
        self, sink: SmtpSink, *, tls: ssl.SSLContext | None, starttls: ssl.SSLContext | None
    ) -> None:
        self._sink, self._starttls = sink, starttls
        super().__init__(_Handler(sink), "127.0.0.1", sink.port, ssl_context=tls)

    def factory(self) -> SMTP:
        login = self._sink.login
        return _Server(
            _Handler(self._sink),
            sink=self._sink,
            hostname="sink.example",
            tls_context=self._starttls,
            authenticator=_authenticator(self._sink) if login else None,
            auth_require_tls=False,
        )


class _Server(SMTP):
    """aiosmtpd's protocol, with faults where its hooks do not reach."""

    def __init__(self, *args: Any, sink: SmtpSink, **kwargs: Any) -> None:
        self._sink = sink
        self._greeted = False
        super().__init__(*args, **kwargs)

    async def push(self, status: AnyStr) -> None:
        """Every reply goes out here, the banner first."""
        if self._greeted:
            await super().push(status)
            return
        self._greeted = True
        self._sink.sessions += 1
        await super().push(await self.fault("banner") or str(status))

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if reply := await self.fault("DATA"):
            await self.push(reply)
        elif self._sink.fault_at("content"):
            await self.push("354 go ahead, but not for long")
            self.drop()
        else:
            await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        self._sink.commands.append("QUIT")
        if reply := await self.fault("QUIT"):
            await self.push(reply)
        else:
            await super().smtp_QUIT(arg)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        self._sink.commands.append("RSET")
        await super().smtp_RSET(arg)

    async def fault(self, stage: Stage) -> str | None:
        """Strike: the reply to give instead, once the line is dropped or kept waiting."""
        reply = self._sink.fault_at(stage)
        if reply == HANG:
            await asyncio.sleep(_HANG_SECONDS)
        if reply in (DROP, HANG):
            self.drop()
            raise ConnectionResetError
        return reply

    def drop(self) -> None:
        """Cut the line without a word."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()


class _Handler:
    """aiosmtpd's hooks: one per stage."""

    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink

    async def handle_EHLO(  # noqa: N802
        self,
        server: _Server,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        self._sink.commands.append(f"EHLO {hostname}")
        session.host_name = hostname
        reply = await server.fault("EHLO")
        return [reply] if reply else responses

    async def handle_MAIL(  # noqa: N802
        self,
        server: _Server,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if reply := await server.fault("MAIL"):
            return reply
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: _Server,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if reply := await server.fault("RCPT"):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: _Server, _session: Session, envelope: Envelope
    ) -> str:
        reply = self._sink.fault_at("dot")
        if reply is None or reply in (DROP, HANG):
            self._keep(envelope)
        if reply == HANG:
            await asyncio.sleep(_HANG_SECONDS)
        if reply in (DROP, HANG):
            server.drop()
            raise ConnectionResetError
        return reply or "250 OK"

    def _keep(self, envelope: Envelope) -> None:
        sender, recipients = str(envelope.mail_from), list(envelope.rcpt_tos)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self._sink.received.append(Received(sender, recipients, content))


def _authenticator(sink: SmtpSink) -> Any:
    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        if reply := sink.fault_at("AUTH"):
            return AuthResult(success=False, handled=False, message=reply)
        known = sink.login and tuple(part.encode() for part in sink.login)
        given = isinstance(data, LoginPassword) and (data.login, data.password)
        return AuthResult(success=given == known, handled=False)

    return authenticate
