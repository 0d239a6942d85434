//go:build expat && cgo

#include "log.h"
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NS_SEPARATOR = 1, END = 2 }; /* no characters of XML 1.0 */

struct run {
	XML_Parser parser;
	struct log *log;
};

static void
put(struct log *l, const char *s, size_t n)
{
	if (l->failed < 0)
		return;
	if (l->room - l->size < n) {
		size_t room = 2 * l->room + n + 1024;
		char *data = realloc(l->data, room);
		if (!data) {
			l->failed = -1;
			return;
		}
		l->data = data;
		l->room = room;
	}
	memcpy(l->data + l->size, s, n);
	l->size += n;
}

/* A string with the zero byte that ends a field. */
static void
field(struct log *l, const char *s)
{
	put(l, s ? s : "", strlen(s ? s : "") + 1);
}

static void
number(struct log *l, long n)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", n);
	field(l, text);
}

static void
end(struct log *l)
{
	char c = END;

	put(l, &c, 1);
}

static void XMLCALL
on_start(void *data, const XML_Char *name, const XML_Char **attrs)
{
	struct run *r = data;

	put(r->log, "S", 1);
	number(r->log, XML_GetCurrentByteIndex(r->parser));
	field(r->log, name);
	for (; *attrs; attrs++)
		field(r->log, *attrs);
	end(r->log);
}

static void XMLCALL
on_end(void *data, const XML_Char *name)
{
	struct run *r = data;

	(void)name;
	put(r->log, "E", 1);
	number(r->log, XML_GetCurrentByteIndex(r->parser) + XML_GetCurrentByteCount(r->parser));
	end(r->log);
}

static void XMLCALL
on_text(void *data, const XML_Char *text, int len)
{
	struct run *r = data;

	put(r->log, "T", 1);
	put(r->log, text, len);
	put(r->log, "", 1);
	end(r->log);
}

static void XMLCALL
on_cdata(void *data)
{
	struct run *r = data;

	put(r->log, "C", 1);
	end(r->log);
}

static void XMLCALL
no_cdata(void *data)
{
	(void)data;
}

static void XMLCALL
on_namespace(void *data, const XML_Char *prefix, const XML_Char *uri)
{
	struct run *r = data;

	put(r->log, "N", 1);
	field(r->log, prefix);
	field(r->log, uri);
	end(r->log);
}

static void XMLCALL
no_namespace(void *data, const XML_Char *prefix)
{
	(void)data;
	(void)prefix;
}

void
expat_log(const char *data, const int *ends, int pieces, struct log *log)
{
	struct run r;
	int i, at = 0;

	memset(log, 0, sizeof *log);
	r.log = log;
	r.parser = XML_ParserCreateNS(NULL, NS_SEPARATOR);
	if (!r.parser) {
		log->failed = -1;
		return;
	}
	XML_SetReturnNSTriplet(r.parser, 1);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetCdataSectionHandler(r.parser, on_cdata, no_cdata);
	XML_SetNamespaceDeclHandler(r.parser, on_namespace, no_namespace);
	for (i = 0; i < pieces && !log->failed; i++) {
		if (XML_Parse(r.parser, data + at, ends[i] - at, i == pieces - 1) != XML_STATUS_OK) {
			log->failed = XML_GetErrorCode(r.parser);
			log->at = XML_GetCurrentByteIndex(r.parser);
		}
		at = ends[i];
	}
	XML_ParserFree(r.parser);
}
