/* SPDX-License-Identifier: Apache-2.0 */
/* Serves metrics where the key vdpa-metrics says. */
#ifndef VDPAD_CMD_HTTP_H
#define VDPAD_CMD_HTTP_H 1

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

struct vdpad_metrics_server;

/* 'cb' answers requests, see http.h. */
struct vdpad_metrics_server *vdpad_metrics_server_new(struct vdpad_loop *loop,
                                                      vdpad_http_cb *cb);
void vdpad_metrics_server_free(struct vdpad_metrics_server *);

/* Listens at 'endpoint' (NULL: nowhere), which is tried again every 5 s, and
 * handles requests. */
void vdpad_metrics_server_run(struct vdpad_metrics_server *,
                              const char *endpoint, int64_t now_ns);
int64_t vdpad_metrics_server_next_ns(const struct vdpad_metrics_server *);

/* Why it does not listen, with the remedy; NULL: it does, or need not. */
const char *vdpad_metrics_server_problem(const struct vdpad_metrics_server *);

#endif
