/* SPDX-License-Identifier: Apache-2.0 */
/* What generic netlink tells: vDPA, devlink, ethtool. */
#include "observe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "attrs.h"
#include "devlink-codec.h"
#include "ethtool-codec.h"
#include "sysfs.h"
#include "uapi.h"
#include "vdpa-codec.h"

#define VIRTIO_ID_NET 1

static int
decode_mgmtdev(const void *payload, size_t len, void *row)
{
    return vdpad_vdpa_decode_mgmtdev(payload, len, row);
}

static int
decode_vdpa(const void *payload, size_t len, void *row)
{
    return vdpad_vdpa_decode_dev(payload, len, row);
}

static int
decode_devlink(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_dev(payload, len, row);
}

static int
decode_port(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_port(payload, len, row);
}

static int
decode_feature(const void *payload, size_t len, void *row)
{
    return vdpad_ethtool_decode_features(payload, len, row);
}

/* Adds the answer about one object to its row, without making a new one. */
struct detail {
    void *row;
    uint16_t type;
    int (*decode)(const void *payload, size_t len, void *row);
};

static int
on_detail(void *detail_, uint16_t type, const void *payload, size_t len)
{
    struct detail *detail = detail_;

    return type == detail->type ? detail->decode(payload, len, detail->row)
                                : 0;
}

static int
decode_config(const void *payload, size_t len, void *row)
{
    return vdpad_vdpa_decode_config(payload, len, row);
}

static int
decode_eswitch(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_eswitch(payload, len, row);
}

static int
decode_info(const void *payload, size_t len, void *row)
{
    return vdpad_devlink_decode_info(payload, len, row);
}

/* Whether an answer got lost on the way, after which there may be no
 * socket. */
static bool
is_lost(int error)
{
    return error == -ENOBUFS || error == -EBADF;
}

/* What to do about details that could not be had: a picture does without those
 * that the kernel does not tell, or that cannot be understood, but not without
 * those that got lost. */
static int
take_detail_error(struct vdpad_observer *observer, int error,
                  const struct vdpad_error *detail_why,
                  struct vdpad_error *why)
{
    observer->malformed += error == -EBADMSG;
    return is_lost(error) ? vdpad_error_set(why, error, "%s", detail_why->text)
                          : 0;
}

/* Opens generic netlink and looks up 'name'.  A family that is not there is no
 * error: '*ret_nl' is NULL then, and what it would tell of does not exist. */
static int
open_family(struct vdpad_observer *observer, const char *name,
            struct vdpad_nl **ret_nl, struct vdpad_genl_family *family,
            struct vdpad_error *why)
{
    int error = vdpad_observer_genl(observer, ret_nl, why);

    if (!error) {
        error = vdpad_nl_family(*ret_nl, name, family, why);
        if (error == -ENOENT) {
            *ret_nl = NULL;
            error = 0;
        }
    }
    return error;
}

/* Kernels before 6.1 may change a device's features when asked for its
 * configuration (5.13 to 5.17), and break off at a device that no driver has
 * set up (drivers/vdpa/vdpa.c, vdpa_dev_net_config_fill()). */
static bool
config_is_safe(void)
{
    struct utsname name;
    uint64_t version, patch;
    const char *p = name.release;

    return !uname(&name) && !vdpad_number_take(&p, UINT32_MAX, &version)
           && *p++ == '.' && !vdpad_number_take(&p, UINT32_MAX, &patch)
           && (version > 6 || (version == 6 && patch >= 1));
}

/* Asks for the configuration of the device 'row', which stays as it is on
 * failure. */
static int
ask_config(struct vdpad_nl *nl, const struct vdpad_genl_family *family,
           struct vdpad_vdpa *row, struct vdpad_error *why)
{
    struct vdpad_vdpa filled = *row;
    struct detail detail = {
        .row = &filled,
        .type = family->id,
        .decode = decode_config,
    };
    struct nl_msg *msg = vdpad_nl_genl_msg(family, VDPA_CMD_DEV_CONFIG_GET,
                                           VDPA_GENL_VERSION, 0);
    int error = vdpad_vdpa_encode_name(msg, row->name);

    error = vdpad_nl_call(nl, msg, error, on_detail, &detail, why,
                          "vdpa config of %s", row->name);
    if (!error) {
        *row = filled;
    }
    return error;
}

int
vdpad_observe_negotiated(struct vdpad_observer *observer, const char *name,
                         uint64_t *ret_features, struct vdpad_error *why)
{
    struct vdpad_vdpa row = { .id = VIRTIO_ID_NET };
    struct vdpad_genl_family family;
    struct vdpad_nl *nl;
    int error;

    *ret_features = 0;
    if (!config_is_safe()) {
        return 0;
    }
    error = open_family(observer, VDPA_GENL_NAME, &nl, &family, why);
    if (error || !nl) {
        return error;
    }
    (void) snprintf(row.name, sizeof row.name, "%s", name);
    error = ask_config(nl, &family, &row, why);
    *ret_features = row.negotiated;
    return is_lost(error) || error == -EBADMSG ? error : 0;
}

int
vdpad_observe_vdpa(struct vdpad_observer *observer, struct vdpad_rows *rows,
                   struct vdpad_error *why)
{
    bool is_mgmtdev = rows->picture.class_ == VDPAD_MGMTDEV;
    struct vdpad_collect collect = { .rows = rows };
    struct vdpad_genl_family family;
    struct vdpad_nl *nl;
    int error = open_family(observer, VDPA_GENL_NAME, &nl, &family, why);

