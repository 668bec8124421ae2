/* SPDX-License-Identifier: Apache-2.0 */
/* export/nova, export/libvirt: what the programs that hand devices to virtual
 * machines want to be told. */
#include <stdlib.h>
#include <string.h>

#include "cmd-call.h"
#include "json-rows.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)

/* Whether nova can hand out 'dev': it knows vDPA devices by their VF, and only
 * such as have a char device. */
static bool
is_for_nova(const struct vdpad_dev *dev, const char *policy)
{
    return dev->policy && dev->vf && dev->policy->type == VDPAD_TYPE_VHOST
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
nova_text(json_t *specs)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    fputs("[pci]\n"
          "# physical_network null: for overlay networks.  Put a provider "
          "network's name in\n"
          "# quotes there for ports of that network.\n",
          out.stream);
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
    json_t *specs = json_array();
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (is_for_nova(dev, policy)) {
            json_t *spec = json_object();
            SET(spec, "address", vdpad_json_text(dev->vf->bdf));
            SET(spec, "physical_network", json_null());
            vdpad_json_add(specs, spec);
        }
    }
    if (!json_array_size(specs)) {
        json_decref(specs);
        vdpad_call_error(call,
                         "%s%s has %s device with vdpa-type=vhost, the "
                         "only kind that nova uses",
                         policy ? "policy " : "no policy",
                         policy ? policy : "", policy ? "no" : "a");
        return;
    }
    json_t *o = json_object();
    SET(o, "device_spec", specs);
    vdpad_call_reply(call, o, call->json ? NULL : nova_text(specs));
}

/* "<interface type='vdpa'>…": 'mac', which may be NULL, and 'chardev' have
 * nothing in them that XML would take for its own. */
static char *
libvirt_xml(const char *mac, const char *chardev)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    fputs("<interface type='vdpa'>\n", out.stream);
    if (mac) {
        fprintf(out.stream, "  <mac address='%s'/>\n", mac);
    }
    fprintf(out.stream, "  <source dev='/dev/%s'/>\n</interface>\n", chardev);
    return vdpad_text_close(&out);
}

/* Whether 'chardev' is "vhost-vdpa-" and a number, as the kernel names
 * them. */
static bool
is_chardev(const char *chardev)
{
    static const char prefix[] = "vhost-vdpa-";
    size_t len = sizeof prefix - 1;

    return !strncmp(chardev, prefix, len) && chardev[len]
           && strspn(chardev + len, "0123456789") == strlen(chardev + len);
}

static void
export_libvirt(struct vdpad_call *call)
{
    const struct vdpad_dev *dev = vdpad_call_device(call, call->argv[0]);

    if (!dev) {
        return;
    }
    if (!dev->vbus || !is_chardev(dev->vbus->chardev)) {
        vdpad_call_error(
            call, "device %s has no char device: %s", dev->name,
            dev->reason[0]
                ? dev->reason
                : "it is not bound to vhost_vdpa (vdpa-type=vhost)");
        return;
    }
    json_t *shown = vdpad_json_device(vdpad_call_world(call), dev,
                                      call->looks);
    char *xml = libvirt_xml(json_string_value(json_object_get(shown, "mac")),
                            dev->vbus->chardev);
    json_t *o = json_object();

    json_decref(shown);
    SET(o, "name", vdpad_json_text(dev->name));
    SET(o, "chardev", vdpad_json_format("/dev/%s", dev->vbus->chardev));
    SET(o, "xml", vdpad_json_text(xml));
    vdpad_call_reply(call, o, xml);
}

const struct vdpad_command vdpad_commands_export[] = {
    { "export/nova", "[POLICY] [--json]", 0, 1, 0, export_nova },
    { "export/libvirt", "NAME [--json]", 1, 1, 0, export_libvirt },
    { .name = NULL },
};
