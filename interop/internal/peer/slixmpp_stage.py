"""Any number of slixmpp clients in one process, which a test drives.

Takes commands as JSON lines on standard input: id, who (a key for the client),
op and args. Answers each with {"event": "done", "id", "lines"}: "ok", and after
it what was asked for, or "error condition=...". Prints {"event": "see", "who",
"line"} for everything that a client is sent without having asked. Ends when
standard input does.

A line is a word and key=value pairs in a fixed order, without the pairs that are
empty, with addresses as they are on the wire.
"""
import argparse
import asyncio
import base64
import datetime
import hashlib
import json
import re
import sys

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout, XMPPError
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath, StanzaPath

TIMEOUT = 25
# How far a time that a server says may be from ours.
SLACK = datetime.timedelta(seconds=120)

CLIENT = "{jabber:client}"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
DELAY = "{urn:xmpp:delay}delay"
OLD_DELAY = "{jabber:x:delay}x"
PRIVACY = "{jabber:iq:privacy}"
BLOCKING = "{urn:xmpp:blocking}"
AVATAR = "{vcard-temp:x:update}"
VCARD = "{vcard-temp}"
CARBONS = "{urn:xmpp:carbons:2}"
MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
# What can be put into messages, by the name that the test has for it.
EXTRAS = {
    "private": CARBONS + "private", "no-copy": "{urn:xmpp:hints}no-copy", "no-store": "{urn:xmpp:hints}no-store",
    "composing": "{http://jabber.org/protocol/chatstates}composing",
}
HOUR = datetime.timedelta(hours=1)


def emit(event, **fields):
    print(json.dumps(dict(fields, event=event)), flush=True)


def line(word, *pairs):
    parts = [word]
    for key, value in pairs:
        for v in value if isinstance(value, list) else [value]:
            if v not in (None, "", False):
                parts.append("%s='%s'" % (key, v) if " " in str(v) else "%s=%s" % (key, v))
    return " ".join(parts)


def condition(xml):
    """The defined condition of a stanza of type error."""
    error = xml.find(CLIENT + "error")
    for child in error if error is not None else ():
        if child.tag.startswith(ERRORS) and child.tag != ERRORS + "text":
            return child.tag[len(ERRORS):]
    return "none"


def failed(e):
    return [line("error", ("condition", "timeout" if isinstance(e, IqTimeout) else condition(e.iq.xml)))]


def near(stamp):
    """Whether stamp is a time of XEP-0082 that is now or just past."""
    try:
        then = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        return abs(datetime.datetime.now(datetime.timezone.utc) - then) < SLACK
    except (TypeError, ValueError):
        return False


def roster_pairs(item):
    return (
        ("jid", item.get("jid")), ("name", item.get("name")), ("subscription", item.get("subscription", "none")),
        ("ask", item.get("ask")), ("group", sorted(g.text for g in item.findall("{jabber:iq:roster}group"))),
    )


