/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define KEY VDPAD_FIELD_KEY
#define VOLATILE VDPAD_FIELD_VOLATILE
#define OPTIONAL VDPAD_FIELD_OPTIONAL

#define FIELD_AS(ROW, MEMBER, TYPE, FLAGS, VALUE_NAME)              \
    {                                                               \
#MEMBER, VDPAD_FIELD_##TYPE, FLAGS,                         \
            offsetof(struct vdpad_##ROW, MEMBER),                   \
            sizeof((struct vdpad_##ROW *) NULL)->MEMBER, VALUE_NAME \
    }
#define FIELD(ROW, MEMBER, TYPE, FLAGS) \
    FIELD_AS(ROW, MEMBER, TYPE, FLAGS, NULL)
#define NAMED(ROW, MEMBER, FLAGS, VALUE_NAME) \
    FIELD_AS(ROW, MEMBER, NAMED, FLAGS, VALUE_NAME)

static const struct vdpad_field module_fields[] = {
    FIELD(module, name, TEXT, KEY),
    NAMED(module, state, 0, vdpad_module_state_name),
};

static const struct vdpad_field pci_fields[] = {
    FIELD(pci, bdf, TEXT, KEY),
    FIELD(pci, pf, TEXT, 0),
    FIELD(pci, vf_index, INT, OPTIONAL),
    FIELD(pci, vendor, HEX, 0),
    FIELD(pci, device, HEX, 0),
    FIELD(pci, numvfs, INT, OPTIONAL),
    FIELD(pci, totalvfs, INT, OPTIONAL),
    FIELD(pci, autoprobe, INT, OPTIONAL),
    FIELD(pci, driver, TEXT, 0),
    FIELD(pci, driver_override, TEXT, 0),
    FIELD(pci, iommu_group, INT, OPTIONAL),
};

static const struct vdpad_field link_fields[] = {
    FIELD(link, ifindex, INT, KEY),
    FIELD(link, name, TEXT, 0),
    FIELD(link, kind, TEXT, 0),
    FIELD(link, mtu, UINT, 0),
    FIELD(link, flags, HEX, 0),
    FIELD(link, master, INT, 0),
    FIELD(link, lower, INT, 0),
    FIELD(link, mac, MAC, 0),
    FIELD(link, carrier, BOOL, 0),
    FIELD(link, switch_id_len, UINT, 0),
    FIELD(link, switch_id, BYTES, 0),
    FIELD(link, port_name, TEXT, 0),
    FIELD(link, parent_bus, TEXT, 0),
    FIELD(link, parent_dev, TEXT, 0),
    FIELD(link, rx_packets, UINT, VOLATILE),
    FIELD(link, rx_bytes, UINT, VOLATILE),
    FIELD(link, bond_mode, INT, 0),
};

static const struct vdpad_field eswitch_fields[] = {
    FIELD(eswitch, bus, TEXT, KEY),
    FIELD(eswitch, dev, TEXT, KEY),
    NAMED(eswitch, mode, OPTIONAL, vdpad_eswitch_mode_name),
    FIELD(eswitch, inline_mode, INT, OPTIONAL),
    FIELD(eswitch, encap_mode, INT, OPTIONAL),
    FIELD(eswitch, driver, TEXT, 0),
    FIELD(eswitch, fw_version, TEXT, 0),
};

static const struct vdpad_field dlport_fields[] = {
    FIELD(dlport, bus, TEXT, KEY),
    FIELD(dlport, dev, TEXT, KEY),
    FIELD(dlport, index, UINT, KEY),
    NAMED(dlport, flavour, 0, vdpad_flavour_name),
    FIELD(dlport, controller, INT, OPTIONAL),
    FIELD(dlport, pf, INT, OPTIONAL),
    FIELD(dlport, vf, INT, OPTIONAL),
    FIELD(dlport, sf, INT, OPTIONAL),
    FIELD(dlport, external, BOOL, 0),
    FIELD(dlport, has_hw_addr, BOOL, 0),
    FIELD(dlport, hw_addr, MAC, 0),
    FIELD(dlport, ifindex, INT, 0),
    FIELD(dlport, ifname, TEXT, 0),
};

static const struct vdpad_field mgmtdev_fields[] = {
    FIELD(mgmtdev, bus, TEXT, KEY),   FIELD(mgmtdev, dev, TEXT, KEY),
    FIELD(mgmtdev, classes, HEX, 0),  FIELD(mgmtdev, features, HEX, 0),
    FIELD(mgmtdev, max_vqs, UINT, 0),
};

/* What a driver in a guest sets is told by no event. */
static const struct vdpad_field vdpa_fields[] = {
    FIELD(vdpa, name, TEXT, KEY),
    FIELD(vdpa, bus, TEXT, 0),
    FIELD(vdpa, dev, TEXT, 0),
    FIELD(vdpa, id, UINT, 0),
    FIELD(vdpa, vendor, HEX, 0),
    FIELD(vdpa, max_vqs, UINT, 0),
    FIELD(vdpa, max_vq_size, UINT, 0),
    FIELD(vdpa, has_config, BOOL, 0),
    FIELD(vdpa, has_mac, BOOL, 0),
    FIELD(vdpa, has_mtu, BOOL, 0),
    FIELD(vdpa, has_max_vqp, BOOL, 0),
    FIELD(vdpa, has_status, BOOL, VOLATILE),
    FIELD(vdpa, has_negotiated, BOOL, VOLATILE),
    FIELD(vdpa, mac, MAC, 0),
    FIELD(vdpa, mtu, UINT, 0),
    FIELD(vdpa, max_vqp, UINT, 0),
    FIELD(vdpa, status, HEX, VOLATILE),
    FIELD(vdpa, negotiated, HEX, VOLATILE),
};

static const struct vdpad_field vbus_fields[] = {
    FIELD(vbus, name, TEXT, KEY),  FIELD(vbus, parent, TEXT, 0),
    FIELD(vbus, driver, TEXT, 0),  FIELD(vbus, driver_override, TEXT, 0),
    FIELD(vbus, chardev, TEXT, 0), FIELD(vbus, virtio, TEXT, 0),
    FIELD(vbus, netdev, TEXT, 0),  FIELD(vbus, netdev_away, BOOL, 0),
};

static const struct vdpad_field feature_fields[] = {
    FIELD(feature, ifindex, INT, KEY),
    FIELD(feature, name, TEXT, 0),
    FIELD(feature, supported, BOOL, 0),
    FIELD(feature, active, BOOL, 0),
};

static const struct vdpad_field holder_fields[] = {
    FIELD(holder, chardev, TEXT, KEY), FIELD(holder, pid, INT, KEY),
    FIELD(holder, command, TEXT, 0),   FIELD(holder, memlock, UINT, 0),
    FIELD(holder, macs, TEXT, 0),
};

static const struct vdpad_field qdisc_fields[] = {
    FIELD(qdisc, ifindex, INT, KEY),
    FIELD(qdisc, clsact, BOOL, KEY),
    FIELD(qdisc, ingress_block, UINT, 0),
    FIELD(qdisc, egress_block, UINT, 0),
};

static const struct vdpad_field flow_fields[] = {
    FIELD(flow, ifindex, INT, KEY),
    FIELD(flow, block, UINT, 0),
    FIELD(flow, epoch, UINT, VOLATILE),
    FIELD(flow, hw_flows, UINT, VOLATILE),
    FIELD(flow, sw_flows, UINT, VOLATILE),
    FIELD(flow, foreign_flows, UINT, VOLATILE),
    FIELD(flow, hw_packets, UINT, VOLATILE),
    FIELD(flow, hw_bytes, UINT, VOLATILE),
    FIELD(flow, sw_packets, UINT, VOLATILE),
    FIELD(flow, sw_bytes, UINT, VOLATILE),
    FIELD(flow, rx_packets, UINT, VOLATILE),
    FIELD(flow, cpu_hit_packets, UINT, VOLATILE),
    FIELD(flow, has_cpu_hit, BOOL, 0),
};

static const struct vdpad_field kflow_fields[] = {
    FIELD(kflow, ifindex, INT, KEY),
    FIELD(kflow, flows, UINT, VOLATILE),
    FIELD(kflow, packets, UINT, VOLATILE),
    FIELD(kflow, bytes, UINT, VOLATILE),
};

static const struct vdpad_field host_fields[] = {
    FIELD(host, name, TEXT, KEY),
    FIELD(host, value, TEXT, 0),
};

static const struct vdpad_field tcprio_fields[] = {
    FIELD(tcprio, ifindex, INT, KEY),
    FIELD(tcprio, block, UINT, KEY),
    FIELD(tcprio, egress, BOOL, KEY),
    FIELD(tcprio, chain, UINT, KEY),
    FIELD(tcprio, prio, UINT, KEY),
    FIELD(tcprio, filters, UINT, VOLATILE),
    FIELD(tcprio, ovs_filters, UINT, VOLATILE),
    FIELD(tcprio, hw_filters, UINT, VOLATILE),
};

static const struct {
    const struct vdpad_field *fields;
    size_t n;
} tables[VDPAD_N_CLASSES] = {
#define TABLE(TAG, FIELDS) \
    [TAG] = { (FIELDS), sizeof(FIELDS) / sizeof(FIELDS)[0] }
    TABLE(VDPAD_MODULE, module_fields),   TABLE(VDPAD_PCI, pci_fields),
    TABLE(VDPAD_LINK, link_fields),       TABLE(VDPAD_ESWITCH, eswitch_fields),
    TABLE(VDPAD_DLPORT, dlport_fields),   TABLE(VDPAD_MGMTDEV, mgmtdev_fields),
    TABLE(VDPAD_VDPA, vdpa_fields),       TABLE(VDPAD_VBUS, vbus_fields),
    TABLE(VDPAD_FEATURE, feature_fields), TABLE(VDPAD_HOLDER, holder_fields),
    TABLE(VDPAD_QDISC, qdisc_fields),     TABLE(VDPAD_FLOW, flow_fields),
    TABLE(VDPAD_KFLOW, kflow_fields),     TABLE(VDPAD_HOST, host_fields),
    TABLE(VDPAD_TCPRIO, tcprio_fields),
#undef TABLE
};

const struct vdpad_field *
vdpad_fields(enum vdpad_class class_, size_t *ret_n)
{
    *ret_n = tables[class_].n;
    return tables[class_].fields;
}

const char *
vdpad_eswitch_mode_name(int32_t mode)
{
    switch (mode) {
    case VDPAD_ESWITCH_NONE:
        return "none";
    case VDPAD_ESWITCH_LEGACY:
        return "legacy";
    case VDPAD_ESWITCH_SWITCHDEV:
        return "switchdev";
    case VDPAD_ESWITCH_INACTIVE:
        return "switchdev_inactive";
    default:
        return "unknown";
    }
}

const char *
vdpad_module_state_name(int32_t state)
{
    switch (state) {
    case VDPAD_MODULE_MISSING:
        return "missing";
    case VDPAD_MODULE_LOADABLE:
        return "loadable";
    case VDPAD_MODULE_LOADED:
        return "loaded";
    default:
        return "unknown";
    }
}

const char *
vdpad_flavour_name(int32_t flavour)
{
    static const char *const names[] = {
        "physical", "cpu",     "dsa",    "pcipf",
        "pcivf",    "virtual", "unused", "pcisf",
    };

    return flavour >= 0 && (size_t) flavour < sizeof names / sizeof names[0]
               ? names[flavour]
               : "unknown";
}

static uint64_t
unsigned_of(const struct vdpad_field *field, const void *row)
{
    const char *p = (const char *) row + field->offset;
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;

    switch (field->size) {
    case sizeof u64:
        memcpy(&u64, p, sizeof u64);
        return u64;
    case sizeof u32:
        memcpy(&u32, p, sizeof u32);
        return u32;
    case sizeof u16:
        memcpy(&u16, p, sizeof u16);
        return u16;
    default:
        return (uint8_t) *p;
    }
}

/* All signed members are int32_t. */
static int32_t
signed_of(const struct vdpad_field *field, const void *row)
{
    int32_t value;

    memcpy(&value, (const char *) row + field->offset, sizeof value);
    return value;
}

static bool
is_absent(const struct vdpad_field *field, const void *row)
{
    return field->flags & VDPAD_FIELD_OPTIONAL && signed_of(field, row) == -1;
}

static json_t *
field_json(const struct vdpad_field *field, const void *row)
{
    const char *p = (const char *) row + field->offset;
    uint8_t bytes[32];
    char hex[2 * sizeof bytes + 1] = "";

    if (is_absent(field, row)) {
        return json_null();
    }
    switch (field->type) {
    case VDPAD_FIELD_TEXT:
        return vdpad_json_format("%.*s", (int) field->size, p);
    case VDPAD_FIELD_BOOL:
        return vdpad_json_bool(*p != 0);
    case VDPAD_FIELD_INT:
        return vdpad_json_int(signed_of(field, row));
    case VDPAD_FIELD_UINT:
        return vdpad_json_u64(unsigned_of(field, row));
    case VDPAD_FIELD_HEX:
        return vdpad_json_format("0x%" PRIx64, unsigned_of(field, row));
    case VDPAD_FIELD_NAMED:
        return vdpad_json_text(field->value_name(signed_of(field, row)));
    case VDPAD_FIELD_MAC:
        memcpy(bytes, p, 6);
        return vdpad_json_mac(bytes);
    case VDPAD_FIELD_BYTES:
        for (size_t i = 0; i < (uint8_t) p[-1] && i < field->size; i++) {
            snprintf(hex + 2 * i, 3, "%02x", (uint8_t) p[i]);
        }
        return vdpad_json_text(hex);
    default:
        abort();
    }
}

static int
field_order(const struct vdpad_field *field, const void *a, const void *b)
{
    const char *p = (const char *) a + field->offset;
    const char *q = (const char *) b + field->offset;

    if (field->type == VDPAD_FIELD_TEXT) {
        return strncmp(p, q, field->size);
    } else if (field->type == VDPAD_FIELD_INT
               || field->type == VDPAD_FIELD_NAMED) {
        int32_t x = signed_of(field, a), y = signed_of(field, b);
        return (x > y) - (x < y);
    } else if (field->type == VDPAD_FIELD_MAC
               || field->type == VDPAD_FIELD_BYTES) {
        return memcmp(p, q, field->size);
    } else {
        uint64_t x = unsigned_of(field, a), y = unsigned_of(field, b);
        return (x > y) - (x < y);
    }
}

int
vdpad_row_order(enum vdpad_class class_, const void *a, const void *b)
{
    for (size_t i = 0; i < tables[class_].n; i++) {
        const struct vdpad_field *field = &tables[class_].fields[i];

        if (field->flags & VDPAD_FIELD_KEY) {
            int order = field_order(field, a, b);
            if (order) {
                return order;
            }
        }
    }
    return 0;
}

static bool
field_differs(const struct vdpad_field *field, const void *a, const void *b)
{
    return !(field->flags & VDPAD_FIELD_VOLATILE) && field_order(field, a, b);
}

bool
vdpad_row_is_equal(enum vdpad_class class_, const void *a, const void *b)
{
    for (size_t i = 0; i < tables[class_].n; i++) {
        if (field_differs(&tables[class_].fields[i], a, b)) {
            return false;
        }
    }
    return true;
}

static char *
field_text(const struct vdpad_field *field, const void *row)
{
    json_t *value = field_json(field, row);
    char *text = vdpad_json_human(value);

    json_decref(value);
    return text;
}

void
vdpad_row_diff(enum vdpad_class class_, const void *a, const void *b,
               char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < tables[class_].n && used + 1 < size; i++) {
        const struct vdpad_field *field = &tables[class_].fields[i];

        if (field_differs(field, a, b)) {
            char *old = field_text(field, a);
            char *new_ = field_text(field, b);

            vdpad_text(text + used, size - used, "%s%s %s -> %s",
                       used ? ", " : "", field->name, old, new_);
            used += strlen(text + used);
            free(old);
            free(new_);
        }
    }
}

void
vdpad_row_key(enum vdpad_class class_, const void *row, char *text,
              size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < tables[class_].n && used + 1 < size; i++) {
        const struct vdpad_field *field = &tables[class_].fields[i];

        if (field->flags & VDPAD_FIELD_KEY) {
            char *value = field_text(field, row);

            vdpad_text(text + used, size - used, "%s%s", used ? "/" : "",
                       value);
            used += strlen(text + used);
            free(value);
        }
    }
}

void
vdpad_row_text(enum vdpad_class class_, const void *row, char *text,
               size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < tables[class_].n && used + 1 < size; i++) {
        const struct vdpad_field *field = &tables[class_].fields[i];
        char *value = field_text(field, row);

        if (strcmp(value, "-") != 0) {
            vdpad_text(text + used, size - used, "%s%s %s", used ? " " : "",
                       field->name, value);
            used += strlen(text + used);
        }
        free(value);
    }
}

