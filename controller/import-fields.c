/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a SriovNetworkNodePolicy, as its custom resource definition
 * has them.  What a value may be is checked here as far as it takes to make
 * words of it; whether the words can stand together is the parser of the keys'
 * to say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-parse.h"
#include "import-policy.h"
#include "util.h"

#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

/* One field of a map: what reads it. */
struct field {
    const char *name;
    void (*read)(struct vdpad_import_reading *, const struct vdpad_yaml *,
                 const char *field);
};

static void
refuse_type(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
            const char *field, const char *wanted, const char *example)
{
    char shown[VDPAD_WORD_TEXT];
    bool is_scalar = node->kind == VDPAD_YAML_SCALAR;

    vdpad_printable(is_scalar ? node->text : "", 32, shown, sizeof shown);
    vdpad_import_refuse(r->im, node->line, field,
                        "is %s%s%s%s, has to be %s; write for example %s",
                        vdpad_yaml_what(node), shown[0] ? " (" : "", shown,
                        shown[0] ? ")" : "", wanted, example);
}

/* Reads a text to '*ret', which is borrowed; else refuses. */
static bool
read_text(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
          const char *field, const char *example, const char **ret)
{
    char shown[VDPAD_WORD_TEXT];

    if (node->kind == VDPAD_YAML_SCALAR
        && vdpad_yaml_type(node) == VDPAD_YAML_STRING) {
        *ret = node->text;
        return true;
    }
    if (node->kind == VDPAD_YAML_SCALAR && !vdpad_yaml_is_null(node)) {
        /* 1015 without quotes is a number to the API, and refused there. */
        vdpad_printable(node->text, 32, shown, sizeof shown);
        vdpad_import_refuse(r->im, node->line, field,
                            "is %s, has to be a text; write it in quotes: "
                            "\"%s\"",
                            vdpad_yaml_what(node), shown);
        return false;
    }
    refuse_type(r, node, field, "a text", example);
    return false;
}

static bool
read_choice(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
            const char *field, const char *const *choices, const char **ret)
{
    char known[128], shown[VDPAD_WORD_TEXT];
    const char *text;
    size_t used = 0;

    if (!read_text(r, node, field, choices[0], &text)) {
        return false;
    }
    for (const char *const *c = choices; *c; c++) {
        if (!strcmp(text, *c)) {
            *ret = *c;
            return true;
        }
        used += (size_t) snprintf(known + used, sizeof known - used, "%s%s",
                                  used ? " or " : "", *c);
    }
    vdpad_printable(text, 32, shown, sizeof shown);
    vdpad_import_refuse(r->im, node->line, field, "is %s; write %s", shown,
                        known);
    return false;
}

static bool
read_int(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
         const char *field, const char *example, int64_t *ret)
{
    if (vdpad_yaml_int(node, ret)) {
        return true;
    }
    refuse_type(r, node, field, "a whole number without quotes", example);
    return false;
}

static bool
read_bool(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
          const char *field, bool *ret)
{
    if (vdpad_yaml_bool(node, ret)) {
        return true;
    }
    refuse_type(r, node, field, "true or false", "true");
    return false;
}

static bool
check_kind(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
           const char *field, enum vdpad_yaml_kind kind, const char *example)
{
    if (node->kind == kind) {
        return true;
    }
    refuse_type(r, node, field, kind == VDPAD_YAML_MAP ? "a map" : "a list",
                example);
    return false;
}

/* Has each member of 'map' read by the field that it is; null stands for a
 * field that is not there. */
static void
read_fields(struct vdpad_import_reading *r, const struct vdpad_yaml *map,
            const char *parent, const struct field *fields, size_t n)
{
    char field[VDPAD_FIELD_SIZE];

    for (const struct vdpad_yaml *m = map->first; m; m = m->next) {
        size_t i = 0;

        while (i < n && strcmp(fields[i].name, m->key)) {
            i++;
        }
        vdpad_import_field(field, parent, m->key);
        if (i < n) {
            if (!vdpad_yaml_is_null(m)) {
                fields[i].read(r, m, field);
            }
            continue;
        }
        const char *meant = vdpad_nearest(m->key, &fields->name, n,
                                          sizeof *fields);
        vdpad_import_refuse(r->im, m->line, field,
                            "there is no such field; %s%s",
                            meant ? "did you mean " : "remove it",
                            meant ? meant : "");
    }
}