class Client(slixmpp.ClientXMPP):
    def __init__(self, who, args, options):
        super().__init__(args["jid"], args["password"], sasl_mech="PLAIN")
        self.who = who
        self.leaving = False
        self.use_ipv6 = False
        # Where it goes although it is told the port, because the name resolves.
        self.default_port = int(args.get("port") or options.port)
        self.ca_certs = options.ca
        # The test says what is answered to requests for a subscription.
        self.auto_authorize = None
        self.auto_subscribe = False
        self.begun = asyncio.get_running_loop().create_future()
        self.over = asyncio.get_running_loop().create_future()
        for plugin in (
            "0012", "0016", "0030", "0049", "0054", "0077", "0092", "0191", "0199", "0202", "0203", "0280", "0313",
            "0352", "0441",
        ):
            self.register_plugin("xep_" + plugin)
        self.managed = args.get("manage")  # streams, by XEP-0198
        if self.managed:
            self.register_plugin("xep_0198")
            # It acknowledges only when it is asked, and asks after every stanza.
            self["xep_0198"].window = self["xep_0198"].window_counter = 1
        self.archived = {}  # what it has seen of an archive: id and time, by the text
        if args.get("register"):
            self["xep_0077"].force_registration = True
            # slixmpp 1.8.3 keeps every IQ but bind and session back until there
            # is a session, its own registration included, and so hangs.
            self._always_send_everything = True
            self.add_event_handler("register", self.on_register)
        else:
            self["xep_0077"].create_account = False
        self.add_event_handler("session_start", lambda _: self.begin(["ok"]))
        self.add_event_handler("session_resumed", lambda _: self.begin(["ok", "resumed"]))
        self.add_event_handler("carbon_received", lambda m: self.on_copy("received", m["carbon_received"]))
        self.add_event_handler("carbon_sent", lambda m: self.on_copy("sent", m["carbon_sent"]))
        self.add_event_handler("failed_all_auth", lambda _: self.begin(["error condition=not-authorized"]))
        self.add_event_handler("stream_error", self.on_stream_error)
        self.add_event_handler("disconnected", self.on_disconnected)
        for tag, handler in {"message": self.on_message, "presence": self.on_presence}.items():
            self.register_handler(Callback("see " + tag, MatchXPath(CLIENT + tag), handler))
        for name, path, handler in (
            ("roster push", "iq@type=set/roster", self.on_push),
            ("block push", "iq@type=set/block", self.on_block),
            ("unblock push", "iq@type=set/unblock", self.on_unblock),
            ("privacy push", "iq@type=set/privacy", self.on_privacy),
        ):
            self.register_handler(Callback("see " + name, StanzaPath(path), handler))

    def begin(self, lines):
        if not self.begun.done():
            self.begun.set_result(lines)

    def see(self, word, *pairs):
        """Tells what was seen, but not what may or may not be seen while the account goes."""
        if not self.leaving or word in ("end", "disconnected"):
            emit("see", who=self.who, line=line(word, *pairs))

    # What it is sent.

    def on_stream_error(self, e):
        self.see("end", ("condition", e["condition"]))

    def on_disconnected(self, _):
        self.begin(["error condition=disconnected"])
        if not self.over.done():
            self.over.set_result(None)
            self.see("disconnected")

    def on_copy(self, direction, m):
        kind = m.xml.get("type", "normal").replace("normal", "")
        self.see(
            "copy", ("kind", direction), ("from", m["from"]), ("to", m["to"]), ("type", kind),
            # What an error answers need not be in it.
            *([("condition", condition(m.xml))] if kind == "error" else [("body", m["body"])]))

    def on_message(self, m):
        for tag in (CARBONS + "received", CARBONS + "sent", MAM + "result"):
            if m.xml.find(tag) is not None:
                return  # on_copy, or asked for
        if m["type"] == "error":
            self.see("message", ("from", m["from"]), ("type", "error"), ("condition", condition(m.xml)))
            return
        delay, old = m.xml.find(DELAY), m.xml.find(OLD_DELAY)
        late = ""
        if delay is not None:
            late = delay.get("from", "nobody") if near(delay.get("stamp")) else "wrong"
        kind = m.xml.get("type", "normal").replace("normal", "")
        self.see(
            "message", ("from", m["from"]), ("to", m["to"]), ("type", kind), ("body", m["body"]),
            ("delay", late), ("old-delay", "yes" if old is not None else ""),
            ("extra", sorted(name for name, tag in EXTRAS.items() if m.xml.find(tag) is not None)),
        )

    def on_presence(self, p):
        xml = p.xml
        if xml.get("type") == "error":
            self.see("presence", ("from", p["from"]), ("type", "error"), ("condition", condition(xml)))
            return
        priority = xml.findtext(CLIENT + "priority", "").strip()
        self.see(
            "presence", ("from", p["from"]), ("type", xml.get("type")), ("show", xml.findtext(CLIENT + "show")),
            ("status", xml.findtext(CLIENT + "status")), ("priority", "" if priority == "0" else priority),
            ("photo", xml.findtext("%sx/%sphoto" % (AVATAR, AVATAR))),
        )

    def on_push(self, iq):
        sender = iq.xml.get("from") or self.boundjid.bare
        for item in iq.xml.iter("{jabber:iq:roster}item"):
            self.see("push", *roster_pairs(item), ("from", "" if sender == self.boundjid.bare else sender))

    def on_block(self, iq):
        self.see("blocked", ("jid", sorted(i.get("jid") for i in iq.xml.iter(BLOCKING + "item"))))
        iq.reply().send()

    def on_unblock(self, iq):
        self.see("unblocked", ("jid", sorted(i.get("jid") for i in iq.xml.iter(BLOCKING + "item"))))
        iq.reply().send()

    def on_privacy(self, iq):
        self.see("privacy", ("list", [i.get("name") for i in iq.xml.iter(PRIVACY + "list")]))
        iq.reply().send()

    async def on_register(self, form):
        fields = [child.tag.split("}")[1] for child in form["register"].xml]
        iq = self.Iq()
        iq["type"] = "set"
        iq["register"]["username"] = self.boundjid.user
        iq["register"]["password"] = self.password
        try:
            await iq.send(timeout=TIMEOUT)
            self.registered = ["username" in fields and "password" in fields]
        except (IqError, IqTimeout) as e:
            self.begin(failed(e))
            self.disconnect()

    # What it does: a method for every command.

    async def request(self, stanza_type, to, *children):
        iq = self.Iq()
        iq["type"] = stanza_type
        iq["to"] = to or None
        for child in children:
            iq.append(child)
        return (await iq.send(timeout=TIMEOUT)).xml

    async def do_logout(self, _):
        # The plugin XEP-0199 is not asked, the stream is closed in order.
        await self.disconnect(wait=5.0)
        await self.over
        return ["ok"]

    async def do_roster(self, _):
        # Without the version that the method of slixmpp sends with it, to which
        # the answer can be that nothing is new.
        reply = await self.request("get", None, ET.Element("{jabber:iq:roster}query"))
        return ["ok"] + sorted(line("item", *roster_pairs(i)) for i in reply.iter("{jabber:iq:roster}item"))

    async def do_add(self, a):
        await self.request("set", None, self.roster_item(a))
        return ["ok"]

    def roster_item(self, a):
        query = ET.Element("{jabber:iq:roster}query")
        item = ET.SubElement(query, "{jabber:iq:roster}item", {"jid": a["jid"]})
        if a.get("name"):
            item.set("name", a["name"])
        for g in many(a.get("group")):
            ET.SubElement(item, "{jabber:iq:roster}group").text = g
        return query

    async def do_remove(self, a):
        query = ET.Element("{jabber:iq:roster}query")
        ET.SubElement(query, "{jabber:iq:roster}item", {"jid": a["jid"], "subscription": "remove"})
        await self.request("set", None, query)
        return ["ok"]

    async def do_presence(self, a):
        p = self.make_presence(
            pto=a.get("to"), ptype=a.get("type"), pshow=a.get("show"), pstatus=a.get("status"),
            ppriority=a.get("priority"))
        if a.get("avatar"):
            x = ET.SubElement(p.xml, AVATAR + "x")
            ET.SubElement(x, AVATAR + "photo").text = hashlib.sha1(a["avatar"].encode()).hexdigest()
        p.send()
        return ["ok"]

    async def do_who(self, a):
        """What presence it knows of a contact."""
        there = self.client_roster[a["jid"]].resources.items()
        return ["ok"] + sorted(line(
            "there", ("resource", resource), ("show", p["show"]), ("status", p["status"]),
            ("priority", p["priority"] or ""))
            for resource, p in there)

    async def do_send(self, a):
        for n in range(int(a.get("first", 1)), int(a.get("first", 1)) + int(a.get("times", 1))):
            body = a["body"].replace("#", str(n)) if a.get("body") else None
            m = self.make_message(mto=a["to"], mbody=body, mtype=a.get("type", "chat"))
            for extra in many(a.get("extra")):
                m.append(ET.Element(EXTRAS[extra]))
            m.send()
        return ["ok"]

    async def do_reconnect(self, a):
        """Says in the answer whether the session has been resumed. It waits for the end of the connection that there
        is, if that is told to be near; otherwise there is nothing to do."""
        if a.get("wait"):
            await asyncio.wait_for(self.over, TIMEOUT)
        if not self.over.done():
            return ["ok", "there"]
        loop = asyncio.get_running_loop()
        self.begun, self.over = loop.create_future(), loop.create_future()
        self.connect(("localhost", self.default_port))
        return await asyncio.wait_for(self.begun, TIMEOUT)

    async def do_carbons(self, a):
        carbons = self["xep_0280"]
        await (carbons.enable if a["state"] == "on" else carbons.disable)(timeout=TIMEOUT)
        return ["ok"]

    async def do_csi(self, a):
        csi = self["xep_0352"]
        if not csi.enabled:
            return ["error condition=unsupported"]
        csi.send_active() if a["state"] == "active" else csi.send_inactive()
        return ["ok"]

    async def do_archive(self, a):
        """One page. An id and a time are named by the text of a message that was seen in an archive."""
        if a.get("id") or a.get("last") or a.get("flip") or a.get("after-id") or a.get("before-id"):
            return await self.extended(a)
        page = {key: self.archive_id(a[key]) for key in ("after", "before") if a.get(key)}
        reply = await self["xep_0313"].retrieve(
            jid=slixmpp.JID(a["to"]) if a.get("to") else None, with_jid=a.get("with"), start=self.moment(a.get("start")),
            end=self.moment(a.get("end")), timeout=TIMEOUT, rsm=dict(page, max=int(a.get("max", 50))))
        return self.page(reply, reply["mam"]["results"])

    async def extended(self, a):
        """What the method of slixmpp 1.8.3 cannot say, in its own stanzas."""
        iq = self.make_iq_set()
        mam = iq["mam"]
        mam["queryid"] = iq["id"]
        mam["with"] = a.get("with") or self.boundjid.bare
        if not a.get("with"):
            mam["form"].xml.remove(mam["form"].xml[-1])
        for key in ("after-id", "before-id"):
            if a.get(key):
                mam.set_custom_field(key, self.archive_id(a[key]))
        if a.get("id"):
            mam["ids"] = [self.archive_id(text) for text in many(a["id"])]
        mam["rsm"]["max"] = a.get("max", "50")
        if a.get("last"):
            mam["rsm"]["before"] = True
        if a.get("flip"):
            ET.SubElement(mam.xml, MAM + "flip-page")
        results = []
        name = "see archive " + iq["id"]
        self.register_handler(Callback(name, StanzaPath("message/mam_result@queryid=" + iq["id"]), results.append))
        try:
            return self.page(await iq.send(timeout=TIMEOUT), results)
        finally:
            self.remove_handler(name)

    def archive_id(self, text):
        return self.archived[text][0] if text in self.archived else text

    def moment(self, text):
        now = datetime.datetime.now(datetime.timezone.utc)
        if text in ("hour-ago", "hour-ahead"):
            return now - HOUR if text == "hour-ago" else now + HOUR
        # As it came, to the last digit.
        return self.archived[text][1] if text else None

    def page(self, reply, results):
        lines = ["ok"] + [self.remember(m) for m in results]
        fin = reply.xml.find(MAM + "fin")
        if fin is None:
            return lines + ["no fin"]
        return lines + [line("fin", ("complete", "yes" if fin.get("complete") == "true" else "no"))]

    def remember(self, m):
        forwarded = m["mam_result"]["forwarded"]
        inner, delay = forwarded["stanza"], forwarded.xml.find(DELAY)
        stamp = delay.get("stamp") if delay is not None else None
        self.archived[inner["body"]] = m["mam_result"]["id"], stamp
        return line(
            "archived", ("from", inner["from"]), ("to", inner["to"]), ("type", inner.xml.get("type", "normal").replace("normal", "")),
            ("body", inner["body"]), ("delay", "" if near(stamp) else "wrong"))

    async def do_pages(self, a):
        """All pages, in the order in which they come."""
        lines = ["ok"]
        async for reply in self["xep_0313"].retrieve(
                with_jid=a.get("with"), iterator=True, reverse=bool(a.get("reverse")), rsm={"max": int(a["max"])}):
            lines.append("page")
            lines += [self.remember(m) for m in reply["mam_fin"]["results"]]
        return lines

    async def do_edges(self, _):
        """Where the archive begins and ends."""
        found = (await self["xep_0313"].get_archive_metadata(timeout=TIMEOUT)).xml.find(MAM + "metadata")
        texts = {of[0]: text for text, of in self.archived.items()}
        edges = [found.find(MAM + tag) for tag in ("start", "end")]
        if None in edges:
            return ["ok", "edges none"]
        return ["ok", line("edges", ("start", texts.get(edges[0].get("id"))), ("end", texts.get(edges[1].get("id"))))]

    async def do_prefs(self, a):
        if a.get("default"):
            await self["xep_0441"].set_preferences(
                default=a["default"], always=many(a.get("always")), never=many(a.get("never")), timeout=TIMEOUT)
        default, always, never = await self["xep_0441"].get_preferences(timeout=TIMEOUT)
        return ["ok", line(
            "prefs", ("default", default), ("always", sorted(map(str, always))), ("never", sorted(map(str, never))))]

    async def do_ping(self, a):
        await self["xep_0199"].send_ping(a["to"], timeout=TIMEOUT)
        return ["ok"]

    async def do_block(self, a):
        if a.get("jid"):
            await self["xep_0191"].block(many(a["jid"]), timeout=TIMEOUT)
        else:
            await self.request("set", None, ET.Element(BLOCKING + "block"))
        return ["ok"]

    async def do_unblock(self, a):
        if a.get("jid"):
            await self["xep_0191"].unblock(many(a["jid"]), timeout=TIMEOUT)
        else:
            await self.request("set", None, ET.Element(BLOCKING + "unblock"))
        return ["ok"]

    async def do_blocklist(self, _):
        reply = (await self["xep_0191"].get_blocked(timeout=TIMEOUT)).xml
        return ["ok"] + sorted(line("item", ("jid", i.get("jid"))) for i in reply.iter(BLOCKING + "item"))

    # The privacy lists go as they are: what the plugin of slixmpp 1.8.3 makes of
    # a list it does not send, and it writes presence-in for presence-out.

    async def do_lists(self, _):
        reply = await self.request("get", None, ET.Element(PRIVACY + "query"))
        found = {tag: [e.get("name") for e in reply.iter(PRIVACY + tag)] for tag in ("active", "default", "list")}
        return ["ok", line(
            "lists", ("active", found["active"]), ("default", found["default"]), ("list", sorted(found["list"])))]

    async def do_list(self, a):
        query = ET.Element(PRIVACY + "query")
        ET.SubElement(query, PRIVACY + "list", {"name": a["name"]})
        reply = await self.request("get", None, query)
        return ["ok"] + [line(
            "item", ("order", i.get("order")), ("action", i.get("action")), ("type", i.get("type")),
            ("value", i.get("value")), ("kind", sorted(child.tag[len(PRIVACY):] for child in i)),
        ) for i in sorted(reply.iter(PRIVACY + "item"), key=lambda i: int(i.get("order")))]

    async def do_setlist(self, a):
        """An item is "action[ type value][ kind...]"."""
        query = ET.Element(PRIVACY + "query")
        privacy_list = ET.SubElement(query, PRIVACY + "list", {"name": a["name"]})
        for order, words in enumerate(map(str.split, many(a.get("item"))), 1):
            item = ET.SubElement(privacy_list, PRIVACY + "item", {"action": words.pop(0), "order": str(order)})
            if words and words[0] in ("jid", "group", "subscription"):
                item.set("type", words.pop(0))
                item.set("value", words.pop(0))
            for kind in words:
                ET.SubElement(item, PRIVACY + kind)
        await self.request("set", None, query)
        return ["ok"]

    async def choose(self, tag, a):
        query = ET.Element(PRIVACY + "query")
        ET.SubElement(query, PRIVACY + tag, {"name": a["name"]} if a.get("name") else {})
        await self.request("set", None, query)
        return ["ok"]

    async def do_active(self, a):
        return await self.choose("active", a)

    async def do_default(self, a):
        return await self.choose("default", a)

    async def do_setcard(self, a):
        card = self["xep_0054"].make_vcard()
        card["FN"] = a["fn"]
        card["N"]["FAMILY"], card["N"]["GIVEN"] = a["family"], a["given"]
        card["NICKNAME"] = a["nick"]
        if a.get("photo"):
            card["PHOTO"]["TYPE"], card["PHOTO"]["BINVAL"] = "image/png", a["photo"].encode()
        # With the bare JID, under which the plugin remembers it.
        await self["xep_0054"].publish_vcard(card, jid=self.boundjid.bare, timeout=TIMEOUT)
        return ["ok"]

    async def do_card(self, a):
        """The answer for no own card is an error or an empty card, as XEP-0054 has it."""
        try:
            jid = slixmpp.JID(a.get("jid") or self.boundjid.bare)
            reply = await self["xep_0054"].get_vcard(jid, local=False, timeout=TIMEOUT)
        except IqError as e:
            if a.get("jid") or e.condition != "item-not-found":
                raise
            return ["ok", "no card"]
        card = reply.xml.find(VCARD + "vCard")
        if card is None or not len(card):
            return ["ok", "no card"]

        def text(path):
            return card.findtext("/".join(VCARD + p for p in path.split("/")))
        photo = text("PHOTO/BINVAL")
        found = line(
            "card", ("fn", text("FN")), ("family", text("N/FAMILY")), ("given", text("N/GIVEN")),
            ("nick", text("NICKNAME")), ("photo", base64.b64decode(photo).decode() if photo else ""))
        return ["ok", found]

    async def do_last(self, a):
        # The plugin takes the own address for a question to itself.
        reply = (await self.request("get", a["to"], ET.Element("{jabber:iq:last}query"))).find("{jabber:iq:last}query")
        seconds = int(reply.get("seconds"))
        return ["ok", line("last", ("seconds", "few" if 0 <= seconds < 600 else seconds), ("status", reply.text))]

    async def do_version(self, a):
        version = (await self["xep_0092"].get_version(a["to"], timeout=TIMEOUT))["software_version"]
        return ["ok", line("version", ("name", bool(version["name"])), ("version", bool(version["version"])))]

    async def do_time(self, a):
        time = (await self["xep_0202"].get_entity_time(a["to"], timeout=TIMEOUT))["entity_time"]
        # As text: slixmpp 1.8.3 cannot read an offset.
        zone = re.fullmatch("Z|[+-][0-9]{2}:[0-9]{2}", time.xml.findtext("{urn:xmpp:time}tzo", ""))
        return ["ok", line("time", ("now", near(time.xml.findtext("{urn:xmpp:time}utc"))), ("zone", zone is not None))]

    async def do_setprivate(self, a):
        query = ET.Element("{jabber:iq:private}query")
        ET.SubElement(query, "{urn:example:%s}notes" % a["name"]).text = a.get("text")
        await self.request("set", None, query)
        return ["ok"]

    async def do_private(self, a):
        query = ET.Element("{jabber:iq:private}query")
        ET.SubElement(query, "{urn:example:%s}notes" % a["name"])
        reply = await self.request("get", a.get("to"), query)
        notes = reply.find("{jabber:iq:private}query/{urn:example:%s}notes" % a["name"])
        return ["ok", "private missing" if notes is None else line("private", ("text", notes.text))]

    async def do_info(self, a):
        """Which of the identities and features that args name there are."""
        info = (await self["xep_0030"].get_info(jid=a["to"], timeout=TIMEOUT))["disco_info"]
        identities = ["%s/%s" % i[:2] for i in info["identities"]]
        return ["ok", line(
            "info", ("identity", [i for i in many(a.get("identity")) if i in identities]),
            ("feature", [f for f in many(a.get("feature")) if f in info["features"]]))]

    async def do_password(self, a):
        await self["xep_0077"].change_password(a["new"], timeout=TIMEOUT)
        return ["ok"]

    async def do_unregister(self, _):
        self.leaving = True
        request = self["xep_0077"].cancel_registration(timeout=TIMEOUT)
        await asyncio.wait([request, self.over], return_when=asyncio.FIRST_COMPLETED)
        if not request.done():
            return ["error condition=disconnected"]
        await request
        await asyncio.wait([self.over], timeout=TIMEOUT)
        return ["ok"]

    async def settle(self):
        """Whatever the answer is, the server has handled what was sent before it."""
        if self.over.done():
            return
        try:
            await self["xep_0199"].send_ping(self.boundjid.domain, timeout=TIMEOUT)
        except XMPPError:
            pass


