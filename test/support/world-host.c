/* SPDX-License-Identifier: Apache-2.0 */

/* The host of the world builder: rows of the pictures, and what belongs
 * together among them. */

#include "world-builder.h"

#include <linux/devlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/util.h"

void *
wb_add_row(struct wb *b, enum vdpad_class class_)
{
    struct vdpad_picture *p = &b->observed.class_[class_].picture;

    p->rows = vdpad_xrealloc(p->rows, p->n + 1, p->row_size);
    return memset((char *) p->rows + p->n++ * p->row_size, 0, p->row_size);
}

void
wb_del_row(struct wb *b, enum vdpad_class class_, const void *row)
{
    struct vdpad_picture *p = &b->observed.class_[class_].picture;
    size_t offset = (size_t) ((const char *) row - (const char *) p->rows);

    memmove((char *) p->rows + offset, (char *) p->rows + offset + p->row_size,
            p->n * p->row_size - offset - p->row_size);
    p->n--;
}

void *
wb_find_text(const struct wb *b, enum vdpad_class class_, const char *key)
{
    const struct vdpad_picture *p = &b->observed.class_[class_].picture;

    for (size_t i = 0; i < p->n; i++) {
        char *row = (char *) p->rows + i * p->row_size;

        if (!strcmp(row, key)) {
            return row;
        }
    }
    return NULL;
}

struct vdpad_link *
wb_find_link(const struct wb *b, const char *name)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_LINK].picture;
    struct vdpad_link *links = p->rows;

    for (size_t i = 0; i < p->n; i++) {
        if (!strcmp(links[i].name, name)) {
            return &links[i];
        }
    }
    return NULL;
}

/* Rows with "pci" and 'dev' after it. */
static void *
find_handle(const struct wb *b, enum vdpad_class class_, const char *dev)
{
    const struct vdpad_picture *p = &b->observed.class_[class_].picture;

    for (size_t i = 0; i < p->n; i++) {
        char *row = (char *) p->rows + i * p->row_size;

        if (!strcmp(row, "pci") && !strcmp(row + VDPAD_WORD_SIZE, dev)) {
            return row;
        }
    }
    return NULL;
}

/* Rows that begin with 'ifindex'. */
static void
del_ifindex_rows(struct wb *b, enum vdpad_class class_, int32_t ifindex)
{
    const struct vdpad_picture *p = &b->observed.class_[class_].picture;

    for (size_t i = p->n; i-- > 0;) {
        char *row = (char *) p->rows + i * p->row_size;
        int32_t number;

        memcpy(&number, row, sizeof number);
        if (number == ifindex) {
            wb_del_row(b, class_, row);
        }
    }
}

static void
vf_bdf(const char *pf, int32_t index, char bdf[VDPAD_BDF_SIZE])
{
    /* "0000:65:00.0": the device and function are the last four. */
    vdpad_text(bdf, VDPAD_BDF_SIZE, "%.*s%02x.%x", (int) strlen(pf) - 4, pf,
               (unsigned int) (index + 2) / 8, (unsigned int) (index + 2) % 8);
}

struct vdpad_pci *
wb_new_vf(struct wb *b, const char *pf, int32_t index)
{
    struct vdpad_pci *vf = wb_add_row(b, VDPAD_PCI);

    vf_bdf(pf, index, vf->bdf);
    vdpad_copy(vf->pf, sizeof vf->pf, pf);
    vf->vf_index = index;
    vf->vendor = 0x15b3;
    vf->device = 0x101e;
    vf->numvfs = vf->totalvfs = vf->autoprobe = -1;
    vf->iommu_group = 100 + index;
    return vf;
}

