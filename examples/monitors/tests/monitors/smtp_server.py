"""An SMTP server that says on its standard output where it listens and what it takes in, one JSON value a line.

Arguments: plain, tls or starttls; a certificate and its key; USER:PASSWORD, or nothing for no account.
It does not know `nobody`, has no time for `busy` the first time, and answers `slow` with a byte now and then.
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

MODE, CERTIFICATE, KEY, ACCOUNT = sys.argv[1:]


def say(value):
    print(json.dumps(value), flush=True)


class Handler:
    def __init__(self):
        self.was_busy = False

    async def handle_RCPT(self, server, session, envelope, address, options):
        user = address.split("@")[0]
        if user == "nobody":
            return "550 there is no such user"
        if user == "busy" and not self.was_busy:
            self.was_busy = True
            return "451 come again later"
        while user == "slow":
            server.transport.write(b"2")
            await asyncio.sleep(0.05)
            if server.transport.is_closing():
                break
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in message.items()],
            "body": message.get_content().replace("\r\n", "\n"),
            "defects": [repr(defect) for defect in message.defects],
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "authenticated": bool(session.authenticated),
        })
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    given = f"{data.login.decode()}:{data.password.decode()}"
    return AuthResult(success=given == ACCOUNT, handled=False)


async def main():
    context = None
    if MODE != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
    handler = Handler()

    def protocol():
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=context if MODE == "starttls" else None,
            require_starttls=MODE == "starttls",
            authenticator=authenticate if ACCOUNT else None,
            auth_required=bool(ACCOUNT),
            auth_require_tls=MODE == "starttls",
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if MODE == "tls" else None
    )
    say(server.sockets[0].getsockname()[1])
    # Whoever started it holds its standard input.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