    if (error || !nl) {
        return error;
    }
    collect.type = family.id;
    collect.decode = is_mgmtdev ? decode_mgmtdev : decode_vdpa;
    error = vdpad_nl_call(nl,
                          vdpad_nl_genl_msg(&family,
                                            is_mgmtdev ? VDPA_CMD_MGMTDEV_GET
                                                       : VDPA_CMD_DEV_GET,
                                            VDPA_GENL_VERSION, NLM_F_DUMP),
                          0, vdpad_collect_row, &collect, why, "vdpa %s dump",
                          is_mgmtdev ? "mgmtdev" : "device");
    if (!error && !is_mgmtdev && config_is_safe()) {
        struct vdpad_vdpa *row = rows->picture.rows;

        for (size_t i = 0; i < rows->picture.n && !error; i++) {
            if (row[i].id == VIRTIO_ID_NET) {
                struct vdpad_error detail_why;

                /* One that cannot tell, or is no more, is seen without. */
                error = take_detail_error(
                    observer, ask_config(nl, &family, &row[i], &detail_why),
                    &detail_why, why);
            }
        }
    }
    return error;
}

/* Asks about one instance. */
static int
ask_instance(struct vdpad_nl *nl, const struct vdpad_genl_family *family,
             uint8_t cmd, struct vdpad_eswitch *row,
             int (*decode)(const void *, size_t, void *),
             struct vdpad_error *why)
{
    struct detail detail = {
        .row = row,
        .type = family->id,
        .decode = decode,
    };
    struct nl_msg *msg = vdpad_nl_genl_msg(family, cmd, DEVLINK_GENL_VERSION,
                                           0);
    int error = vdpad_devlink_encode_handle(msg, row->bus, row->dev);

    return vdpad_nl_call(nl, msg, error, on_detail, &detail, why,
                         "devlink %s of %s/%s",
                         cmd == DEVLINK_CMD_INFO_GET ? "info" : "eswitch",
                         row->bus, row->dev);
}

/* Whether the instance is of a function that has the firmware.  VFs and
 * subfunctions of mlx5 before 6.12.20 say that theirs cannot be queried, each
 * time as a warning in the kernel's log (mlx5_fw_version_query(),
 * drivers/net/ethernet/mellanox/mlx5/core/fw.c of 6.1). */
static bool
has_firmware(const struct vdpad_eswitch *row)
{
    return strcmp(row->bus, "auxiliary") != 0
           && (strcmp(row->bus, "pci") != 0
               || !vdpad_sysfs_exists("/sys/bus/pci/devices/%s/physfn",
                                      row->dev));
}

static int
observe_instance(struct vdpad_observer *observer, struct vdpad_nl *nl,
                 const struct vdpad_genl_family *family,
                 struct vdpad_eswitch *row, struct vdpad_error *why)
{
    struct vdpad_eswitch informed;
    struct vdpad_error detail_why;
    int error = ask_instance(nl, family, DEVLINK_CMD_ESWITCH_GET, row,
                             decode_eswitch, why);

    if (error == -ENODEV) {
        return -EINTR;
    } else if (error && error != -EOPNOTSUPP) {
        return error;
    }
    error = 0;
    if (has_firmware(row)) {
        informed = *row;
        error = ask_instance(nl, family, DEVLINK_CMD_INFO_GET, &informed,
                             decode_info, &detail_why);
        if (!error) {
            *row = informed;
        }
        error = take_detail_error(observer, error, &detail_why, why);
    }
    if (!row->driver[0] && vdpad_sysfs_name_is_valid(row->bus)
        && vdpad_sysfs_name_is_valid(row->dev)) {
        (void) vdpad_sysfs_link(row->driver, sizeof row->driver,
                                "/sys/bus/%s/devices/%s/driver", row->bus,
                                row->dev);
    }
    return error;
}

int
vdpad_observe_devlink(struct vdpad_observer *observer, struct vdpad_rows *rows,
                      struct vdpad_error *why)
{
    bool is_port = rows->picture.class_ == VDPAD_DLPORT;
    struct vdpad_collect collect = { .rows = rows };
    struct vdpad_genl_family family;
    struct vdpad_nl *nl;
    int error = open_family(observer, DEVLINK_GENL_NAME, &nl, &family, why);

    if (error || !nl) {
        return error;
    }
    collect.type = family.id;
    collect.decode = is_port ? decode_port : decode_devlink;
    error = vdpad_nl_call(nl,
                          vdpad_nl_genl_msg(&family,
                                            is_port ? DEVLINK_CMD_PORT_GET
                                                    : DEVLINK_CMD_GET,
                                            DEVLINK_GENL_VERSION, NLM_F_DUMP),
                          0, vdpad_collect_row, &collect, why,
                          "devlink %s dump", is_port ? "port" : "device");
    if (!is_port) {
        struct vdpad_eswitch *row = rows->picture.rows;

        for (size_t i = 0; i < rows->picture.n && !error; i++) {
            error = observe_instance(observer, nl, &family, &row[i], why);
        }
    }
    return error;
}

int
vdpad_observe_feature(struct vdpad_observer *observer, struct vdpad_rows *rows,
                      struct vdpad_error *why)
{
    struct vdpad_collect collect = { .rows = rows, .decode = decode_feature };
    struct vdpad_genl_family family;
    struct vdpad_nl *nl;
    int error = open_family(observer, ETHTOOL_GENL_NAME, &nl, &family, why);

    if (error || !nl) {
        return error;
    }
    collect.type = family.id;
    return vdpad_nl_call(nl,
                         vdpad_nl_genl_msg(&family, ETHTOOL_MSG_FEATURES_GET,
                                           ETHTOOL_GENL_VERSION, NLM_F_DUMP),
                         0, vdpad_collect_row, &collect, why,
                         "ethtool features dump");
}