def many(value):
    return value if isinstance(value, list) else [value] if value else []


class Stage:
    def __init__(self, options):
        self.options = options
        self.clients = {}

    async def login(self, who, args):
        client = self.clients[who] = Client(who, args, self.options)
        # By name: slixmpp checks the certificate against what it was told to
        # connect to.
        client.connect(("localhost", client.default_port))
        lines = await asyncio.wait_for(client.begun, TIMEOUT)
        if lines != ["ok"]:
            client.del_event_handler("disconnected", client.on_disconnected)
            client.abort()
            del self.clients[who]
        return lines

    async def settle(self):
        # One round for what the servers were sent, and one for what that caused.
        for _ in range(2):
            await asyncio.gather(*(c.settle() for c in self.clients.values()))
        return ["ok"]

    async def clear(self):
        clients, self.clients = self.clients, {}
        for client in clients.values():
            client.del_event_handler("disconnected", client.on_disconnected)
            client.abort()
        return ["ok"]

    async def command(self, c):
        op, who, args = c["op"], c.get("who"), c.get("args") or {}
        try:
            if op in ("settle", "clear"):
                lines = await getattr(self, op)()
            elif op in ("login", "register"):
                lines = await self.login(who, dict(args, register=op == "register"))
            else:
                lines = await getattr(self.clients[who], "do_" + op)(args)
        except (IqError, IqTimeout) as e:
            lines = failed(e)
        except Exception as e:  # the test shows it
            lines = ["failed %r" % e]
        emit("done", id=c["id"], lines=lines)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca", required=True)
    stage = Stage(parser.parse_args())
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while text := await reader.readline():
        task = loop.create_task(stage.command(json.loads(text)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
