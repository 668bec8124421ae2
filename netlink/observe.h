/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the kernel, taken by blocking calls: for helper processes
 * only. */
#ifndef VDPAD_NETLINK_OBSERVE_H
#define VDPAD_NETLINK_OBSERVE_H 1

#include <vdpad/error.h>
#include <vdpad/model.h>

#include "rows.h"
#include "transport.h"

/* What a helper process keeps between requests: sockets, opened when first
 * needed, and what it counted. */
struct vdpad_observer {
    struct vdpad_nl genl, route;
    uint64_t interrupted, malformed;
};

/* Returns the socket for generic netlink or rtnetlink, open, in '*ret_nl'.
 * Returns 0 or a negative errno with 'why'. */
int vdpad_observer_genl(struct vdpad_observer *observer,
                        struct vdpad_nl **ret_nl, struct vdpad_error *why);
int vdpad_observer_route(struct vdpad_observer *observer,
                         struct vdpad_nl **ret_nl, struct vdpad_error *why);

/* Closes the sockets. */
void vdpad_observer_done(struct vdpad_observer *observer);

/* Takes a picture of 'class_' into 'rows', which is initialised here and
 * cleared by the caller on success.  A dump that was interrupted is repeated
 * up to three times.  Returns 0 or a negative errno with 'why', as
 * <vdpad/kernel.h> has them for observe(). */
int vdpad_observe(struct vdpad_observer *observer, enum vdpad_class class_,
                  struct vdpad_rows *rows, struct vdpad_error *why);

/* One attempt, by where the classes come from.  -EINTR: changed meanwhile. */
int vdpad_observe_vdpa(struct vdpad_observer *, struct vdpad_rows *,
                       struct vdpad_error *why); /* MGMTDEV, VDPA. */
int vdpad_observe_devlink(struct vdpad_observer *, struct vdpad_rows *,
                          struct vdpad_error *why); /* ESWITCH, DLPORT. */
int vdpad_observe_feature(struct vdpad_observer *, struct vdpad_rows *,
                          struct vdpad_error *why);
int vdpad_observe_link(struct vdpad_observer *, struct vdpad_rows *,
                       struct vdpad_error *why);
int vdpad_observe_qdisc(struct vdpad_observer *, struct vdpad_rows *,
                        struct vdpad_error *why);
int vdpad_observe_kflow(struct vdpad_observer *, struct vdpad_rows *,
                        struct vdpad_error *why);
int vdpad_observe_pci(struct vdpad_rows *, struct vdpad_error *why);
int vdpad_observe_vbus(struct vdpad_rows *, struct vdpad_error *why);

/* Stores the address of the PCI function that the vDPA device 'name' is on, or
 * "": a subfunction's is its PF.  Returns 0 or a negative errno: -ENOENT when
 * there is no such device. */
int vdpad_vbus_parent(const char *name, char parent[VDPAD_BDF_SIZE]);

int vdpad_observe_module(struct vdpad_rows *, struct vdpad_error *why);
int vdpad_observe_tcprio(struct vdpad_observer *, struct vdpad_rows *,
                         struct vdpad_error *why);
int vdpad_observe_host(struct vdpad_rows *, struct vdpad_error *why);

/* Stores in '*ret_features' what somebody who drives the vDPA device 'name'
 * has negotiated; 0: nobody has, or the kernel does not tell (before 6.1, or
 * not of this device).  Features appear with FEATURES_OK
 * (vdpa_dev_config_fill(), drivers/vdpa/vdpa.c, 6.12) and go when the last
 * descriptor of the device is closed (vhost_vdpa_release(),
 * drivers/vhost/vdpa.c).  Returns 0, or a negative errno with 'why' when the
 * answer was lost or cannot be understood. */
int vdpad_observe_negotiated(struct vdpad_observer *, const char *name,
                             uint64_t *ret_features, struct vdpad_error *why);

/* Appends a row per message: what vdpad_nl_call() gets as callback, with one
 * of these as 'aux'.  Messages of another type than 'type' are skipped. */
struct vdpad_collect {
    struct vdpad_rows *rows;
    uint16_t type;
    int (*decode)(const void *payload, size_t len, void *row);
};
int vdpad_collect_row(void *collect, uint16_t type, const void *payload,
                      size_t len);

#endif
