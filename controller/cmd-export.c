/* SPDX-License-Identifier: Apache-2.0 */
/* export/nova, export/libvirt: what the programs that hand devices to virtual
 * machines want to be told.  What containers are told is in
 * cmd-export-kube.c. */
#include <stdlib.h>
#include <string.h>

#include "cmd-call.h"
#include "cmd-export.h"
#include "json-rows.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)

bool
vdpad_export_can(struct vdpad_call *call, const struct vdpad_dev *dev)
{
    /* What others made and nobody asked us to manage is as it is. */
    if (dev->state == VDPAD_STATE_READY || dev->state == VDPAD_STATE_FOREIGN) {
        return true;
    }
    vdpad_call_error(call, "device %s is not ready: %s%s%s", dev->name,
                     vdpad_state_name(dev->state), dev->reason[0] ? ": " : "",
                     dev->reason);
    return false;
}

/* Whether nova is to hand out 'dev': it uses no vDPA devices but those with a
 * char device. */
static bool
is_for_nova(const struct vdpad_dev *dev, const char *policy)
{
    return dev->policy && dev->policy->type == VDPAD_TYPE_VHOST
           && (!policy || !strcmp(dev->policy->name, policy));
}

/* Whether there is such a policy; if not, 'call' is answered. */
static bool
check_policy(struct vdpad_call *call, const char *policy)
{
    const struct vdpad_config *config = vdpad_call_world(call)->config;
    const char **names = vdpad_xcalloc(config->n_policies, sizeof *names);
    bool found = false;

    for (size_t i = 0; i < config->n_policies; i++) {
        names[i] = config->policies[i].name;
        found = found || !strcmp(names[i], policy);
    }
    if (!found) {
        vdpad_call_error_unknown(call, "policy", policy, names,
                                 config->n_policies);
    }
    free(names);
    return found;
}

static char *
nova_text(const json_t *specs, const json_t *not_ready)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    fputs("[pci]\n"
          "# physical_network null: for overlay networks.  Put a provider "
          "network's name in\n"
          "# quotes there for ports of that network.\n",
          out.stream);
    if (json_array_size(not_ready)) {
        fputs("# Nova counts a VF as vDPA only if its device is there when "
              "nova-compute looks.\n"
              "# Not ready yet:\n",
              out.stream);
    }
    for (size_t i = 0; i < json_array_size(not_ready); i++) {
        json_t *row = json_array_get(not_ready, i);
        char *name = vdpad_json_human(json_object_get(row, "name"));
        char *state = vdpad_json_human(json_object_get(row, "state"));
        char *reason = vdpad_json_human(json_object_get(row, "reason"));

        fprintf(out.stream, "#   %s: %s: %s\n", name, state, reason);
        free(name);
        free(state);
        free(reason);
    }
    for (size_t i = 0; i < json_array_size(specs); i++) {
        char *line = json_dumps(json_array_get(specs, i), 0);

        fprintf(out.stream, "device_spec = %s\n", line);
        free(line);
    }
    return vdpad_text_close(&out);
}

static void
export_nova(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const char *policy = call->argc ? call->argv[0] : NULL;

    if (policy && !check_policy(call, policy)) {
        return;
    }
    json_t *specs = json_array(), *not_ready = json_array();
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (!is_for_nova(dev, policy)) {
            continue;
        }
        if (dev->vf) {
            json_t *spec = json_object();

            SET(spec, "address", vdpad_json_text(dev->vf->bdf));
            SET(spec, "physical_network", json_null());
            vdpad_json_add(specs, spec);
        }
        if (dev->state != VDPAD_STATE_READY) {
            json_t *row = json_object();

            SET(row, "name", vdpad_json_text(dev->name));
            SET(row, "state", vdpad_json_text(vdpad_state_name(dev->state)));
            SET(row, "reason", vdpad_json_text(dev->reason));
            vdpad_json_add(not_ready, row);
        }
    }
    if (!json_array_size(specs)) {
        bool waits = json_array_size(not_ready);

        json_decref(specs);
        json_decref(not_ready);
        vdpad_call_error(call,
                         "%s%s has %s%s with vdpa-type=vhost, the only kind "
                         "that nova uses%s",
                         policy ? "policy " : "no policy",
                         policy ? policy : "", policy ? "no " : "a ",
                         waits ? "VF yet for its devices" : "device",
                         waits ? "; see ovs-appctl -t ovs-vdpad device/list"
                               : "");
        return;
    }
    json_t *o = json_object();
    char *text = call->json ? NULL : nova_text(specs, not_ready);
    SET(o, "device_spec", specs);
    SET(o, "not_ready", not_ready);
    vdpad_call_reply(call, o, text);
}

