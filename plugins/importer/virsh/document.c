/* SPDX-License-Identifier: Apache-2.0
 *
 * document.c - the text as an XML tree, with everything refused that a domain does
 * not need: document types, entities, the network, other files.
 */
#include "import.h"

#include <holos/util.h>

#include <libxml/parser.h>
#include <string.h>

/* Called before anything of a document type is read. */
static void refuse_doctype(void *data, const xmlChar *name, const xmlChar *external,
			   const xmlChar *system)
{
	xmlParserCtxt *ctxt = data;
	int *seen = ctxt->_private;

	(void)name, (void)external, (void)system;
	*seen = 1;
	xmlStopParser(ctxt);
}

static holos_status fail_parse(const struct holos_host *host, xmlParserCtxt *ctxt, const char *name,
			       holos_error *err)
{
	const xmlError *e = xmlCtxtGetLastError(ctxt);
	char text[IMPORT_TEXT_MAX + 4] = "";

	if (e == NULL || e->message == NULL)
		return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s is no XML", name);
	/* Messages of libxml2 end with a newline. */
	shown(e->message, text);
	text[strcspn(text, "\n")] = '\0';
	for (size_t n = strlen(text); n > 0 && text[n - 1] == '?'; n--)
		text[n - 1] = '\0';
	return holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s:%d: bad XML: %s", name, e->line,
			   text);
}

static const char *advice(const char *root)
{
	static const struct {
		const char *root, *advice;
	} known[] = {
		{ "node", "it is a file of libvirt's test driver: holos import --connect "
			  "test://FILE --all" },
		{ "domstatus", "it is libvirt's own note of a running domain: holos import NAME" },
		{ "domainsnapshot", "import the domain it belongs to: holos import NAME" },
		{ "domainbackup", "import the domain it belongs to: holos import NAME" },
		{ "network", "networks are not imported; holos makes its own" },
		{ "pool", "storage pools are not imported" },
		{ "volume", "storage volumes are not imported" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].root, root) == 0)
			return known[i].advice;
	}
	return "virsh dumpxml NAME prints the XML of a domain";
}

static int check_root(const struct holos_host *host, xmlDoc *doc, const char *name,
		      holos_error *err)
{
	xmlNode *root = xmlDocGetRootElement(doc);
	char text[IMPORT_TEXT_MAX + 4];

	if (root != NULL && strcmp((const char *)root->name, "domain") == 0)
		return 0;
	host->fail_hint(err, advice(root != NULL ? (const char *)root->name : ""));
	holos_failf(host, err, HOLOS_E_CONFIG, 0, "%.200s: the root element is <%s>, not <domain>",
		    name, shown(root != NULL ? (const char *)root->name : NULL, text));
	return -1;
}

xmlDoc *document_parse(const struct holos_host *host, const char *text, size_t len,
		       const char *name, holos_error *err)
{
	/* Nothing like NOENT, DTDLOAD, DTDATTR, XINCLUDE, HUGE. */
	const int flags = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
			  XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES;
	xmlParserCtxt *ctxt = xmlNewParserCtxt();
	int doctype = 0;
	xmlDoc *doc;

	if (ctxt == NULL) {
		host->fail(err, HOLOS_E_NOMEM, 0, "out of memory");
		return NULL;
	}
	ctxt->_private = &doctype;
	ctxt->sax->internalSubset = refuse_doctype;
	doc = xmlCtxtReadMemory(ctxt, text, (int)len, "domain.xml", NULL, flags);
	if (doctype || (doc != NULL && doc->intSubset != NULL)) {
		holos_failf(host, err, HOLOS_E_CONFIG, 0,
			    "%.200s: has a document type (<!DOCTYPE>), which libvirt never "
			    "writes",
			    name);
		xmlFreeDoc(doc);
		doc = NULL;
	} else if (doc == NULL) {
		fail_parse(host, ctxt, name, err);
	} else if (check_root(host, doc, name, err) < 0) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	xmlFreeParserCtxt(ctxt);
	return doc;
}
