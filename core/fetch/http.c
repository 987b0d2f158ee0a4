/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - one GET over https, to the callbacks of its caller.
 *
 * A redirect's own head and body are curl's; the caller sees the last answer.
 * What the caller said in a callback wins over curl's opinion of why the
 * transfer ended.
 */
#include "internal.h"

#include <base/alloc.h>
#include <base/clock.h>
#include <base/units.h>

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REDIRECTS_MAX   8L
#define CONNECT_MAX_S   30L
#define STALL_DEFAULT_S 60L
#define SLOWEST         1000L /* bytes a second; less for so long is a stall */
#define BUFFER_BYTES    (512L << 10)

struct http {
	CURL *easy;
	CURLM *multi;
	char error[CURL_ERROR_SIZE];

	/* Of the request that runs. */
	const struct http_request *rq;
	struct http_head *head;
	bool told;           /* the head was given to the caller */
	holos_status status; /* what a callback ended it with */
	struct holos_error *err;
};

/* Seconds without data, and for a connection, after which we give up. */
static long stall_limit(void)
{
	const char *text = getenv("HOLOS_FETCH_TIMEOUT");
	uint64_t ns;

	if (text != NULL && units_parse_duration(text, &ns) == 0 && ns >= NS_PER_S &&
	    ns <= 3600 * NS_PER_S)
		return (long)(ns / NS_PER_S);
	return STALL_DEFAULT_S;
}

static bool starts(const char *line, size_t n, const char *name)
{
	size_t len = strlen(name);

	return n > len && strncasecmp(line, name, len) == 0;
}

/* The value of a header line without the space around it. */
static void value_of(const char *line, size_t n, size_t skip, char *to, size_t room)
{
	const char *p = line + skip;
	size_t len = n - skip;

	while (len != 0 && (*p == ' ' || *p == '\t')) {
		p++;
		len--;
	}
	while (len != 0 && (p[len - 1] == '\r' || p[len - 1] == '\n' || p[len - 1] == ' '))
		len--;
	if (len >= room)
		len = 0;
	memcpy(to, p, len);
	to[len] = '\0';
}

/* "bytes 100-199/200", or a star for either side */
static void read_range(struct http_head *h, const char *value)
{
	char *end;

	if (strncasecmp(value, "bytes ", 6) != 0)
		return;
	value += 6;
	if (*value != '*') {
		h->first = strtoull(value, &end, 10);
		h->ranged = end != value && *end == '-';
	}
	value = strchr(value, '/');
	if (value != NULL && value[1] >= '0' && value[1] <= '9')
		h->total = strtoull(value + 1, NULL, 10);
}

static void read_header(struct http_head *h, const char *line, size_t n)
{
	char value[256];

	if (starts(line, n, "HTTP/")) { /* a new answer: of a redirect, or the last */
		const char *space = memchr(line, ' ', n);

		*h = (struct http_head){ .length = UINT64_MAX, .total = UINT64_MAX };
		h->status = space != NULL ? strtol(space, NULL, 10) : 0;
	} else if (starts(line, n, "content-length:")) {
		value_of(line, n, 15, value, sizeof(value));
		h->length = strtoull(value, NULL, 10);
	} else if (starts(line, n, "content-range:")) {
		value_of(line, n, 14, value, sizeof(value));
		read_range(h, value);
	} else if (starts(line, n, "etag:")) {
		value_of(line, n, 5, h->etag, sizeof(h->etag));
		if (h->etag[0] != '"') /* a weak one says nothing about bytes */
			h->etag[0] = '\0';
	} else if (starts(line, n, "last-modified:")) {
		value_of(line, n, 14, h->modified, sizeof(h->modified));
	}
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
	struct http *h = data;

	n *= size;
	read_header(h->head, line, n);
	return n;
}

/* The head is complete when the first byte of the body comes, or at the end. */
static holos_status tell_head(struct http *h)
{
	if (h->told)
		return HOLOS_OK;
	h->told = true;
	return h->rq->head(h->rq->data, h->head, &h->err);
}

static size_t on_body(char *p, size_t size, size_t n, void *data)
{
	struct http *h = data;

	n *= size;
	if (h->head->status != 200 && h->head->status != 206)
		return 0; /* the text of an error page is of no use */
	h->status = tell_head(h);
	if (h->status == HOLOS_OK)
		h->status = h->rq->body(h->rq->data, p, n, &h->err);
	return h->status == HOLOS_OK ? n : 0;
}