/* What the API server adds or people annotate says nothing of devices. */
static void
skip(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
     const char *field)
{
    (void) r;
    (void) node;
    (void) field;
}

static void
skip_map(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
         const char *field)
{
    (void) check_kind(r, node, field, VDPAD_YAML_MAP, "{}");
}

static void
read_name(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
          const char *field)
{
    const char *name;

    if (!read_text(r, node, field, "gold", &name)) {
        return;
    }
    if (!vdpad_is_policy_name(name)) {
        char shown[VDPAD_WORD_TEXT];

        vdpad_printable(name, 64, shown, sizeof shown);
        vdpad_import_refuse(r->im, node->line, field,
                            "%s cannot be the NAME of " VDPAD_KEY_POLICY
                            "NAME: up to %d letters, digits, '.', '_' and "
                            "'-', the first a letter or digit",
                            shown, VDPAD_CONFIG_NAME_MAX);
        return;
    }
    r->name = name;
}

static void
read_metadata(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
              const char *field)
{
    static const struct field fields[] = {
        { "name", read_name },
        { "namespace", skip },
        { "labels", skip_map },
        { "annotations", skip_map },
        { "creationTimestamp", skip },
        { "deletionGracePeriodSeconds", skip },
        { "deletionTimestamp", skip },
        { "finalizers", skip },
        { "generateName", skip },
        { "generation", skip },
        { "managedFields", skip },
        { "ownerReferences", skip },
        { "resourceVersion", skip },
        { "selfLink", skip },
        { "uid", skip },
    };

    if (check_kind(r, node, field, VDPAD_YAML_MAP, "{name: gold}")) {
        read_fields(r, node, field, fields, N_ELEMS(fields));
    }
}

static void
read_resource(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
              const char *field)
{
    (void) read_text(r, node, field, "mlxnics", &r->resource);
}

static void
read_node_selector(struct vdpad_import_reading *r,
                   const struct vdpad_yaml *node, const char *field)
{
    if (check_kind(r, node, field, VDPAD_YAML_MAP, "{}") && node->first) {
        vdpad_import_note(r->im, node->line, field,
                          "is not looked at; run the command on the hosts "
                          "that it selects");
    }
}

static void
read_num_vfs(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
             const char *field)
{
    r->has_num_vfs = read_int(r, node, field, "8", &r->num_vfs);
}

static void
read_priority(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
              const char *field)
{
    (void) read_int(r, node, field, "99", &r->priority);
}

static void
read_mtu(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
         const char *field)
{
    r->has_mtu = read_int(r, node, field, "1500", &r->mtu);
}

static void
read_device_type(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
                 const char *field)
{
    static const char *const choices[] = { "netdevice", "vfio-pci", NULL };

    (void) read_choice(r, node, field, choices, &r->device_type);
}

static void
read_eswitch_mode(struct vdpad_import_reading *r,
                  const struct vdpad_yaml *node, const char *field)
{
    static const char *const choices[] = { "switchdev", "legacy", NULL };

    (void) read_choice(r, node, field, choices, &r->eswitch_mode);
}

static void
read_vdpa_type(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
               const char *field)
{
    static const char *const choices[] = { "virtio", "vhost", NULL };

    (void) read_choice(r, node, field, choices, &r->vdpa_type);
}

static void
read_external(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
              const char *field)
{
    (void) read_bool(r, node, field, &r->is_external);
}

static void
read_rdma(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
          const char *field)
{
    bool value;

    if (read_bool(r, node, field, &value) && value) {
        vdpad_import_refuse(r->im, node->line, field,
                            "true has no counterpart: vDPA and RDMA exclude "
                            "each other; write false or remove the field");
    }
}

/* For fields of the device plugin alone. */
static void
read_plugin_bool(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
                 const char *field)
{
    bool value;

    if (read_bool(r, node, field, &value) && value) {
        vdpad_import_note(r->im, node->line, field,
                          "is the device plugin's and not carried over");
    }
}

