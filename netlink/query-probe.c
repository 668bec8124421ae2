/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "query.h"

int
vdpad_query_probe(struct vdpad_observer *observer,
                  const struct vdpad_flow_query *query,
                  struct vdpad_error *why)
{
    (void) observer;
    (void) query;
    return vdpad_error_set(why, -EOPNOTSUPP, "probe: not there yet");
}
