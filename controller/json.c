/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-parse.h"
#include "util.h"

static json_t *
check(json_t *value)
{
    if (!value) {
        abort();
    }
    return value;
}

char *
vdpad_json_printable(const char *text)
{
    size_t size = strlen(text) + 8; /* Room that rules out a cut. */
    char *buf = vdpad_xcalloc(1, size);

    vdpad_printable(text, SIZE_MAX, buf, size);
    return buf;
}

json_t *
vdpad_json_text(const char *text)
{
    json_t *value;

    if (!text || !text[0]) {
        return check(json_null());
    }
    value = json_string(text);
    if (!value) { /* No UTF-8. */
        char *printable = vdpad_json_printable(text);

        value = json_string(printable);
        free(printable);
    }
    return check(value);
}

json_t *
vdpad_json_format(const char *format, ...)
{
    char *text;
    va_list args;
    json_t *value;

    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        abort();
    }
    value = vdpad_json_text(text);
    free(text);
    return value;
}

json_t *
vdpad_json_mac(const uint8_t mac[6])
{
    return vdpad_json_format("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                             mac[2], mac[3], mac[4], mac[5]);
}

json_t *
vdpad_json_u64(uint64_t number)
{
    return vdpad_json_int(number > INT64_MAX ? INT64_MAX : (int64_t) number);
}

json_t *
vdpad_json_int(int64_t number)
{
    return check(json_integer(number));
}

json_t *
vdpad_json_optional(int64_t number, int64_t absent)
{
    return number == absent ? json_null() : vdpad_json_int(number);
}

json_t *
vdpad_json_bool(bool value)
{
    return json_boolean(value);
}

void
vdpad_json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, check(value))) {
        abort();
    }
}

void
vdpad_json_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, check(value))) {
        abort();
    }
}

char *
vdpad_json_dump(json_t *tree)
{
    /* In ASCII: programs decode it, and a terminal is not steered by it. */
    char *text = json_dumps(tree, JSON_INDENT(2) | JSON_ENCODE_ANY
                                      | JSON_ENSURE_ASCII);

    if (!text) {
        abort();
    }
    json_decref(tree);
    return text;
}

json_t *
vdpad_json_at(const json_t *object, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        char key[64];

        if (len >= sizeof key) {
            return NULL;
        }
        memcpy(key, path, len);
        key[len] = '\0';
        json_t *member = json_object_get(object, key);
        if (!member || !path[len]) {
            return member;
        }
        object = member;
        path += len + 1;
    }
}

/* Joins what people read of the members or elements of 'value'. */
static char *
human_of_many(json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    const char *separator = "";

    if (!stream) {
        abort();
    }
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            char *part = vdpad_json_human(json_array_get(value, i));
            fprintf(stream, "%s%s", separator, part);
            free(part);
            separator = ", ";
        }
    } else {
        const char *key;
        json_t *member;
        json_object_foreach(value, key, member) {
            char *part = vdpad_json_human(member);
            fprintf(stream, "%s%s", separator, part);
            free(part);
            separator = " ";
        }
    }
    if (fclose(stream) || !text) {
        abort();
    }
    if (!text[0]) {
        free(text);
        text = vdpad_xstrdup("-");
    }
    return text;
}

char *
vdpad_json_human(json_t *value)
{
    char number[32];

    if (!value || json_is_null(value)) {
        return vdpad_xstrdup("-");
    } else if (json_is_string(value)) {
        return vdpad_json_printable(json_string_value(value));
    } else if (json_is_boolean(value)) {
        return vdpad_xstrdup(json_is_true(value) ? "yes" : "no");
    } else if (json_is_array(value) || json_is_object(value)) {
        return human_of_many(value);
    }
    snprintf(number, sizeof number, "%lld",
             (long long) json_integer_value(value));
    return vdpad_xstrdup(number);
}
