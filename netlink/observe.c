/* SPDX-License-Identifier: Apache-2.0 */
#include "observe.h"

#include <errno.h>
#include <linux/netlink.h>

#include "holders.h"

#define MAX_ATTEMPTS 4

int
vdpad_observer_genl(struct vdpad_observer *observer, struct vdpad_nl **ret_nl,
                    struct vdpad_error *why)
{
    int error = observer->genl.sock
                    ? 0
                    : vdpad_nl_open(&observer->genl, NETLINK_GENERIC, why);

    if (!error) {
        *ret_nl = &observer->genl;
    }
    return error;
}

int
vdpad_observer_route(struct vdpad_observer *observer, struct vdpad_nl **ret_nl,
                     struct vdpad_error *why)
{
    int error = observer->route.sock
                    ? 0
                    : vdpad_nl_open(&observer->route, NETLINK_ROUTE, why);

    if (!error) {
        *ret_nl = &observer->route;
    }
    return error;
}

void
vdpad_observer_done(struct vdpad_observer *observer)
{
    vdpad_nl_close(&observer->genl);
    vdpad_nl_close(&observer->route);
}

int
vdpad_collect_row(void *collect_, uint16_t type, const void *payload,
                  size_t len)
{
    struct vdpad_collect *collect = collect_;
    int error;

    if (type != collect->type) {
        return 0;
    }
    error = collect->decode(payload, len, vdpad_rows_add(collect->rows));
    if (error) {
        vdpad_rows_drop(collect->rows);
    }
    return error;
}

static int
observe_once(struct vdpad_observer *observer, enum vdpad_class class_,
             struct vdpad_rows *rows, struct vdpad_error *why)
{
    switch (class_) {
    case VDPAD_MODULE:
        return vdpad_observe_module(rows, why);
    case VDPAD_PCI:
        return vdpad_observe_pci(rows, why);
    case VDPAD_LINK:
        return vdpad_observe_link(observer, rows, why);
    case VDPAD_ESWITCH:
    case VDPAD_DLPORT:
        return vdpad_observe_devlink(observer, rows, why);
    case VDPAD_MGMTDEV:
    case VDPAD_VDPA:
        return vdpad_observe_vdpa(observer, rows, why);
    case VDPAD_VBUS:
        return vdpad_observe_vbus(rows, why);
    case VDPAD_FEATURE:
        return vdpad_observe_feature(observer, rows, why);
    case VDPAD_HOLDER:
        return vdpad_holders_observe(rows, why);
    case VDPAD_QDISC:
        return vdpad_observe_qdisc(observer, rows, why);
    case VDPAD_KFLOW:
        return vdpad_observe_kflow(observer, rows, why);
    case VDPAD_HOST:
        return vdpad_observe_host(rows, why);
    case VDPAD_TCPRIO:
        return vdpad_observe_tcprio(observer, rows, why);
    case VDPAD_FLOW: /* The tracker's. */
    case VDPAD_N_CLASSES:
    default:
        return vdpad_error_set(why, -EINVAL, "class %d: unknown",
                               (int) class_);
    }
}

int
vdpad_observe(struct vdpad_observer *observer, enum vdpad_class class_,
              struct vdpad_rows *rows, struct vdpad_error *why)
{
    int error = -EINTR;

    for (int i = 0; i < MAX_ATTEMPTS && error == -EINTR; i++) {
        vdpad_rows_init(rows, class_);
        error = observe_once(observer, class_, rows, why);
        if (!error && vdpad_picture_sort(&rows->picture)) {
            /* One object twice: it changed its place while we looked. */
            error = vdpad_error_set(why, -EINTR, "class %s: changed meanwhile",
                                    vdpad_class_name(class_));
        }
        if (error) {
            vdpad_rows_clear(rows);
        }
        observer->interrupted += error == -EINTR;
        observer->malformed += error == -EBADMSG;
    }
    if (error == -EINTR || error == -ENOBUFS) {
        error = -EAGAIN;
        if (why) {
            why->code = error;
        }
    }
    return error;
}