struct http *http_create(void)
{
	static bool initialised;
	struct http *h;

	if (!initialised && curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return NULL;
	initialised = true;
	h = xnew(struct http);
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (h->easy == NULL || h->multi == NULL) {
		http_destroy(h);
		return NULL;
	}
	return h;
}

void http_destroy(struct http *h)
{
	if (h == NULL)
		return;
	if (h->easy != NULL)
		curl_easy_cleanup(h->easy);
	if (h->multi != NULL)
		curl_multi_cleanup(h->multi);
	free(h);
}

static const char *non_empty(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static void set_authorities(CURL *c)
{
	const char *file = non_empty("CURL_CA_BUNDLE");
	const char *dir = non_empty("SSL_CERT_DIR");

	if (file == NULL)
		file = non_empty("SSL_CERT_FILE");
	if (file != NULL)
		curl_easy_setopt(c, CURLOPT_CAINFO, file);
	if (dir != NULL)
		curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

/* Fill in the handle.  The list is the caller's. */
static struct curl_slist *prepare(struct http *h, const struct http_request *rq)
{
	long stall = stall_limit();
	struct curl_slist *headers = NULL;
	CURL *c = h->easy;

	curl_easy_reset(c); /* the connections stay */
	curl_easy_setopt(c, CURLOPT_URL, rq->url);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "holos/" HOLOS_VERSION);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* One stream: nothing that HTTP/2 has is of use here. */
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	/* The one place for passwords: URLs are shown, and kept in records. */
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, stall < CONNECT_MAX_S ? stall : CONNECT_MAX_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOWEST);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, stall);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	set_authorities(c);
	if (rq->offset != 0) {
		_cleanup_(freep) char *range = xasprintf("%llu-", (unsigned long long)rq->offset);

		curl_easy_setopt(c, CURLOPT_RANGE, range); /* copied */
		if (rq->if_range != NULL) {
			_cleanup_(freep) char *line = xasprintf("If-Range: %s", rq->if_range);

			headers = curl_slist_append(NULL, line);
			curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		}
	}
	return headers;
}

/* Wait for the next thing to happen.  HOLOS_E_CANCELLED or HOLOS_OK. */
static holos_status wait_more(struct http *h, const struct fetch_limits *limits)
{
	struct curl_waitfd cancel = { .fd = limits->cancel_fd, .events = CURL_WAIT_POLLIN };
	int ms = clock_poll_timeout(limits->deadline_ns);

	/* It wakes up for curl's own timers by itself. */
	(void)curl_multi_poll(h->multi, &cancel, limits->cancel_fd >= 0 ? 1 : 0,
			      ms < 0 || ms > 60000 ? 60000 : ms, NULL);
	if (fetch_cancelled(limits))
		return HOLOS_E_CANCELLED;
	return clock_now_ns() >= limits->deadline_ns ? HOLOS_E_TIMEOUT : HOLOS_OK;
}

static holos_status run(struct http *h, const struct fetch_limits *limits, CURLcode *ret)
{
	int running = 1, left;
	CURLMsg *msg;

	while (running != 0) {
		holos_status st;

		if (curl_multi_perform(h->multi, &running) != CURLM_OK)
			return HOLOS_E_INTERNAL;
		if (running == 0)
			break;
		st = wait_more(h, limits);
		if (st != HOLOS_OK)
			return st;
	}
	msg = curl_multi_info_read(h->multi, &left);
	if (msg == NULL || msg->msg != CURLMSG_DONE)
		return HOLOS_E_INTERNAL;
	*ret = msg->data.result;
	return HOLOS_OK;
}

/* "500 Internal Server Error" without the server's own words. */
static const char *status_text(long status)
{
	switch (status) {
	case 401:
		return "it asks for a password (~/.netrc: machine HOST login NAME password WORD)";
	case 403:
		return "access is forbidden";
	case 404:
		return "there is no such file";
	case 408:
		return "it timed out";
	case 410:
		return "the file is gone for good";
	case 416:
		return "it has no such range";
	case 429:
		return "too many requests";
	case 503:
		return "it is not available now";
	default:
		return status >= 500 ? "it failed" : "it gave no file";
	}
}