json_t *
vdpad_row_json(enum vdpad_class class_, const void *row)
{
    json_t *object = json_object();

    for (size_t i = 0; i < tables[class_].n; i++) {
        const struct vdpad_field *field = &tables[class_].fields[i];

        vdpad_json_set(object, field->name, field_json(field, row));
    }
    return object;
}

size_t
vdpad_picture_compare(const struct vdpad_picture *old,
                      const struct vdpad_picture *new_,
                      vdpad_difference_cb *cb, void *aux)
{
    enum vdpad_class class_ = old->class_;
    size_t row_size = vdpad_row_size(class_);
    const char *a = old->rows, *b = new_->rows;
    size_t i = 0, j = 0, n = 0;

    while (i < old->n || j < new_->n) {
        const char *row_a = i < old->n ? a + i * row_size : NULL;
        const char *row_b = j < new_->n ? b + j * row_size : NULL;
        int order = !row_a   ? 1
                    : !row_b ? -1
                             : vdpad_row_order(class_, row_a, row_b);

        i += order <= 0;
        j += order >= 0;
        if (order || !vdpad_row_is_equal(class_, row_a, row_b)) {
            cb(aux, order <= 0 ? row_a : NULL, order >= 0 ? row_b : NULL);
            n++;
        }
    }
    return n;
}
