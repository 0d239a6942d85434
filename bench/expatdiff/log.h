/* What libexpat sees in one document, as a log of events: see parseLog. */

#include <stddef.h>

struct log {
	char *data;
	size_t size, room;
	int failed;  /* XML_Error, 0 if the document is well-formed, -1 without memory */
	long at;     /* the byte where it failed */
};

/* expat_log parses a document that is given in the pieces that end at ends. The
   caller frees log->data. */
void expat_log(const char *data, const int *ends, int pieces, struct log *log);
