/* SPDX-License-Identifier: Apache-2.0 */
/* What other programs are told of devices. */
#include "cmd-fixture.h"

static const char *
text_at(const json_t *object, const char *path)
{
    const json_t *value = vdpad_json_at(object, path);

    assert_true(json_is_string(value));
    return json_string_value(value);
}

static void
nova(void **state)
{
    char *text = RUN("export/nova", "gold");

    (void) state;
    assert_memory_equal(text, "[pci]\n#", 7);
    assert_contains(text, "\ndevice_spec = {\"address\": \"0000:65:00.2\", "
                          "\"physical_network\": null}\n");
    assert_contains(text, "\n#   vdpa:0000:65:00.3: waiting: waiting for the "
                          "management device of 0000:65:00.3\n");
    free(text);
    json_t *o = RUN_JSON("export/nova");
    assert_members(o, "device_spec not_ready");
    assert_int_equal(json_array_size(json_object_get(o, "device_spec")), 2);
    json_t *not_ready = json_object_get(o, "not_ready");
    assert_int_equal(json_array_size(not_ready), 1);
    assert_members(json_array_get(not_ready, 0), "name state reason");
    json_decref(o);

    /* A VF that is not there yet has no line, and is not passed over. */
    fix.devs[1].vf = NULL;
    o = RUN_JSON("export/nova");
    assert_int_equal(json_array_size(json_object_get(o, "device_spec")), 1);
    assert_int_equal(json_array_size(json_object_get(o, "not_ready")), 1);
    json_decref(o);
    fix.devs[1].state = VDPAD_STATE_READY;
    text = RUN("export/nova", "gold");
    assert_null(strstr(text, "Not ready"));
    free(text);
}

static void
nova_refuses(void **state)
{
    char *text = RUN_ERROR("export/nova", "silver");

    (void) state;
    assert_contains(text, "no policy \"silver\"; there is gold");
    free(text);
    fix.devs[0].vf = fix.devs[1].vf = NULL;
    text = RUN_ERROR("export/nova", "gold");
    assert_contains(text, "policy gold has no VF yet for its devices with "
                          "vdpa-type=vhost");
    free(text);
    fix.policy.type = VDPAD_TYPE_VIRTIO;
    text = RUN_ERROR("export/nova", "gold");
    assert_contains(text, "policy gold has no device with vdpa-type=vhost");
    free(text);
    text = RUN_ERROR("export/nova");
    assert_contains(text, "no policy has a device");
    free(text);
}

static void
libvirt(void **state)
{
    char *text = RUN("export/libvirt", "lp1");

    (void) state;
    assert_string_equal(text, "<interface type='vdpa'>\n"
                              "  <mac address='02:00:00:00:00:01'/>\n"
                              "  <source dev='/dev/vhost-vdpa-0'/>\n"
                              "</interface>");
    free(text);
    json_t *o = RUN_JSON("export/libvirt", "lp1");
    assert_members(o, "name chardev xml");
    json_decref(o);
    /* A device without an address of its own has that of its VF. */
    fix.vdpa[0].has_mac = false;
    text = RUN("export/libvirt", "lp1");
    assert_contains(text, "<mac address='02:00:00:00:01:00'/>");
    free(text);
    memset(fix.dlports[1].hw_addr, 0, 6);
    /* Then that of the logical port.  Without one libvirt chooses, and
     * that is said. */
    fix.ids[0].value = "02:00:00:00:00:0A";
    text = RUN("export/libvirt", "lp1");
    assert_contains(text, "<mac address='02:00:00:00:00:0a'/>");
    free(text);
    fix.ids[0].value = "'/><evil/>";
    text = RUN("export/libvirt", "lp1");
    assert_string_equal(text, "<interface type='vdpa'>\n"
                              "  <!-- The device has no address (mac= in its "
                              "policy or port gives it one):\n"
                              "       without a mac element here libvirt "
                              "makes one up. -->\n"
                              "  <source dev='/dev/vhost-vdpa-0'/>\n"
                              "</interface>");
    free(text);
    strcpy(fix.vbus[0].chardev, "x'/><evil/>");
    text = RUN_ERROR("export/libvirt", "lp1");
    assert_contains(text, "has no char device");
    free(text);
}

/* Only what is as it is to be is told to others. */
static void
not_ready(void **state)
{
    static const char *const commands[] = { "export/libvirt",
                                            "export/deviceinfo" };

    (void) state;
    for (size_t i = 0; i < N_ELEMS(commands); i++) {
        char *text = RUN_ERROR(commands[i], "vdpa:0000:65:00.3");
        assert_string_equal(text, "device vdpa:0000:65:00.3 is not ready: "
                                  "waiting: waiting for the management "
                                  "device of 0000:65:00.3");
        free(text);
        fix.devs[0].state = VDPAD_STATE_REMOVING;
        text = RUN_ERROR(commands[i], "lp1", "--json");
        assert_contains(text, "is not ready: removing");
        free(text);
        fix.devs[0].state = VDPAD_STATE_FOREIGN;
        text = RUN(commands[i], "lp1");
        free(text);
        fix.devs[0].state = VDPAD_STATE_READY;
        text = RUN_ERROR(commands[i], "nosuch");
        assert_contains(text, "no device \"nosuch\"");
        free(text);
    }
}

