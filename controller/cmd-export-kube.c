/* SPDX-License-Identifier: Apache-2.0 */
/* export/deviceinfo, export/device-plugin: what CNI plugins and the SR-IOV
 * device plugin of Kubernetes want to be told. */
#include <stdlib.h>
#include <string.h>

#include "cmd-call.h"
#include "cmd-export.h"
#include "json-rows.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)

/* Of the Device Information Specification (Network Plumbing Working
 * Group). */
#define DEVICE_INFO_VERSION "1.1.0"

/* Where the device is found: its char device, or its virtio device in sysfs;
 * NULL when it has neither. */
static json_t *
endpoint(const struct vdpad_vbus *vbus)
{
    if (vdpad_export_is_numbered(vbus->chardev, VDPAD_CHARDEV_PREFIX)) {
        return vdpad_json_format("/dev/%s", vbus->chardev);
    }
    if (vdpad_export_is_numbered(vbus->virtio, "virtio")) {
        return vdpad_json_format("/sys/bus/virtio/devices/%s", vbus->virtio);
    }
    return NULL;
}

void
vdpad_export_deviceinfo(struct vdpad_call *call)
{
    const struct vdpad_dev *dev = vdpad_call_device(call, call->argv[0]);

    if (!dev || !vdpad_export_can(call, dev)) {
        return;
    }
    const struct vdpad_vbus *vbus = dev->vbus;
    json_t *path = vbus ? endpoint(vbus) : NULL;
    if (!path) {
        vdpad_call_error(call,
                         "device %s has neither a char device nor a virtio "
                         "device: it is bound to no vDPA driver "
                         "(vdpa-type=vhost or virtio)",
                         dev->name);
        return;
    }

    json_t *info = json_object(), *vdpa = json_object();
    SET(info, "type", vdpad_json_text("vdpa"));
    SET(info, "version", vdpad_json_text(DEVICE_INFO_VERSION));
    SET(vdpa, "parent-device", vdpad_json_text(vbus->name));
    SET(vdpa, "driver",
        vdpad_json_text(vbus->chardev[0] ? "vhost" : "virtio"));
    SET(vdpa, "path", path);
    /* The specification has no null: what there is not is left out. */
    if (dev->vf) {
        SET(vdpa, "pci-address", vdpad_json_text(dev->vf->bdf));
    }
    if (dev->pf) {
        SET(vdpa, "pf-pci-address", vdpad_json_text(dev->pf->pci->bdf));
    }
    if (dev->rep) {
        SET(vdpa, "representor-device", vdpad_json_text(dev->rep->name));
    }
    SET(info, "vdpa", vdpa);

    char *text = call->json ? NULL : vdpad_json_dump(json_incref(info));
    vdpad_call_reply(call, info, text);
}

/* The device plugin's names have letters, digits, '_' and '-'. */
static char *
resource_name(const struct vdpad_policy *policy)
{
    char *name = vdpad_xstrdup(policy->name);

    for (char *p = name; *p; p++) {
        if (*p == '.') {
            *p = '_';
        }
    }
    return name;
}

/* Appends VF indexes 'first' to 'last' to the end of a selector. */
static void
print_range(FILE *stream, char separator, int32_t first, int32_t last)
{
    fprintf(stream, "%c%d", separator, first);
    if (last > first) {
        fprintf(stream, "-%d", last);
    }
}

/* "0000:65:00.0#0-3,6": the VFs of 'policy' on 'pf', or NULL if there are
 * none.  Devices are sorted by PF and VF index. */
static char *
root_device(const struct vdpad_world *world, const struct vdpad_policy *policy,
            const struct vdpad_pf *pf)
{
    struct vdpad_text_stream out;
    int32_t first = -1, last = -1;
    char separator = '#';

    vdpad_text_open(&out);
    fputs(pf->pci->bdf, out.stream);
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (dev->policy != policy || dev->pf != pf || dev->vf_index < 0) {
            continue;
        }
        if (first >= 0 && dev->vf_index != last + 1) {
            print_range(out.stream, separator, first, last);
            separator = ',';
            first = -1;
        }
        first = first < 0 ? dev->vf_index : first;
        last = dev->vf_index;
    }
    if (first >= 0) {
        print_range(out.stream, separator, first, last);
    }
    char *text = vdpad_text_close(&out);
    if (first < 0) {
        free(text);
        text = NULL;
    }
    return text;
}