/* The address that the guest of 'dev' has to have: the device's, else that of
 * its logical port; "": none is known. */
static void
guest_mac(const struct vdpad_world *world, const struct vdpad_dev *dev,
          const struct vdpad_looks *looks, char text[18])
{
    json_t *shown = vdpad_json_device(world, dev, looks);
    const char *own = json_string_value(json_object_get(shown, "mac"));
    const char *attached = dev->iface
                               ? vdpad_map_get(&dev->iface->external_ids,
                                               "attached-mac")
                               : NULL;
    uint8_t mac[6];

    text[0] = '\0';
    if ((own && !vdpad_mac_parse(own, mac))
        || (attached && !vdpad_mac_parse(attached, mac))) {
        vdpad_mac_text(mac, text);
    }
    json_decref(shown);
}

/* "<interface type='vdpa'>…": 'mac', which may be "", and 'chardev' have
 * nothing in them that XML would take for its own. */
static char *
libvirt_xml(const char *mac, const char *chardev)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    fputs("<interface type='vdpa'>\n", out.stream);
    if (mac[0]) {
        fprintf(out.stream, "  <mac address='%s'/>\n", mac);
    } else {
        /* Good enough where nothing goes by the guest's address. */
        fputs("  <!-- The device has no address (mac= in its policy or port "
              "gives it one):\n"
              "       without a mac element here libvirt makes one up. -->\n",
              out.stream);
    }
    fprintf(out.stream, "  <source dev='/dev/%s'/>\n</interface>\n", chardev);
    return vdpad_text_close(&out);
}

bool
vdpad_export_is_numbered(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);

    return !strncmp(name, prefix, len) && name[len]
           && strspn(name + len, "0123456789") == strlen(name + len);
}

static void
export_libvirt(struct vdpad_call *call)
{
    const struct vdpad_dev *dev = vdpad_call_device(call, call->argv[0]);
    char mac[18];

    if (!dev || !vdpad_export_can(call, dev)) {
        return;
    }
    if (!dev->vbus
        || !vdpad_export_is_numbered(dev->vbus->chardev,
                                     VDPAD_CHARDEV_PREFIX)) {
        vdpad_call_error(call,
                         "device %s has no char device: it is not bound to "
                         "vhost_vdpa (vdpa-type=vhost)",
                         dev->name);
        return;
    }
    guest_mac(vdpad_call_world(call), dev, call->looks, mac);
    char *xml = libvirt_xml(mac, dev->vbus->chardev);
    json_t *o = json_object();

    SET(o, "name", vdpad_json_text(dev->name));
    SET(o, "chardev", vdpad_json_format("/dev/%s", dev->vbus->chardev));
    SET(o, "xml", vdpad_json_text(xml));
    vdpad_call_reply(call, o, xml);
}

const struct vdpad_command vdpad_commands_export[] = {
    { "export/nova", "[POLICY] [--json]", 0, 1, 0, export_nova },
    { "export/libvirt", "NAME [--json]", 1, 1, VDPAD_MASK_EXPORT,
      export_libvirt },
    { "export/deviceinfo", "NAME [--json]", 1, 1, VDPAD_MASK_EXPORT,
      vdpad_export_deviceinfo },
    { "export/device-plugin", "[--json]", 0, 0, 0,
      vdpad_export_device_plugin },
    { .name = NULL },
};