static void
read_link_type(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
               const char *field)
{
    static const char *const choices[] = { "eth", "ETH", "ib", "IB", NULL };
    const char *type;

    if (read_choice(r, node, field, choices, &type)
        && strcasecmp(type, "eth") != 0) {
        vdpad_import_refuse(r->im, node->line, field,
                            "%s: only Ethernet has representors; write eth "
                            "or remove the field",
                            type);
    }
}

/* An empty one is what the API server fills in. */
static void
read_bridge(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
            const char *field)
{
    if (check_kind(r, node, field, VDPAD_YAML_MAP, "{}") && node->first) {
        vdpad_import_refuse(r->im, node->line, field,
                            "cannot be carried over: there is one bridge for "
                            "all, named by external_ids:vdpa-bridge; remove "
                            "the field and set that");
    }
}

static bool
read_pci_id(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
            const char *field, const char *example, const char **ret)
{
    const char *text;
    char shown[VDPAD_WORD_TEXT];
    uint32_t id;

    if (!read_text(r, node, field, example, &text)) {
        return false;
    }
    const char *rest = text;
    if (!vdpad_scan_hex(&rest, 4, &id) || *rest) {
        vdpad_printable(text, 32, shown, sizeof shown);
        vdpad_import_refuse(r->im, node->line, field,
                            "%s is not a PCI id of up to four hexadecimal "
                            "digits; write for example \"%s\"",
                            shown, example);
        return false;
    }
    *ret = text;
    return true;
}

static void
read_vendor(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
            const char *field)
{
    (void) read_pci_id(r, node, field, "15b3", &r->vendor);
}

static void
read_device_id(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
               const char *field)
{
    (void) read_pci_id(r, node, field, "101d", &r->device);
}

/* Whether 'text' is NAME or NAME#RANGES with a name that 'is_name' takes. */
static bool
is_selector(const char *text, bool (*is_name)(const char *))
{
    size_t len = strcspn(text, "#");
    const char *ranges = text + len;
    char *name = vdpad_xstrndup(text, len);
    bool ok = is_name(name)
              && (!*ranges
                  || (ranges[1]
                      && strspn(ranges + 1, "0123456789,-")
                             == strlen(ranges + 1)));

    free(name);
    return ok;
}

static bool
is_bdf(const char *text)
{
    char bdf[VDPAD_BDF_SIZE];

    return !vdpad_bdf_parse(text, bdf);
}

static void
read_selectors(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
               const char *field, bool (*is_name)(const char *),
               const char *example, const struct vdpad_yaml **ret)
{
    char item[VDPAD_FIELD_SIZE + 24], shown[VDPAD_WORD_TEXT];
    const char *text;
    bool ok = true;
    size_t i = 0;

    if (!check_kind(r, node, field, VDPAD_YAML_LIST, example)) {
        return;
    }
    for (const struct vdpad_yaml *m = node->first; m; m = m->next) {
        snprintf(item, sizeof item, "%s[%zu]", field, i++);
        if (!read_text(r, m, item, example, &text)) {
            ok = false;
        } else if (!is_selector(text, is_name)) {
            vdpad_printable(text, 64, shown, sizeof shown);
            vdpad_import_refuse(r->im, m->line, item,
                                "%s cannot be; write for example %s", shown,
                                example);
            ok = false;
        }
    }
    if (ok && node->first) {
        *ret = node;
    }
}

static void
read_root_devices(struct vdpad_import_reading *r,
                  const struct vdpad_yaml *node, const char *field)
{
    read_selectors(r, node, field, is_bdf, "[\"0000:65:00.0\"]", &r->roots);
}

static void
read_pf_names(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
              const char *field)
{
    read_selectors(r, node, field, vdpad_ifname_is_valid, "[\"ens1f0#0-3\"]",
                   &r->pf_names);
}

static void
read_net_filter(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
                const char *field)
{
    const char *text;

    if (read_text(r, node, field, "\"\"", &text) && text[0]) {
        vdpad_import_refuse(r->im, node->line, field,
                            "names a network of a cloud, of which the host "
                            "knows nothing; select by rootDevices or pfNames "
                            "instead");
    }
}

