/* SPDX-License-Identifier: Apache-2.0 */
/* A web server of one page, for those who collect metrics.
 *
 * It answers "GET /metrics" (and HEAD) and closes the connection; whatever
 * else is asked gets an error.  Clients are not trusted: a request has up to
 * 4 KiB and 10 s, its answer 30 s. There are 16 connections at most, and as
 * many requests that wait for their answer, those of clients that have gone
 * included: who comes when there are more is answered 503.
 *
 * No library: libmicrohttpd, the one that fits a foreign loop, brings GnuTLS
 * with it, which each of our helper processes would initialize at its
 * start. */
#ifndef VDPAD_HTTP_H
#define VDPAD_HTTP_H 1

#include <stdbool.h>
#include <stdint.h>

#include <vdpad/error.h>

struct vdpad_loop;
struct vdpad_http;

/* The most requests that are handed out and not answered yet. */
#define VDPAD_HTTP_REQUESTS 16

/* A request for the page.  Ends, now or later, in exactly one
 * vdpad_http_reply() with 'request', also when the client is gone. */
struct vdpad_http_request;
typedef void vdpad_http_cb(struct vdpad_http_request *request, void *aux);

/* Makes a server that does not listen yet. */
struct vdpad_http *vdpad_http_new(struct vdpad_loop *loop, vdpad_http_cb *cb,
                                  void *aux);

/* Closes all connections; requests that were not answered yet may still be. */
void vdpad_http_free(struct vdpad_http *);

/* Listens at 'endpoint', "ADDRESS:PORT" with an IPv4 address or an IPv6 one in
 * brackets, instead of where it did; NULL: nowhere.  Returns 0 or a negative
 * errno with 'why'. */
int vdpad_http_listen(struct vdpad_http *, const char *endpoint,
                      struct vdpad_error *why);

/* Handles requests and deadlines; and when to do so next though nothing
 * comes. */
void vdpad_http_run(struct vdpad_http *, int64_t now_ns);
int64_t vdpad_http_next_ns(const struct vdpad_http *);

/* Whether nobody is there any more for whom 'request' could be answered: no
 * answer need be made. */
bool vdpad_http_is_gone(const struct vdpad_http_request *request);

/* Answers with 'text' (borrowed); NULL: it is not available now. */
void vdpad_http_reply(struct vdpad_http_request *request, const char *text);

#endif