static holos_status judge_status(const struct http *h, struct holos_error **err)
{
	const char *url = h->rq->url;
	long s = h->head->status;
	holos_status st = HOLOS_E_IO;

	if (s == 404 || s == 410)
		st = HOLOS_E_NOTFOUND;
	else if (s == 416)
		st = HOLOS_E_PASS;
	else if (s == 401 || s == 403 || s == 407)
		st = HOLOS_E_DENIED;
	else if (s == 408 || s == 425 || s == 429 || s >= 500)
		st = HOLOS_E_AGAIN;
	return fetch_fail(err, st, 0, "%s: status %ld: %s", url, s, status_text(s));
}

static holos_status judge_curl(const struct http *h, CURLcode code, struct holos_error **err)
{
	const char *why = h->error[0] != '\0' ? h->error : curl_easy_strerror(code);
	const char *url = h->rq->url;

	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		fetch_fail(err, HOLOS_E_DENIED, 0, "%s: the server's certificate is not valid: %s",
			   url, why);
		error_hint(err, "is the clock right? if a proxy inspects TLS, name its CA: "
				"SSL_CERT_FILE=FILE");
		return HOLOS_E_DENIED;
	case CURLE_UNSUPPORTED_PROTOCOL:
		if (h->head->status == 0) /* as curl calls an answer without a head */
			return fetch_fail(err, HOLOS_E_IO, 0,
					  "%s: what answers there speaks no HTTP", url);
		return fetch_fail(err, HOLOS_E_DENIED, 0,
				  "%s: redirected to what is not https, which is not followed",
				  url);
	case CURLE_TOO_MANY_REDIRECTS:
		return fetch_fail(err, HOLOS_E_DENIED, 0, "%s: redirected more than %ld times", url,
				  REDIRECTS_MAX);
	case CURLE_URL_MALFORMAT:
		return fetch_fail(err, HOLOS_E_CONFIG, 0, "%s is no URL: %s", url, why);
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		fetch_fail(err, HOLOS_E_AGAIN, 0, "%s: %s", url, why);
		error_hint(err, "is there a network? a proxy is named by HTTPS_PROXY, a mirror by "
				"HOLOS_MIRROR_<SOURCE>");
		return HOLOS_E_AGAIN;
	case CURLE_OPERATION_TIMEDOUT:
		return fetch_fail(err, HOLOS_E_AGAIN, 0, "%s: no answer: %s", url, why);
	default: /* broken off, in one of curl's many ways */
		return fetch_fail(err, HOLOS_E_AGAIN, 0, "%s: the transfer broke off: %s", url,
				  why);
	}
}

static holos_status judge(struct http *h, holos_status ran, CURLcode code, struct holos_error **err)
{
	if (h->status != HOLOS_OK) { /* the caller's own reason */
		error_move(err, &h->err);
		return h->status;
	}
	if (ran == HOLOS_E_CANCELLED)
		return fetch_cancel_error(err);
	if (ran == HOLOS_E_TIMEOUT)
		return fetch_fail(err, ran, 0, "%s: not finished in time", h->rq->url);
	if (ran != HOLOS_OK)
		return fetch_fail(err, ran, 0, "%s: curl is confused", h->rq->url);
	if (code != CURLE_OK && (code != CURLE_WRITE_ERROR || h->head->status < 400))
		return judge_curl(h, code, err);
	if (h->head->status != 200 && h->head->status != 206)
		return judge_status(h, err);
	return HOLOS_OK;
}

holos_status http_get(struct http *h, const struct http_request *rq,
		      const struct fetch_limits *limits, struct http_head *head,
		      struct holos_error **err)
{
	struct curl_slist *headers;
	curl_off_t after = 0;
	CURLcode code = CURLE_OK;
	holos_status st;

	*head = (struct http_head){ .length = UINT64_MAX, .total = UINT64_MAX };
	h->rq = rq;
	h->head = head;
	h->told = false;
	h->status = HOLOS_OK;
	h->error[0] = '\0';
	headers = prepare(h, rq);
	curl_multi_add_handle(h->multi, h->easy);
	st = run(h, limits, &code);
	curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after);
	head->retry_after = after > 0 ? (uint64_t)after : 0;
	curl_multi_remove_handle(h->multi, h->easy);
	curl_slist_free_all(headers);
	/* An empty body has a head as well. */
	if (st == HOLOS_OK && code == CURLE_OK && (head->status == 200 || head->status == 206))
		h->status = tell_head(h);
	st = judge(h, st, code, err);
	error_destroy(steal_ptr(&h->err));
	return st;
}
