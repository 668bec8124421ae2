/* SPDX-License-Identifier: Apache-2.0 */
/* vdpa-metrics: what the command metrics prints, over HTTP. */
#include "cmd-http.h"

#include <stdlib.h>

#include <vdpad/log.h>

#include "util.h"

/* Between two tries to listen. */
#define RETRY_NS INT64_C(5000000000)

struct vdpad_metrics_server {
    struct vdpad_loop *loop;
    vdpad_http_cb *cb;
    struct vdpad_http *http; /* NULL: never was asked for. */
    char *endpoint;          /* Where it is to listen; NULL: nowhere. */
    bool listens;
    int64_t retry_ns;
    char problem[VDPAD_ERROR_TEXT + 200]; /* "": none. */
};

struct vdpad_metrics_server *
vdpad_metrics_server_new(struct vdpad_loop *loop, vdpad_http_cb *cb)
{
    struct vdpad_metrics_server *s = vdpad_xcalloc(1, sizeof *s);

    s->loop = loop;
    s->cb = cb;
    return s;
}

void
vdpad_metrics_server_free(struct vdpad_metrics_server *s)
{
    if (s) {
        vdpad_http_free(s->http);
        free(s->endpoint);
        free(s);
    }
}

static void
try_to_listen(struct vdpad_metrics_server *s, int64_t now_ns)
{
    struct vdpad_error why;
    bool is_new = !s->problem[0];

    s->problem[0] = '\0';
    s->retry_ns = now_ns + RETRY_NS;
    s->listens = !vdpad_http_listen(s->http, s->endpoint, &why);
    if (s->listens) {
        if (s->endpoint) {
            vdpad_log(VDPAD_LOG_INFO, "metrics at http://%s/metrics",
                      s->endpoint);
        }
        return;
    }
    vdpad_text(s->problem, sizeof s->problem,
               "metrics cannot be served at %s: %s; set external_ids:"
               "vdpa-metrics to a free port of an address of this host, or to "
               "off",
               s->endpoint, why.text);
    if (is_new) {
        vdpad_log(VDPAD_LOG_WARN, "%s", s->problem);
    }
}

void
vdpad_metrics_server_run(struct vdpad_metrics_server *s, const char *endpoint,
                         int64_t now_ns)
{
    if (!vdpad_streq(s->endpoint, endpoint)) {
        if (!s->http) {
            s->http = vdpad_http_new(s->loop, s->cb, NULL);
        }
        free(s->endpoint);
        s->endpoint = endpoint ? vdpad_xstrdup(endpoint) : NULL;
        s->problem[0] = '\0';
        try_to_listen(s, now_ns);
    } else if (s->endpoint && !s->listens && now_ns >= s->retry_ns) {
        try_to_listen(s, now_ns);
    }
    if (s->http) {
        vdpad_http_run(s->http, now_ns);
    }
}

int64_t
vdpad_metrics_server_next_ns(const struct vdpad_metrics_server *s)
{
    int64_t next = s->http ? vdpad_http_next_ns(s->http) : INT64_MAX;

    if (s->endpoint && !s->listens && s->retry_ns < next) {
        next = s->retry_ns;
    }
    return next;
}

const char *
vdpad_metrics_server_problem(const struct vdpad_metrics_server *s)
{
    return s && s->problem[0] ? s->problem : NULL;
}