static void
read_nic_selector(struct vdpad_import_reading *r,
                  const struct vdpad_yaml *node, const char *field)
{
    static const struct field fields[] = {
        { "vendor", read_vendor },
        { "deviceID", read_device_id },
        { "rootDevices", read_root_devices },
        { "pfNames", read_pf_names },
        { "netFilter", read_net_filter },
    };

    if (check_kind(r, node, field, VDPAD_YAML_MAP,
                   "{rootDevices: [\"0000:65:00.0\"]}")) {
        read_fields(r, node, field, fields, N_ELEMS(fields));
    }
}

static void
read_spec(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
          const char *field)
{
    static const struct field fields[] = {
        { "resourceName", read_resource },
        { "nodeSelector", read_node_selector },
        { "priority", read_priority },
        { "mtu", read_mtu },
        { "numVfs", read_num_vfs },
        { "nicSelector", read_nic_selector },
        { "deviceType", read_device_type },
        { "isRdma", read_rdma },
        { "needVhostNet", read_plugin_bool },
        { "linkType", read_link_type },
        { "eSwitchMode", read_eswitch_mode },
        { "vdpaType", read_vdpa_type },
        { "excludeTopology", read_plugin_bool },
        { "externallyManaged", read_external },
        { "bridge", read_bridge },
    };

    if (check_kind(r, node, field, VDPAD_YAML_MAP, "{numVfs: 8, …}")) {
        r->spec = node;
        read_fields(r, node, field, fields, N_ELEMS(fields));
    }
}

/* "apiVersion", "kind". */
static void
read_type(struct vdpad_import_reading *r, const struct vdpad_yaml *node,
          const char *field)
{
    const char *wanted = !strcmp(node->key, "kind")
                             ? "SriovNetworkNodePolicy"
                             : "sriovnetwork.openshift.io/v1";
    char shown[VDPAD_WORD_TEXT];
    const char *text;

    if (read_text(r, node, field, wanted, &text) && strcmp(text, wanted)) {
        vdpad_printable(text, 64, shown, sizeof shown);
        vdpad_import_refuse(r->im, node->line, field,
                            "is %s; only %s can be imported", shown, wanted);
    }
}

/* Refuses 'object' for lack of field 'path' ("spec.numVfs"). */
static void
need(struct vdpad_import_reading *r, const char *path, const char *example)
{
    char field[VDPAD_FIELD_SIZE], first[32];
    const struct vdpad_yaml *around, *node;

    snprintf(first, sizeof first, "%.*s", (int) strcspn(path, "."), path);
    around = vdpad_yaml_member(r->object, first);
    node = around;
    if (strchr(path, '.')) {
        node = vdpad_yaml_member(around, strchr(path, '.') + 1);
    }
    if (!node || vdpad_yaml_is_null(node)) {
        vdpad_import_field(field, r->prefix, path);
        vdpad_import_refuse(r->im, (around ? around : r->object)->line, field,
                            "is missing; write for example %s", example);
    }
}

bool
vdpad_import_read(struct vdpad_import_reading *r)
{
    static const struct field fields[] = {
        { "apiVersion", read_type },   { "kind", read_type },
        { "metadata", read_metadata }, { "spec", read_spec },
        { "status", skip_map },
    };
    const struct vdpad_yaml *kind = vdpad_yaml_member(r->object, "kind");
    size_t before = r->im->n_errors;
    char field[VDPAD_FIELD_SIZE];

    /* Of anything else every field would be a mistake. */
    need(r, "kind", "SriovNetworkNodePolicy");
    need(r, "apiVersion", "sriovnetwork.openshift.io/v1");
    if (r->im->n_errors == before) {
        read_type(r, kind, vdpad_import_field(field, r->prefix, "kind"));
    }
    if (r->im->n_errors != before) {
        return false;
    }
    read_fields(r, r->object, r->prefix, fields, N_ELEMS(fields));
    need(r, "metadata.name", "gold");
    if (r->spec) {
        need(r, "spec.numVfs", "8");
        need(r, "spec.nicSelector", "{rootDevices: [\"0000:65:00.0\"]}");
        need(r, "spec.resourceName", "mlxnics");
        need(r, "spec.nodeSelector", "{}");
    } else {
        need(r, "spec", "{numVfs: 8, …}");
    }
    return r->im->n_errors == before;
}
