"""A slixmpp component (XEP-0114) that a test drives.

Prints one JSON object a line for everything that happens, and takes commands as
JSON lines on standard input; a command is answered by {"event": "done"} with
its id. A message with the body "echo ..." is answered from the address it was
sent to. Ends when standard input does.
"""
import argparse
import asyncio
import json
import sys

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

TIMEOUT = 25
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


def emit(event, **fields):
    print(json.dumps(dict(fields, event=event)), flush=True)


def condition(xml):
    """The defined condition of a stanza error. slixmpp 1.8.3 finds none on the stream of a component."""
    for child in xml.iter():
        if child.tag.startswith(ERRORS) and child.tag != ERRORS + "text":
            return child.tag[len(ERRORS):]
    return "none"


class Component(slixmpp.ComponentXMPP):
    def __init__(self, args):
        super().__init__(args.jid, args.secret, "127.0.0.1", args.port)
        for plugin in ("0030", "0199"):
            self.register_plugin("xep_" + plugin)
        for name, handler in {
            "session_start": lambda _: emit("session", jid=self.boundjid.full),
            "message": self.on_message,
            "message_error": lambda m: emit(
                "message_error", condition=condition(m.xml), id=m["id"], **{"from": str(m["from"])}),
            "stream_error": lambda e: emit("stream_error", condition=e["condition"], text=e["text"]),
            "connection_failed": lambda e: emit("connection_failed", text=str(e)),
            "disconnected": lambda e: emit("disconnected", text=str(e or "")),
        }.items():
            self.add_event_handler(name, handler)

    def on_message(self, m):
        emit("message", to=str(m["to"]), type=m["type"], body=m["body"], id=m["id"], **{"from": str(m["from"])})
        if m["body"].startswith("echo "):
            self.send_message(mto=m["from"], mfrom=m["to"], mbody=m["body"][5:], mtype=m["type"])

    async def command(self, c):
        op = c["op"]
        try:
            if op == "send":
                self.send_message(mto=c["to"], mfrom=c["from"], mbody=c["body"], mtype="chat")
                emit("done", id=c["id"])
            elif op == "iq":
                iq = self.Iq()
                iq["type"], iq["to"], iq["from"] = c["type"], c["to"], c["from"]
                iq.append(slixmpp.xmlstream.ET.Element("{%s}%s" % (c["ns"], c["name"])))
                answer = await iq.send(timeout=TIMEOUT)
                emit("done", id=c["id"], type=answer["type"], to=str(answer["to"]),
                     payloads=[x.tag for x in answer.xml], **{"from": str(answer["from"])})
            elif op == "disconnect":
                emit("done", id=c["id"])
                await self.disconnect()
        except IqError as e:
            emit("done", id=c["id"], condition=condition(e.iq.xml))
        except IqTimeout:
            emit("done", id=c["id"], condition="timeout")


async def main():
    parser = argparse.ArgumentParser()
    for name in ("--jid", "--secret"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, required=True)
    component = Component(parser.parse_args())
    component.connect()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while line := await reader.readline():
        task = loop.create_task(component.command(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
