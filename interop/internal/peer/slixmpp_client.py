"""A slixmpp client that a test drives.

Prints one JSON object a line for everything that happens, and takes commands as
JSON lines on standard input; a command is answered by {"event": "done"} with
its id. Ends when standard input does.
"""
import argparse
import asyncio
import json
import ssl
import sys

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

TIMEOUT = 25


def emit(event, **fields):
    print(json.dumps(dict(fields, event=event)), flush=True)


def error_fields(stanza):
    error = stanza["error"]
    return {
        "condition": error["condition"],
        "type": error["type"],
        "text": error["text"],
        "from": str(stanza["from"]),
        "id": stanza["id"],
    }


class Client(slixmpp.ClientXMPP):
    def __init__(self, args):
        super().__init__(args.jid, args.password, sasl_mech=args.mechanism)
        self.use_ipv6 = False
        # Where it goes although it is told the port, because the name resolves.
        self.default_port = args.port
        self.ca_certs = args.ca
        self.certfile = args.certfile
        self.keyfile = args.keyfile
        if args.tls12:
            self.ssl_context.maximum_version = ssl.TLSVersion.TLSv1_2
        if args.nobinding:
            self["feature_mechanisms"].sasl_callback = self.without_binding
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        if args.register:
            self.register_plugin("xep_0077")
            self.plugin["xep_0077"].force_registration = True
            # slixmpp 1.8.3 keeps every IQ but bind and session back until there
            # is a session, its own registration included, and so hangs.
            self._always_send_everything = True
            self.add_event_handler("register", self.on_register)
        for name, handler in {
            "connected": self.on_connected,
            "tls_success": self.on_tls,
            "connection_failed": lambda e: emit("connection_failed", text=str(e)),
            "ssl_invalid_chain": self.on_invalid_chain,
            "auth_success": self.on_auth,
            "failed_auth": self.on_failed_auth,
            "failed_all_auth": lambda _: emit("failed_all_auth"),
            "session_start": self.on_session,
            "message": self.on_message,
            "message_error": lambda m: emit("message_error", **error_fields(m)),
            "stream_error": lambda e: emit("stream_error", condition=e["condition"], text=e["text"]),
            "disconnected": lambda e: emit("disconnected", text=str(e or "")),
        }.items():
            self.add_event_handler(name, handler)

    def without_binding(self, required, optional):
        values = self["feature_mechanisms"]._default_credentials(required, optional)
        values.pop("channel_binding", None)
        return values

    def emit_tls(self):
        tls = self.transport.get_extra_info("ssl_object")
        emit("tls", version=tls.version(), text=tls.cipher()[0])

    def on_connected(self, _):
        emit("connected")
        # With direct TLS the transport is set after the event.
        if self.use_ssl:
            self.loop.call_soon(self.emit_tls)

    def on_tls(self, _):
        self.loop.call_soon(self.emit_tls)

    def on_invalid_chain(self, error):
        emit("invalid_certificate", text=str(error))
        self.disconnect()

    def mechanism(self):
        mech = self["feature_mechanisms"].mech
        return mech.name if mech else ""

    def on_auth(self, _):
        emit("auth", mechanism=self.mechanism())

    def on_failed_auth(self, stanza):
        emit("failed_auth", mechanism=self.mechanism(), condition=stanza["condition"], text=stanza["text"])

    async def on_register(self, form):
        iq = self.Iq()
        iq["type"] = "set"
        iq["register"]["username"] = self.boundjid.user
        iq["register"]["password"] = self.password
        try:
            await iq.send(timeout=TIMEOUT)
            emit("registered", text=form["register"]["instructions"])
        except IqError as e:
            emit("register_failed", **error_fields(e.iq))
            self.disconnect()
        except IqTimeout:
            emit("register_failed", condition="timeout")
            self.disconnect()

    async def on_session(self, _):
        self.send_presence()
        # Stanzas of one stream are handled in order: the answer to this one,
        # whatever it is, says that the server knows of the presence.
        try:
            await self.plugin["xep_0199"].send_ping(self.boundjid.domain, timeout=TIMEOUT)
        except IqError:
            pass
        except IqTimeout:
            emit("error", text="no answer to the ping after the presence")
            return
        emit("session", jid=str(self.boundjid))

    def on_message(self, m):
        if m["type"] == "error":
            return  # message_error
        emit("message", **{
            "from": str(m["from"]), "to": str(m["to"]), "type": m["type"], "body": m["body"], "id": m["id"],
        })

    async def command(self, c):
        result = {}
        try:
            op = c["op"]
            if op == "send":
                self.make_message(mto=c["to"], mbody=c["body"], mtype="chat").send()
            elif op == "iq":
                iq = self.Iq()
                iq["type"] = c["type"]
                iq["to"] = c["to"] or None
                iq.append(slixmpp.xmlstream.ET.Element("{%s}%s" % (c["ns"], c["name"])))
                reply = await iq.send(timeout=TIMEOUT)
                result = {
                    "type": reply["type"], "from": str(reply["from"]),
                    "payloads": [child.tag for child in reply.xml],
                }
            elif op == "greet":
                self.send_presence(pto=c["to"])
                await self.plugin["xep_0199"].send_ping(self.boundjid.domain, timeout=TIMEOUT)
            elif op == "disconnect":
                await self.disconnect(wait=5.0)
            else:
                result = {"condition": "unknown-command"}
        except IqError as e:
            result = error_fields(e.iq)
            result["condition"] = e.condition
        except IqTimeout:
            result = {"condition": "timeout"}
        result["id"] = c["id"]
        emit("done", **result)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jid", required=True)
    parser.add_argument("--password", default="")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--certfile")
    parser.add_argument("--keyfile")
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--tls12", action="store_true")
    parser.add_argument("--nobinding", action="store_true")
    parser.add_argument("--register", action="store_true")
    parser.add_argument("--mechanism")
    args = parser.parse_args()

    client = Client(args)
    # By name: slixmpp checks the certificate against what it was told to
    # connect to.
    client.connect(("localhost", args.port), use_ssl=args.direct)

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while line := await reader.readline():
        task = loop.create_task(client.command(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