/* Parses 'text', which it frees. */
static json_t *
parse(char *text)
{
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(o);
    free(text);
    return o;
}

static void
deviceinfo(void **state)
{
    json_t *o = parse(RUN("export/deviceinfo", "lp1"));
    json_t *same = RUN_JSON("export/deviceinfo", "lp1");

    (void) state;
    assert_true(json_equal(o, same));
    json_decref(same);
    assert_members(o, "type version vdpa");
    assert_string_equal(text_at(o, "type"), "vdpa");
    assert_string_equal(text_at(o, "version"), "1.1.0");
    assert_members(json_object_get(o, "vdpa"),
                   "parent-device driver path pci-address pf-pci-address "
                   "representor-device");
    assert_string_equal(text_at(o, "vdpa.parent-device"), "vdpa:0000:65:00.2");
    assert_string_equal(text_at(o, "vdpa.driver"), "vhost");
    assert_string_equal(text_at(o, "vdpa.path"), "/dev/vhost-vdpa-0");
    assert_string_equal(text_at(o, "vdpa.pci-address"), "0000:65:00.2");
    assert_string_equal(text_at(o, "vdpa.pf-pci-address"), "0000:65:00.0");
    assert_string_equal(text_at(o, "vdpa.representor-device"), "p0vf0");
    json_decref(o);

    fix.vbus[0].chardev[0] = '\0';
    strcpy(fix.vbus[0].virtio, "virtio5");
    o = RUN_JSON("export/deviceinfo", "lp1");
    assert_string_equal(text_at(o, "vdpa.driver"), "virtio");
    assert_string_equal(text_at(o, "vdpa.path"),
                        "/sys/bus/virtio/devices/virtio5");
    json_decref(o);

    /* Without a VF behind it: left out, not null. */
    fix.devs[0].vf = NULL;
    fix.devs[0].pf = NULL;
    fix.devs[0].rep = NULL;
    o = RUN_JSON("export/deviceinfo", "vdpa:0000:65:00.2");
    assert_members(json_object_get(o, "vdpa"), "parent-device driver path");
    json_decref(o);

    strcpy(fix.vbus[0].virtio, "../../etc");
    char *text = RUN_ERROR("export/deviceinfo", "vdpa:0000:65:00.2");
    assert_contains(text, "has neither a char device nor a virtio device");
    free(text);
    fix.devs[0].vbus = NULL;
    text = RUN_ERROR("export/deviceinfo", "vdpa:0000:65:00.2");
    assert_contains(text, "has neither a char device nor a virtio device");
    free(text);
}

static void
device_plugin(void **state)
{
    json_t *map = RUN_JSON("export/device-plugin");
    json_t *o;

    (void) state;
    assert_members(map, "apiVersion kind metadata data");
    assert_string_equal(text_at(map, "kind"), "ConfigMap");
    const char *config = json_string_value(
        json_object_get(json_object_get(map, "data"), "config.json"));
    o = parse(strdup(config));
    json_decref(map);
    assert_members(o, "resourceList");
    json_t *list = json_object_get(o, "resourceList");
    assert_int_equal(json_array_size(list), 1);
    json_t *gold = json_array_get(list, 0);
    assert_members(gold, "resourceName selectors");
    assert_string_equal(text_at(gold, "resourceName"), "gold");
    json_t *selector = json_array_get(json_object_get(gold, "selectors"), 0);
    assert_members(selector, "rootDevices vdpaType");
    json_t *roots = json_object_get(selector, "rootDevices");
    assert_int_equal(json_array_size(roots), 1);
    assert_string_equal(json_string_value(json_array_get(roots, 0)),
                        "0000:65:00.0#0-1");
    assert_string_equal(text_at(selector, "vdpaType"), "vhost");
    json_decref(o);

    fix.devs[1].vf_index = 3;
    char *text = RUN("export/device-plugin");
    assert_contains(text, "kind: ConfigMap\n");
    assert_contains(text, "\n  config.json: |\n    {\n");
    assert_contains(text, "\"0000:65:00.0#0,3\"");
    free(text);
}

static void
device_plugin_refuses(void **state)
{
    static char dot[] = "a.b", line[] = "a_b";
    struct vdpad_policy two[2];

    (void) state;
    two[0] = two[1] = fix.policy;
    two[0].name = dot;
    two[1].name = line;
    fix.config.policies = two;
    fix.config.n_policies = 2;
    fix.devs[0].policy = &two[0];
    fix.devs[1].policy = &two[1];
    char *text = RUN_ERROR("export/device-plugin");
    assert_contains(text, "policies a.b and a_b would both be the resource "
                          "a_b");
    free(text);
    two[0].type = VDPAD_TYPE_NONE;
    text = RUN("export/device-plugin");
    assert_contains(text, "\"a_b\"");
    assert_contains(text, "\"0000:65:00.0#1\"");
    free(text);
    two[1].type = VDPAD_TYPE_NONE;
    text = RUN_ERROR("export/device-plugin");
    assert_contains(text, "no policy with vdpa-type=vhost or virtio");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(nova),
        fixture_test(nova_refuses),
        fixture_test(libvirt),
        fixture_test(not_ready),
        fixture_test(deviceinfo),
        fixture_test(device_plugin),
        fixture_test(device_plugin_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