/* What selects the devices of 'policy', or NULL if it has none. */
static json_t *
resource(const struct vdpad_world *world, const struct vdpad_policy *policy)
{
    json_t *roots = json_array();

    for (size_t i = 0; i < world->n_pfs; i++) {
        char *root = root_device(world, policy, &world->pfs[i]);

        if (root) {
            vdpad_json_add(roots, vdpad_json_text(root));
            free(root);
        }
    }
    if (!json_array_size(roots)) {
        json_decref(roots);
        return NULL;
    }
    json_t *o = json_object(), *selector = json_object(), *list = json_array();
    char *name = resource_name(policy);

    SET(o, "resourceName", vdpad_json_text(name));
    free(name);
    SET(selector, "rootDevices", roots);
    SET(selector, "vdpaType", vdpad_json_text(vdpad_type_name(policy->type)));
    vdpad_json_add(list, selector);
    SET(o, "selectors", list);
    return o;
}

/* The resources of all policies with devices, each under a name of its own.
 * NULL: 'call' is answered. */
static json_t *
resources(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_config *config = world->config;
    json_t *list = json_array(), *names = json_object();

    for (size_t i = 0; i < config->n_policies; i++) {
        const struct vdpad_policy *policy = &config->policies[i];
        json_t *o = policy->type != VDPAD_TYPE_NONE ? resource(world, policy)
                                                    : NULL;

        if (!o) {
            continue;
        }
        const char *name = json_string_value(
            json_object_get(o, "resourceName"));
        const char *other = json_string_value(json_object_get(names, name));
        if (other) {
            vdpad_call_error(call,
                             "policies %s and %s would both be the resource "
                             "%s, whose name has no '.'; rename one of them",
                             other, policy->name, name);
            json_decref(o);
            json_decref(list);
            json_decref(names);
            return NULL;
        }
        SET(names, name, vdpad_json_text(policy->name));
        vdpad_json_add(list, o);
    }
    json_decref(names);
    if (!json_array_size(list)) {
        json_decref(list);
        vdpad_call_error(call, "no policy with vdpa-type=vhost or virtio has "
                               "a device here; see ovs-appctl -t ovs-vdpad "
                               "config/show and pf/list");
        return NULL;
    }
    return list;
}

/* The configMap as YAML, with 'config' (JSON text) as a literal block. */
static char *
config_map_text(const char *config)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    fputs("apiVersion: v1\n"
          "kind: ConfigMap\n"
          "metadata:\n"
          "  name: sriovdp-config\n"
          "  namespace: kube-system\n"
          "data:\n"
          "  config.json: |\n",
          out.stream);
    while (*config) {
        size_t len = strcspn(config, "\n");

        fprintf(out.stream, "    %.*s\n", (int) len, config);
        config += len + (config[len] == '\n');
    }
    return vdpad_text_close(&out);
}

void
vdpad_export_device_plugin(struct vdpad_call *call)
{
    json_t *list = resources(call);

    if (!list) {
        return;
    }
    json_t *root = json_object();
    SET(root, "resourceList", list);
    char *config = vdpad_json_dump(root);

    json_t *map = json_object(), *metadata = json_object();
    json_t *data = json_object();
    SET(map, "apiVersion", vdpad_json_text("v1"));
    SET(map, "kind", vdpad_json_text("ConfigMap"));
    SET(metadata, "name", vdpad_json_text("sriovdp-config"));
    SET(metadata, "namespace", vdpad_json_text("kube-system"));
    SET(map, "metadata", metadata);
    SET(data, "config.json", vdpad_json_text(config));
    SET(map, "data", data);

    char *text = call->json ? NULL : config_map_text(config);
    free(config);
    vdpad_call_reply(call, map, text);
}