struct vdpad_link *
wb_new_representor(struct wb *b, const struct vdpad_pci *vf)
{
    int32_t ifindex = ++b->last_ifindex;
    struct vdpad_dlport *port = wb_add_row(b, VDPAD_DLPORT);
    struct vdpad_feature *feature = wb_add_row(b, VDPAD_FEATURE);
    struct vdpad_link *link = wb_add_row(b, VDPAD_LINK);
    unsigned int bus = 0;

    (void) sscanf(vf->pf, "%*x:%x", &bus);
    link->ifindex = ifindex;
    vdpad_text(link->name, sizeof link->name, "r%02xv%d", bus & 0xff,
               vf->vf_index & 0xffff);
    link->mtu = 1500;
    link->switch_id_len = 4;
    link->switch_id[0] = (uint8_t) bus;
    vdpad_text(link->port_name, sizeof link->port_name, "pf0vf%d",
               vf->vf_index);
    vdpad_copy(link->parent_bus, sizeof link->parent_bus, "pci");
    vdpad_copy(link->parent_dev, sizeof link->parent_dev, vf->pf);

    vdpad_copy(port->bus, sizeof port->bus, "pci");
    vdpad_copy(port->dev, sizeof port->dev, vf->pf);
    port->index = 10 + (uint32_t) vf->vf_index;
    port->flavour = DEVLINK_PORT_FLAVOUR_PCI_VF;
    port->controller = port->pf = 0;
    port->vf = vf->vf_index;
    port->sf = -1;
    port->ifindex = ifindex;
    vdpad_copy(port->ifname, sizeof port->ifname, link->name);

    feature->ifindex = ifindex;
    vdpad_copy(feature->name, sizeof feature->name, link->name);
    feature->supported = feature->active = true;
    return link;
}

void
wb_new_vdpa(struct wb *b, const char *vf, const char *name)
{
    struct vdpad_vdpa *vdpa = wb_add_row(b, VDPAD_VDPA);
    struct vdpad_vbus *vbus = wb_add_row(b, VDPAD_VBUS);

    vdpad_copy(vdpa->name, sizeof vdpa->name, name);
    vdpad_copy(vdpa->bus, sizeof vdpa->bus, "pci");
    vdpad_copy(vdpa->dev, sizeof vdpa->dev, vf);
    vdpa->id = 1;
    vdpa->vendor = 0x15b3;
    vdpa->max_vqs = 3;
    vdpa->max_vq_size = 256;
    vdpa->has_config = vdpa->has_mtu = true;
    vdpa->mtu = 1500;
    vdpad_copy(vbus->name, sizeof vbus->name, name);
    vdpad_copy(vbus->parent, sizeof vbus->parent, vf);
}

static void
del_holders(struct wb *b, const char *chardev)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_HOLDER].picture;

    for (size_t i = p->n; i-- > 0;) {
        struct vdpad_holder *holders = p->rows;

        if (!strcmp(holders[i].chardev, chardev)) {
            wb_del_row(b, VDPAD_HOLDER, &holders[i]);
        }
    }
}

void
wb_bind_vdpa(struct wb *b, const char *name, const char *driver)
{
    struct vdpad_vbus *vbus = wb_find_text(b, VDPAD_VBUS, name);

    if (vbus->chardev[0]) {
        del_holders(b, vbus->chardev);
    }
    vdpad_copy(vbus->driver, sizeof vbus->driver, driver);
    vdpad_copy(vbus->chardev, sizeof vbus->chardev, "");
    vdpad_copy(vbus->virtio, sizeof vbus->virtio, "");
    vdpad_copy(vbus->netdev, sizeof vbus->netdev, "");
    if (!strcmp(driver, "vhost_vdpa")) {
        vdpad_text(vbus->chardev, sizeof vbus->chardev, "vhost-vdpa-%d",
                   b->last_chardev++);
    } else if (!strcmp(driver, "virtio_vdpa")) {
        vdpad_text(vbus->virtio, sizeof vbus->virtio, "virtio%d",
                   b->last_virtio);
        vdpad_text(vbus->netdev, sizeof vbus->netdev, "eth%d",
                   b->last_virtio++);
    }
}

void
wb_del_vdpa(struct wb *b, const char *name)
{
    struct vdpad_vbus *vbus = wb_find_text(b, VDPAD_VBUS, name);
    struct vdpad_vdpa *vdpa = wb_find_text(b, VDPAD_VDPA, name);

    if (vbus) {
        del_holders(b, vbus->chardev);
        wb_del_row(b, VDPAD_VBUS, vbus);
    }
    if (vdpa) {
        wb_del_row(b, VDPAD_VDPA, vdpa);
    }
}

