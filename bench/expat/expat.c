/*
 * The yardstick: libexpat with namespace processing and handlers that do nothing.
 *
 *     cc -O2 -o expat expat.c -lexpat
 *     expat FILE [ROUNDS]
 *
 * FILE holds one XML stream. Each round parses it once, from memory, in pieces of
 * 16 KiB, and prints one line: the processor time of the round (user and system,
 * in nanoseconds), the number of first-level elements, the time per element.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PIECE = 16 * 1024 };

struct count {
	long depth, elements;
};

static void XMLCALL
count_start(void *data, const XML_Char *name, const XML_Char **attrs)
{
	struct count *c = data;
	(void)name;
	(void)attrs;
	if (c->depth++ == 1)
		c->elements++;
}

static void XMLCALL
count_end(void *data, const XML_Char *name)
{
	struct count *c = data;
	(void)name;
	c->depth--;
}

static void XMLCALL
no_start(void *data, const XML_Char *name, const XML_Char **attrs)
{
	(void)data;
	(void)name;
	(void)attrs;
}

static void XMLCALL
no_end(void *data, const XML_Char *name)
{
	(void)data;
	(void)name;
}

static void XMLCALL
no_text(void *data, const XML_Char *text, int len)
{
	(void)data;
	(void)text;
	(void)len;
}

static void
fail(const char *what)
{
	fprintf(stderr, "expat: %s\n", what);
	exit(1);
}

static char *
slurp(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	long n;
	char *data;

	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
		fail("cannot read the file");
	data = malloc(n ? n : 1);
	if (!data || fread(data, 1, n, f) != (size_t)n)
		fail("cannot read the file");
	fclose(f);
	*size = n;
	return data;
}

static void
parse(XML_Parser p, const char *data, size_t size)
{
	size_t at, n;

	for (at = 0; at < size; at += n) {
		n = size - at < PIECE ? size - at : PIECE;
		if (XML_Parse(p, data + at, (int)n, at + n == size) != XML_STATUS_OK)
			fail(XML_ErrorString(XML_GetErrorCode(p)));
	}
}

static long
count(const char *data, size_t size)
{
	struct count c = {0, 0};
	XML_Parser p = XML_ParserCreateNS(NULL, '\n');

	if (!p)
		fail("no parser");
	XML_SetUserData(p, &c);
	XML_SetElementHandler(p, count_start, count_end);
	parse(p, data, size);
	XML_ParserFree(p);
	return c.elements;
}

static double
processor_time(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		fail("getrusage");
	return 1e9 * (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e3 * (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int
main(int argc, char **argv)
{
	size_t size;
	char *data;
	long elements;
	int round, rounds;

	if (argc < 2 || argc > 3)
		fail("usage: expat FILE [ROUNDS]");
	rounds = argc == 3 ? atoi(argv[2]) : 1;
	data = slurp(argv[1], &size);
	elements = count(data, size);
	for (round = 0; round < rounds; round++) {
		double start = processor_time(), took;
		XML_Parser p = XML_ParserCreateNS(NULL, '\n');

		if (!p)
			fail("no parser");
		XML_SetElementHandler(p, no_start, no_end);
		XML_SetCharacterDataHandler(p, no_text);
		parse(p, data, size);
		XML_ParserFree(p);
		took = processor_time() - start;
		printf("%.0f %ld %.1f\n", took, elements, elements ? took / elements : 0.0);
	}
	free(data);
	return 0;
}