void
wb_del_link(struct wb *b, const char *name)
{
    struct vdpad_link *link = wb_find_link(b, name);
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_DLPORT].picture;
    struct vdpad_dlport *ports = p->rows;

    if (!link) {
        return;
    }
    for (size_t i = 0; i < p->n; i++) {
        if (ports[i].ifindex == link->ifindex) {
            wb_del_row(b, VDPAD_DLPORT, &ports[i]);
            break;
        }
    }
    del_ifindex_rows(b, VDPAD_FEATURE, link->ifindex);
    del_ifindex_rows(b, VDPAD_QDISC, link->ifindex);
    del_ifindex_rows(b, VDPAD_FLOW, link->ifindex);
    wb_del_row(b, VDPAD_LINK, link);
}

void
wb_rename(struct wb *b, const char *name, const char *new_name)
{
    struct vdpad_link *link = wb_find_link(b, name);
    struct vdpad_feature *feature = wb_find_feature(b, name);
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_DLPORT].picture;
    struct vdpad_dlport *ports = p->rows;

    for (size_t i = 0; i < p->n; i++) {
        if (ports[i].ifindex == link->ifindex) {
            vdpad_copy(ports[i].ifname, sizeof ports[i].ifname, new_name);
        }
    }
    if (feature) {
        vdpad_copy(feature->name, sizeof feature->name, new_name);
    }
    vdpad_copy(link->name, sizeof link->name, new_name);
}

/* Removes the vDPA devices of 'vf' and its management device. */
static void
del_mgmtdev(struct wb *b, const char *vf)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_VBUS].picture;
    struct vdpad_mgmtdev *mgmtdev = find_handle(b, VDPAD_MGMTDEV, vf);

    for (size_t i = p->n; i-- > 0;) {
        struct vdpad_vbus *rows = p->rows;

        if (!strcmp(rows[i].parent, vf)) {
            char name[VDPAD_NAME_SIZE];

            vdpad_copy(name, sizeof name, rows[i].name);
            wb_del_vdpa(b, name);
        }
    }
    if (mgmtdev) {
        wb_del_row(b, VDPAD_MGMTDEV, mgmtdev);
    }
}

void
wb_del_vf(struct wb *b, const char *vf)
{
    struct vdpad_pci *row = wb_find_text(b, VDPAD_PCI, vf);
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_DLPORT].picture;
    struct vdpad_dlport *ports = p->rows;

    del_mgmtdev(b, vf);
    for (size_t i = 0; i < p->n; i++) {
        if (ports[i].vf == row->vf_index && !strcmp(ports[i].dev, row->pf)) {
            char name[VDPAD_IFNAME_SIZE];

            vdpad_copy(name, sizeof name, ports[i].ifname);
            wb_del_link(b, name);
            break;
        }
    }
    wb_del_row(b, VDPAD_PCI, row);
}

void
wb_set_vf_driver(struct wb *b, const char *vf, const char *driver)
{
    struct vdpad_pci *row = wb_find_text(b, VDPAD_PCI, vf);

    vdpad_copy(row->driver, sizeof row->driver, driver);
    if (!driver[0] || !strcmp(driver, "vfio-pci")) {
        del_mgmtdev(b, vf);
    } else if (!find_handle(b, VDPAD_MGMTDEV, vf)) {
        struct vdpad_mgmtdev *mgmtdev = wb_add_row(b, VDPAD_MGMTDEV);

        vdpad_copy(mgmtdev->bus, sizeof mgmtdev->bus, "pci");
        vdpad_copy(mgmtdev->dev, sizeof mgmtdev->dev, vf);
        mgmtdev->classes = 2;
        mgmtdev->max_vqs = 17;
    }
}

struct vdpad_eswitch *
wb_find_eswitch(const struct wb *b, const char *pf)
{
    return find_handle(b, VDPAD_ESWITCH, pf);
}

struct vdpad_mgmtdev *
wb_find_mgmtdev(const struct wb *b, const char *vf)
{
    return find_handle(b, VDPAD_MGMTDEV, vf);
}

struct vdpad_feature *
wb_find_feature(const struct wb *b, const char *name)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_FEATURE].picture;
    struct vdpad_feature *rows = p->rows;

    for (size_t i = 0; i < p->n; i++) {
        if (!strcmp(rows[i].name, name)) {
            return &rows[i];
        }
    }
    return NULL;
}
